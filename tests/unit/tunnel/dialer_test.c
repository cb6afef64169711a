#include "tunnel/dialer.h"

#include <stdio.h>

#include "unit/tunnel/fake_relay.h"

enum {
	TURNS = 3000,
	SIDES = 32,
};

/* ---- a corporate proxy that speaks CONNECT ---- */

struct side {
	struct stream *stream;
	struct side *other;
	struct proxy *proxy;
};

struct proxy {
	struct loop *loop;
	struct listener *listener;
	uint16_t port;
	const char *wanted; /* value of Proxy-Authorization, or NULL */
	const char *answer; /* instead of CONNECT being done */
	char asked[64];     /* the target of the last CONNECT */
	struct side sides[SIDES];
	size_t n_sides;
};

static void proxy_on_event(struct stream *s, enum stream_event event, void *user);

static void proxy_connect(struct proxy *p, struct side *front, struct str target)
{
	struct side *back = &p->sides[p->n_sides++];
	struct address address;
	struct str host;
	uint16_t port = 0;

	assert_true(address_split(target, 0, &host, &port));
	assert_true(address_parse(STR("127.0.0.1"), port, &address));
	*back = (struct side){.other = front, .proxy = p};
	front->other = back;
	back->stream = stream_connect(p->loop, &address, 1, SEC(30), proxy_on_event, back);
}

static void proxy_asked(struct side *side)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct proxy *p = side->proxy;
	struct h1_limits limits = H1_LIMITS;
	struct http_head head = {0};
	struct err err = {0};
	size_t used = 0;
	unsigned status = 0;

	assert_int_equal(h1_read_request(stream_peek(side->stream), &limits, arena, &head, &used,
					 &status, &err),
			 H1_DONE);
	assert_str(head.method, "CONNECT");
	assert_true(str_copy(head.target, p->asked, sizeof(p->asked)));
	bool welcome = p->wanted == NULL ||
		       str_eq(http_value(&head, STR("Proxy-Authorization")), str_of(p->wanted));
	stream_consume(side->stream, used);
	if (p->answer != NULL) {
		stream_write(side->stream, str_of(p->answer));
	} else if (welcome) {
		proxy_connect(p, side, str_of(p->asked));
	} else {
		stream_write(side->stream, STR("HTTP/1.1 407 Proxy Authentication Required\r\n"
					       "Proxy-Authenticate: Basic realm=\"corp\"\r\n"
					       "Content-Length: 44\r\n\r\n"
					       "<html><body><h1>ask the IT desk</h1></body>\r\n"));
	}
}

static void proxy_on_event(struct stream *s, enum stream_event event, void *user)
{
	struct side *side = user;

	if (event == STREAM_OPEN && side->other != NULL) {
		stream_write(side->other->stream, STR("HTTP/1.1 200 OK\r\nVia: test\r\n\r\n"));
	} else if (event == STREAM_READABLE && side->other == NULL) {
		proxy_asked(side);
	} else if (event == STREAM_READABLE && side->other->stream != NULL) {
		stream_write(side->other->stream, stream_peek(s));
		stream_consume(s, stream_peek(s).len);
	} else if (event == STREAM_EOF || event == STREAM_FAILED) {
		stream_close(TAKE(side->stream));
		if (side->other != NULL && side->other->stream != NULL) {
			stream_close_after_flush(TAKE(side->other->stream), SEC(1));
		}
	}
}

static void proxy_on_accept(void *user, int fd, const struct address *peer UNUSED)
{
	struct proxy *p = user;
	struct side *side = &p->sides[p->n_sides++];

	assert_true(p->n_sides < SIDES);
	*side = (struct side){.proxy = p};
	side->stream = stream_adopt(p->loop, fd, proxy_on_event, side);
}

static void proxy_close(struct proxy *p)
{
	listener_close(TAKE(p->listener));
	for (size_t i = 0; i < p->n_sides; i++) {
		stream_close(TAKE(p->sides[i].stream));
	}
}

/* ---- the scene ---- */

