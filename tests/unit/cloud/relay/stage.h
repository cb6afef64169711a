#pragma once
/*
 * A worker with one tunnel to a connector made of the tunnel module's other end, and an
 * application that is a bare socket; all on one loop with a clock of the test's.
 */
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cloud/relay/front.h"
#include "unit/cloud/relay/fake_directory.h"

/* For stage_ask(). */
#define STAGE_GET "GET http://erp:80/a?x=1 HTTP/1.1\r\nHost: erp:80\r\n@\r\n"

enum {
	STAGE_START = 100000, /* loop time */
};

struct connector {
	struct tunnel *tunnel;
	struct h2_stream *request; /* the last one; NULL when it is gone */
	int requests, closed;
	uint32_t code;
	char head[8192]; /* "METHOD scheme authority path\nname: value\n…" of the last one */
	char trailers[512];
	struct buf body;
	size_t uncredited;
	bool keeps_credit; /* gives none back */
	bool ended;
};

struct stage {
	struct loop *loop;
	msec_t now;
	struct fake fake;
	struct snapshot_cell runtime; /* fake_runtime() publishes; empty otherwise */
	struct worker *worker;
	struct connector connector;
	struct buf token;
	int client; /* -1: none */
	struct buf answer;
	bool client_eof, client_reset;
	int moved_to;
	struct str elsewhere_key; /* the place that another worker has */
	struct stream_parts moved;
};

static void stage_write_head(struct connector *c, const struct http_head *head)
{
	size_t n = (size_t)snprintf(c->head, sizeof(c->head), "%.*s %.*s %.*s %.*s\n",
				    STR_ARGS(head->method), STR_ARGS(head->scheme),
				    STR_ARGS(head->authority), STR_ARGS(head->path));
	for (size_t i = 0; i < head->n_fields && n < sizeof(c->head); i++) {
		n += (size_t)snprintf(c->head + n, sizeof(c->head) - n, "%.*s: %.*s\n",
				      STR_ARGS(head->fields[i].name),
				      STR_ARGS(head->fields[i].value));
	}
}

static void stage_on_stream(struct h2_engine *e UNUSED, const struct h2_notice *n, void *user)
{
	struct connector *c = user;

	switch (n->event) {
	case H2_HEAD:
		c->request = n->stream;
		c->requests++;
		c->ended = false;
		buf_reset(&c->body);
		stage_write_head(c, h2_head(n->stream));
		break;
	case H2_DATA:
		buf_add_str(&c->body, n->data);
		if (!c->keeps_credit) {
			h2_consume(n->stream, n->data.len);
			tunnel_flush(c->tunnel);
		}
		break;
	case H2_TRAILERS: {
		const struct http_head *t = h2_head(n->stream);
		snprintf(c->trailers, sizeof(c->trailers), "%.*s: %.*s",
			 STR_ARGS(t->fields[0].name), STR_ARGS(t->fields[0].value));
		break;
	}
	case H2_END:
		c->ended = true;
		break;
	case H2_CLOSED:
	case H2_REFUSED:
		c->closed++;
		c->code = n->code;
		if (c->request == n->stream) {
			c->request = NULL;
		}
		break;
	case H2_SENT:
	case H2_PONG:
	case H2_GOAWAY:
	case H2_SETTINGS:
		break;
	}
}

static void stage_on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
{
	struct connector *c = user;

	if (event == TUNNEL_LOST) {
		tunnel_close(t);
		c->tunnel = NULL;
	}
}

static int stage_elsewhere(void *user, struct str key)
{
	struct stage *s = user;
	return s->elsewhere_key.len > 0 && str_eq(key, s->elsewhere_key) ? 1 : -1;
}

static void stage_move(void *user, unsigned to, struct stream_parts *take, unsigned hops)
{
	struct stage *s = user;

	assert_int_equal(hops, 1);
	s->moved_to = (int)to;
	s->moved = *take;
}

static void stage_ignore(struct stream *st UNUSED, enum stream_event event UNUSED,
			 void *user UNUSED)
{
}

static void stage_tunnel_up(struct stage *s);

static void stage_start_with(struct stage *s, const struct relay_limits *limits)
{
	const struct worker_settings settings_of_stage = {
		.token_url = "https://tokens.test",
		.limits = *limits,
		.directory = &s->fake.cell,
		.runtime = &s->runtime,
		.elsewhere = stage_elsewhere,
		.move = stage_move,
		.user = s,
	};
	struct err err;

	memset(s, 0, sizeof(*s));
	fake_start(&s->fake);
	snapshot_cell_init(&s->runtime);
	s->now = STAGE_START;
	s->client = s->moved_to = -1;
	s->answer = BUF(MIB(64));
	s->connector.body = BUF(MIB(64));
	s->token = BUF(JOSE_TOKEN_MAX);
	fake_token(&s->fake, FAKE_SUBACCOUNT, 3600, &s->token);
	assert_ok(loop_new_simulated(s->now, &s->loop, &err), &err);
	assert_ok(worker_new(s->loop, &settings_of_stage, &s->worker, &err), &err);
}

static void stage_start(struct stage *s)
{
	stage_start_with(s, &(const struct relay_limits){0});
}

