#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop_priv.h"
#include "unit/unit.h"

static char trace[64]; /* one letter for each thing that happened */

static void note(char c)
{
	size_t n = strlen(trace);
	assert_true(n + 1 < sizeof(trace));
	trace[n] = c;
	trace[n + 1] = '\0';
}

static struct loop *start(void)
{
	struct loop *l = NULL;
	struct err err;

	trace[0] = '\0';
	assert_ok(loop_new_simulated(1000, &l, &err), &err);
	return l;
}

static struct loop *task_loop;
static struct loop_task act, flush, death;

static void on_flush(struct loop_task *t UNUSED)
{
	note('f');
}

static void on_death(struct loop_task *t UNUSED)
{
	note('d');
}

static void on_act(struct loop_task *t)
{
	note('a');
	loop_defer(task_loop, LOOP_FREE, &death, on_death);
	loop_defer(task_loop, LOOP_FLUSH, &flush, on_flush);
	loop_defer(task_loop, LOOP_ACT, t, on_act); /* for the next turn */
}

TEST(phases_run_in_order_and_a_task_once_per_turn)
{
	struct loop *l = task_loop = start();

	loop_defer(l, LOOP_FLUSH, &flush, on_flush);
	loop_defer(l, LOOP_ACT, &act, on_act);
	loop_defer(l, LOOP_ACT, &act, on_act);
	assert_true(loop_turn(l, 0));
	assert_string_equal(trace, "afd");
	assert_true(loop_turn(l, -1)); /* does not wait, because a task is due */
	assert_string_equal(trace, "afdafd");
	loop_undefer(l, &act);
	assert_true(loop_turn(l, 0));
	assert_string_equal(trace, "afdafd");
	loop_free(l);
}

struct lettered {
	struct loop_task task;
	char letter;
	bool again;
};

static void on_lettered(struct loop_task *t)
{
	struct lettered *own = CONTAINER_OF(t, struct lettered, task);

	note(own->letter);
	if (own->again) {
		own->again = false;
		loop_defer(task_loop, LOOP_ACT, t, on_lettered);
	}
}

static void defer_all(struct loop *l, struct lettered *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tasks[i].letter = (char)('a' + i);
		loop_defer(l, LOOP_ACT, &tasks[i].task, on_lettered);
	}
}

TEST(a_task_leaves_its_queue_from_any_place)
{
	struct loop *l = task_loop = start();
	struct lettered t[5] = {0}, late = {.letter = 'z'};

	defer_all(l, t, COUNT(t));
	loop_undefer(l, &t[0].task); /* first, middle, last */
	loop_undefer(l, &t[2].task);
	loop_undefer(l, &t[4].task);
	loop_undefer(l, &t[4].task);
	loop_defer(l, LOOP_ACT, &late.task, on_lettered); /* behind the new last one */
	(void)loop_turn(l, 0);
	assert_string_equal(trace, "bdz");
	(void)loop_turn(l, 0);
	/* Those of the turn after, behind one that waits for this one. */
	trace[0] = '\0';
	for (size_t i = 0; i < COUNT(t); i++) {
		t[i].again = true;
	}
	defer_all(l, t, COUNT(t));
	(void)loop_turn(l, 0);
	(void)loop_turn(l, 0);
	assert_string_equal(trace, "abcdeabcde");
	trace[0] = '\0';
	for (size_t i = 0; i < COUNT(t); i++) {
		t[i].again = true;
	}
	defer_all(l, t, COUNT(t));
	(void)loop_turn(l, 0);
	loop_undefer(l, &t[0].task);
	loop_undefer(l, &t[4].task);
	loop_defer(l, LOOP_ACT, &late.task, on_lettered);
	(void)loop_turn(l, 0);
	(void)loop_turn(l, 0);
	assert_string_equal(trace, "abcdezbcd");
	for (size_t i = 0; i < COUNT(t); i++) { /* an empty queue takes new ones */
		loop_defer(l, LOOP_ACT, &t[i].task, on_lettered);
		loop_undefer(l, &t[i].task);
	}
	trace[0] = '\0';
	loop_defer(l, LOOP_ACT, &late.task, on_lettered);
	(void)loop_turn(l, 0);
	(void)loop_turn(l, 0);
	assert_string_equal(trace, "z");
	loop_free(l);
}

static void on_timer_a(struct loop_timer *t UNUSED)
{
	note('a');
}

static void on_timer_b(struct loop_timer *t)
{
	note('b');
	loop_timer_set(task_loop, t, loop_now(task_loop), on_timer_b); /* always due */
}

TEST(timers_fire_when_due_and_a_due_one_cannot_hold_the_turn)
{
	struct loop *l = task_loop = start();
	struct loop_timer a = {.at = 0}, b = {.at = 0}, c = {.at = 0};

	loop_timer_set(l, &a, 1010, on_timer_a);
	loop_timer_set(l, &b, 1005, on_timer_b);
	loop_timer_set(l, &c, 1005, on_timer_a);
	loop_timer_cancel(l, &c);
	loop_turn(l, 0);
	assert_string_equal(trace, "");
	loop_clock_set(l, 1005);
	loop_turn(l, 0);
	assert_true(strchr(trace, 'b') != NULL && strlen(trace) <= 2);
	loop_timer_cancel(l, &b);
	trace[0] = '\0';
	loop_clock_set(l, 2000);
	loop_turn(l, 0);
	assert_string_equal(trace, "a");
	assert_int_equal(a.at, 0);
	loop_free(l);
}

struct pair {
	struct loop_io io[2];
	int fd[2];
	int calls;
};

