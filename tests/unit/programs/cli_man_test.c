#include "programs/cli.h"
#include "unit/unit.h"

TEST(the_manual_has_every_command_and_option)
{
	AUTO_BUF struct buf out = BUF(CLI_TEXT_MAX);
	cli_write_man(&out);
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		char row[128];
		snprintf(row, sizeof row, ".It Cm %s", c->words);
		assert_true(str_contains(buf_str(&out), str_of(row)));
	}
	assert_true(str_contains(buf_str(&out),
				 STR(".It Fl Fl cloud-password-file Ns = Ns Ar file\n")));
	assert_true(str_contains(buf_str(&out), STR(".It Fl Fl ca-file Ns = Ns Ar text\n")));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_manual_has_every_command_and_option),
};
UNIT_MAIN(tests)
