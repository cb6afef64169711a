#include "keys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/unit.h"

static char folder[64];

static int make_folder(void **state UNUSED)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/sandbox-test-XXXXXX");
	log_setup(LOG_ERROR, false, "test");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state UNUSED)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/file", folder);
	unlink(path);
	return rmdir(folder);
}

/* Runs in a child: 0 when all was as it should be, else the number of what was not. */
static int inside(enum sandbox_calls calls)
{
	const char *const readable[] = {"/usr", "/dev/null", "/not/there", NULL};
	const char *const writable[] = {folder, NULL};
	const struct sandbox s = {.calls = calls, .readable = readable, .writable = writable};
	struct err err;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/file", folder);
	if (!sandbox_enter(&s, &err)) {
		return 1;
	}
	if (open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0) {
		return 2;
	}
	if (open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES) {
		return 3;
	}
	if (open("/usr/written", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES) {
		return 4;
	}
	char *const argv[] = {path, NULL};
	if (execve("/bin/true", argv, argv) != -1 || errno != EPERM) {
		return 5;
	}
	if (calls == SANDBOX_KEYD && (syscall(SYS_socket, 2, 1, 0) >= 0 || errno != EPERM)) {
		return 6;
	}
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 7;
}

static void runs_inside(enum sandbox_calls calls)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(inside(calls));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 3 &&
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
		skip(); /* this kernel has none */
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

TEST(a_server_reads_and_writes_only_what_was_listed_and_starts_nothing)
{
	runs_inside(SANDBOX_SERVER);
}

TEST(keyd_moreover_opens_no_socket)
{
	runs_inside(SANDBOX_KEYD);
}

/* In a child, as above. `parent` is of the same user, as keyd and its daemon are without root. */
static int inside_worker(pid_t parent)
{
	const struct sandbox s = {.calls = SANDBOX_WORKER};
	const struct rlimit none = {0, 0};
	struct err err;

	if (!sandbox_enter(&s, &err)) {
		return 1;
	}
	if (open("/usr", O_RDONLY | O_CLOEXEC) >= 0 || errno != EPERM) {
		return 2;
	}
	if (syscall(SYS_socket, 2, 1, 0) >= 0 || errno != EPERM) {
		return 3;
	}
	if (fork() != -1 || errno != EPERM) {
		return 4;
	}
	if (kill(parent, 0) == 0 || errno != EPERM) {
		return 5;
	}
	if (syscall(SYS_tgkill, parent, parent, 0) == 0 || errno != EPERM) {
		return 6;
	}
	if (prlimit(parent, RLIMIT_NOFILE, NULL, NULL) == 0 || errno != EPERM) {
		return 7;
	}
	if (setrlimit(RLIMIT_NOFILE, &none) != 0) {
		return 8;
	}
	return syscall(SYS_tgkill, getpid(), getpid(), 0) == 0 ? 0 : 9; /* as abort() does */
}

TEST(a_worker_reaches_nothing_and_nobody)
{
	int status = -1;
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		_exit(inside_worker(parent));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

TEST(a_secret_within_a_readable_folder_is_refused)
{
	const char *const readable[] = {folder, NULL};
	char path[128];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/file", folder);
	close_fd(open(path, O_WRONLY | O_CREAT, 0600));
	const struct sandbox s = {.readable = readable, .secret = path};
	assert_err(sandbox_enter(&s, &err), &err, ERR_CONFIG, "master key");
}

TEST(a_sibling_with_the_same_beginning_is_not_inside)
{
	assert_true(sandbox_is_inside("/usr/bin", "/usr"));
	assert_true(sandbox_is_inside("/usr", "/usr"));
	assert_true(sandbox_is_inside("/usr", "/"));
	assert_true(sandbox_is_inside("/usr/lib/..", "/usr"));
	assert_false(sandbox_is_inside("/usr", "/usr/bin"));
	assert_false(sandbox_is_inside("/dev/urandom", "/dev/u"));
	assert_false(sandbox_is_inside("/not/there", "/"));
}

#define SANDBOX_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
static const struct CMUnitTest tests[] = {
	SANDBOX_TEST(a_server_reads_and_writes_only_what_was_listed_and_starts_nothing),
	SANDBOX_TEST(keyd_moreover_opens_no_socket),
	cmocka_unit_test(a_worker_reaches_nothing_and_nobody),
	SANDBOX_TEST(a_secret_within_a_readable_folder_is_refused),
	cmocka_unit_test(a_sibling_with_the_same_beginning_is_not_inside),
};
UNIT_MAIN(tests)
