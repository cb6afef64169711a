/* The tunnels of a worker: taken, judged, picked for a request, sent away, cut. */
#include <assert.h>

#include "base/clock.h"
#include "cloud/relay/front.h"
#include "cloud/relay/worker_priv.h"

enum {
	PING_AFTER_NEVER = 0,
	DEAD_AFTER_MS = 10000,
	SUSPECT_AFTER_MS = 2000,
	TURN_OUT_MAX = 64 * 1024,
	TUNNEL_READ_LIMIT = 256 * 1024,
};

/* ---- what the directory says ---- */

const struct directory_snapshot *worker_snapshot(struct worker *w)
{
	return (const void *)snapshot_view_refresh(&w->view);
}

static void cut(struct worker_tunnel *t, const char *why);

/* Looks it up only when the directory changed since the last time. */
static bool is_admitted(struct worker_tunnel *t)
{
	struct worker *w = t->worker;
	const struct directory_snapshot *snap = worker_snapshot(w);

	if (snap == NULL || t->judged == w->view.number) {
		return true; /* it was judged against the store when it came */
	}
	enum directory_judgement j =
		directory_snapshot_judge(snap, str_of(t->facts.serial), str_of(t->facts.subaccount),
					 str_of(t->facts.instance), t->facts.since);
	if (j == DIRECTORY_ADMITTED) {
		t->judged = w->view.number;
		return true;
	}
	return false;
}

bool worker_tunnel_is_usable(struct registry_entry *e)
{
	struct worker_tunnel *t = CONTAINER_OF(e, struct worker_tunnel, entry);

	return !t->draining && tunnel_is_usable(t->tunnel) &&
	       h2_streams_free(tunnel_h2(t->tunnel)) > 0 && is_admitted(t);
}

static void cut_forbidden(struct worker *w)
{
	for (struct worker_tunnel *t = w->tunnels, *next; t != NULL; t = next) {
		next = t->next;
		if (!is_admitted(t)) {
			w->counters.tunnels_cut_total++;
			cut(t, "the directory does not admit it any more");
		}
	}
}

static void leave(struct worker_tunnel *t);

/* Nobody is cut: streams end by themselves, and the connector hears why at its next dial. */
static void drain_expired(struct worker *w)
{
	int64_t now = clock_unix();

	for (struct worker_tunnel *t = w->tunnels; t != NULL; t = t->next) {
		if (t->facts.not_after != 0 && now > t->facts.not_after && !t->draining) {
			leave(t);
			tunnel_drain(t->tunnel, WORKER_REPLACED_MS);
		}
	}
}

void worker_judge_tunnels(struct worker *w)
{
	if (w->settings.drain_expired != NULL && atomic_load(w->settings.drain_expired)) {
		drain_expired(w);
	}
	(void)worker_snapshot(w);
	if (w->view.number != w->swept) {
		w->swept = w->view.number;
		cut_forbidden(w);
	}
}

/* ---- their life ---- */

static void free_tunnel(struct loop_task *task)
{
	free(CONTAINER_OF(task, struct worker_tunnel, death));
}

/* Takes no more requests. Those that wait for its place look again: there may be nothing left. */
static void retire(struct worker_tunnel *t)
{
	struct worker *w = t->worker;
	struct place *place = t->entry.place;

	registry_remove(w->registry, &t->entry, t->returns, loop_now(w->loop));
	if (registry_has_waiters(place) && registry_count(w->registry, str_of(t->key)) == 0) {
		registry_wake(w->registry, place, SIZE_MAX);
	}
}

/* From now on it drains, or is over. */
static void leave(struct worker_tunnel *t)
{
	const struct worker_settings *s = &t->worker->settings;

	if (t->draining) {
		return;
	}
	t->draining = true;
	if (s->on_leaving != NULL) {
		s->on_leaving(s->user, &t->facts, t->up);
	}
	retire(t);
}

