#pragma once
/* Both ends of a tunnel over one socket pair, on one loop with a clock of the test's. */
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel/tunnel.h"
#include "unit/unit.h"

enum {
	PAIR_TURNS = 400,
	PAIR_BIG = 1024 * 1024,
};

struct end {
	struct tunnel *tunnel;
	int ups, servings, drainings, losts;
	struct err failure;
	/* server: how it answers */
	bool holds;    /* no answer until told */
	bool closes;   /* tunnel_close() inside the request's event */
	size_t answer; /* bytes of body */
	struct h2_stream *held;
	/* seen */
	unsigned status;
	size_t body, requests, ends, closed, refused;
};

struct pair {
	struct loop *loop;
	msec_t now;
	struct end relay, connector;
	int fds[2];
};

static void pair_answer(struct end *e, struct h2_stream *s)
{
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};
	struct err err = {0};
	char piece[4096];

	memset(piece, 'x', sizeof(piece));
	assert_ok(h2_respond(s, &head, e->answer > 0, &err), &err);
	for (size_t sent = 0; sent < e->answer; sent += sizeof(piece)) {
		h2_send(s, str_make(piece, sizeof(piece)));
	}
	if (e->answer > 0) {
		h2_end(s, NULL, 0);
	}
	tunnel_flush(e->tunnel);
}

static void pair_on_request(struct end *e, struct h2_stream *s)
{
	e->requests++;
	if (e->closes) {
		tunnel_close(TAKE(e->tunnel));
	} else if (e->holds) {
		e->held = s;
	} else {
		pair_answer(e, s);
	}
}

static void pair_on_stream(struct h2_engine *engine UNUSED, const struct h2_notice *n, void *user)
{
	struct end *e = user;

	switch (n->event) {
	case H2_HEAD:
		e->status = h2_head(n->stream)->status;
		if (e->status == 0) {
			pair_on_request(e, n->stream);
		}
		break;
	case H2_DATA:
		e->body += n->data.len;
		h2_consume(n->stream, n->data.len);
		break;
	case H2_END:
		e->ends++;
		break;
	case H2_CLOSED:
		e->closed++;
		break;
	case H2_REFUSED:
		e->refused++;
		break;
	case H2_TRAILERS:
	case H2_SENT:
	case H2_PONG:
	case H2_GOAWAY:
	case H2_SETTINGS:
		break;
	}
}

static void pair_on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
{
	struct end *e = user;

	e->ups += event == TUNNEL_UP;
	e->servings += event == TUNNEL_SERVING;
	e->drainings += event == TUNNEL_DRAINING;
	if (event == TUNNEL_LOST) {
		e->losts++;
		e->failure = *tunnel_failure(t);
		tunnel_close(TAKE(e->tunnel));
	}
}

static void pair_ignore(struct stream *s UNUSED, enum stream_event event UNUSED, void *user UNUSED)
{
}

static void pair_open(struct end *e, struct stream *s, bool server)
{
	struct err err = {0};
	struct tunnel_settings settings = {
		.server = server,
		.ping_after = server ? SEC(5) : 0,
		.dead_after = SEC(10),
		.suspect_after = SEC(2),
		.turn_out_max = KIB(64),
		.on_stream = pair_on_stream,
		.on_tunnel = pair_on_tunnel,
		.user = e,
	};

	assert_ok(tunnel_new(s, &settings, &e->tunnel, &err), &err);
}

static void pair_turn(struct pair *p)
{
	for (int i = 0; i < PAIR_TURNS; i++) {
		(void)loop_turn(p->loop, 0);
	}
}

UNUSED static void pair_pass(struct pair *p, msec_t ms)
{
	p->now += ms;
	loop_clock_set(p->loop, p->now);
	pair_turn(p);
}

static void pair_begin(struct pair *p)
{
	struct err err = {0};

	*p = (struct pair){.now = 1000000};
	assert_ok(loop_new_simulated(p->now, &p->loop, &err), &err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
}

UNUSED static void pair_begin_up(struct pair *p)
{
	pair_begin(p);
	pair_open(&p->connector, stream_adopt(p->loop, p->fds[0], pair_ignore, NULL), true);
	pair_open(&p->relay, stream_adopt(p->loop, p->fds[1], pair_ignore, NULL), false);
	pair_turn(p);
	assert_int_equal(p->relay.ups, 1);
	assert_int_equal(p->connector.ups, 1);
}

/* Each end heard once that it is over, and that this is as it should be. */
UNUSED static void pair_assert_drained(const struct pair *p)
{
	assert_int_equal(p->connector.losts, 1);
	assert_int_equal(p->connector.failure.kind, ERR_NONE);
	assert_int_equal(p->relay.losts, 1);
	assert_int_equal(p->relay.failure.kind, ERR_NONE);
}

static void pair_end(struct pair *p)
{
	tunnel_close(p->relay.tunnel);
	tunnel_close(p->connector.tunnel);
	pair_turn(p);
	loop_free(p->loop);
}

UNUSED static struct h2_stream *pair_ask(struct pair *p, bool has_body)
{
	struct http_head head = {.method = STR("POST"),
				 .scheme = STR("http"),
				 .authority = STR("erp:80"),
				 .path = STR("/x"),
				 .body = HTTP_BODY_CHUNKED};
	struct h2_stream *s = h2_request(tunnel_h2(p->relay.tunnel), &head, has_body, &p->relay);

	assert_non_null(s);
	tunnel_flush(p->relay.tunnel);
	return s;
}
