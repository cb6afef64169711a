#include "net/rounds.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "base/clock.h"
#include "unit/capture.h"
#include "unit/unit.h"

enum {
	PATIENCE_MS = 30000,
};

struct place {
	struct loop *loop;
	struct jobs *jobs;
	struct rounds rounds;
	pthread_t home;
	sem_t gate; /* a round waits for it where `waits` */
	bool waits, idle, fails;
	int prepared, ran; /* `prepared` on the loop's thread, `ran` in the round */
	bool elsewhere;
};

static bool prepare(void *user)
{
	struct place *p = user;

	p->prepared++;
	assert_true(pthread_equal(pthread_self(), p->home));
	return !p->idle;
}

static bool run(void *user, struct err *err)
{
	struct place *p = user;

	if (p->waits) {
		sem_wait(&p->gate);
	}
	p->ran++;
	p->elsewhere = !pthread_equal(pthread_self(), p->home);
	return !p->fails || err_set(err, ERR_STORE, "the disk is full");
}

static void begin(struct place *p)
{
	struct err err;

	p->home = pthread_self();
	sem_init(&p->gate, 0, 0);
	assert_ok(loop_new(&p->loop, &err), &err);
	assert_ok(jobs_new("test", 2, 10, &p->jobs, &err), &err);
	const struct rounds_settings settings = {.loop = p->loop,
						 .jobs = p->jobs,
						 .first = 1,
						 .pause = 1,
						 .prepare = prepare,
						 .run = run,
						 .failed = "rounds fail",
						 .user = p};
	rounds_start(&p->rounds, &settings);
}

static void end(struct place *p)
{
	jobs_free(p->jobs);
	loop_free(p->loop);
	sem_destroy(&p->gate);
}

/* Until *n, which the loop's thread counts or a round that is over did, is `wanted`. */
static void turn_until(struct place *p, const int *n, int wanted)
{
	for (msec_t late = clock_now() + PATIENCE_MS; p->rounds.runs || *n < wanted;) {
		assert_true(clock_now() < late);
		loop_turn(p->loop, 10);
	}
}

TEST(rounds_come_again_and_again_on_other_threads)
{
	struct place p = {.ran = 0};

	begin(&p);
	turn_until(&p, &p.ran, 3);
	assert_true(p.elsewhere);
	assert_int_equal(p.prepared, p.ran);
	end(&p);
}

TEST(a_round_that_takes_long_is_never_doubled)
{
	struct place p = {.waits = true};

	begin(&p);
	while (!p.rounds.runs) {
		loop_turn(p.loop, 10);
	}
	for (int i = 0; i < 20; i++) { /* the timer goes on */
		loop_turn(p.loop, 5);
	}
	assert_int_equal(p.prepared, 1);
	while (jobs_running(p.jobs) == 0) { /* its thread need not have come to it yet */
		sched_yield();
	}
	assert_int_equal(jobs_running(p.jobs), 1);
	assert_int_equal(jobs_waiting(p.jobs), 0);
	for (int i = 0; i < 100; i++) { /* for those that come at once after it */
		sem_post(&p.gate);
	}
	turn_until(&p, &p.ran, 1);
	assert_int_equal(p.prepared, p.ran);
	end(&p);
}

TEST(a_round_with_nothing_to_do_sends_no_job)
{
	struct place p = {.idle = true};

	begin(&p);
	turn_until(&p, &p.prepared, 3);
	assert_int_equal(p.ran, 0);
	p.idle = false;
	turn_until(&p, &p.ran, 1);
	end(&p);
}

TEST(a_failure_is_said_once_until_it_is_over)
{
	static const char said[] = "rounds fail err=\"the disk is full\"";
	struct place p = {.fails = true};
	char log[4096];

	begin(&p);
	CAPTURE(log, turn_until(&p, &p.ran, 3));
	const char *first = strstr(log, said);
	assert_non_null(first);
	assert_null(strstr(first + 1, said));
	p.fails = false;
	turn_until(&p, &p.ran, p.ran + 1);
	p.fails = true;
	CAPTURE(log, turn_until(&p, &p.ran, p.ran + 1));
	assert_non_null(strstr(log, said));
	end(&p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rounds_come_again_and_again_on_other_threads),
	cmocka_unit_test(a_round_that_takes_long_is_never_doubled),
	cmocka_unit_test(a_round_with_nothing_to_do_sends_no_job),
	cmocka_unit_test(a_failure_is_said_once_until_it_is_over),
};
UNIT_MAIN(tests)
