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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_file_gives_its_first_line),
	cmocka_unit_test(the_environment_comes_after_the_file),
};
UNIT_MAIN(tests)