/* Reads what the application got. */
static void stage_hear(struct stage *s)
{
	char bytes[65536];
	ssize_t n;

	while (s->client >= 0 && !s->client_eof && !s->client_reset &&
	       (n = recv(s->client, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0) {
		buf_add(&s->answer, bytes, (size_t)n);
		s->client_eof = n == 0;
	}
}

static void stage_turns(struct stage *s, int n)
{
	for (int i = 0; i < n; i++) {
		loop_turn(s->loop, 0);
		stage_hear(s);
	}
}

static void stage_settle(struct stage *s)
{
	stage_turns(s, 12);
}

UNUSED static void stage_wait(struct stage *s, msec_t ms)
{
	/* In steps, so that tunnels hear each other in between as they would. */
	for (msec_t end = s->now + ms; s->now < end;) {
		s->now = s->now + 1000 < end ? s->now + 1000 : end;
		loop_clock_set(s->loop, s->now);
		stage_turns(s, 3);
	}
	stage_settle(s);
}

UNUSED static void stage_tunnel_up(struct stage *s)
{
	struct connector *c = &s->connector;
	struct tunnel_settings settings = {
		.server = true,
		.ping_after = 5000,
		.dead_after = 10000,
		.suspect_after = 2000,
		.turn_out_max = 64 * 1024,
		.on_stream = stage_on_stream,
		.on_tunnel = stage_on_tunnel,
		.user = c,
	};
	struct worker_tunnel_facts facts = {
		.id = 1, .subaccount = FAKE_SUBACCOUNT, .instance = FAKE_INSTANCE, .serial = "01"};
	struct stream_parts parts = {.unread = BUF(SIZE_MAX / 2)};
	struct err err;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	parts.fd = fd[0];
	worker_take_tunnel(s->worker, &facts, &parts);
	struct stream *far = stream_adopt(s->loop, fd[1], stage_ignore, NULL);
	assert_ok(tunnel_new(far, &settings, &c->tunnel, &err), &err);
	stage_settle(s);
}

static void stage_connect(struct stage *s)
{
	int fd[2];

	if (s->client >= 0) {
		close(s->client);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	s->client = fd[0];
	s->client_eof = s->client_reset = false;
	buf_reset(&s->answer);
	front_accept(s->worker, fd[1]);
}

UNUSED static void stage_hang_up(struct stage *s)
{
	close(s->client);
	s->client = -1;
	stage_settle(s);
}

static void stage_put(struct stage *s, struct str bytes)
{
	for (int tries = 0; bytes.len > 0 && tries < 1000; tries++) {
		ssize_t n = send(s->client, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
		loop_turn(s->loop, 0);
	}
	assert_int_equal(bytes.len, 0);
	stage_settle(s);
}

/* `text` with each "@" replaced by a good Proxy-Authorization field. */
static void stage_spell(const struct stage *s, const char *text, struct buf *out)
{
	struct str rest = str_of(text), part;

	for (bool first = true; str_next(&rest, '@', &part); first = false) {
		if (!first) {
			buf_addf(out, "Proxy-Authorization: Bearer %.*s\r\n",
				 STR_ARGS(buf_str(&s->token)));
		}
		buf_add_str(out, part);
	}
}

static void stage_ask(struct stage *s, const char *text)
{
	AUTO_BUF struct buf out = BUF(MIB(1));

	stage_spell(s, text, &out);
	if (s->client < 0) {
		stage_connect(s);
	}
	stage_put(s, buf_str(&out));
}

/* The same, and nobody has read it yet. */
UNUSED static void stage_send(struct stage *s, const char *text)
{
	AUTO_BUF struct buf out = BUF(MIB(1));

	stage_spell(s, text, &out);
	assert_int_equal(send(s->client, out.at, out.len, 0), out.len);
}

UNUSED static void stage_respond(struct stage *s, const struct http_head *head, bool has_body)
{
	struct err err;

	assert_non_null(s->connector.request);
	assert_ok(h2_respond(s->connector.request, head, has_body, &err), &err);
	tunnel_flush(s->connector.tunnel);
	stage_settle(s);
}

/* 200 with `text` as its body and a length. */
UNUSED static void stage_answer(struct stage *s, const char *text)
{
	struct http_head head = {
		.status = 200, .body = HTTP_BODY_LENGTH, .content_length = strlen(text)};

	struct h2_stream *request = s->connector.request;
	struct err err;
	assert_non_null(request);
	assert_ok(h2_respond(request, &head, true, &err), &err);
	h2_send(request, str_of(text));
	h2_end(request, NULL, 0);
	tunnel_flush(s->connector.tunnel);
	stage_settle(s);
}

static void stage_stop(struct stage *s)
{
	if (s->client >= 0) {
		close(s->client);
	}
	worker_free(s->worker);
	tunnel_close(s->connector.tunnel);
	loop_free(s->loop);
	snapshot_cell_fini(&s->runtime);
	fake_stop(&s->fake);
	buf_fini(&s->answer);
	buf_fini(&s->connector.body);
	buf_fini(&s->token);
}

#define assert_answer_starts(s, expected)                                                          \
	do {                                                                                       \
		if (!str_starts(buf_str(&(s)->answer), str_of(expected))) {                        \
			fail_msg("got \"%.*s\"", STR_ARGS(buf_str(&(s)->answer)));                 \
		}                                                                                  \
	} while (0)
#define assert_answer_has(s, expected)                                                             \
	do {                                                                                       \
		if (!str_contains(buf_str(&(s)->answer), str_of(expected))) {                      \
			fail_msg("got \"%.*s\"", STR_ARGS(buf_str(&(s)->answer)));                 \
		}                                                                                  \
	} while (0)
