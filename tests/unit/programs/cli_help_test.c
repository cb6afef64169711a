#include <unistd.h>

#include "programs/cli.h"
#include "unit/unit.h"

TEST(help_of_all_names_every_command)
{
	AUTO_BUF struct buf out = BUF(CLI_TEXT_MAX);
	cli_write_help(&out, NULL, "");
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		assert_true(str_contains(buf_str(&out), str_of(c->words)));
	}
	assert_true(str_contains(buf_str(&out), STR("--root-pin")));
}

TEST(help_of_a_group_names_its_own_and_of_nonsense_all)
{
	AUTO_BUF struct buf out = BUF(CLI_TEXT_MAX);
	cli_write_help(&out, NULL, "cloud owner");
	assert_true(str_contains(buf_str(&out), STR("cloud owner add")));
	assert_false(str_contains(buf_str(&out), STR("cloud user list")));
	buf_reset(&out);
	cli_write_help(&out, NULL, "clou");
	assert_true(str_contains(buf_str(&out), STR("mapping list")));
}

TEST(help_of_a_command_shows_how_to_write_it)
{
	AUTO_BUF struct buf out = BUF(CLI_TEXT_MAX);
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		if (strcmp(c->words, "cloud user create") == 0) {
			cli_write_help(&out, c, "");
		}
	}
	assert_true(str_starts(buf_str(&out),
			       STR("usage: drawbridge cloud user create NAME [--display-name text] "
				   "[--user-password-file file] [--roles a,b,c]\n")));
}

/* bash itself completes: the words typed, then what may follow. */
static void assert_completes(const char *typed, const char *expected)
{
	AUTO_BUF struct buf script = BUF(CLI_TEXT_MAX);
	cli_write_completion(&script);
	char path[] = "/tmp/cli_help_test.XXXXXX";
	{
		AUTO_FD int fd = mkstemp(path);
		assert_int_equal(write(fd, script.at, script.len), (ssize_t)script.len);
	}
	char command[512], line[512] = "";
	snprintf(command, sizeof command,
		 "bash -c 'source %s; COMP_WORDS=(drawbridge %s); "
		 "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); "
		 "_drawbridge; echo \" ${COMPREPLY[*]} \"'",
		 path, typed);
	FILE *f = popen(command, "r");
	assert_non_null(fgets(line, sizeof line, f));
	assert_int_equal(pclose(f), 0);
	unlink(path);
	if (strstr(line, expected) == NULL) {
		fail_msg("\"%s\" gives \"%s\", not \"%s\"", typed, line, expected);
	}
}

TEST(the_shell_completes_words_and_options)
{
	assert_completes("subacc", " subaccount ");
	assert_completes("cloud owner \"\"", " list add remove ");
	assert_completes("mapping add --proto", " --protocol ");
	assert_completes("mapping add --protocol HTTP \"\"", " --protocol ");
	assert_completes("--output json resource a", " add ");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(help_of_all_names_every_command),
	cmocka_unit_test(help_of_a_group_names_its_own_and_of_nonsense_all),
	cmocka_unit_test(help_of_a_command_shows_how_to_write_it),
	cmocka_unit_test(the_shell_completes_words_and_options),
};
UNIT_MAIN(tests)
