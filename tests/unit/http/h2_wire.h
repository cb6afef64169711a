#pragma once
/*
 * A client and a server engine, wired in memory by a network that cuts the bytes anywhere; every
 * run is named by its seed. What happens to a stream is written down in a struct seen.
 */
#include "base/random.h"
#include "http/h2_priv.h"
#include "unit/unit.h"

struct wire;

/* One stream as one side sees it. */
struct seen {
	struct h2_stream *stream; /* NULL when closed */
	unsigned status, heads, ends, data_events;
	char method[16], path[64], authority[64],
		note[64]; /* note: the field or trailer "x-note" */
	enum http_body body_kind, declared;
	struct buf body;
	size_t to_send; /* bytes that H2_SENT tops up, then h2_end */
	bool hold;      /* does not consume */
	bool closed, refused;
	uint32_t code;
};

typedef void wire_fn(struct wire *w, struct seen *seen, const struct h2_notice *notice);

enum {
	WIRE_STREAMS = 2048,
};

struct wire {
	struct h2_engine *client, *server;
	struct buf to_server, to_client;
	uint64_t seed;
	wire_fn *server_app, *client_app; /* after the event was written down; may be NULL */
	struct seen *at_server;
	size_t n_at_server;
	unsigned goaways_in, pongs, settings; /* at the client */
	unsigned server_goaways_in;
	bool failed;
	struct err err;
};

static void wire_note(struct seen *seen, const struct h2_notice *n)
{
	const struct http_head *head = h2_head(n->stream);
	struct str note = http_value(head, STR("x-note"));
	assert_true(str_copy(note, seen->note, sizeof seen->note));
	if (n->event == H2_TRAILERS) {
		return;
	}
	seen->heads++;
	seen->status = head->status;
	seen->body_kind = head->body;
	seen->declared = head->declared;
	assert_true(str_copy(head->method, seen->method, sizeof seen->method));
	assert_true(str_copy(head->path, seen->path, sizeof seen->path));
	assert_true(str_copy(head->authority, seen->authority, sizeof seen->authority));
}

static void wire_top_up(struct seen *seen)
{
	static char zeros[16 * 1024];
	while (seen->to_send && h2_queued(seen->stream) < 64 * 1024) {
		size_t n = seen->to_send < sizeof zeros ? seen->to_send : sizeof zeros;
		h2_send(seen->stream, (struct str){zeros, n});
		seen->to_send -= n;
		if (seen->to_send == 0) {
			h2_end(seen->stream, NULL, 0);
		}
	}
}

static void wire_stream_event(struct seen *seen, const struct h2_notice *n)
{
	switch (n->event) {
	case H2_HEAD:
	case H2_TRAILERS:
		wire_note(seen, n);
		break;
	case H2_DATA:
		seen->data_events++;
		buf_add_str(&seen->body, n->data);
		if (!seen->hold) {
			h2_consume(n->stream, n->data.len);
		}
		break;
	case H2_END:
		seen->ends++;
		break;
	case H2_SENT:
		wire_top_up(seen);
		break;
	case H2_CLOSED:
	case H2_REFUSED:
		assert_false(seen->closed);
		seen->closed = true;
		seen->refused = n->event == H2_REFUSED;
		seen->code = n->code;
		seen->stream = NULL;
		break;
	case H2_PONG:
	case H2_GOAWAY:
	case H2_SETTINGS:
		fail();
	}
}

static void wire_on_client(struct h2_engine *e UNUSED, const struct h2_notice *n, void *user)
{
	struct wire *w = user;
	if (n->stream == NULL) {
		w->goaways_in += n->event == H2_GOAWAY;
		w->pongs += n->event == H2_PONG;
		w->settings += n->event == H2_SETTINGS;
		return;
	}
	struct seen *seen = h2_user(n->stream);
	wire_stream_event(seen, n);
	if (w->client_app) {
		w->client_app(w, seen, n);
	}
}

