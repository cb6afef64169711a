/* The nursery and its workers, as real processes. */
#include "keyd/nursery.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rd.h"
#include "keyd/worker.h"
#include "net/packet.h"
#include "unit/unit.h"

static struct nursery *nursery;
static struct err err;

static int start(void **state UNUSED)
{
	return nursery_start(NULL, 0, &nursery, &err) ? 0 : -1;
}

static int end(void **state UNUSED)
{
	nursery_free(nursery);
	return 0;
}

static void order_key(int worker)
{
	AUTO_BUF struct buf job = BUF(KIB(1));

	wr_u8(&job, WORKER_GENERATE);
	wr_blob(&job, STR("EC"));
	wr_u32(&job, 0);
	wr_blob(&job, STR("P-256"));
	assert_int_equal(packet_send(worker, buf_str(&job), NULL, 0, &err), PACKET_OK);
}

/* The process id of the nursery's only child; 0: it has none. */
static pid_t only_child(void)
{
	char path[64];
	int pid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)nursery_pid(nursery),
		       (int)nursery_pid(nursery));
	FILE *f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%d", &pid) != 1) {
		pid = 0;
	}
	if (f != NULL) {
		fclose(f);
	}
	return pid;
}

TEST(a_worker_makes_a_key_and_ends)
{
	AUTO_BUF struct buf result = BUF_SECRET(NURSERY_RESULT_MAX);
	int worker;

	assert_ok(nursery_hire(nursery, &worker, &err), &err);
	order_key(worker);
	assert_ok(nursery_collect(worker, -1, &result, &err), &err);
	close_fd(worker);
	assert_true(result.len > 100);
	assert_int_equal(result.at[0], 0);
}

static void killed_by(int signal, const char *reason, enum err_kind kind)
{
	AUTO_BUF struct buf result = BUF_SECRET(NURSERY_RESULT_MAX);
	int worker;

	assert_ok(nursery_hire(nursery, &worker, &err), &err);
	pid_t pid = only_child();
	assert_true(pid > 0);
	assert_int_equal(kill(pid, signal), 0);
	assert_err(nursery_collect(worker, -1, &result, &err), &err, kind, reason);
	close_fd(worker);
}

TEST(a_worker_over_its_limits_is_told_as_such)
{
	killed_by(SIGXCPU, "more work than allowed: 45 s of processor time", ERR_LIMIT);
	killed_by(SIGABRT, "MiB of memory", ERR_LIMIT);
	/* as by a fault, whose signals are cmocka's: its handler would go on with the tests there
	 */
	killed_by(SIGTRAP, "made its reader fail", ERR_CONFIG);
}

TEST(others_are_not_harmed_by_one_that_dies)
{
	AUTO_BUF struct buf result = BUF_SECRET(NURSERY_RESULT_MAX);
	int good, bad;

	assert_ok(nursery_hire(nursery, &bad, &err), &err);
	pid_t pid = only_child();
	assert_ok(nursery_hire(nursery, &good, &err), &err);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_err(nursery_collect(bad, -1, &result, &err), &err, ERR_LIMIT, "more work");
	order_key(good);
	assert_ok(nursery_collect(good, -1, &result, &err), &err);
	close_fd(bad);
	close_fd(good);
}

TEST(a_worker_that_nobody_waits_for_is_killed)
{
	int worker;

	assert_ok(nursery_hire(nursery, &worker, &err), &err);
	assert_true(only_child() > 0);
	close_fd(worker);
	for (int i = 0; i < 5000 && only_child() > 0; i++) {
		usleep(1000);
	}
	assert_int_equal(only_child(), 0);
}

TEST(more_workers_than_allowed_are_refused)
{
	int workers[NURSERY_WORKERS_MAX], more;

	for (size_t i = 0; i < COUNT(workers); i++) {
		assert_ok(nursery_hire(nursery, &workers[i], &err), &err);
	}
	assert_err(nursery_hire(nursery, &more, &err), &err, ERR_LIMIT, "too many at once");
	for (size_t i = 0; i < COUNT(workers); i++) {
		close_fd(workers[i]);
	}
}

TEST(the_end_of_the_one_who_asked_ends_the_wait)
{
	AUTO_BUF struct buf result = BUF_SECRET(NURSERY_RESULT_MAX);
	int worker, pair[2];

	assert_ok(packet_pair(pair, &err), &err);
	assert_ok(nursery_hire(nursery, &worker, &err), &err);
	close_fd(pair[1]);
	assert_err(nursery_collect(worker, pair[0], &result, &err), &err, ERR_SYSTEM, "is gone");
	close_fd(pair[0]);
	close_fd(worker);
}

#define NURSERY_TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
static const struct CMUnitTest tests[] = {
	NURSERY_TEST(a_worker_makes_a_key_and_ends),
	NURSERY_TEST(a_worker_over_its_limits_is_told_as_such),
	NURSERY_TEST(others_are_not_harmed_by_one_that_dies),
	NURSERY_TEST(a_worker_that_nobody_waits_for_is_killed),
	NURSERY_TEST(more_workers_than_allowed_are_refused),
	NURSERY_TEST(the_end_of_the_one_who_asked_ends_the_wait),
};
UNIT_MAIN(tests)
