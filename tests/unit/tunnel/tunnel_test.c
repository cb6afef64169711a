#include "tunnel/tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit/unit.h"

enum {
	TURNS = 400,
	BIG = 1024 * 1024,
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

static void answer(struct end *e, struct h2_stream *s)
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

static void on_request(struct end *e, struct h2_stream *s)
{
	e->requests++;
	if (e->closes) {
		tunnel_close(TAKE(e->tunnel));
	} else if (e->holds) {
		e->held = s;
	} else {
		answer(e, s);
	}
}

static void on_stream(struct h2_engine *engine, const struct h2_notice *n, void *user)
{
	struct end *e = user;
	(void)engine;

	switch (n->event) {
	case H2_HEAD:
		e->status = h2_head(n->stream)->status;
		if (e->status == 0) {
			on_request(e, n->stream);
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

static void on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
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

static void ignore(struct stream *s, enum stream_event event, void *user)
{
	(void)s;
	(void)event;
	(void)user;
}

static void open_end(struct pair *p, struct end *e, struct stream *s, bool server)
{
	struct err err = {0};
	struct tunnel_settings settings = {
		.server = server,
		.ping_after = server ? SEC(5) : 0,
		.dead_after = SEC(10),
		.suspect_after = SEC(2),
		.turn_out_max = KIB(64),
		.on_stream = on_stream,
		.on_tunnel = on_tunnel,
		.user = e,
	};

	(void)p;
	assert_ok(tunnel_new(s, &settings, &e->tunnel, &err), &err);
}

static void turn(struct pair *p)
{
	for (int i = 0; i < TURNS; i++) {
		(void)loop_turn(p->loop, 0);
	}
}

static void pass(struct pair *p, msec_t ms)
{
	p->now += ms;
	loop_clock_set(p->loop, p->now);
	turn(p);
}

static void begin(struct pair *p)
{
	struct err err = {0};

	*p = (struct pair){.now = 1000000};
	assert_ok(loop_new_simulated(p->now, &p->loop, &err), &err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
}

static void begin_up(struct pair *p)
{
	begin(p);
	open_end(p, &p->connector, stream_adopt(p->loop, p->fds[0], ignore, NULL), true);
	open_end(p, &p->relay, stream_adopt(p->loop, p->fds[1], ignore, NULL), false);
	turn(p);
	assert_int_equal(p->relay.ups, 1);
	assert_int_equal(p->connector.ups, 1);
}

static void end(struct pair *p)
{
	tunnel_close(p->relay.tunnel);
	tunnel_close(p->connector.tunnel);
	turn(p);
	loop_free(p->loop);
}

static struct h2_stream *ask(struct pair *p, bool has_body)
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

TEST(a_request_goes_down_and_its_answer_comes_back)
{
	struct pair p;

	begin_up(&p);
	p.connector.answer = 8192;
	(void)ask(&p, false);
	turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.body, 8192);
	assert_int_equal(p.relay.closed, 1);
	assert_int_equal(tunnel_streams(p.relay.tunnel), 0);
	end(&p);
}

TEST(large_bodies_pass_both_ways_at_once)
{
	struct pair p;
	char piece[4096] = "";

	begin_up(&p);
	p.connector.answer = BIG;
	struct h2_stream *s = ask(&p, true);
	for (size_t sent = 0; sent < BIG; sent += sizeof(piece)) {
		h2_send(s, str_make(piece, sizeof(piece)));
	}
	h2_end(s, NULL, 0);
	tunnel_flush(p.relay.tunnel);
	turn(&p);
	assert_int_equal(p.connector.body, BIG);
	assert_int_equal(p.relay.body, BIG);
	assert_int_equal(p.relay.closed, 1);
	end(&p);
}

TEST(what_came_before_the_tunnel_was_made_is_fed)
{
	struct pair p;

	begin(&p);
	open_end(&p, &p.relay, stream_adopt(p.loop, p.fds[1], ignore, NULL), false);
	struct stream *s = stream_adopt(p.loop, p.fds[0], ignore, NULL);
	turn(&p);
	assert_true(stream_peek(s).len > 0);
	open_end(&p, &p.connector, s, true);
	turn(&p);
	assert_int_equal(p.connector.ups, 1);
	assert_int_equal(p.relay.ups, 1);
	assert_int_equal(p.connector.servings, 1);
	assert_int_equal(p.relay.servings, 0);
	end(&p);
}

TEST(the_relays_goaway_is_told_and_streams_go_on)
{
	struct pair p;

	begin_up(&p);
	p.connector.holds = true;
	(void)ask(&p, false);
	turn(&p);
	tunnel_drain(p.relay.tunnel, SEC(30));
	turn(&p);
	assert_int_equal(p.connector.drainings, 1);
	assert_int_equal(p.connector.losts + p.relay.losts, 0);
	assert_false(tunnel_is_usable(p.relay.tunnel));

	answer(&p.connector, p.connector.held);
	turn(&p);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.losts, 0); /* the connector goes first */
	tunnel_drain(p.connector.tunnel, SEC(30));
	turn(&p);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NONE);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_NONE);
	end(&p);
}

TEST(the_connectors_drain_ends_with_the_last_stream)
{
	struct pair p;

	begin_up(&p);
	p.connector.holds = true;
	p.connector.answer = BIG;
	(void)ask(&p, false);
	turn(&p);
	tunnel_drain(p.connector.tunnel, SEC(30));
	turn(&p);
	assert_int_equal(p.relay.drainings, 1);
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(p.connector.losts + p.relay.losts, 0);

	answer(&p.connector, p.connector.held);
	turn(&p);
	assert_int_equal(p.relay.body, BIG);
	assert_int_equal(p.relay.closed, 1);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_NONE);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NONE);
	end(&p);
}

