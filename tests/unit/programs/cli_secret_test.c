#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "programs/cli.h"
#include "unit/unit.h"

static struct str secret_of(const char *content, struct buf *out, struct err *err)
{
	char path[] = "/tmp/cli_secret_test.XXXXXX";
	{
		AUTO_FD int fd = mkstemp(path);
		assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	}
	buf_reset(out);
	bool good = cli_secret(path, "UNIT_NOTHING", "x", out, err);
	unlink(path);
	return good ? buf_str(out) : STR("failed");
}

TEST(a_file_gives_its_first_line)
{
	struct err err = {0};
	AUTO_BUF struct buf out = BUF_SECRET(CLI_FILE_MAX);
	assert_str(secret_of("pass word \n", &out, &err), "pass word ");
	assert_str(secret_of("crlf\r\nmore", &out, &err), "crlf");
	assert_str(secret_of("none", &out, &err), "none");
	assert_str(secret_of("\n", &out, &err), "failed");
	assert_str(secret_of("", &out, &err), "failed");
	assert_err(cli_secret("/nonexistent/x", "UNIT_NOTHING", "x", &out, &err), &err, ERR_CONFIG,
		   "/nonexistent/x");
}

TEST(the_environment_comes_after_the_file)
{
	struct err err = {0};
	AUTO_BUF struct buf out = BUF_SECRET(CLI_FILE_MAX);
	setenv("UNIT_SECRET", "from the environment", 1);
	assert_ok(cli_secret(NULL, "UNIT_SECRET", "x", &out, &err), &err);
	assert_str(buf_str(&out), "from the environment");
	unsetenv("UNIT_SECRET");
}

/* What a person does at a terminal: waits for each prompt, and types the next of `lines`. */
static int at_a_terminal(const char *const *lines, bool is_new, bool *echoes)
{
	int terminal, status;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);

	assert_true(child >= 0);
	if (child == 0) {
		struct err err = {0};
		struct buf out = BUF_SECRET(CLI_FILE_MAX);
		(void)signal(SIGINT, SIG_DFL); /* a shell's background programs ignore it */
		bool good = is_new ? cli_new_secret(NULL, "UNIT_NOTHING", "Word", &out, &err)
				   : cli_secret(NULL, "UNIT_NOTHING", "Word", &out, &err);
		bool right = good && str_eq(buf_str(&out), STR("abc"));
		_exit(right ? 0 : err.kind == ERR_CONFIG ? 2 : 3);
	}
	for (; *lines != NULL; lines++) {
		struct termios now;
		char last = 0;
		while (last != ':' && read(terminal, &last, 1) == 1) {
		}
		do { /* the prompt comes before the echo goes */
			assert_int_equal(tcgetattr(terminal, &now), 0);
		} while ((now.c_lflag & ECHO) != 0);
		assert_int_equal(write(terminal, *lines, strlen(*lines)), (ssize_t)strlen(*lines));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	struct termios after;
	*echoes = tcgetattr(terminal, &after) == 0 && (after.c_lflag & ECHO) != 0;
	close_fd(terminal);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(a_terminal_is_asked_twice_for_a_new_one)
{
	bool echoes;

	assert_int_equal(at_a_terminal((const char *[]){"abc\n", NULL}, false, &echoes), 0);
	assert_true(echoes);
	assert_int_equal(at_a_terminal((const char *[]){"abc\n", "abc\n", NULL}, true, &echoes), 0);
	assert_int_equal(at_a_terminal((const char *[]){"abc\n", "abd\n", NULL}, true, &echoes), 2);
	assert_int_equal(at_a_terminal((const char *[]){"\n", NULL}, true, &echoes), 2);
}

TEST(a_terminal_echoes_again_after_an_interrupt)
{
	bool echoes;

	assert_int_equal(at_a_terminal((const char *[]){"ab\x03", NULL}, false, &echoes),
			 128 + SIGINT);
	assert_true(echoes);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_terminal_is_asked_twice_for_a_new_one),
	cmocka_unit_test(a_terminal_echoes_again_after_an_interrupt),
	cmocka_unit_test(a_file_gives_its_first_line),
	cmocka_unit_test(the_environment_comes_after_the_file),
};
UNIT_MAIN(tests)
