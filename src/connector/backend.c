#include "connector/backend.h"

#include "connector/backend_priv.h"

/*
 * A lease that waits is not tied to the connection that was started for it: the first free
 * connection goes to the first lease that may have it, and one failure to connect ends one lease.
 * New leases queue behind those that wait, so that nobody starves.
 */

enum {
	SWEEP_MS = 1000, /* how late an idle connection is closed or a waiting lease given up */
	SWEEP_MIN_MS = 5,
};

struct backend_settings backend_settings_of(struct loop *loop, struct jobs *jobs)
{
	return (struct backend_settings){
		.loop = loop,
		.jobs = jobs,
		.connections_max = BACKEND_CONNECTIONS_MAX,
		.waiting_max = BACKEND_WAITING_MAX,
		.idle = BACKEND_IDLE_MS,
		.connect_timeout = BACKEND_CONNECT_MS,
		.wait_timeout = BACKEND_WAIT_MS,
		.dns_ttl = BACKEND_DNS_MS,
	};
}

static msec_t now_of(const struct backend_pool *p)
{
	return loop_now(p->settings.loop);
}

/* ---- idle connections ---- */

static void unpark(struct backend_conn *c)
{
	struct backend_target *t = c->target;

	*(c->prev ? &c->prev->next : &t->idle) = c->next;
	*(c->next ? &c->next->prev : &t->oldest) = c->prev;
	c->next = c->prev = NULL;
	t->n_idle--;
	t->n_bound -= c->bound;
	t->pool->counters.idle--;
}

void backend_conn_free(struct backend_conn *c)
{
	if (!c->open) {
		backend_made(c);
	} else if (c->lease == NULL) {
		unpark(c);
	}
	c->target->n_conns--;
	c->target->pool->counters.open--;
	stream_close(c->stream);
	free(c);
}

/* What an idle connection says can only be its end: bytes that nobody asked for are no answer. */
void backend_idle_event(struct stream *s, enum stream_event event, void *user)
{
	struct backend_conn *c = user;
	struct backend_target *t = c->target;

	(void)s;
	if (event == STREAM_READABLE || event == STREAM_EOF || event == STREAM_FAILED) {
		t->pool->counters.stale++;
		backend_conn_free(c);
		backend_target_check(t);
	}
}

void backend_park(struct backend_conn *c, msec_t idle)
{
	struct backend_target *t = c->target;

	c->lease = NULL;
	c->prev = NULL;
	c->next = t->idle;
	*(t->idle ? &t->idle->prev : &t->oldest) = c;
	t->idle = c;
	t->n_idle++;
	t->n_bound += c->bound;
	t->pool->counters.idle++;
	c->idle_until = now_of(t->pool) + idle;
	stream_set_handler(c->stream, backend_idle_event, c);
	backend_sweep_soon(t->pool);
}

/* Newest first; one that is bound to this client before all others. */
static struct backend_conn *choose(struct backend_target *t, const struct backend_lease *l)
{
	for (struct backend_conn *c = t->n_bound && l->client ? t->idle : NULL; c; c = c->next) {
		if (c->bound && c->client == l->client && !l->fresh) {
			return c;
		}
	}
	for (struct backend_conn *c = t->idle; c; c = c->next) {
		if (!c->bound && !(l->fresh && c->used)) {
			return c;
		}
	}
	return NULL;
}

static void hold(struct backend_conn *c, struct backend_lease *l)
{
	unpark(c);
	c->lease = l;
	l->conn = c;
	l->stream = c->stream;
	l->reused = c->used;
	c->target->pool->counters.reused += c->used;
	c->used = true;
	stream_set_handler(c->stream, l->fn, l->user);
}

static bool take_idle(struct backend_target *t, struct backend_lease *l)
{
	for (struct backend_conn *c; (c = choose(t, l)) != NULL;) {
		if (!c->used || stream_is_quiet(c->stream)) {
			hold(c, l);
			return true;
		}
		t->pool->counters.stale++;
		backend_conn_free(c);
	}
	return false;
}

/* ---- leases that wait ---- */

static void enqueue(struct backend_target *t, struct backend_lease *l)
{
	l->waiting = true;
	l->since = now_of(t->pool);
	l->next = NULL;
	l->prev = t->last;
	*(t->last ? &t->last->next : &t->first) = l;
	t->last = l;
	t->n_waiting++;
	t->pool->counters.waiting++;
}

static void dequeue(struct backend_lease *l)
{
	struct backend_target *t = l->target;

	*(l->prev ? &l->prev->next : &t->first) = l->next;
	*(l->next ? &l->next->prev : &t->last) = l->prev;
	l->next = l->prev = NULL;
	l->waiting = false;
	t->n_waiting--;
	t->pool->counters.waiting--;
}

void backend_deliver(struct backend_target *t)
{
	struct backend_lease *next;

	for (struct backend_lease *l = t->first; l != NULL && t->n_idle > 0; l = next) {
		next = l->next;
		if (take_idle(t, l)) {
			dequeue(l);
			l->fn(l->stream, STREAM_OPEN, l->user);
			next = t->first; /* the callback may have changed the queue */
		}
	}
	struct err err;
	if (t->n_waiting > 0 && !backend_start(t, &err)) {
		backend_fail_all(t, &err);
	}
}

static void fail(struct backend_lease *l, const struct err *err, bool timed_out, bool overload)
{
	dequeue(l);
	l->failure = *err;
	l->timed_out = timed_out;
	l->overload = overload;
	l->target->pool->counters.failed++;
	l->fn(NULL, STREAM_FAILED, l->user);
}

void backend_fail_first(struct backend_target *t, const struct err *err, bool timed_out)
{
	if (t->first != NULL) {
		fail(t->first, err, timed_out, false);
	}
}