/* Out of all lists; `why` NULL: it ended in order. */
static void forget(struct worker_tunnel *t, const char *why)
{
	struct worker *w = t->worker;
	bool in_order = t->draining;

	leave(t);
	loop_undefer(w->loop, &t->room);
	*t->prev = t->next;
	if (t->next != NULL) {
		t->next->prev = t->prev;
	}
	w->counters.tunnels -= t->up ? 1 : 0;
	w->counters.tunnels_lost_total += t->up && why != NULL && !in_order ? 1 : 0;
	if (w->settings.on_tunnel != NULL) {
		w->settings.on_tunnel(w->settings.user, &t->facts, false, why);
	}
	loop_defer(w->loop, LOOP_FREE, &t->death, free_tunnel);
}

static void cut(struct worker_tunnel *t, const char *why)
{
	t->cut_why = why;
	retire(t);
	tunnel_close(t->tunnel); /* its streams hear H2_CLOSED inside, or at the end of the turn */
	forget(t, why);
}

static bool is_of(const struct worker_tunnel *t, struct str key, struct str instance)
{
	return str_eq(str_of(t->key), key) && str_eq(str_of(t->facts.instance), instance);
}

/* Not before its replacement takes requests. */
static void drain_oldest_but(const struct worker_tunnel *fresh)
{
	struct worker_tunnel *oldest = NULL;

	for (struct worker_tunnel *t = fresh->worker->tunnels; t != NULL; t = t->next) {
		if (is_of(t, str_of(fresh->key), str_of(fresh->facts.instance)) && !t->draining &&
		    t != fresh) {
			oldest = t; /* the newest is the list's first */
		}
	}
	if (oldest != NULL) {
		oldest->returns = true;
		leave(oldest);
		tunnel_drain(oldest->tunnel, WORKER_REPLACED_MS);
	}
}

static void came_up(struct worker_tunnel *t)
{
	struct worker *w = t->worker;

	t->up = true;
	w->counters.tunnels++;
	w->counters.tunnels_opened_total++;
	if (w->settings.on_tunnel != NULL) {
		w->settings.on_tunnel(w->settings.user, &t->facts, true, NULL);
	}
	if (!registry_add(w->registry, str_of(t->key), &t->entry, loop_now(w->loop))) {
		cut(t, "too many tunnels of this place on one worker");
		return;
	}
	registry_wake(w->registry, t->entry.place, SIZE_MAX);
	if (t->facts.replaces) {
		drain_oldest_but(t);
	}
}

static void on_tunnel(struct tunnel *tunnel, enum tunnel_event event, void *user)
{
	struct worker_tunnel *t = user;

	switch (event) {
	case TUNNEL_UP:
		/* One that was sent away in this very turn, before this was told, is not put where
		 * requests look: nobody would take it out again. */
		if (!t->up && !t->draining) {
			came_up(t);
		}
		break;
	case TUNNEL_SERVING: /* of the connector's end */
		break;
	case TUNNEL_DRAINING:
		leave(t); /* a connector that leaves in order has said so, or has others */
		break;
	case TUNNEL_LOST: {
		const struct err *err = tunnel_failure(tunnel);
		t->returns = err->kind != ERR_NONE;
		forget(t, err->kind != ERR_NONE ? err->text : NULL);
		tunnel_close(tunnel);
		break;
	}
	}
}

static void on_room(struct loop_task *task)
{
	struct worker_tunnel *t = CONTAINER_OF(task, struct worker_tunnel, room);

	if (t->entry.place != NULL && worker_tunnel_is_usable(&t->entry)) {
		registry_wake(t->worker->registry, t->entry.place,
			      h2_streams_free(tunnel_h2(t->tunnel)));
	}
}

/* Not at once: inside the event the engine still counts the stream that ended. */
static void released(struct worker_tunnel *t)
{
	if (registry_has_waiters(t->entry.place)) {
		loop_defer(t->worker->loop, LOOP_ACT, &t->room, on_room);
	}
}

