#include "base/crash.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/unit.h"

#ifdef DRAWBRIDGE_CRASH_POINTS

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* How a process ends that passes the points a, b, a. */
static int pass(const char *dir)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		crash_points_in(dir);
		crash_point("a");
		crash_point("b");
		crash_point("a");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(a_process_dies_at_its_point_once)
{
	char dir[] = "/tmp/crash-test-XXXXXX", path[200];

	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/crash-at", dir);
	assert_int_equal(pass(dir), 0);
	write_file(dir, "crash-at", "b\n");
	assert_int_equal(pass(dir), SIGKILL);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(pass(dir), 0);
	write_file(dir, "crash-at", "a 2");
	assert_int_equal(pass(dir), SIGKILL);
	write_file(dir, "crash-at", "a 3");
	assert_int_equal(pass(dir), 0); /* it came there twice */
	write_file(dir, "crash-at", "aa");
	assert_int_equal(pass(dir), 0);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/crash-was", dir);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/crash-hit", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

#else

TEST(a_process_dies_at_its_point_once)
{
	skip(); /* this build has no points */
}

#endif

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_process_dies_at_its_point_once),
};
UNIT_MAIN(tests)
