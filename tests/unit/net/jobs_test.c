#include "net/jobs.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "unit/unit.h"

static int done_count;
static pthread_t home_thread;

struct sum {
	struct job job;
	sem_t *gate; /* the job waits for it when set */
	int in, out;
	bool ran_elsewhere;
};

static void run(struct job *job)
{
	struct sum *s = CONTAINER_OF(job, struct sum, job);

	if (s->gate) {
		sem_wait(s->gate);
	}
	s->out = s->in + 1;
	s->ran_elsewhere = !pthread_equal(pthread_self(), home_thread);
}

static void done(struct job *job)
{
	struct sum *s = CONTAINER_OF(job, struct sum, job);

	assert_true(pthread_equal(pthread_self(), home_thread));
	assert_true(s->ran_elsewhere);
	assert_int_equal(s->out, s->in + 1);
	done_count++;
	free(s);
}

static struct job *sum_new(int in, sem_t *gate)
{
	struct sum *s = NEW(struct sum);
	s->job.run = run;
	s->job.done = done;
	s->in = in;
	s->gate = gate;
	return &s->job;
}

TEST(jobs_run_on_other_threads_and_come_home)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;

	home_thread = pthread_self();
	done_count = 0;
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", 3, 1000, &j, &err), &err);
	for (int i = 0; i < 500; i++) {
		assert_ok(jobs_submit(j, l, sum_new(i, NULL), &err), &err);
	}
	while (done_count < 500) {
		loop_turn(l, 1000);
	}
	jobs_free(j);
	loop_free(l);
}

TEST(a_full_queue_refuses_and_waiting_jobs_run_before_the_end)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;
	sem_t gate;

	home_thread = pthread_self();
	done_count = 0;
	sem_init(&gate, 0, 0);
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", 1, 2, &j, &err), &err);
	int sent = 0;
	for (; sent < 10; sent++) {
		struct job *job = sum_new(sent, &gate);
		if (!jobs_submit(j, l, job, &err)) {
			free(CONTAINER_OF(job, struct sum, job));
			break;
		}
	}
	assert_true(sent == 2 || sent == 3); /* one may run already */
	assert_int_equal(err.kind, ERR_LIMIT);
	for (int i = 0; i < sent; i++) {
		sem_post(&gate);
	}
	jobs_free(j);
	loop_free(l);
	assert_int_equal(done_count, sent);
	sem_destroy(&gate);
}

TEST(after_the_end_all_have_run_and_none_is_taken)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;

	home_thread = pthread_self();
	done_count = 0;
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", 2, 1000, &j, &err), &err);
	for (int i = 0; i < 50; i++) {
		assert_ok(jobs_submit(j, l, sum_new(i, NULL), &err), &err);
	}
	jobs_end(j);
	loop_turn(l, 0);
	assert_int_equal(done_count, 50);
	struct job *late = sum_new(1, NULL);
	assert_err(jobs_submit(j, l, late, &err), &err, ERR_LIMIT, "ending");
	free(CONTAINER_OF(late, struct sum, job));
	jobs_free(j);
	loop_free(l);
}

/* ---- shares ---- */

enum {
	THREADS = 4,
	MINE = 7, /* owners */
	YOURS = 8,
	THEIRS = 9,
};

static struct job *owned_new(uint64_t owner, sem_t *gate)
{
	struct job *job = sum_new(0, gate);

	job->owner = owner;
	return job;
}

static void must_submit(struct jobs *j, struct loop *l, uint64_t owner, sem_t *gate)
{
	struct err err;

	assert_ok(jobs_submit(j, l, owned_new(owner, gate), &err), &err);
}

static void turn_until(struct loop *l, int count)
{
	while (done_count < count) {
		loop_turn(l, 1000);
	}
}

static void wait_for_running(const struct jobs *j, size_t n)
{
	while (jobs_running(j) != n) {
		sched_yield();
	}
}

TEST(one_owner_leaves_half_of_the_threads_to_others)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;
	sem_t mine;

	home_thread = pthread_self();
	done_count = 0;
	sem_init(&mine, 0, 0);
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", THREADS, 32, &j, &err), &err);
	for (int i = 0; i < 8; i++) {
		must_submit(j, l, MINE, &mine);
	}
	/* Others come behind and go past, however often: they run while nothing of mine ends. */
	for (int i = 0; i < 5; i++) {
		must_submit(j, l, YOURS, NULL);
	}
	must_submit(j, l, 0, NULL);
	turn_until(l, 6);
	wait_for_running(j, THREADS / 2);
	assert_int_equal(jobs_waiting(j), 8 - THREADS / 2);
	for (int i = 0; i < 8; i++) {
		sem_post(&mine);
	}
	turn_until(l, 14);
	jobs_free(j);
	loop_free(l);
	sem_destroy(&mine);
}

TEST(the_owner_with_the_fewest_running_goes_first)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;
	sem_t mine, yours;

	home_thread = pthread_self();
	done_count = 0;
	sem_init(&mine, 0, 0);
	sem_init(&yours, 0, 0);
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", THREADS, 32, &j, &err), &err);
	for (int i = 0; i < 6; i++) {
		must_submit(j, l, MINE, &mine);
		must_submit(j, l, YOURS, &yours);
	}
	wait_for_running(j, THREADS);
	assert_int_equal(jobs_waiting(j), 8);
	must_submit(j, l, THEIRS, NULL); /* the youngest of all */
	sem_post(&mine);
	turn_until(l, 2); /* that one of mine, and theirs in its place, before mine that wait */
	wait_for_running(j, THREADS);
	assert_int_equal(jobs_waiting(j), 7);
	for (int i = 0; i < 6; i++) {
		sem_post(&mine);
		sem_post(&yours);
	}
	turn_until(l, 13);
	jobs_free(j);
	loop_free(l);
	sem_destroy(&mine);
	sem_destroy(&yours);
}

TEST(one_owner_leaves_half_of_the_queue_and_the_last_thread_is_everybodys)
{
	struct loop *l = NULL;
	struct jobs *j = NULL;
	struct err err;
	sem_t gate;

	home_thread = pthread_self();
	done_count = 0;
	sem_init(&gate, 0, 0);
	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("test", 1, 4, &j, &err), &err);
	must_submit(j, l, MINE, &gate);
	wait_for_running(j, 1);
	must_submit(j, l, MINE, &gate);
	must_submit(j, l, MINE, &gate);
	struct job *third = owned_new(MINE, &gate);
	assert_err(jobs_submit(j, l, third, &err), &err, ERR_LIMIT, "one owner");
	must_submit(j, l, YOURS, &gate);
	must_submit(j, l, 0, &gate);
	assert_err(jobs_submit(j, l, third, &err), &err, ERR_LIMIT, "4 jobs are waiting");
	free(CONTAINER_OF(third, struct sum, job));
	for (int i = 0; i < 5; i++) {
		sem_post(&gate);
	}
	jobs_end(j); /* with shares, too, all that wait run */
	loop_turn(l, 0);
	assert_int_equal(done_count, 5);
	jobs_free(j);
	loop_free(l);
	sem_destroy(&gate);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_owner_leaves_half_of_the_threads_to_others),
	cmocka_unit_test(the_owner_with_the_fewest_running_goes_first),
	cmocka_unit_test(one_owner_leaves_half_of_the_queue_and_the_last_thread_is_everybodys),
	cmocka_unit_test(jobs_run_on_other_threads_and_come_home),
	cmocka_unit_test(after_the_end_all_have_run_and_none_is_taken),
	cmocka_unit_test(a_full_queue_refuses_and_waiting_jobs_run_before_the_end),
};
UNIT_MAIN(tests)