struct scene {
	struct loop *loop;
	struct jobs *jobs;
	struct fake_relay relay;
	struct proxy proxy;
	struct tls_config *tls;
	struct dialer *dialer;
	struct dialer_target target;
	msec_t now;
	int changes, requests;
};

static void on_stream(struct tunnel *t, const struct h2_notice *n, void *user)
{
	struct scene *s = user;
	struct http_head head = {.status = 204};
	struct err err = {0};

	if (n->event == H2_HEAD) {
		s->requests++;
		assert_ok(h2_respond(n->stream, &head, false, &err), &err);
		tunnel_flush(t);
	}
}

static void on_change(struct dialer *d UNUSED, void *user)
{
	struct scene *s = user;

	s->changes++;
}

static void begin(struct scene *s)
{
	struct err err = {0};

	*s = (struct scene){.now = 1000000};
	assert_ok(loop_new_simulated(s->now, &s->loop, &err), &err);
	assert_ok(jobs_new("test", 2, 100, &s->jobs, &err), &err);
	fake_relay_open(&s->relay, s->loop, s->jobs);
	s->proxy.loop = s->loop;
	assert_ok(listener_open(s->loop, "127.0.0.1:0", false, proxy_on_accept, &s->proxy,
				&s->proxy.listener, &err),
		  &err);
	s->proxy.port = listener_port(s->proxy.listener);
	s->tls = fake_relay_client(&s->relay, &s->relay.client);
	s->target = (struct dialer_target){.host = "localhost",
					   .port = s->relay.port,
					   .tls = s->tls,
					   .subaccount = "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11",
					   .instance = "11112222-3333-4444-5555-666677778888",
					   .location_id = "hall-2"};
	struct dialer_settings settings = {.loop = s->loop,
					   .jobs = s->jobs,
					   .on_stream = on_stream,
					   .on_change = on_change,
					   .user = s,
					   .seed = 7};
	s->dialer = dialer_new(&settings, &s->target);
}

static void end(struct scene *s)
{
	dialer_free(s->dialer);
	fake_relay_down(&s->relay);
	/* A handshake may still be running in a job, with the keys that the relay frees below. */
	jobs_free(s->jobs);
	fake_relay_close(&s->relay);
	proxy_close(&s->proxy);
	for (int i = 0; i < 8; i++) {
		(void)loop_turn(s->loop, 0);
	}
	tls_config_unref(s->tls);
	loop_free(s->loop);
}

/* Turns; while the dialer waits for its next try the clock runs. */
static void turn(struct scene *s)
{
	const struct dialer_status *st = dialer_status(s->dialer);

	if (st->state == LINK_WAITING && st->retry_at > s->now) {
		s->now = st->retry_at;
		loop_clock_set(s->loop, s->now);
	}
	(void)loop_turn(s->loop, 5);
}

#define UNTIL(s, condition)                                                                        \
	do {                                                                                       \
		int turns_ = 0;                                                                    \
		while (!(condition) && turns_++ < TURNS) {                                         \
			turn(s);                                                                   \
		}                                                                                  \
		if (!(condition)) {                                                                \
			fail_msg("never: %s (%s)", #condition,                                     \
				 dialer_status((s)->dialer)->reason.text);                         \
		}                                                                                  \
	} while (0)

#define STATUS(s) dialer_status((s)->dialer)

static void ask(struct scene *s, size_t tunnel)
{
	struct http_head head = {.method = STR("GET"),
				 .scheme = STR("http"),
				 .authority = STR("erp:80"),
				 .path = STR("/")};
	struct tunnel *t = s->relay.tunnels[tunnel];

	assert_non_null(h2_request(tunnel_h2(t), &head, false, NULL));
	tunnel_flush(t);
}

static bool reason_has(struct scene *s, const char *part)
{
	return str_contains(str_of(STATUS(s)->reason.text), str_of(part));
}

/* ---- the tests ---- */

