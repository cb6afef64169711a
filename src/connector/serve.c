#include "connector/serve.h"

#include "base/log.h"
#include "connector/serve_priv.h"

enum {
	ARENA_FIRST = 32 * 1024,
	ARENA_MAX = 512 * 1024,
	HEAD_TEXT_MAX = HTTP_HEAD_MAX * 2, /* a head as HTTP/1.1 text, with what we add */
	REPLAY_MAX = 8 * 1024 * 1024,      /* what a stream's window lets in before a connection */
	SWEEP_MS = 500,
	KEPT_BUF_MAX = 4096, /* a spare object keeps buffers up to this size */
};

struct serve_settings serve_settings_of(struct loop *loop, struct jobs *jobs,
					struct snapshot_cell *access)
{
	return (struct serve_settings){
		.backend = backend_settings_of(loop, jobs),
		.access = access,
		.answer_timeout = SERVE_ANSWER_MS,
		.linger = SERVE_LINGER_MS,
	};
}

static struct loop *loop_of(const struct serve *s)
{
	return s->settings.backend.loop;
}

/* ---- epochs ---- */

static void epoch_unref(struct epoch *e)
{
	if (e == NULL || --e->users > 0) {
		return;
	}
	for (size_t i = 0; i < access_count(e->access); i++) {
		backend_target_unref(e->targets[i]);
	}
	free(e->targets);
	snapshot_unref(e->held);
	free(e);
}

struct epoch *epoch_current(struct serve *s)
{
	unsigned long long number = atomic_load(&s->settings.access->number);

	if (s->epoch != NULL && s->epoch->number == number) {
		return s->epoch;
	}
	struct snapshot *held = snapshot_ref(s->settings.access);
	if (held == NULL) {
		return NULL;
	}
	struct epoch *e = NEW(struct epoch);
	e->users = 1;
	e->number = number;
	e->held = held;
	e->access = access_of(held);
	e->targets = NEW_ARRAY(struct backend_target *, access_count(e->access) + 1);
	struct epoch *old = s->epoch;
	s->epoch = e;
	/* Targets that stay the same keep their connections: the new epoch takes its own first. */
	for (size_t i = 0; old != NULL && i < access_count(e->access); i++) {
		const struct access_mapping *m = access_at(e->access, i);
		if (backend_target_known(s->pool, m)) {
			e->targets[i] = backend_target_ref(s->pool, m, access_tls(e->access));
		}
	}
	epoch_unref(old);
	return e;
}

struct backend_target *epoch_target(struct serve *s, struct epoch *e,
				    const struct access_mapping *m)
{
	if (e->targets[m->slot] == NULL) {
		e->targets[m->slot] = backend_target_ref(s->pool, m, access_tls(e->access));
	}
	return e->targets[m->slot];
}

/* ---- exchanges ---- */

void exchange_flush(struct exchange *x)
{
	if (x->stream != NULL) {
		x->flush(x->flush_user);
	}
}

void exchange_progress(struct exchange *x)
{
	x->progress = loop_now(loop_of(x->serve));
}

static void sweep(struct loop_timer *timer);

static void sweep_soon(struct serve *s)
{
	msec_t pause = s->settings.linger < SWEEP_MS ? s->settings.linger : SWEEP_MS;

	if (s->settings.answer_timeout / 2 < pause) {
		pause = s->settings.answer_timeout / 2;
	}
	if (s->sweep.at == 0) {
		loop_timer_set(loop_of(s), &s->sweep, loop_now(loop_of(s)) + pause, sweep);
	}
}

static struct exchange *exchange_new(struct serve *s, struct h2_stream *stream,
				     const struct serve_source *from)
{
	struct exchange *x = s->spare;

	if (x != NULL) {
		s->spare = x->next;
		s->n_spare--;
		struct buf head = x->head, replay = x->replay;
		memset(x, 0, sizeof *x);
		x->head = head;
		x->replay = replay;
	} else {
		x = NEW(struct exchange);
		x->head = BUF(HEAD_TEXT_MAX);
		x->replay = BUF(REPLAY_MAX);
	}
	x->serve = s;
	x->flush = from->flush;
	x->flush_user = from->user;
	x->stream = stream;
	x->next = s->running;
	if (s->running != NULL) {
		s->running->prev = x;
	}
	s->running = x;
	s->counters.running++;
	h2_set_user(stream, x);
	exchange_progress(x);
	sweep_soon(s);
	return x;
}

static void reset_buf(struct buf *b)
{
	if (b->cap > KEPT_BUF_MAX) {
		buf_fini(b);
	} else {
		buf_reset(b);
	}
}

