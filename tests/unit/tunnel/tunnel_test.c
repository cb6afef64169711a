#include "unit/tunnel/tunnel_pair.h"

TEST(a_request_goes_down_and_its_answer_comes_back)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.answer = 8192;
	(void)pair_ask(&p, false);
	pair_turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.body, 8192);
	assert_int_equal(p.relay.closed, 1);
	assert_int_equal(tunnel_streams(p.relay.tunnel), 0);
	pair_end(&p);
}

TEST(large_bodies_pass_both_ways_at_once)
{
	struct pair p;
	char piece[4096] = "";

	pair_begin_up(&p);
	p.connector.answer = PAIR_BIG;
	struct h2_stream *s = pair_ask(&p, true);
	for (size_t sent = 0; sent < PAIR_BIG; sent += sizeof(piece)) {
		h2_send(s, str_make(piece, sizeof(piece)));
	}
	h2_end(s, NULL, 0);
	tunnel_flush(p.relay.tunnel);
	pair_turn(&p);
	assert_int_equal(p.connector.body, PAIR_BIG);
	assert_int_equal(p.relay.body, PAIR_BIG);
	assert_int_equal(p.relay.closed, 1);
	pair_end(&p);
}

TEST(what_came_before_the_tunnel_was_made_is_fed)
{
	struct pair p;

	pair_begin(&p);
	pair_open(&p.relay, stream_adopt(p.loop, p.fds[1], pair_ignore, NULL), false);
	struct stream *s = stream_adopt(p.loop, p.fds[0], pair_ignore, NULL);
	pair_turn(&p);
	assert_true(stream_peek(s).len > 0);
	pair_open(&p.connector, s, true);
	pair_turn(&p);
	assert_int_equal(p.connector.ups, 1);
	assert_int_equal(p.relay.ups, 1);
	assert_int_equal(p.connector.servings, 1);
	assert_int_equal(p.relay.servings, 0);
	pair_end(&p);
}

TEST(garbage_ends_the_tunnel_with_the_reason_told_to_the_peer)
{
	struct pair p;
	char bytes[512];
	bool goaway = false;

	pair_begin(&p);
	pair_open(&p.connector, stream_adopt(p.loop, p.fds[0], pair_ignore, NULL), true);
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
				      "\0\0\0\4\0\0\0\0\0"   /* SETTINGS */
				      "\0\0\1\0\0\0\0\0\0x"; /* DATA on stream 0 */
	assert_int_equal(send(p.fds[1], preface, sizeof(preface) - 1, 0), sizeof(preface) - 1);
	pair_turn(&p);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_PROTOCOL);
	ssize_t n = recv(p.fds[1], bytes, sizeof(bytes), 0);
	for (ssize_t i = 0; i + 9 <= n; i += 9 + (uint8_t)bytes[i + 2]) {
		goaway |= bytes[i + 3] == 7;
	}
	assert_true(goaway);
	close(p.fds[1]);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_down_and_its_answer_comes_back),
		cmocka_unit_test(large_bodies_pass_both_ways_at_once),
		cmocka_unit_test(what_came_before_the_tunnel_was_made_is_fed),
		cmocka_unit_test(garbage_ends_the_tunnel_with_the_reason_told_to_the_peer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