TEST(a_tunnel_comes_up_and_serves_requests)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	UNTIL(&s, s.relay.tunnels[0] != NULL && tunnel_is_usable(s.relay.tunnels[0]));
	assert_string_equal(s.relay.subaccount, s.target.subaccount);
	assert_string_equal(s.relay.location, "hall-2");
	assert_int_equal(s.relay.peer, TLS_PEER_TRUSTED);
	ask(&s, 0);
	UNTIL(&s, s.relay.answered == 1);
	assert_int_equal(STATUS(&s)->tunnels, 1);
	assert_true(STATUS(&s)->up_since_ms > 0);
	assert_string_equal(STATUS(&s)->answer.owners, "ann@plant");
	assert_true(STATUS(&s)->skew_s > 86400);
	assert_true(s.changes > 0);
	end(&s);
}

TEST(a_refusal_is_shown_and_tried_again_after_its_pause)
{
	struct scene s;

	begin(&s);
	s.relay.refusal = "HTTP/1.1 409 Conflict\r\nRetry-After: 20\r\nContent-Length: 32\r\n\r\n"
			  "{\"detail\":\"location hall-2 held\"}";
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->refused == 409);
	assert_true(reason_has(&s, "location hall-2 held"));
	assert_int_equal(STATUS(&s)->state, LINK_WAITING);
	assert_true(STATUS(&s)->retry_at >= s.now + SEC(20));
	s.relay.refusal = NULL;
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	assert_int_equal(STATUS(&s)->refused, 0);
	assert_int_equal(STATUS(&s)->reason.kind, ERR_NONE);
	end(&s);
}

TEST(hurry_tries_at_once)
{
	struct scene s;

	begin(&s);
	s.relay.refusal = "HTTP/1.1 503 X\r\nRetry-After: 500\r\nContent-Length: 0\r\n\r\n";
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->refused == 503);
	s.relay.refusal = NULL;
	dialer_hurry(s.dialer);
	assert_int_not_equal(STATUS(&s)->state, LINK_WAITING);
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	end(&s);
}

TEST(a_relay_that_dies_is_dialled_until_it_is_back)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	fake_relay_down(&s.relay);
	UNTIL(&s, STATUS(&s)->failures >= 3);
	assert_int_equal(STATUS(&s)->tunnels, 0);
	assert_int_equal(STATUS(&s)->up_since_ms, 0);
	assert_true(reason_has(&s, "cannot connect"));
	fake_relay_listen(&s.relay);
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	end(&s);
}

TEST(at_the_relays_goaway_a_new_tunnel_comes_and_the_old_one_ends_with_its_streams)
{
	struct scene s;
	struct http_head head = {.method = STR("PUT"),
				 .authority = STR("erp:80"),
				 .path = STR("/"),
				 .body = HTTP_BODY_CHUNKED};

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	struct tunnel *old = s.relay.tunnels[0];
	struct h2_stream *upload = h2_request(tunnel_h2(old), &head, true, NULL);
	tunnel_flush(old);
	UNTIL(&s, s.requests == 1);
	tunnel_drain(old, SEC(30));
	UNTIL(&s, fake_relay_count(&s.relay) == 2 && STATUS(&s)->state == LINK_UP);
	assert_ptr_equal(s.relay.tunnels[0], old);
	h2_end(upload, NULL, 0);
	tunnel_flush(old);
	UNTIL(&s, fake_relay_count(&s.relay) == 1);
	assert_null(s.relay.tunnels[0]);
	UNTIL(&s, STATUS(&s)->tunnels == 1);
	end(&s);
}

TEST(a_tunnel_that_drains_is_not_up_once_its_successor_was_refused)
{
	struct scene s;
	struct http_head head = {.method = STR("PUT"),
				 .authority = STR("erp:80"),
				 .path = STR("/"),
				 .body = HTTP_BODY_CHUNKED};

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	struct tunnel *old = s.relay.tunnels[0];
	assert_non_null(h2_request(tunnel_h2(old), &head, true, NULL)); /* it holds the tunnel */
	tunnel_flush(old);
	UNTIL(&s, s.requests == 1);
	s.relay.refusal = "HTTP/1.1 403 X\r\nContent-Length: 7\r\n\r\nrevoked";
	tunnel_drain(old, SEC(30));
	UNTIL(&s, STATUS(&s)->state == LINK_WAITING);
	assert_true(STATUS(&s)->up_since_ms > 0); /* planned: its successor is on the way */
	UNTIL(&s, STATUS(&s)->refused == 403);
	assert_int_equal(STATUS(&s)->tunnels, 1);
	assert_int_equal(STATUS(&s)->up_since_ms, 0);
	assert_true(reason_has(&s, "revoked"));
	s.relay.refusal = NULL;
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	assert_true(STATUS(&s)->up_since_ms > 0);
	end(&s);
}