TEST(a_request_on_its_way_at_the_drain_is_served)
{
	struct pair p;

	begin_up(&p);
	(void)ask(&p, false);
	tunnel_drain(p.connector.tunnel, SEC(30));
	turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.refused, 0);
	assert_int_equal(p.connector.losts, 1);
	end(&p);
}

TEST(a_drain_is_cut_at_its_limit)
{
	struct pair p;

	begin_up(&p);
	p.connector.holds = true;
	(void)ask(&p, false);
	turn(&p);
	tunnel_drain(p.connector.tunnel, SEC(3));
	pass(&p, SEC(2));
	assert_int_equal(p.connector.losts, 0);
	pass(&p, SEC(1));
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.closed, 1);
	end(&p);
}

TEST(a_silent_peer_is_pinged_after_5_s_and_dead_after_10)
{
	struct pair p;
	char bytes[512];

	begin(&p);
	open_end(&p, &p.connector, stream_adopt(p.loop, p.fds[0], ignore, NULL), true);
	turn(&p);
	while (recv(p.fds[1], bytes, sizeof(bytes), 0) > 0) {
	}
	pass(&p, SEC(5) - 1);
	assert_true(recv(p.fds[1], bytes, sizeof(bytes), 0) < 0);
	pass(&p, 1);
	assert_int_equal(recv(p.fds[1], bytes, sizeof(bytes), 0), 17);
	assert_int_equal(bytes[3], 6); /* PING */
	pass(&p, SEC(5) - 1);
	assert_int_equal(p.connector.losts, 0);
	pass(&p, 1);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_NETWORK);
	close(p.fds[1]);
	end(&p);
}

TEST(any_byte_is_life)
{
	struct pair p;

	begin(&p);
	open_end(&p, &p.connector, stream_adopt(p.loop, p.fds[0], ignore, NULL), true);
	turn(&p);
	assert_int_equal(send(p.fds[1], "PRI", 3, 0), 3);
	turn(&p);
	for (int i = 0; i < 3; i++) {
		pass(&p, SEC(5));
		assert_int_equal(send(p.fds[1], &" * HTTP/2.0"[i], 1, 0), 1);
		pass(&p, SEC(4));
	}
	assert_int_equal(p.connector.losts, 0);
	close(p.fds[1]);
	end(&p);
}

TEST(an_idle_pair_lives_on)
{
	struct pair p;

	begin_up(&p);
	for (int i = 0; i < 200; i++) {
		pass(&p, SEC(1));
	}
	assert_int_equal(p.connector.losts + p.relay.losts, 0);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	end(&p);
}

TEST(the_relay_gives_a_silent_connector_up_after_10_s)
{
	struct pair p;

	begin(&p);
	open_end(&p, &p.relay, stream_adopt(p.loop, p.fds[1], ignore, NULL), false);
	pass(&p, SEC(6));
	pass(&p, SEC(4) - 1);
	assert_int_equal(p.relay.losts, 0);
	pass(&p, 1);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NETWORK);
	close(p.fds[0]);
	end(&p);
}