void exchange_free(struct exchange *x)
{
	struct serve *s = x->serve;

	backend_abort(&x->lease);
	h1_body_fini(&x->body);
	epoch_unref(x->epoch);
	if (x->stream != NULL) {
		h2_set_user(x->stream, NULL);
	}
	*(x->prev ? &x->prev->next : &s->running) = x->next;
	if (x->next != NULL) {
		x->next->prev = x->prev;
	}
	s->counters.running--;
	reset_buf(&x->head);
	reset_buf(&x->replay);
	if (s->n_spare >= SERVE_SPARE_MAX) {
		buf_fini(&x->head);
		buf_fini(&x->replay);
		free(x);
		return;
	}
	x->next = s->spare;
	s->spare = x;
	s->n_spare++;
}

/* ---- time ---- */

/* Lazy by design: deadlines are looked at twice a second, not armed per request. */
static void check_time(struct exchange *x, msec_t now)
{
	struct serve *s = x->serve;
	msec_t quiet = now - x->progress;

	if (x->down == DOWN_ENDED) {
		if (quiet >= s->settings.linger && h2_queued(x->stream) == 0) {
			h2_reset(x->stream, 0); /* NO_ERROR: the answer is whole (RFC 9113, 8.1) */
			exchange_flush(x);
			exchange_free(x);
		}
		return;
	}
	if (quiet < s->settings.answer_timeout || x->down == DOWN_WAITING) {
		return; /* the pool has its own time-outs */
	}
	char text[200];
	if (x->up == UP_BODY && x->owed == 0) {
		snprintf(text, sizeof text, "the request's body did not come in %lld s",
			 (long long)(s->settings.answer_timeout / 1000));
		exchange_fail(x, 408, text);
		return;
	}
	snprintf(text, sizeof text, "%.*s:%u did not answer within %lld s",
		 (int)(x->mapping->virtual_host.len < 100 ? x->mapping->virtual_host.len : 100),
		 x->mapping->virtual_host.at, x->mapping->virtual_port,
		 (long long)(s->settings.answer_timeout / 1000));
	exchange_fail(x, 504, text);
}

static void sweep(struct loop_timer *timer)
{
	struct serve *s = CONTAINER_OF(timer, struct serve, sweep);
	msec_t now = loop_now(loop_of(s));

	for (struct exchange *x = s->running, *next; x != NULL; x = next) {
		next = x->next;
		check_time(x, now);
	}
	if (s->running != NULL) {
		sweep_soon(s);
	}
}

/* ---- serve ---- */

struct serve *serve_new(const struct serve_settings *settings)
{
	struct serve *s = NEW(struct serve);

	s->settings = *settings;
	s->pool = backend_pool_new(&settings->backend);
	s->arena = arena_new(ARENA_FIRST, ARENA_MAX);
	return s;
}

void serve_free(struct serve *s)
{
	if (s == NULL) {
		return;
	}
	while (s->running != NULL) {
		s->running->stream = NULL;
		exchange_free(s->running);
	}
	loop_timer_cancel(loop_of(s), &s->sweep);
	epoch_unref(s->epoch);
	backend_pool_free(s->pool);
	for (struct exchange *x = s->spare, *next; x != NULL; x = next) {
		next = x->next;
		buf_fini(&x->head);
		buf_fini(&x->replay);
		free(x);
	}
	arena_free(s->arena);
	free(s);
}

struct serve_counters serve_count(const struct serve *s)
{
	struct serve_counters c = s->counters;

	c.backend = backend_count(s->pool);
	return c;
}

/* ---- the tunnel's events ---- */

static void on_closed(struct exchange *x)
{
	if (x->down != DOWN_ENDED) {
		x->serve->counters.cancelled++;
	}
	x->stream = NULL;
	exchange_free(x); /* closes the back end's connection if the exchange was not complete */
}

void serve_on_stream(struct serve *s, const struct h2_notice *notice,
		     const struct serve_source *from)
{
	struct exchange *x = notice->stream ? h2_user(notice->stream) : NULL;

	if (notice->stream == NULL) {
		return; /* the tunnel's own business */
	}
	if (notice->event == H2_HEAD) {
		exchange_start(exchange_new(s, notice->stream, from), from->subaccount,
			       notice->end);
		return;
	}
	if (x == NULL) { /* answered and forgotten */
		if (notice->event == H2_DATA) {
			h2_consume(notice->stream, notice->data.len);
		}
		return;
	}
	switch (notice->event) {
	case H2_DATA:
		exchange_data(x, notice->data);
		return;
	case H2_TRAILERS:
		exchange_trailers(x);
		return;
	case H2_END:
		exchange_up_ended(x);
		return;
	case H2_SENT:
		exchange_pump(x);
		return;
	case H2_CLOSED:
	case H2_REFUSED:
		on_closed(x);
		return;
	case H2_HEAD:
	case H2_PONG:
	case H2_GOAWAY:
	case H2_SETTINGS:
		return;
	}
}