TEST(a_relay_that_leaves_with_nothing_in_flight_is_let_go_before_another_answers)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	listener_close(TAKE(s.relay.listener));
	tunnel_drain(s.relay.tunnels[0], SEC(30));
	UNTIL(&s, fake_relay_count(&s.relay) == 0);
	UNTIL(&s, STATUS(&s)->failures >= 2);
	fake_relay_listen(&s.relay);
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	end(&s);
}

TEST(a_new_certificate_opens_a_tunnel_beside_and_the_old_one_drains)
{
	struct scene s;
	struct testcert next = {0};
	char old[64];

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	memcpy(old, s.relay.serial, sizeof(old));
	testcert_client(&next, &s.relay.root, 0, 0);
	struct tls_config *tls = fake_relay_client(&s.relay, &next);
	struct dialer_target target = s.target;
	target.tls = tls;
	dialer_retarget(s.dialer, &target);
	UNTIL(&s, s.relay.welcomed == 2 && fake_relay_count(&s.relay) == 1);
	assert_string_not_equal(s.relay.serial, old);
	assert_null(s.relay.tunnels[0]);
	assert_int_equal(STATUS(&s)->state, LINK_UP);
	tls_config_unref(tls);
	end(&s);
	testcert_free(&next);
}

TEST(a_relay_that_ends_the_old_tunnel_while_the_new_one_is_dialled_is_not_dialled_twice)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	dialer_retarget(s.dialer, &s.target);
	tunnel_drain(s.relay.tunnels[0], SEC(30));
	UNTIL(&s, s.relay.welcomed == 2 && fake_relay_count(&s.relay) == 1);
	for (int i = 0; i < 20; i++) {
		s.now += 500;
		loop_clock_set(s.loop, s.now);
		(void)loop_turn(s.loop, 5);
	}
	assert_int_equal(s.relay.welcomed, 2);
	assert_int_equal(STATUS(&s)->tunnels, 1);
	ask(&s, 1);
	UNTIL(&s, s.relay.answered == 1);
	end(&s);
}

TEST(the_old_tunnel_stays_while_the_new_certificate_is_refused)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	s.relay.refusal = "HTTP/1.1 403 X\r\nContent-Length: 7\r\n\r\nrevoked";
	dialer_retarget(s.dialer, &s.target);
	UNTIL(&s, STATUS(&s)->refused == 403);
	assert_true(reason_has(&s, "revoked"));
	assert_int_equal(STATUS(&s)->tunnels, 1);
	assert_true(STATUS(&s)->up_since_ms > 0);
	ask(&s, 0);
	UNTIL(&s, s.relay.answered == 1);
	end(&s);
}

TEST(a_server_with_another_name_gets_no_request)
{
	struct scene s;

	begin(&s);
	struct testcert other = {0};
	testcert_server(&other, &s.relay.root, KEY_KIND_P256, "elsewhere");
	struct tls_settings settings = {.server = true,
					.peer = TLS_PEER_OPTIONAL,
					.chain_pem = buf_str(&other.pem),
					.key = other.key,
					.anchors_pem = buf_str(&s.relay.root.pem)};
	struct err err = {0};
	tls_config_unref(s.relay.tls);
	assert_ok(tls_config_new(&settings, &s.relay.tls, &err), &err);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->failures >= 1);
	assert_string_equal(s.relay.subaccount, "");
	assert_true(reason_has(&s, "localhost"));
	assert_true(reason_has(&s, "mismatch"));
	assert_true(s.relay.accepted >= 1);
	end(&s);
	testcert_free(&other);
}

