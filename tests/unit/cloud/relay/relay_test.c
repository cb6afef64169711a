#include "unit/cloud/relay/relay_world.h"

static void requests_find_the_tunnel_whichever_worker_took_them(void **state)
{
	struct world w;
	struct end *end = NULL;
	char answer[4000];

	start(&w, state);
	assert_int_equal(dial(&w, &FIRST, &end), 101);
	for (int i = 0; i < 12; i++) { /* the kernel spreads them over both workers */
		ask(&w, "x", answer, sizeof(answer));
		if (!str_starts(str_of(answer), STR("HTTP/1.1 200 OK\r\n"))) {
			fail_msg("got \"%s\"", answer);
		}
	}
	assert_int_equal(end->requests, 12);
	struct relay_counters sum = count(&w);
	assert_int_equal(sum.requests_total, 12);
	assert_int_equal(sum.tunnels, 1);
	ask(&w, "nowhere", answer, sizeof(answer));
	assert_true(str_starts(str_of(answer), STR("HTTP/1.1 503 ")));
	stop(&w);
}

static void who_has_no_token_is_told_where_to_get_one(void **state)
{
	struct world w;
	char answer[4000];

	start(&w, state);
	take_answer(&w, send_request(&w, STR("GET http://erp/ HTTP/1.1\r\nHost: erp\r\n\r\n")),
		    answer, sizeof(answer));
	assert_true(str_starts(str_of(answer), STR("HTTP/1.1 407 ")));
	if (!str_contains(str_of(answer), STR("with one from https://tokens.test/oauth/token."))) {
		fail_msg("got \"%s\"", answer);
	}
	stop(&w);
}

static void a_forced_disconnect_cuts_the_tunnel_and_refuses_the_next_dial(void **state)
{
	struct world w;
	struct end *end = NULL;
	struct err err;

	start(&w, state);
	assert_int_equal(dial(&w, &FIRST, &end), 101);
	assert_ok(directory_connector_set_disconnected(w.store, &actor, STR(SUBACCOUNT),
						       STR(INSTANCE), true, &err),
		  &err);
	directory_watch_poke(w.watch);
	turn_until(&w, &end->lost);
	assert_int_equal(dial(&w, &FIRST, &end), 403);
	assert_int_equal(count(&w).tunnels_cut_total, 1);
	stop(&w);
}

static void on_drained(void *user)
{
	((struct world *)user)->drained = true;
}

static void a_draining_relay_refuses_dials_and_says_so_to_its_tunnels(void **state)
{
	struct world w;
	struct end *end = NULL;

	start(&w, state);
	assert_int_equal(dial(&w, &FIRST, &end), 101);
	relay_drain(w.relay, 3000, on_drained, &w);
	assert_int_equal(dial(&w, &FIRST, &end), 503);
	turn_until(&w, &end->draining);
	tunnel_drain(end->tunnel, 1000);
	turn_until(&w, &w.drained);
	assert_int_equal(count(&w).tunnels, 0);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(requests_find_the_tunnel_whichever_worker_took_them),
		ON_SQLITE(who_has_no_token_is_told_where_to_get_one),
		ON_SQLITE(a_forced_disconnect_cuts_the_tunnel_and_refuses_the_next_dial),
		ON_SQLITE(a_draining_relay_refuses_dials_and_says_so_to_its_tunnels),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
