/*
 * The monitor with this very program in the roles of server and of keyd: the server is told by its
 * first argument what to do, keyd by the name under which it is started.
 */
#include "keys/monitor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "keys/pool.h"
#include "net/packet.h"
#include "unit/unit.h"

static char state_dir[64], key[96], keyd[96], mark[96];

/* ---- the roles ---- */

static int play_keyd(const char *name)
{
	if (str_ends(str_of(name), STR("keyd-wrong"))) {
		return 2;
	}
	if (str_ends(str_of(name), STR("keyd-dies"))) {
		return 1;
	}
	(void)signal(SIGTERM, SIG_IGN);
	for (;;) {
		pause();
	}
}

static bool mark_once(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	close_fd(fd);
	return fd >= 0;
}

static int play_server(const char *role, const char *marked)
{
	struct keys_pool *pool;
	struct keys_socket socket;
	struct err err;

	if (!keys_pool_new(monitor_control_fd(), SEC(20), &pool, &err)) {
		return 90;
	}
	if (strcmp(role, "crashes-once") == 0 && mark_once(marked)) {
		(void)signal(SIGABRT, SIG_DFL);
		abort();
	}
	if (strcmp(role, "third-set") == 0) {
		return keys_pool_take(pool, 2, SEC(20), &socket, &err) ? 0 : 91;
	}
	if (strcmp(role, "waits") == 0) {
		close_fd(open(marked, O_WRONLY | O_CREAT, 0600));
		for (;;) {
			pause();
		}
	}
	return strcmp(role, "config") == 0 ? 2 : 0;
}

/* ---- the tests ---- */

static int make_state(void **state UNUSED)
{
	log_setup(LOG_ERROR, false, "test");
	(void)snprintf(state_dir, sizeof(state_dir), "/tmp/monitor-test-XXXXXX");
	if (!mkdtemp(state_dir)) {
		return -1;
	}
	(void)snprintf(key, sizeof(key), "%s.key", state_dir);
	(void)snprintf(mark, sizeof(mark), "%s/mark", state_dir);
	return 0;
}

static int remove_state(void **state UNUSED)
{
	char path[128];

	unlink(mark);
	unlink(keyd);
	unlink(key);
	(void)snprintf(path, sizeof(path), "%s/keyd", state_dir);
	rmdir(path);
	return rmdir(state_dir);
}

/* Runs it in a child, as it changes signals and the like; gives its status. */
static pid_t start(const char *keyd_name, const char *role)
{
	char own[256] = {0};
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	assert_true(n > 0);
	(void)snprintf(keyd, sizeof(keyd), "%s/%s", state_dir, keyd_name);
	assert_int_equal(
		symlink(str_eq(str_of(keyd_name), STR("keyd-missing")) ? "/nowhere/keyd" : own,
			keyd),
		0);
	char *argv[] = {own, str_dup(str_of(role)), mark, NULL};
	const struct monitor_settings settings = {.keyd_path = keyd,
						  .master_key_path = key,
						  .state_dir = state_dir,
						  .classes = 2,
						  .server_argv = argv};
	pid_t pid = fork();
	if (pid == 0) {
		_exit(monitor_run(&settings));
	}
	free(argv[1]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(the_servers_orderly_end_is_the_monitors)
{
	assert_int_equal(end_of(start("keyd-good", "ends")), 0);
	assert_int_equal(access(key, R_OK), 0);
}

TEST(a_wrong_configuration_ends_with_2)
{
	assert_int_equal(end_of(start("keyd-good", "config")), 2);
}

TEST(a_keyd_with_the_wrong_key_ends_all_with_2)
{
	assert_int_equal(end_of(start("keyd-wrong", "waits")), 2);
}

TEST(a_keyd_that_is_not_there_ends_all_with_2)
{
	assert_int_equal(end_of(start("keyd-missing", "waits")), 2);
}

TEST(a_server_that_crashed_is_started_again)
{
	assert_int_equal(end_of(start("keyd-good", "crashes-once")), 0);
}

TEST(a_keyd_that_dies_is_started_again_and_its_sockets_arrive)
{
	assert_int_equal(end_of(start("keyd-dies", "third-set")), 0);
}

TEST(a_signal_reaches_the_server_and_its_end_is_final)
{
	pid_t pid = start("keyd-good", "waits");

	for (int i = 0; i < 2000 && access(mark, F_OK) != 0; i++) {
		usleep(10000);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

TEST(a_master_key_within_the_state_folder_is_refused)
{
	(void)snprintf(key, sizeof(key), "%s/key", state_dir);
	assert_int_equal(end_of(start("keyd-good", "ends")), 2);
}

#define MONITOR_TEST(f) cmocka_unit_test_setup_teardown(f, make_state, remove_state)
static const struct CMUnitTest tests[] = {
	MONITOR_TEST(the_servers_orderly_end_is_the_monitors),
	MONITOR_TEST(a_wrong_configuration_ends_with_2),
	MONITOR_TEST(a_keyd_with_the_wrong_key_ends_all_with_2),
	MONITOR_TEST(a_keyd_that_is_not_there_ends_all_with_2),
	MONITOR_TEST(a_server_that_crashed_is_started_again),
	MONITOR_TEST(a_keyd_that_dies_is_started_again_and_its_sockets_arrive),
	MONITOR_TEST(a_signal_reaches_the_server_and_its_end_is_final),
	MONITOR_TEST(a_master_key_within_the_state_folder_is_refused),
};

int main(int argc, char **argv)
{
	if (argc > 1 && str_starts(str_of(argv[1]), STR("--folder="))) {
		return play_keyd(argv[0]);
	}
	if (argc > 2) {
		return play_server(argv[1], argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