static void wire_on_server(struct h2_engine *e UNUSED, const struct h2_notice *n, void *user)
{
	struct wire *w = user;
	if (n->stream == NULL) {
		w->server_goaways_in += n->event == H2_GOAWAY;
		return;
	}
	if (h2_user(n->stream) == NULL) {
		struct seen *fresh = &w->at_server[w->n_at_server % WIRE_STREAMS];
		assert_true(w->n_at_server < WIRE_STREAMS || fresh->closed);
		buf_fini(&fresh->body);
		*fresh = (struct seen){.stream = n->stream, .body = BUF(MIB(16))};
		h2_set_user(n->stream, fresh);
		w->n_at_server++;
	}
	struct seen *seen = h2_user(n->stream);
	wire_stream_event(seen, n);
	if (w->server_app) {
		w->server_app(w, seen, n);
	}
}

static inline void wire_open(struct wire *w, uint64_t seed)
{
	*w = (struct wire){.seed = seed, .to_server = BUF(MIB(64)), .to_client = BUF(MIB(64))};
	w->at_server = NEW_ARRAY(struct seen, WIRE_STREAMS);
	assert_ok(h2_new(false, wire_on_client, w, &w->client, &w->err), &w->err);
	assert_ok(h2_new(true, wire_on_server, w, &w->server, &w->err), &w->err);
}

static inline void wire_close(struct wire *w)
{
	h2_free(w->client);
	h2_free(w->server);
	for (size_t i = 0; i < WIRE_STREAMS; i++) {
		buf_fini(&w->at_server[i].body);
	}
	free(w->at_server);
	buf_fini(&w->to_server);
	buf_fini(&w->to_client);
}

/* Delivers what is under way, cut anywhere; every byte from memory of just that size. */
static inline bool wire_deliver(struct wire *w, struct buf *from, struct h2_engine *to)
{
	bool some = from->len > 0;
	while (from->len && !w->failed) {
		size_t n = random_jitter(&w->seed) % (from->len + 1);
		n = n ? n : from->len;
		n = n > KIB(64) ? KIB(64) : n;
		char *exact = must_alloc(n);
		memcpy(exact, from->at, n);
		buf_drop_front(from, n);
		w->failed = !h2_feed(to, (struct str){exact, n}, &w->err);
		free(exact);
	}
	return some;
}

/* One turn: both drain at most `max` bytes, then both are fed. False when nothing moved. */
static inline bool wire_turn(struct wire *w, size_t max)
{
	w->failed = w->failed || !h2_drain(w->client, &w->to_server, max, &w->err) ||
		    !h2_drain(w->server, &w->to_client, max, &w->err);
	bool some = wire_deliver(w, &w->to_server, w->server);
	some = wire_deliver(w, &w->to_client, w->client) || some;
	return some || h2_wants_drain(w->client) || h2_wants_drain(w->server);
}

/* Until nothing moves any more. */
static inline void wire_run(struct wire *w)
{
	for (unsigned turns = 0; !w->failed && wire_turn(w, KIB(64)); turns++) {
		assert_true(turns < 100000);
	}
}

static inline struct h2_stream *wire_get(struct wire *w, struct seen *seen, const char *path)
{
	struct http_head head = {
		.method = STR("GET"), .path = str_of(path), .authority = STR("h:80")};
	*seen = (struct seen){.body = BUF(MIB(16)), .to_send = seen->to_send, .hold = seen->hold};
	bool body = seen->to_send > 0;
	seen->stream = h2_request(w->client, &head, body, seen);
	if (seen->stream && body) {
		wire_top_up(seen);
	}
	return seen->stream;
}

/* A server that answers each request, when it is whole, with its own path as the body. */
static inline void wire_echo_path(struct wire *w UNUSED, struct seen *seen,
				  const struct h2_notice *n)
{
	struct err err;
	if (n->event != H2_END) {
		return;
	}
	struct http_head head = {.status = 200};
	assert_ok(h2_respond(n->stream, &head, true, &err), &err);
	h2_send(n->stream, str_of(seen->path));
	h2_end(n->stream, NULL, 0);
}
