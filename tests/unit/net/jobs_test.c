#include "net/jobs.h"

#include <pthread.h>
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(jobs_run_on_other_threads_and_come_home),
	cmocka_unit_test(after_the_end_all_have_run_and_none_is_taken),
	cmocka_unit_test(a_full_queue_refuses_and_waiting_jobs_run_before_the_end),
};
UNIT_MAIN(tests)
