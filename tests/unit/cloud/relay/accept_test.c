#include "unit/cloud/relay/relay_world.h"

static void a_dial_is_refused_with_the_reason(void **state)
{
	struct world w;
	struct end *end = NULL;
	struct dial d = FIRST;

	start(&w, state);
	d.state = TLS_PEER_ABSENT;
	assert_int_equal(dial(&w, &d, &end), 401);
	d = FIRST;
	d.without_upgrade = true;
	assert_int_equal(dial(&w, &d, &end), 400);
	expect_detail(&w, "Upgrade: ptth");
	d = FIRST;
	d.serial = "03:03";
	assert_int_equal(dial(&w, &d, &end), 403);
	d = FIRST;
	d.path = "/ptth/subaccounts/" OTHER;
	assert_int_equal(dial(&w, &d, &end), 403);
	assert_int_equal(count(&w).tunnels_opened_total, 0);
	stop(&w);
}

static void a_probe_is_judged_and_opens_nothing(void **state)
{
	struct world w;
	struct end *end = NULL, *other = NULL;
	struct dial probe = FIRST;

	start(&w, state);
	probe.probe = true;
	assert_int_equal(dial(&w, &probe, &end), 204);
	assert_int_equal(count(&w).tunnels_opened_total, 0);
	assert_int_equal(dial(&w, &FIRST, &end), 101);
	assert_int_equal(dial(&w, &probe, &other), 204); /* the tunnel stays */
	assert_int_equal(count(&w).tunnels_opened_total, 1);
	assert_int_equal(count(&w).tunnels, 1);
	probe.serial = "03:03";
	assert_int_equal(dial(&w, &probe, &other), 403);
	stop(&w);
}

/*
 * The instance's id was compared without regard to case and then used as the request spelled it:
 * a connector that wrote it in capitals was not found by the disconnect, and held a location
 * against itself.
 */
static void an_id_in_capitals_is_the_same_installation(void **state)
{
	struct dial capitals = FIRST;
	struct directory_claim claim;
	struct world w;
	struct end *end = NULL;
	struct err err;

	start(&w, state);
	capitals.spelled = "AAAAAAAA-0000-4000-8000-000000000001";
	assert_int_equal(dial(&w, &capitals, &end), 101);
	assert_true(holds_claim(w.relay->holds, STR(SUBACCOUNT "/x"), &claim));
	assert_string_equal(claim.instance, INSTANCE);
	assert_ok(directory_connector_set_disconnected(w.store, &actor, STR(SUBACCOUNT),
						       STR(INSTANCE), true, &err),
		  &err);
	directory_watch_poke(w.watch);
	turn_until(&w, &end->lost);
	stop(&w);
}

static void expect_version(struct world *w, const char *agent, const char *version)
{
	struct dial d = FIRST;
	struct end *end = NULL;
	struct directory_connector seen;
	struct err err;

	d.agent = agent;
	assert_int_equal(dial(w, &d, &end), 101);
	assert_ok(directory_connector_find(w->store, STR(SUBACCOUNT), STR(INSTANCE),
					   clock_unix_ms(), &seen, &err),
		  &err);
	assert_string_equal(seen.version, version);
}

#define TEN(c) c c c c c c c c c c

static void the_connectors_version_is_kept_and_no_character_cut(void **state)
{
	struct world w;

	start(&w, state);
	expect_version(&w, "drawbridge-connector/0.1.0", "0.1.0");
	expect_version(&w, NULL, "");
	expect_version(&w, TEN("abcdef") "ab\xc3\xbc", TEN("abcdef") "ab"); /* 63 bytes fit */
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(a_dial_is_refused_with_the_reason),
		ON_SQLITE(a_probe_is_judged_and_opens_nothing),
		ON_SQLITE(an_id_in_capitals_is_the_same_installation),
		ON_SQLITE(the_connectors_version_is_kept_and_no_character_cut),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