static void on_stream(struct h2_engine *e, const struct h2_notice *notice, void *user)
{
	struct worker_tunnel *t = user;
	struct front *f = h2_user(notice->stream);

	(void)e;
	if (!tunnel_is_open(t->tunnel) && t->entry.place != NULL) {
		t->returns = tunnel_failure(t->tunnel)->kind != ERR_NONE;
		retire(t); /* before its requests look for another */
	}
	if (f != NULL) {
		front_on_h2(f, notice);
	}
	if (notice->event == H2_CLOSED || notice->event == H2_REFUSED) {
		released(t);
	}
}

static void on_fed(void *user)
{
	struct worker_tunnel *t = user;

	front_settle(&t->worker->gathered);
}

void worker_take_tunnel(struct worker *w, const struct worker_tunnel_facts *facts,
			struct stream_parts *take)
{
	struct worker_tunnel *t = NEW(struct worker_tunnel);
	struct tunnel_settings settings = {
		.ping_after = PING_AFTER_NEVER,
		.dead_after = DEAD_AFTER_MS,
		.suspect_after = SUSPECT_AFTER_MS,
		.turn_out_max = TURN_OUT_MAX,
		.on_stream = on_stream,
		.on_fed = on_fed,
		.on_tunnel = on_tunnel,
		.user = t,
	};
	struct err err;

	t->worker = w;
	t->facts = *facts;
	t->prev = &w->tunnels;
	t->next = w->tunnels;
	if (t->next != NULL) {
		t->next->prev = &t->next;
	}
	w->tunnels = t;
	bool fits = registry_key(str_of(facts->subaccount), str_of(facts->location), t->key);
	assert(fits);
	/* The handler is the tunnel's from tunnel_new() on. */
	struct stream *s = stream_attach(w->loop, take, NULL, NULL);
	stream_set_read_limit(s, TUNNEL_READ_LIMIT);
	if (!tunnel_new(s, &settings, &t->tunnel, &err)) {
		forget(t, err.text);
		return;
	}
	if (!is_admitted(t)) {
		w->counters.tunnels_cut_total++;
		cut(t, "the directory does not admit it any more");
		return;
	}
	if (w->closing) {
		leave(t);
		tunnel_drain(t->tunnel, 0);
	}
}

void worker_evict(struct worker *w, struct str key, struct str instance)
{
	for (struct worker_tunnel *t = w->tunnels, *next; t != NULL; t = next) {
		next = t->next;
		if (is_of(t, key, instance)) {
			t->returns = true;
			cut(t, "another installation took the location ID over");
		}
	}
}

bool worker_probe(struct worker *w, struct str key, struct str instance)
{
	static const uint8_t opaque[8] = {0x74, 0x61, 0x6b, 0x65};
	bool any = false;

	for (struct worker_tunnel *t = w->tunnels; t != NULL; t = t->next) {
		if (is_of(t, key, instance)) {
			h2_ping(tunnel_h2(t->tunnel), opaque);
			tunnel_flush(t->tunnel);
			any = true;
		}
	}
	return any;
}

bool worker_heard_since(struct worker *w, struct str key, struct str instance, msec_t at)
{
	for (struct worker_tunnel *t = w->tunnels; t != NULL; t = t->next) {
		if (is_of(t, key, instance) && tunnel_last_heard(t->tunnel) >= at) {
			return true;
		}
	}
	return false;
}

enum registry_found worker_pick(struct worker *w, struct str key, struct worker_tunnel **out)
{
	struct registry_entry *e = NULL;
	enum registry_found found =
		registry_pick(w->registry, key, loop_now(w->loop), WORKER_REJOIN_MS, &e);

	if (found == REGISTRY_ENTRY) {
		*out = CONTAINER_OF(e, struct worker_tunnel, entry);
	}
	return found;
}

void worker_cut_tunnels(struct worker *w)
{
	while (w->tunnels != NULL) {
		cut(w->tunnels, NULL);
	}
}

void worker_drain_tunnels(struct worker *w, msec_t limit)
{
	for (struct worker_tunnel *t = w->tunnels; t != NULL; t = t->next) {
		leave(t);
		tunnel_drain(t->tunnel, limit);
	}
}