static struct pair pair;

static void remove_the_other(struct loop_io *io, unsigned ready UNUSED)
{
	pair.calls++;
	loop_io_remove(task_loop, &pair.io[io == &pair.io[0] ? 1 : 0]);
	loop_io_remove(task_loop, io);
}

TEST(a_removed_descriptor_gets_no_event_although_it_was_ready_too)
{
	struct loop *l = task_loop = start();

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.fd), 0);
	assert_int_equal(write(pair.fd[0], "x", 1), 1);
	assert_int_equal(write(pair.fd[1], "x", 1), 1);
	loop_io_set(l, &pair.io[0], pair.fd[0], LOOP_READ, remove_the_other);
	loop_io_set(l, &pair.io[1], pair.fd[1], LOOP_READ, remove_the_other);
	loop_turn(l, 0);
	assert_int_equal(pair.calls, 1);
	close(pair.fd[0]);
	close(pair.fd[1]);
	loop_free(l);
}

static void on_level(struct loop_io *io, unsigned ready)
{
	char c;
	note((ready & LOOP_HANGUP) ? 'h' : 'r');
	if (trace[1] != '\0') {
		assert_int_equal(read(io->fd, &c, 1), 1);
	}
}

TEST(what_was_not_read_comes_again)
{
	struct loop *l = start();
	struct loop_io io = {.fd = 0};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	loop_io_set(l, &io, fd[0], LOOP_READ, on_level);
	for (int i = 0; i < 3; i++) {
		loop_turn(l, 0);
	}
	assert_string_equal(trace, "rr");
	close(fd[1]);
	loop_io_set(l, &io, fd[0], 0, on_level); /* a hang-up is delivered without interest */
	trace[0] = '\0';
	loop_turn(l, 0);
	assert_string_equal(trace, "h");
	loop_io_remove(l, &io);
	close(fd[0]);
	loop_free(l);
}

enum {
	THREADS = 4,
	POSTS = 2000
};

struct post {
	struct loop_message message;
	int thread, number;
};

static int seen[THREADS];
static int posts_left;

static void on_post(struct loop_message *m)
{
	struct post *p = CONTAINER_OF(m, struct post, message);

	assert_int_equal(seen[p->thread], p->number); /* in the order of their thread */
	seen[p->thread]++;
	posts_left--;
	free(p);
	if (posts_left == 0) {
		loop_stop(task_loop);
	}
}

static void *post_many(void *user)
{
	for (int i = 0; i < POSTS; i++) {
		struct post *p = NEW(struct post);
		p->message.fn = on_post;
		p->thread = *(int *)user;
		p->number = i;
		loop_post(task_loop, &p->message);
	}
	return NULL;
}

TEST(posts_of_many_threads_arrive_all_and_in_order)
{
	struct loop *l = NULL;
	struct err err;
	pthread_t threads[THREADS];
	int numbers[THREADS];

	assert_ok(loop_new(&l, &err), &err);
	task_loop = l;
	posts_left = THREADS * POSTS;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &numbers[i]), 0);
	}
	loop_run(l);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(seen[i], POSTS);
	}
	loop_free(l);
}

static void free_post(struct loop_message *m)
{
	note('p');
	free(CONTAINER_OF(m, struct post, message));
}

TEST(a_message_that_nobody_waited_for_is_run_when_the_loop_is_freed)
{
	struct loop *l = start();
	struct post *p = NEW(struct post);

	p->message.fn = free_post;
	loop_post(l, &p->message);
	loop_free(l);
	assert_string_equal(trace, "p");
}

static void on_signal(int signal, void *user)
{
	*(int *)user = signal;
}

TEST(a_blocked_signal_arrives_as_a_call)
{
	struct loop *l = start();
	struct err err;
	int got = 0;
	const int wanted[] = {SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	assert_ok(loop_signals(l, wanted, 1, on_signal, &got, &err), &err);
	raise(SIGHUP);
	loop_turn(l, 1000);
	assert_int_equal(got, SIGHUP);
	loop_free(l);
}

TEST(buffers_are_reused_and_big_ones_given_back)
{
	struct loop *l = start();
	struct buf a = loop_buf_get(l), b = loop_buf_get(l);
	char *big = must_alloc(LOOP_POOL_BUF_MAX + 1);

	buf_add(&a, "x", 1);
	buf_add(&b, big, LOOP_POOL_BUF_MAX + 1);
	const char *memory = a.at;
	loop_buf_put(l, &a);
	loop_buf_put(l, &b);
	assert_null(a.at);
	a = loop_buf_get(l);
	b = loop_buf_get(l);
	assert_ptr_equal(a.at, memory);
	assert_int_equal(a.len, 0);
	assert_null(b.at);
	buf_fini(&a);
	free(big);
	loop_free(l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(phases_run_in_order_and_a_task_once_per_turn),
	cmocka_unit_test(a_task_leaves_its_queue_from_any_place),
	cmocka_unit_test(timers_fire_when_due_and_a_due_one_cannot_hold_the_turn),
	cmocka_unit_test(a_removed_descriptor_gets_no_event_although_it_was_ready_too),
	cmocka_unit_test(what_was_not_read_comes_again),
	cmocka_unit_test(posts_of_many_threads_arrive_all_and_in_order),
	cmocka_unit_test(a_message_that_nobody_waited_for_is_run_when_the_loop_is_freed),
	cmocka_unit_test(a_blocked_signal_arrives_as_a_call),
	cmocka_unit_test(buffers_are_reused_and_big_ones_given_back),
};
UNIT_MAIN(tests)
