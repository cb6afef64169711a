#include "tunnel/tunnel_priv.h"

#include <string.h>

static void on_notice(struct loop_task *task);
static void run(struct tunnel *t, bool flush);

void tunnel_say(struct tunnel *t, unsigned what)
{
	t->say |= what;
	loop_defer(t->loop, LOOP_ACT, &t->notice, on_notice);
}

/* ---- what the owner hears ---- */

static void tell(struct tunnel *t)
{
	static const struct {
		unsigned what;
		enum tunnel_event event;
	} order[] = {
		{SAY_UP, TUNNEL_UP},
		{SAY_SERVING, TUNNEL_SERVING},
		{SAY_DRAINING, TUNNEL_DRAINING},
		{SAY_LOST, TUNNEL_LOST},
	};

	for (size_t i = 0; i < COUNT(order) && t->life != LIFE_BURIED; i++) {
		if ((t->say & order[i].what) == 0) {
			continue;
		}
		t->say &= ~order[i].what;
		if (order[i].event == TUNNEL_LOST) {
			tunnel_free_engine(t);
		}
		if (t->life != LIFE_BURIED) {
			t->settings.on_tunnel(t, order[i].event, t->settings.user);
		}
	}
}

static void on_notice(struct loop_task *task)
{
	struct tunnel *t = CONTAINER_OF(task, struct tunnel, notice);

	if (!t->started) {
		t->started = true;
		run(t, false); /* what came behind the 101 */
	}
	tunnel_finish_notice(t);
	tunnel_leave_if_done(t);
	tell(t);
}

/* ---- the way of a byte ---- */

static size_t room(const struct tunnel *t)
{
	size_t queued = stream_queued(t->stream);

	return queued < t->settings.turn_out_max ? t->settings.turn_out_max - queued : 0;
}

/*
 * The pump: the whole way of a byte.
 *
 *   fd -> net/stream -> crypto/tls -> stream_peek -> h2_feed -> on_h2 -> connector or relay
 *   fd <- net/stream <- crypto/tls <- stream_write <- h2_drain <- h2_send <- connector or relay
 *
 * Called with `flush` false when bytes have come, and with true once per turn, after every readable
 * connection of this loop had its say: so all frames of all streams leave in one write, and a lone
 * request leaves in the turn in which it came. What does not fit into turn_out_max stays in the
 * engine, which sends it in fair shares when STREAM_SENT made room. Reading never stops: credit
 * bounds what may come. False: the connection cannot go on.
 */
static bool pump(struct tunnel *t, bool flush, struct err *err)
{
	struct str in = stream_peek(t->stream);

	if (in.len > 0) {
		bool ok = h2_feed(t->h2, in, err);
		if (t->settings.on_fed != NULL) {
			t->settings.on_fed(t->settings.user);
		}
		if (t->stream == NULL) {
			return true; /* closed by its owner from inside an event */
		}
		stream_consume(t->stream, in.len);
		if (!ok) {
			return false;
		}
	}
	while (flush && h2_wants_drain(t->h2) && room(t) > 0) {
		size_t most = room(t);
		AUTO_BUF struct buf out = stream_take_queue(t->stream);
		size_t before = out.len;
		bool ok = h2_drain(t->h2, &out, most, err);
		size_t added = out.len - before;
		if (t->stream == NULL) {
			return true;
		}
		stream_give_queue(t->stream, &out);
		if (!ok || added == 0) {
			return ok;
		}
	}
	if (!flush && h2_wants_drain(t->h2)) {
		stream_wants_flush(t->stream);
	}
	return true;
}

/* The engine gave up: its GOAWAY, which tells the peer why, still leaves. */
static void say_last_words(struct tunnel *t)
{
	AUTO_BUF struct buf out = BUF(KIB(128));
	struct err ignored;

	(void)!h2_drain(t->h2, &out, KIB(64), &ignored);
	if (t->stream != NULL) {
		stream_write(t->stream, buf_str(&out));
	}
}

