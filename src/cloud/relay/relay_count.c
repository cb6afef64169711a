/* Counting over all workers, and the drain that waits for the counts to fall. */
#include "base/clock.h"
#include "cloud/relay/relay_priv.h"

enum {
	DRAIN_LOOK_MS = 20,
};

/* One gathering: its parts come from the workers, the last one calls. */
struct gathering {
	pthread_mutex_t lock;
	pthread_cond_t all;
	unsigned left, refs;
	struct relay_counters sum;
};

struct count_note {
	struct loop_message message;
	struct worker *worker;
	struct gathering *g;
};

static void let_go(struct gathering *g)
{
	bool last = --g->refs == 0;

	pthread_mutex_unlock(&g->lock);
	if (last) {
		pthread_mutex_destroy(&g->lock);
		pthread_cond_destroy(&g->all);
		free(g);
	}
}

static void do_count(struct loop_message *m)
{
	struct count_note *n = CONTAINER_OF(m, struct count_note, message);
	struct gathering *g = n->g;

	pthread_mutex_lock(&g->lock);
	worker_count(n->worker, &g->sum);
	g->left--;
	pthread_cond_signal(&g->all);
	let_go(g);
	free(n);
}

static struct gathering *gather(struct relay *r)
{
	struct gathering *g = NEW(struct gathering);
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->all, &attr);
	pthread_condattr_destroy(&attr);
	g->left = r->n;
	g->refs = r->n + 1;
	for (unsigned i = 0; i < r->n; i++) {
		struct count_note *n = NEW(struct count_note);
		n->worker = r->threads[i].worker;
		n->g = g;
		n->message.fn = do_count;
		loop_post(r->threads[i].loop, &n->message);
	}
	return g;
}

bool relay_count_wait(struct relay *r, struct relay_counters *sum, struct err *err)
{
	struct gathering *g = gather(r);
	msec_t until = clock_now() + RELAY_COUNT_WAIT_MS;
	const struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
	bool in_time = true;

	pthread_mutex_lock(&g->lock);
	while (g->left > 0 && in_time) {
		in_time = pthread_cond_timedwait(&g->all, &g->lock, &at) == 0;
	}
	bool ok = g->left == 0;
	if (ok) {
		*sum = g->sum;
	}
	let_go(g);
	return ok || err_set(err, ERR_LIMIT, "a relay worker did not answer within %d ms",
			     (int)RELAY_COUNT_WAIT_MS);
}

/* ---- drain ---- */

static void do_drain(struct loop_message *m)
{
	struct relay_note *n = CONTAINER_OF(m, struct relay_note, message);

	worker_drain(n->worker, n->limit);
	free(n);
}

static void on_drain_check(struct loop_timer *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, drain_check);
	msec_t now = loop_now(r->settings.control);
	struct relay_counters sum = {.tunnels = 0};
	struct err err;

	/* The workers answer within a turn; a stuck one is not waited for again and again. */
	bool empty =
		relay_count_wait(r, &sum, &err) && sum.clients == 0 && holds_total(r->holds) == 0;
	if (!empty && now < r->drain_until) {
		loop_timer_set(r->settings.control, t, now + DRAIN_LOOK_MS, on_drain_check);
		return;
	}
	r->drained(r->drained_user);
}

void relay_drain(struct relay *r, msec_t limit, void (*done)(void *user), void *user)
{
	atomic_store(&r->draining, true);
	r->drained = done;
	r->drained_user = user;
	r->drain_until = loop_now(r->settings.control) + limit;
	for (unsigned i = 0; i < r->n; i++) {
		struct relay_note *n = NEW(struct relay_note);
		n->limit = limit;
		relay_post(r, i, n, do_drain);
	}
	loop_timer_set(r->settings.control, &r->drain_check,
		       loop_now(r->settings.control) + DRAIN_LOOK_MS, on_drain_check);
}