/* SETTINGS of a server, then silence: the rest of the bytes go nowhere. */
static void begin_mute(struct pair *p)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";

	begin(p);
	open_end(p, &p->relay, stream_adopt(p->loop, p->fds[1], ignore, NULL), false);
	assert_int_equal(send(p->fds[0], settings, 9, 0), 9);
	turn(p);
	assert_int_equal(p->relay.ups, 1);
}

TEST(a_quiet_tunnel_is_probed_and_suspected_after_2_s)
{
	struct pair p;

	begin_mute(&p);
	pass(&p, SEC(6));
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pass(&p, 1);
	assert_true(tunnel_is_usable(p.relay.tunnel)); /* asks with this request */
	pass(&p, SEC(2) - 1);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pass(&p, 1);
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(send(p.fds[0], "\0", 1, 0), 1);
	turn(&p);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	close(p.fds[0]);
	end(&p);
}

TEST(a_tunnel_with_requests_and_no_byte_for_5_s_is_suspect)
{
	struct pair p;

	begin_mute(&p);
	(void)ask(&p, false);
	turn(&p);
	pass(&p, SEC(5));
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pass(&p, SEC(2));
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(p.relay.losts, 0);
	close(p.fds[0]);
	end(&p);
}

TEST(a_closed_peer_ends_every_stream_and_then_the_tunnel)
{
	struct pair p;

	begin_up(&p);
	p.connector.holds = true;
	(void)ask(&p, false);
	(void)ask(&p, false);
	turn(&p);
	tunnel_close(TAKE(p.connector.tunnel));
	turn(&p);
	assert_int_equal(p.connector.closed, 2);
	assert_int_equal(p.connector.losts, 0);
	assert_int_equal(p.relay.closed, 2);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NETWORK);
	end(&p);
}

TEST(garbage_ends_the_tunnel_with_the_reason_told_to_the_peer)
{
	struct pair p;
	char bytes[512];
	bool goaway = false;

	begin(&p);
	open_end(&p, &p.connector, stream_adopt(p.loop, p.fds[0], ignore, NULL), true);
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				      "\0\0\0\4\0\0\0\0\0"   /* SETTINGS */
				      "\0\0\1\0\0\0\0\0\0x"; /* DATA on stream 0 */
	assert_int_equal(send(p.fds[1], preface, sizeof(preface) - 1, 0), sizeof(preface) - 1);
	turn(&p);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_PROTOCOL);
	ssize_t n = recv(p.fds[1], bytes, sizeof(bytes), 0);
	for (ssize_t i = 0; i + 9 <= n; i += 9 + (uint8_t)bytes[i + 2]) {
		goaway |= bytes[i + 3] == 7;
	}
	assert_true(goaway);
	close(p.fds[1]);
	end(&p);
}

TEST(a_tunnel_may_be_closed_inside_a_streams_event)
{
	struct pair p;

	begin_up(&p);
	p.connector.closes = true;
	(void)ask(&p, false);
	(void)ask(&p, false);
	turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.losts, 1);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_down_and_its_answer_comes_back),
		cmocka_unit_test(large_bodies_pass_both_ways_at_once),
		cmocka_unit_test(what_came_before_the_tunnel_was_made_is_fed),
		cmocka_unit_test(the_relays_goaway_is_told_and_streams_go_on),
		cmocka_unit_test(the_connectors_drain_ends_with_the_last_stream),
		cmocka_unit_test(a_request_on_its_way_at_the_drain_is_served),
		cmocka_unit_test(a_drain_is_cut_at_its_limit),
		cmocka_unit_test(a_silent_peer_is_pinged_after_5_s_and_dead_after_10),
		cmocka_unit_test(any_byte_is_life),
		cmocka_unit_test(an_idle_pair_lives_on),
		cmocka_unit_test(the_relay_gives_a_silent_connector_up_after_10_s),
		cmocka_unit_test(a_quiet_tunnel_is_probed_and_suspected_after_2_s),
		cmocka_unit_test(a_tunnel_with_requests_and_no_byte_for_5_s_is_suspect),
		cmocka_unit_test(a_closed_peer_ends_every_stream_and_then_the_tunnel),
		cmocka_unit_test(garbage_ends_the_tunnel_with_the_reason_told_to_the_peer),
		cmocka_unit_test(a_tunnel_may_be_closed_inside_a_streams_event),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
