#include "tunnel/tunnel.h"

#include <string.h>

enum life {
	LIFE_NEW,     /* the peer's SETTINGS have not come */
	LIFE_UP,      /* serves */
	LIFE_NOTICE,  /* server: shutdown notice sent, its PING is on the way */
	LIFE_LEAVING, /* GOAWAY sent: ends with the last stream */
	LIFE_LOST,    /* the stream is gone, TUNNEL_LOST is due or was delivered */
	LIFE_BURIED,  /* closed by the owner; freed at the end of the turn */
};

enum {
	SAY_UP = 1,
	SAY_SERVING = 2,
	SAY_DRAINING = 4,
	SAY_LOST = 8,
};

struct tunnel {
	struct stream *stream; /* NULL once lost */
	struct loop *loop;
	struct h2_engine *h2;
	struct tunnel_settings settings;
	enum life life;
	bool started;       /* the bytes behind the 101 were fed */
	bool peer_leaves;   /* its GOAWAY came */
	uint32_t peer_code; /* of its GOAWAY */
	bool inside;        /* an event of the engine is being delivered */
	bool cut;           /* closed by the owner from inside an event */
	unsigned say;       /* SAY_*, not yet told to the owner */
	uint64_t pings;     /* sent; answers come in the same order */
	uint64_t pongs;     /* received */
	uint64_t last_ping; /* the number of the PING behind the shutdown notice */
	msec_t born, up_since;
	msec_t asked_at; /* when the oldest PING without any byte since left; 0: none */
	msec_t ends_at;  /* limit of the drain; 0: none */
	struct err failure;
	struct loop_timer timer;
	struct loop_task notice, grave;
};

static void on_timer(struct loop_timer *timer);
static void on_notice(struct loop_task *task);
static void run(struct tunnel *t, bool flush);

static void say(struct tunnel *t, unsigned what)
{
	t->say |= what;
	loop_defer(t->loop, LOOP_ACT, &t->notice, on_notice);
}

static msec_t last_heard(const struct tunnel *t)
{
	msec_t read = t->stream != NULL ? stream_last_read(t->stream) : 0;

	return read > t->born ? read : t->born;
}

/* ---- the end ---- */

/* The connection is over; `why` with ERR_NONE: as it should be. Streams hear of it in phase ACT. */
static void lose(struct tunnel *t, const struct err *why)
{
	if (t->life >= LIFE_LOST) {
		return;
	}
	t->failure = *why;
	t->life = LIFE_LOST;
	loop_timer_cancel(t->loop, &t->timer);
	if (t->stream != NULL && why->kind == ERR_NETWORK) {
		stream_close(TAKE(t->stream)); /* nobody is there to hear more */
	} else if (t->stream != NULL) {
		stream_close_after_flush(TAKE(t->stream), TUNNEL_LAST_WORDS_MS);
	}
	say(t, SAY_LOST);
}

static void lose_because(struct tunnel *t, enum err_kind kind, const char *text)
{
	struct err why = {0};

	if (kind != ERR_NONE) {
		(void)err_set(&why, kind, "%s", text);
	}
	lose(t, &why);
}

/* Ends a drain when its time has come. */
static void leave_if_done(struct tunnel *t)
{
	if (t->life != LIFE_LEAVING || t->stream == NULL || h2_streams_open(t->h2) > 0 ||
	    h2_wants_drain(t->h2)) {
		return;
	}
	if (t->settings.server || t->peer_leaves) {
		lose_because(t, ERR_NONE, "");
	}
}

static void free_engine(struct tunnel *t)
{
	struct h2_engine *e = TAKE(t->h2);

	if (e != NULL) {
		h2_free(e); /* every open stream hears H2_CLOSED */
	}
}

static void bury(struct loop_task *task)
{
	struct tunnel *t = CONTAINER_OF(task, struct tunnel, grave);

	free_engine(t);
	free(t);
}

void tunnel_close(struct tunnel *t)
{
	if (t == NULL || t->life == LIFE_BURIED) {
		return;
	}
	if (t->stream != NULL) {
		stream_close(TAKE(t->stream));
	}
	loop_timer_cancel(t->loop, &t->timer);
	loop_undefer(t->loop, &t->notice);
	t->life = LIFE_BURIED;
	t->cut = t->inside;
	if (!t->inside) {
		free_engine(t);
	}
	loop_defer(t->loop, LOOP_FREE, &t->grave, bury);
}

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
			free_engine(t);
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
	leave_if_done(t);
	tell(t);
}

/* ---- liveness ---- */

static void arm(struct tunnel *t)
{
	const struct tunnel_settings *s = &t->settings;
	msec_t heard = last_heard(t);
	msec_t at = heard + s->dead_after;

	if (s->ping_after > 0) {
		at = t->asked_at > heard ? t->asked_at + s->ping_after : heard + s->ping_after;
	} else if (loop_now(t->loop) < heard + s->dead_after / 2) {
		at = heard + s->dead_after / 2;
	}
	if (t->ends_at > 0 && t->ends_at < at) {
		at = t->ends_at;
	}
	loop_timer_set(t->loop, &t->timer, at, on_timer);
}

static void ping(struct tunnel *t)
{
	uint8_t opaque[8];

	t->pings++;
	for (int i = 0; i < 8; i++) {
		opaque[i] = (uint8_t)(t->pings >> (8 * (7 - i)));
	}
	h2_ping(t->h2, opaque);
	tunnel_flush(t);
}