void backend_fail_all(struct backend_target *t, const struct err *err)
{
	/* Those that the callbacks add wait for the next try. */
	for (size_t n = t->n_waiting; n > 0 && t->first != NULL; n--) {
		fail(t->first, err, false, false);
	}
}

static void give_up_waiting(struct backend_target *t)
{
	struct backend_pool *p = t->pool;
	struct err err;

	while (t->first != NULL && now_of(p) - t->first->since >= p->settings.wait_timeout) {
		if (t->n_connecting > 0 || t->resolving) {
			err_set(&err, ERR_NETWORK, "%s:%u did not answer in time", t->host,
				t->port);
			fail(t->first, &err, true, false);
			continue;
		}
		p->counters.overload++;
		err_set(&err, ERR_LIMIT, "all %zu connections to %s:%u are busy",
			p->settings.connections_max, t->host, t->port);
		fail(t->first, &err, false, true);
	}
}

/* ---- the sweep ---- */

static void sweep_target(struct backend_target *t)
{
	while (t->oldest != NULL && t->oldest->idle_until <= now_of(t->pool)) {
		backend_conn_free(t->oldest);
	}
	/* A shorter Keep-Alive among the newer ones. */
	for (struct backend_conn *c = t->idle, *next; c != NULL; c = next) {
		next = c->next;
		if (c->idle_until <= now_of(t->pool)) {
			backend_conn_free(c);
		}
	}
	give_up_waiting(t);
}

static void sweep(struct loop_timer *timer)
{
	struct backend_pool *p = CONTAINER_OF(timer, struct backend_pool, sweep);
	size_t n = 0, at = 0;
	struct str key;
	void *value;

	/* No target may go away during the walk: collect them first. */
	struct backend_target **all = NEW_ARRAY(struct backend_target *, map_count(p->targets) + 1);
	while (map_next(p->targets, &at, &key, &value)) {
		all[n] = value;
		all[n++]->refs++;
	}
	for (size_t i = 0; i < n; i++) {
		sweep_target(all[i]);
	}
	for (size_t i = 0; i < n; i++) {
		backend_target_unref(all[i]);
	}
	free(all);
	if (p->counters.idle > 0 || p->counters.waiting > 0) {
		backend_sweep_soon(p);
	}
}

void backend_sweep_soon(struct backend_pool *p)
{
	msec_t least = p->settings.idle < p->settings.wait_timeout ? p->settings.idle
								   : p->settings.wait_timeout;
	msec_t pause = least / 4 < SWEEP_MS ? least / 4 : SWEEP_MS;

	if (p->sweep.at == 0) {
		loop_timer_set(p->settings.loop, &p->sweep,
			       now_of(p) + (pause < SWEEP_MIN_MS ? SWEEP_MIN_MS : pause), sweep);
	}
}

/* ---- leases ---- */

static enum backend_outcome refuse_full(struct backend_target *t, struct backend_lease *l)
{
	t->pool->counters.overload++;
	l->overload = true;
	err_set(&l->failure, ERR_LIMIT, "%zu requests wait for a connection to %s:%u already",
		t->n_waiting, t->host, t->port);
	return BACKEND_REFUSED;
}

enum backend_outcome backend_acquire(struct backend_target *t, struct backend_lease *lease,
				     uint64_t client, bool fresh)
{
	lease->target = t;
	lease->client = client;
	lease->fresh = fresh;
	if (t->n_idle > 0 && t->n_waiting == 0 && take_idle(t, lease)) {
		return BACKEND_HELD;
	}
	if (t->n_waiting >= t->pool->settings.waiting_max) {
		return refuse_full(t, lease);
	}
	enqueue(t, lease);
	if (!backend_start(t, &lease->failure)) {
		dequeue(lease);
		t->pool->counters.failed++;
		return BACKEND_REFUSED;
	}
	backend_sweep_soon(t->pool);
	return BACKEND_WAITS;
}

void backend_bind(struct backend_lease *lease)
{
	lease->conn->bound = true;
	lease->conn->client = lease->client;
}

static void deliver_later(struct loop_task *task)
{
	struct backend_target *t = CONTAINER_OF(task, struct backend_target, deliver);

	t->refs++;
	backend_deliver(t);
	backend_target_unref(t);
}

static void let_go(struct backend_lease *lease)
{
	lease->conn = NULL;
	lease->stream = NULL;
	lease->target = NULL;
}

void backend_release(struct backend_lease *lease, msec_t keep_alive)
{
	struct backend_conn *c = lease->conn;
	struct backend_target *t = c->target;
	msec_t idle = t->pool->settings.idle;

	if (keep_alive >= 0 && keep_alive - SEC(1) < idle) {
		idle = keep_alive - SEC(1);
	}
	if (idle <= 0 || (c->bound && c->client == 0) || t->refs == 0) {
		backend_abort(lease);
		return;
	}
	let_go(lease);
	backend_park(c, idle);
	if (t->n_waiting > 0) {
		loop_defer(t->pool->settings.loop, LOOP_ACT, &t->deliver, deliver_later);
	}
}

void backend_abort(struct backend_lease *lease)
{
	struct backend_target *t = lease->target;
	struct backend_conn *c = lease->conn;

	if (t == NULL) {
		return;
	}
	if (lease->waiting) {
		dequeue(lease);
	}
	let_go(lease);
	if (c != NULL) {
		c->lease = lease; /* held to the end: it is not in the idle list */
		backend_conn_free(c);
	}
	if (t->n_waiting > 0) {
		loop_defer(t->pool->settings.loop, LOOP_ACT, &t->deliver, deliver_later);
	}
	backend_target_check(t);
}

struct backend_counters backend_count(const struct backend_pool *p)
{
	return p->counters;
}
