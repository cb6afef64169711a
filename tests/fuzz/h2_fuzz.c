/*
 * The glue around the HTTP/2 library: the first byte chooses the role and how the program above
 * behaves; the rest is what the peer sends behind a valid preface, in pieces whose lengths come
 * from the input.
 */
#include <assert.h>

#include "http/h2_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum {
	STREAMS = 64,
};

struct program {
	uint8_t manner;
	bool server;
	struct stream_state {
		struct h2_stream *stream;
		bool responded, ended;
	} streams[STREAMS];
	size_t n, closed;
};

static const struct http_field note = {STR("x-note"), STR("a"), false};

static void end_it(struct program *p, struct stream_state *at, struct h2_stream *s)
{
	if (!at->ended) {
		at->ended = true;
		h2_end(s, &note, p->manner & 8 ? 1 : 0);
	}
}

static void respond(struct program *p, struct stream_state *at, struct h2_stream *s)
{
	struct err err;
	struct http_head hints = {.status = 103};
	struct http_head head = {.status = 200};
	static char body[40000];
	if (at->responded) {
		return;
	}
	at->responded = true;
	if (p->manner & 16) {
		(void)!h2_respond(s, &hints, false, &err);
	}
	if (h2_respond(s, &head, true, &err)) {
		h2_send(s, (struct str){body, p->manner & 32 ? sizeof body : 10});
	}
	end_it(p, at, s);
}

static struct stream_state *state_of(struct program *p, const struct h2_notice *n)
{
	if (h2_user(n->stream) == NULL) {
		assert(p->server && n->event == H2_HEAD);
		struct stream_state *fresh = &p->streams[p->n++ % STREAMS];
		if (fresh->stream) {
			h2_reset(n->stream, 7);
			return NULL;
		}
		*fresh = (struct stream_state){.stream = n->stream};
		h2_set_user(n->stream, fresh);
	}
	return h2_user(n->stream);
}

static void on_event(struct h2_engine *e, const struct h2_notice *n, void *user)
{
	struct program *p = user;
	if (n->stream == NULL) {
		return;
	}
	if (n->event == H2_CLOSED || n->event == H2_REFUSED) {
		struct stream_state *at = h2_user(n->stream);
		if (at) {
			at->stream = NULL;
		}
		p->closed++;
		return;
	}
	struct stream_state *at = state_of(p, n);
	if (at == NULL) {
		return;
	}
	if (n->event == H2_DATA && p->manner & 2) {
		h2_consume(n->stream, n->data.len);
	}
	if (n->event == H2_HEAD && p->manner & 4) {
		h2_reset(n->stream, 8);
	}
	if (p->server && (n->event == H2_HEAD || n->event == H2_END)) {
		respond(p, at, n->stream);
	}
	assert(h2_unread(e) < MIB(64));
}

static void ask(struct program *p, struct h2_engine *e)
{
	struct http_head head = {
		.method = p->manner & 64 ? STR("HEAD") : STR("POST"),
		.path = STR("/"),
		.authority = STR("h"),
	};
	for (size_t i = 0; i < 3; i++) {
		struct stream_state *at = &p->streams[p->n++ % STREAMS];
		struct h2_stream *s = at->stream ? NULL : h2_request(e, &head, true, at);
		if (s) {
			*at = (struct stream_state){.stream = s};
			h2_send(s, STR("body"));
			end_it(p, at, s);
		}
	}
}

static bool feed(struct h2_engine *e, struct str in, struct err *err)
{
	AUTO_BUF struct buf out = BUF(MIB(4));
	return h2_feed(e, in, err) && h2_drain(e, &out, KIB(64), err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
	struct program p = {0};
	struct h2_engine *e;
	struct err err;
	if (len == 0) {
		return 0;
	}
	p.manner = bytes[0];
	p.server = bytes[0] & 1;
	struct str in = str_make(bytes + 1, len - 1);
	if (!h2_new(p.server, on_event, &p, &e, &err)) {
		abort();
	}
	bool alive = !p.server || feed(e, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &err);
	alive = alive && feed(e, (struct str){settings, sizeof settings}, &err);
	assert(alive);
	while (alive && in.len) {
		if (!p.server) {
			ask(&p, e);
		}
		size_t n = 1 + (uint8_t)in.at[0] * 2u;
		in = str_skip(in, 1);
		alive = feed(e, str_first(in, n), &err);
		in = str_skip(in, n);
	}
	h2_free(e);
	for (size_t i = 0; i < STREAMS; i++) {
		assert(p.streams[i].stream == NULL);
	}
	return 0;
}