/* A PING whose answer matters; any byte since then is an answer. */
static void ask(struct tunnel *t)
{
	t->asked_at = loop_now(t->loop);
	ping(t);
}

static bool is_dead(const struct tunnel *t, msec_t heard, msec_t now)
{
	const struct tunnel_settings *s = &t->settings;

	if (s->ping_after > 0) {
		return t->asked_at > heard && now - t->asked_at >= s->ping_after;
	}
	return now - heard >= s->dead_after;
}

/* The connector asks after silence; the relay only where requests wait for an answer (peers.md
 * c14), since it hears each living connector every ping_after. */
static bool should_ask(const struct tunnel *t, msec_t heard, msec_t now)
{
	const struct tunnel_settings *s = &t->settings;

	if (t->asked_at > heard) {
		return false;
	}
	if (s->ping_after > 0) {
		return now - heard >= s->ping_after;
	}
	return now - heard >= s->dead_after / 2 && h2_streams_open(t->h2) > 0;
}

static void on_timer(struct loop_timer *timer)
{
	struct tunnel *t = CONTAINER_OF(timer, struct tunnel, timer);
	msec_t now = loop_now(t->loop);
	msec_t heard = last_heard(t);

	if (t->ends_at > 0 && now >= t->ends_at) {
		lose_because(t, ERR_NONE, "");
		return;
	}
	if (is_dead(t, heard, now)) {
		lose_because(t, ERR_NETWORK,
			     "the other end fell silent: not one byte came, not even the answer to "
			     "a PING; the path is cut or the machine stands still");
		return;
	}
	if (should_ask(t, heard, now)) {
		ask(t);
	}
	arm(t);
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
		lose(t, &err);
	} else if (t->life == LIFE_LEAVING) {
		say(t, 0); /* the end of a drain is judged in phase ACT */
	}
}

static void on_fill(struct stream *s, void *user)
{
	(void)s;
	run(user, true);
}

/* FIN is the right end of a drain, from either side; else it is a loss. */
static void lose_at_eof(struct tunnel *t)
{
	struct err why = {0};

	if (t->peer_code != 0) {
		(void)err_set(&why, ERR_NETWORK,
			      "the other end gave the connection up with HTTP/2 error %u",
			      t->peer_code);
	} else if (t->life != LIFE_LEAVING && !t->peer_leaves) {
		(void)err_set(&why, ERR_NETWORK, "the other end closed the connection");
	}
	lose(t, &why);
}

static void lose_failed(struct tunnel *t, struct stream *s)
{
	struct err why = *stream_failure(s);

	stream_close(TAKE(t->stream));
	lose(t, &why);
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
		lose_at_eof(t);
		break;
	case STREAM_FAILED:
		lose_failed(t, s);
		break;
	}
}

/* ---- events of the engine ---- */

static void on_pong(struct tunnel *t)
{
	if (++t->pongs == 1 && t->settings.server) {
		say(t, SAY_SERVING);
	}
	if (t->life == LIFE_NOTICE && t->pongs >= t->last_ping) {
		/* Every request that the relay sent before it saw the notice is here now. */
		h2_goaway(t->h2, 0);
		t->life = LIFE_LEAVING;
		tunnel_flush(t);
	}
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
			say(t, SAY_DRAINING);
		}
		t->peer_leaves = true;
		t->peer_code = notice->code;
		return;
	case H2_SETTINGS:
		if (t->life == LIFE_NEW) {
			t->life = LIFE_UP;
		}
		t->up_since = loop_now(t->loop);
		say(t, SAY_UP);
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
		ping(t); /* behind our SETTINGS: its answer says that they arrived */
	}
	arm(t);
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

static bool is_suspect(const struct tunnel *t)
{
	return t->asked_at > last_heard(t) &&
	       loop_now(t->loop) - t->asked_at >= t->settings.suspect_after;
}

static void probe_if_quiet(struct tunnel *t)
{
	msec_t heard = last_heard(t);

	if (t->asked_at <= heard && loop_now(t->loop) - heard > t->settings.dead_after * 6 / 10) {
		ask(t);
		arm(t);
	}
}

bool tunnel_is_usable(struct tunnel *t)
{
	if (t->life != LIFE_UP || t->peer_leaves || is_suspect(t)) {
		return false;
	}
	if (!t->settings.server) {
		probe_if_quiet(t);
	}
	return true;
}

void tunnel_drain(struct tunnel *t, msec_t limit)
{
	if (t->life > LIFE_UP) {
		return;
	}
	t->ends_at = loop_now(t->loop) + limit;
	if (t->settings.server && !t->peer_leaves) {
		h2_shutdown_notice(t->h2);
		ping(t);
		t->last_ping = t->pings;
		t->life = LIFE_NOTICE;
	} else {
		/* A relay that leaves itself has other tunnels; the library would send it no PING.
		 */
		h2_goaway(t->h2, 0);
		t->life = LIFE_LEAVING;
	}
	tunnel_flush(t);
	arm(t);
}

const struct err *tunnel_failure(const struct tunnel *t)
{
	return &t->failure;
}

msec_t tunnel_last_heard(const struct tunnel *t)
{
	return last_heard(t);
}

msec_t tunnel_up_since(const struct tunnel *t)
{
	return t->up_since;
}

size_t tunnel_streams(const struct tunnel *t)
{
	return t->h2 != NULL ? h2_streams_open(t->h2) : 0;
}

void *tunnel_user(const struct tunnel *t)
{
	return t->settings.user;
}