static void run(struct tunnel *t, bool flush)
{
	struct err err = {0};

	if (t->stream == NULL) {
		return;
	}
	t->inside = true;
	bool ok = pump(t, flush, &err);
	if (!ok && t->stream != NULL) {
		say_last_words(t);
	}
	t->inside = false;
	if (t->stream == NULL) {
		return;
	}
	if (!ok) {
		tunnel_lose(t, &err);
	} else if (t->life == LIFE_LEAVING) {
		tunnel_say(t, 0); /* the end of a drain is judged in phase ACT */
	}
}

static void on_fill(struct stream *s, void *user)
{
	(void)s;
	run(user, true);
}

static void on_stream_event(struct stream *s, enum stream_event event, void *user)
{
	struct tunnel *t = user;

	switch (event) {
	case STREAM_OPEN:
		break;
	case STREAM_READABLE:
		run(t, false);
		break;
	case STREAM_SENT:
		if (h2_wants_drain(t->h2)) {
			stream_wants_flush(s);
		}
		break;
	case STREAM_EOF:
		run(t, false);
		tunnel_lose_at_eof(t);
		break;
	case STREAM_FAILED:
		tunnel_lose_failed(t);
		break;
	}
}

/* ---- events of the engine ---- */

static void on_pong(struct tunnel *t)
{
	if (++t->pongs == 1 && t->settings.server) {
		tunnel_say(t, SAY_SERVING);
	}
	tunnel_finish_notice(t);
}

static void on_h2(struct h2_engine *e, const struct h2_notice *notice, void *user)
{
	struct tunnel *t = user;

	switch (notice->event) {
	case H2_PONG:
		on_pong(t);
		return;
	case H2_GOAWAY:
		if (!t->peer_leaves) { /* a notice and the real one are two */
			tunnel_say(t, SAY_DRAINING);
		}
		t->peer_leaves = true;
		t->peer_code = notice->code;
		return;
	case H2_SETTINGS:
		if (t->life == LIFE_NEW) {
			t->life = LIFE_UP;
		}
		tunnel_say(t, SAY_UP);
		return;
	case H2_CLOSED:
	case H2_REFUSED:
		if (!t->cut || h2_user(notice->stream) != NULL) {
			t->settings.on_stream(e, notice, t->settings.user);
		}
		return;
	case H2_HEAD:
	case H2_DATA:
	case H2_TRAILERS:
	case H2_END:
	case H2_SENT:
		if (!t->cut) {
			t->settings.on_stream(e, notice, t->settings.user);
		}
		return;
	}
}

/* ---- the owner's calls ---- */

bool tunnel_new(struct stream *take, const struct tunnel_settings *settings, struct tunnel **out,
		struct err *err)
{
	struct tunnel *t = NEW(struct tunnel);

	if (!h2_new(settings->server, on_h2, t, &t->h2, err)) {
		stream_close(take);
		free(t);
		return false;
	}
	t->settings = *settings;
	t->stream = take;
	t->loop = stream_loop(take);
	t->born = loop_now(t->loop);
	if (stream_tls(take) != NULL) {
		tls_carries_traffic(stream_tls(take));
	}
	stream_set_handler(take, on_stream_event, t);
	stream_set_filler(take, on_fill);
	stream_set_user_timeout(take, settings->dead_after);
	stream_set_notsent_lowat(take, TUNNEL_NOTSENT_LOWAT);
	stream_wants_flush(take);
	loop_defer(t->loop, LOOP_ACT, &t->notice, on_notice);
	if (settings->server) {
		tunnel_ping(t); /* behind our SETTINGS: its answer says that they arrived */
	}
	tunnel_watch(t);
	*out = t;
	return true;
}

struct h2_engine *tunnel_h2(struct tunnel *t)
{
	return t->h2;
}

void tunnel_flush(struct tunnel *t)
{
	if (t->stream != NULL) {
		stream_wants_flush(t->stream);
	}
}

bool tunnel_is_open(const struct tunnel *t)
{
	return t->life < LIFE_LOST;
}

const struct err *tunnel_failure(const struct tunnel *t)
{
	return &t->failure;
}

size_t tunnel_streams(const struct tunnel *t)
{
	return t->h2 != NULL ? h2_streams_open(t->h2) : 0;
}