TEST(a_corporate_proxy_is_crossed_by_connect)
{
	struct scene s;
	char target[32];

	begin(&s);
	s.proxy.wanted = "Basic cGxhbnQ6Z2VoZWlt";
	s.target.proxy_host = "127.0.0.1";
	s.target.proxy_port = s.proxy.port;
	s.target.proxy_user = "plant";
	s.target.proxy_password = "geheim";
	dialer_retarget(s.dialer, &s.target);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	snprintf(target, sizeof(target), "localhost:%u", s.relay.port);
	assert_string_equal(s.proxy.asked, target);
	ask(&s, 0);
	UNTIL(&s, s.relay.answered == 1);
	end(&s);
}

TEST(a_proxys_407_is_shown_with_its_own_text)
{
	struct scene s;

	begin(&s);
	s.proxy.wanted = "Basic cGxhbnQ6Z2VoZWlt";
	s.target.proxy_host = "127.0.0.1";
	s.target.proxy_port = s.proxy.port;
	dialer_retarget(s.dialer, &s.target);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->failures >= 1);
	assert_int_equal(STATUS(&s)->reason.kind, ERR_DENIED);
	assert_true(reason_has(&s, "407"));
	assert_true(reason_has(&s, "proxy"));
	assert_true(reason_has(&s, "ask the IT desk"));
	assert_true(s.relay.accepted == 0);
	end(&s);
}

TEST(a_hop_that_says_nothing_is_given_up)
{
	struct scene s;

	begin(&s);
	s.proxy.answer = "HTTP/1.1 2";
	s.target.proxy_host = "127.0.0.1";
	s.target.proxy_port = s.proxy.port;
	dialer_retarget(s.dialer, &s.target);
	dialer_start(s.dialer);
	UNTIL(&s, s.proxy.asked[0] != '\0');
	s.now += DIALER_HOP_MS;
	loop_clock_set(s.loop, s.now);
	UNTIL(&s, STATUS(&s)->failures >= 1);
	assert_true(reason_has(&s, "did not answer CONNECT in time"));
	end(&s);
}

TEST(a_drain_ends_idle_and_stop_is_at_once)
{
	struct scene s;

	begin(&s);
	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP && fake_relay_count(&s.relay) == 1);
	dialer_drain(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_IDLE && STATUS(&s)->tunnels == 0);
	assert_int_equal(s.relay.accepted, 1);

	dialer_start(s.dialer);
	UNTIL(&s, STATUS(&s)->state == LINK_UP);
	dialer_stop(s.dialer);
	assert_int_equal(STATUS(&s)->state, LINK_IDLE);
	assert_int_equal(STATUS(&s)->tunnels, 0);
	UNTIL(&s, fake_relay_count(&s.relay) == 0);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_comes_up_and_serves_requests),
		cmocka_unit_test(a_refusal_is_shown_and_tried_again_after_its_pause),
		cmocka_unit_test(hurry_tries_at_once),
		cmocka_unit_test(a_relay_that_dies_is_dialled_until_it_is_back),
		cmocka_unit_test(
			at_the_relays_goaway_a_new_tunnel_comes_and_the_old_one_ends_with_its_streams),
		cmocka_unit_test(a_tunnel_that_drains_is_not_up_once_its_successor_was_refused),
		cmocka_unit_test(
			a_relay_that_leaves_with_nothing_in_flight_is_let_go_before_another_answers),
		cmocka_unit_test(a_new_certificate_opens_a_tunnel_beside_and_the_old_one_drains),
		cmocka_unit_test(
			a_relay_that_ends_the_old_tunnel_while_the_new_one_is_dialled_is_not_dialled_twice),
		cmocka_unit_test(the_old_tunnel_stays_while_the_new_certificate_is_refused),
		cmocka_unit_test(a_server_with_another_name_gets_no_request),
		cmocka_unit_test(a_corporate_proxy_is_crossed_by_connect),
		cmocka_unit_test(a_proxys_407_is_shown_with_its_own_text),
		cmocka_unit_test(a_hop_that_says_nothing_is_given_up),
		cmocka_unit_test(a_drain_ends_idle_and_stop_is_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
