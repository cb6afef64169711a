#include "unit/base/sample_options.h"
#include "unit/unit.h"

TEST(help_names_every_option_with_its_default)
{
	AUTO_BUF struct buf b = BUF(10000);
	options_write_help(sample_options, &b);
	assert_true(str_contains(
		buf_str(&b), STR("  --http-body-max size\n        Longest body (1MiB) [live]\n")));
	assert_true(str_contains(buf_str(&b), STR("  --log-verbose[=on|off]\n")));
}

TEST(the_example_is_a_file_that_changes_nothing)
{
	AUTO_BUF struct buf b = BUF(10000);
	options_write_example(sample_options, &b);
	struct str rest = buf_str(&b), line = STR_NONE;
	while (str_next(&rest, '\n', &line)) {
		assert_true(line.len == 0 || line.at[0] == '#');
	}
	assert_true(str_contains(buf_str(&b), STR("\n#http.idle = 30s\n")));
	assert_true(str_contains(buf_str(&b), STR("next start")));
}

TEST(the_manual_has_a_row_for_every_option)
{
	AUTO_BUF struct buf b = BUF(10000);
	options_write_man(sample_options, &b);
	assert_true(str_contains(buf_str(&b),
				 STR(".It Fl Fl relay-port Ns = Ns Ar port\nPort of the relay.\n"
				     "The default is\n.Ql 9444 .\n")));
}

TEST(running_text_cannot_become_a_macro)
{
	AUTO_BUF struct buf b = BUF(10000);
	options_add_man_text(&b, STR("One. .Two \\x"));
	assert_str(buf_str(&b), "One.\n\\&.Two \\ex");
	buf_reset(&b);
	for (int i = 0; i < 40; i++) {
		options_add_man_text(&b,
				     STR("long words in one line and more of them to be broken up "
					 "somewhere before the column eighty"));
		buf_add_c(&b, '\n');
	}
	struct str rest = buf_str(&b), line = STR_NONE;
	while (str_next(&rest, '\n', &line)) {
		assert_true(line.len < 80);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(help_names_every_option_with_its_default),
	cmocka_unit_test(the_example_is_a_file_that_changes_nothing),
	cmocka_unit_test(running_text_cannot_become_a_macro),
	cmocka_unit_test(the_manual_has_a_row_for_every_option),
};
UNIT_MAIN(tests)
