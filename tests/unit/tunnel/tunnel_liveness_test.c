#include "unit/tunnel/tunnel_pair.h"

TEST(a_silent_peer_is_pinged_after_5_s_and_dead_after_10)
{
	struct pair p;
	char bytes[512];

	pair_begin(&p);
	pair_open(&p.connector, stream_adopt(p.loop, p.fds[0], pair_ignore, NULL), true);
	pair_turn(&p);
	while (recv(p.fds[1], bytes, sizeof(bytes), 0) > 0) {
	}
	pair_pass(&p, SEC(5) - 1);
	assert_true(recv(p.fds[1], bytes, sizeof(bytes), 0) < 0);
	pair_pass(&p, 1);
	assert_int_equal(recv(p.fds[1], bytes, sizeof(bytes), 0), 17);
	assert_int_equal(bytes[3], 6); /* PING */
	pair_pass(&p, SEC(5) - 1);
	assert_int_equal(p.connector.losts, 0);
	pair_pass(&p, 1);
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.failure.kind, ERR_NETWORK);
	close(p.fds[1]);
	pair_end(&p);
}

TEST(any_byte_is_life)
{
	struct pair p;

	pair_begin(&p);
	pair_open(&p.connector, stream_adopt(p.loop, p.fds[0], pair_ignore, NULL), true);
	pair_turn(&p);
	assert_int_equal(send(p.fds[1], "PRI", 3, 0), 3);
	pair_turn(&p);
	for (int i = 0; i < 3; i++) {
		pair_pass(&p, SEC(5));
		assert_int_equal(send(p.fds[1], &" * HTTP/2.0"[i], 1, 0), 1);
		pair_pass(&p, SEC(4));
	}
	assert_int_equal(p.connector.losts, 0);
	close(p.fds[1]);
	pair_end(&p);
}

TEST(an_idle_pair_lives_on)
{
	struct pair p;

	pair_begin_up(&p);
	for (int i = 0; i < 200; i++) {
		pair_pass(&p, SEC(1));
	}
	assert_int_equal(p.connector.losts + p.relay.losts, 0);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pair_end(&p);
}

TEST(the_relay_gives_a_silent_connector_up_after_10_s)
{
	struct pair p;

	pair_begin(&p);
	pair_open(&p.relay, stream_adopt(p.loop, p.fds[1], pair_ignore, NULL), false);
	pair_pass(&p, SEC(6));
	pair_pass(&p, SEC(4) - 1);
	assert_int_equal(p.relay.losts, 0);
	pair_pass(&p, 1);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NETWORK);
	close(p.fds[0]);
	pair_end(&p);
}

/* SETTINGS of a server, then silence: the rest of the bytes go nowhere. */
static void begin_mute(struct pair *p)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";

	pair_begin(p);
	pair_open(&p->relay, stream_adopt(p->loop, p->fds[1], pair_ignore, NULL), false);
	assert_int_equal(send(p->fds[0], settings, 9, 0), 9);
	pair_turn(p);
	assert_int_equal(p->relay.ups, 1);
}

TEST(a_quiet_tunnel_is_probed_and_suspected_after_2_s)
{
	struct pair p;

	begin_mute(&p);
	pair_pass(&p, SEC(6));
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pair_pass(&p, 1);
	assert_true(tunnel_is_usable(p.relay.tunnel)); /* asks with this request */
	pair_pass(&p, SEC(2) - 1);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pair_pass(&p, 1);
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(send(p.fds[0], "\0", 1, 0), 1);
	pair_turn(&p);
	assert_true(tunnel_is_usable(p.relay.tunnel));
	close(p.fds[0]);
	pair_end(&p);
}

TEST(a_tunnel_with_requests_and_no_byte_for_5_s_is_suspect)
{
	struct pair p;

	begin_mute(&p);
	(void)pair_ask(&p, false);
	pair_turn(&p);
	pair_pass(&p, SEC(5));
	assert_true(tunnel_is_usable(p.relay.tunnel));
	pair_pass(&p, SEC(2));
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(p.relay.losts, 0);
	close(p.fds[0]);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_peer_is_pinged_after_5_s_and_dead_after_10),
		cmocka_unit_test(any_byte_is_life),
		cmocka_unit_test(an_idle_pair_lives_on),
		cmocka_unit_test(the_relay_gives_a_silent_connector_up_after_10_s),
		cmocka_unit_test(a_quiet_tunnel_is_probed_and_suspected_after_2_s),
		cmocka_unit_test(a_tunnel_with_requests_and_no_byte_for_5_s_is_suspect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
