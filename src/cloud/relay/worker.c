#include "cloud/relay/worker_priv.h"

#include "base/random.h"
#include "cloud/directory/runtime.h"
#include "cloud/relay/front.h"

enum {
	ARENA_FIRST = 16 * 1024,
	ARENA_MAX = 256 * 1024,
	ROOM_MAX = 256 * 1024,
};

/* ---- who comes ---- */

static bool has_room(struct worker *w)
{
	if (w->counters.clients < WORKER_CLIENTS_MAX) {
		return true;
	}
	w->counters.clients_refused_total++;
	return false;
}

static void on_client(void *user, int take_fd, const struct address *peer)
{
	struct worker *w = user;

	(void)peer;
	if (has_room(w)) {
		front_accept(w, take_fd);
	} else {
		close_fd(take_fd);
	}
}

static void on_tls_client(void *user, int take_fd, const struct address *peer)
{
	struct worker *w = user;
	AUTO(tls_config_unref)
	struct tls_config *config = w->settings.tls_config(w->settings.tls_user);
	AUTO(tls_engine_free) struct tls_engine *tls = NULL;
	struct err err;

	(void)peer;
	if (has_room(w) && tls_engine_new(config, NULL, &tls, &err)) {
		front_accept_tls(w, take_fd, TAKE(tls));
	} else {
		close_fd(take_fd);
	}
}

static bool listen(struct worker *w, struct err *err)
{
	const struct worker_settings *s = &w->settings;

	return (s->proxy == NULL ||
		listener_open(w->loop, s->proxy, true, on_client, w, &w->listener, err)) &&
	       (s->tls == NULL ||
		listener_open(w->loop, s->tls, true, on_tls_client, w, &w->tls_listener, err));
}

/* ---- what the tenants' keystores say ---- */

const struct runtime_snapshot *worker_runtime(struct worker *w)
{
	return w->runtime.cell != NULL ? (const void *)snapshot_view_refresh(&w->runtime) : NULL;
}

/* ---- life ---- */

static void on_sweep(struct loop_timer *timer)
{
	struct worker *w = CONTAINER_OF(timer, struct worker, sweep);

	worker_judge_tunnels(w);
	(void)worker_runtime(w); /* else a worker without requests kept an old one for ever */
	loop_timer_set(w->loop, timer, loop_now(w->loop) + WORKER_SWEEP_MS, on_sweep);
}

static void fill_limits(struct relay_limits *l)
{
	l->head = l->head > 0 ? l->head : FRONT_HEAD_MS;
	l->idle = l->idle > 0 ? l->idle : FRONT_IDLE_MS;
	l->answer = l->answer > 0 ? l->answer : FRONT_ANSWER_MS;
	l->queue_max = l->queue_max > 0 ? l->queue_max : WORKER_QUEUE_MAX;
}

bool worker_new(struct loop *l, const struct worker_settings *settings, struct worker **out,
		struct err *err)
{
	struct worker *w = NEW(struct worker);
	uint64_t seed;

	w->loop = l;
	w->settings = *settings;
	fill_limits(&w->settings.limits);
	if (!listen(w, err)) {
		listener_close(w->listener);
		free(w);
		return false;
	}
	random_bytes(&seed, sizeof(seed));
	w->registry = registry_new(worker_tunnel_is_usable, seed);
	w->tokens = tokens_new();
	w->cancels = cancels_new();
	w->view.cell = settings->directory;
	w->runtime.cell = settings->runtime;
	w->arena = arena_new(ARENA_FIRST, ARENA_MAX);
	w->room = BUF(ROOM_MAX);
	w->retry_saved = WORKER_RETRY_SAVED_MAX;
	loop_timer_set(l, &w->sweep, loop_now(l) + WORKER_SWEEP_MS, on_sweep);
	*out = w;
	return true;
}

void worker_free(struct worker *w)
{
	if (w == NULL) {
		return;
	}
	listener_close(w->listener);
	listener_close(w->tls_listener);
	while (w->fronts != NULL) {
		front_close(w->fronts);
	}
	worker_cut_tunnels(w);
	loop_timer_cancel(w->loop, &w->sweep);
	loop_timer_cancel(w->loop, &w->last_call);
	registry_free(w->registry);
	tokens_free(w->tokens);
	cancels_free(w->cancels);
	snapshot_view_fini(&w->view);
	snapshot_view_fini(&w->runtime);
	arena_free(w->arena);
	buf_fini(&w->room);
	free(w);
}

static void on_last_call(struct loop_timer *timer)
{
	struct worker *w = CONTAINER_OF(timer, struct worker, last_call);
	msec_t left = w->drain_until - loop_now(w->loop);

	w->closing = true;
	for (struct front *f = w->fronts, *next; f != NULL; f = next) {
		next = front_next(f);
		front_drain(f);
	}
	worker_drain_tunnels(w, left > 0 ? left : 0);
}

void worker_drain(struct worker *w, msec_t limit)
{
	msec_t now = loop_now(w->loop);
	msec_t wait = limit < WORKER_LAST_CALL_MS ? limit : WORKER_LAST_CALL_MS;

	w->draining = true;
	w->drain_until = now + limit;
	if (w->listener != NULL) {
		listener_finish(TAKE(w->listener));
	}
	if (w->tls_listener != NULL) {
		listener_finish(TAKE(w->tls_listener));
	}
	/* Also without clients: those of another worker may come here with their last request. */
	loop_timer_set(w->loop, &w->last_call, now + wait, on_last_call);
}

bool worker_is_empty(const struct worker *w)
{
	return w->tunnels == NULL && w->fronts == NULL;
}

void worker_count(const struct worker *w, struct relay_counters *into)
{
	struct relay_counters now = w->counters;

	now.tokens_cached = tokens_known(w->tokens);
	now.tokens_verified_total = tokens_verified(w->tokens);
	relay_counters_add(into, &now);
}
