#include "unit/tunnel/tunnel_pair.h"

TEST(the_relays_goaway_is_told_and_streams_go_on)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.holds = true;
	(void)pair_ask(&p, false);
	pair_turn(&p);
	tunnel_drain(p.relay.tunnel, SEC(30));
	pair_turn(&p);
	assert_int_equal(p.connector.drainings, 1);
	assert_int_equal(p.connector.losts + p.relay.losts, 0);
	assert_false(tunnel_is_usable(p.relay.tunnel));

	pair_answer(&p.connector, p.connector.held);
	pair_turn(&p);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.losts, 0); /* the connector goes first */
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	pair_assert_drained(&p);
	pair_end(&p);
}

TEST(the_connectors_drain_ends_with_the_last_stream)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.holds = true;
	p.connector.answer = PAIR_BIG;
	(void)pair_ask(&p, false);
	pair_turn(&p);
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	assert_int_equal(p.relay.drainings, 1);
	assert_false(tunnel_is_usable(p.relay.tunnel));
	assert_int_equal(p.connector.losts + p.relay.losts, 0);

	pair_answer(&p.connector, p.connector.held);
	pair_turn(&p);
	assert_int_equal(p.relay.body, PAIR_BIG);
	assert_int_equal(p.relay.closed, 1);
	pair_assert_drained(&p);
	pair_end(&p);
}

TEST(a_request_on_its_way_at_the_drain_is_served)
{
	struct pair p;

	pair_begin_up(&p);
	(void)pair_ask(&p, false);
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.status, 200);
	assert_int_equal(p.relay.refused, 0);
	assert_int_equal(p.connector.losts, 1);
	pair_end(&p);
}

TEST(an_idle_tunnel_drains_at_once)
{
	struct pair p;

	pair_begin_up(&p);
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	pair_assert_drained(&p);
	pair_end(&p);
}

/* The relay has sent its GOAWAY and answers no PING any more. */
TEST(drains_of_both_ends_that_cross_end_at_once)
{
	struct pair p;

	pair_begin_up(&p);
	tunnel_drain(p.relay.tunnel, SEC(30));
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	pair_assert_drained(&p);
	pair_end(&p);
}

TEST(drains_that_cross_let_a_request_end)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.holds = true;
	(void)pair_ask(&p, false);
	tunnel_drain(p.relay.tunnel, SEC(30));
	tunnel_drain(p.connector.tunnel, SEC(30));
	pair_turn(&p);
	assert_int_equal(p.connector.losts + p.relay.losts, 0);
	assert_int_equal(p.connector.requests, 1);
	pair_answer(&p.connector, p.connector.held);
	pair_turn(&p);
	assert_int_equal(p.relay.status, 200);
	pair_assert_drained(&p);
	pair_end(&p);
}

TEST(a_drain_is_cut_at_its_limit)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.holds = true;
	(void)pair_ask(&p, false);
	pair_turn(&p);
	tunnel_drain(p.connector.tunnel, SEC(3));
	pair_pass(&p, SEC(2));
	assert_int_equal(p.connector.losts, 0);
	pair_pass(&p, SEC(1));
	assert_int_equal(p.connector.losts, 1);
	assert_int_equal(p.connector.closed, 1);
	pair_end(&p);
}

TEST(a_closed_peer_ends_every_stream_and_then_the_tunnel)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.holds = true;
	(void)pair_ask(&p, false);
	(void)pair_ask(&p, false);
	pair_turn(&p);
	tunnel_close(TAKE(p.connector.tunnel));
	pair_turn(&p);
	assert_int_equal(p.connector.closed, 2);
	assert_int_equal(p.connector.losts, 0);
	assert_int_equal(p.relay.closed, 2);
	assert_int_equal(p.relay.losts, 1);
	assert_int_equal(p.relay.failure.kind, ERR_NETWORK);
	pair_end(&p);
}

TEST(a_tunnel_may_be_closed_inside_a_streams_event)
{
	struct pair p;

	pair_begin_up(&p);
	p.connector.closes = true;
	(void)pair_ask(&p, false);
	(void)pair_ask(&p, false);
	pair_turn(&p);
	assert_int_equal(p.connector.requests, 1);
	assert_int_equal(p.relay.losts, 1);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_relays_goaway_is_told_and_streams_go_on),
		cmocka_unit_test(the_connectors_drain_ends_with_the_last_stream),
		cmocka_unit_test(a_request_on_its_way_at_the_drain_is_served),
		cmocka_unit_test(an_idle_tunnel_drains_at_once),
		cmocka_unit_test(drains_of_both_ends_that_cross_end_at_once),
		cmocka_unit_test(drains_that_cross_let_a_request_end),
		cmocka_unit_test(a_drain_is_cut_at_its_limit),
		cmocka_unit_test(a_closed_peer_ends_every_stream_and_then_the_tunnel),
		cmocka_unit_test(a_tunnel_may_be_closed_inside_a_streams_event),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
