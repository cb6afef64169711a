#include "cloud/relay/holds.h"

#include "unit/unit.h"

static unsigned begin(struct holds *h, const char *location, const char *instance, bool *replace)
{
	unsigned worker = 99;
	struct err err;

	assert_ok(holds_begin(h, STR("sub"), str_of(location), str_of(instance), &worker, replace,
			      &err),
		  &err);
	return worker;
}

static bool end(struct holds *h, const char *key, unsigned worker, bool was_up)
{
	holds_leaving(h, str_of(key), worker, was_up);
	return holds_end(h, str_of(key), worker);
}

TEST(tunnels_of_a_place_spread_over_the_workers_and_then_replace_each_other)
{
	struct holds *h = holds_new(2, STR("node"));
	bool replace = true;

	unsigned first = begin(h, "x", "i", &replace);
	assert_false(replace);
	unsigned second = begin(h, "x", "i", &replace);
	assert_false(replace);
	assert_int_not_equal(first, second);
	(void)begin(h, "x", "i", &replace);
	assert_true(replace);
	(void)begin(h, "x", "other", &replace);
	assert_false(replace); /* another installation: its claim decides, not the number */
	assert_int_equal(holds_total(h), 4);
	holds_free(h);
}

TEST(one_subaccount_cannot_fill_the_relay_with_location_ids)
{
	struct holds *h = holds_new(1, STR("node"));
	unsigned worker;
	char location[16], key[32];
	bool replace;
	struct err err;

	for (int i = 0; i < HOLDS_TENANT_TUNNELS_MAX; i++) {
		snprintf(location, sizeof location, "l%d", i);
		(void)begin(h, location, "i", &replace);
	}
	for (int again = 0; again < 2; again++) {
		assert_err(holds_begin(h, STR("sub"), STR("one more"), STR("i"), &worker, &replace,
				       &err),
			   &err, ERR_LIMIT, "this subaccount");
	}
	assert_ok(holds_begin(h, STR("other"), STR("x"), STR("i"), &worker, &replace, &err), &err);
	for (int i = 0; i < HOLDS_TENANT_TUNNELS_MAX; i++) { /* all go: nothing is left charged */
		snprintf(key, sizeof key, "sub/l%d", i);
		assert_true(end(h, key, 0, false));
	}
	(void)begin(h, "one more", "i", &replace);
	assert_int_equal(holds_total(h), 2);
	holds_free(h);
}

TEST(a_worker_with_a_tunnel_that_is_up_is_found_from_the_others)
{
	struct holds *h = holds_new(3, STR("node"));
	bool replace;
	unsigned w = begin(h, "x", "i", &replace);

	assert_int_equal(holds_find(h, STR("sub/x"), 99), -1);
	holds_up(h, STR("sub/x"), w);
	assert_int_equal(holds_find(h, STR("sub/x"), 99), w);
	assert_int_equal(holds_find(h, STR("sub/x"), w), -1);
	assert_int_equal(holds_find(h, STR("sub/y"), 99), -1);
	assert_true(end(h, "sub/x", w, true));
	assert_int_equal(holds_find(h, STR("sub/x"), 99), -1);
	holds_free(h);
}

TEST(what_drains_is_neither_found_nor_counted_as_one_too_many)
{
	struct holds *h = holds_new(2, STR("node"));
	bool replace;
	unsigned a = begin(h, "x", "i", &replace);
	unsigned b = begin(h, "x", "i", &replace);

	holds_up(h, STR("sub/x"), a);
	holds_up(h, STR("sub/x"), b);
	holds_leaving(h, STR("sub/x"), a, true);
	assert_int_equal(holds_find(h, STR("sub/x"), b), -1);
	assert_int_equal(holds_total(h), 2);
	assert_int_equal(begin(h, "x", "i", &replace), a); /* its successor */
	assert_false(replace);
	assert_false(holds_end(h, STR("sub/x"), a));
	assert_int_equal(holds_total(h), 2);
	assert_true(begin(h, "x", "i", &replace) < 2);
	assert_true(replace);
	holds_free(h);
}

TEST(the_claim_counts_what_is_up_and_goes_with_the_last_tunnel)
{
	struct holds *h = holds_new(1, STR("node"));
	struct directory_claim claim, *all = NULL;
	bool replace;

	(void)begin(h, "x", "i", &replace);
	(void)begin(h, "x", "i", &replace);
	holds_up(h, STR("sub/x"), 0);
	assert_true(holds_claim(h, STR("sub/x"), &claim));
	assert_int_equal(claim.tunnels, 1);
	assert_string_equal(claim.instance, "i");
	assert_string_equal(claim.node, "node");
	assert_string_equal(claim.location, "x");
	assert_int_equal(holds_claims(h, &all), 1);
	free(all);
	assert_false(end(h, "sub/x", 0, true));
	assert_true(end(h, "sub/x", 0, false));
	assert_false(holds_claim(h, STR("sub/x"), &claim));
	assert_false(end(h, "sub/x", 0, false)); /* once too often does no harm */
	assert_int_equal(holds_total(h), 0);
	holds_free(h);
}

TEST(the_fourth_take_over_within_a_minute_is_refused)
{
	struct holds *h = holds_new(1, STR("node"));

	for (msec_t now = 1000; now < 4000; now += 1000) {
		assert_true(holds_takeover(h, STR("sub/x"), now));
	}
	assert_false(holds_takeover(h, STR("sub/x"), 5000));
	assert_true(holds_takeover(h, STR("sub/y"), 5000));
	assert_true(holds_takeover(h, STR("sub/x"), 1000 + HOLDS_TAKEOVERS_MS));
	assert_false(holds_takeover(h, STR("sub/x"), 1001 + HOLDS_TAKEOVERS_MS));
	holds_free(h);
}

TEST(copies_of_a_machine_fight_until_the_holder_stays)
{
	struct holds *h = holds_new(1, STR("node"));
	struct str key = STR("sub/x"), a = STR("run-a"), b = STR("run-b");
	msec_t now = 1000;
	bool replace;

	assert_true(holds_admits_run(h, key, a, 5, now));
	(void)begin(h, "x", "i", &replace);
	holds_note_run(h, key, a, 5);
	assert_true(holds_admits_run(h, key, a, 5, now)); /* its second tunnel */
	for (int i = 0; i < HOLDS_TAKEOVERS_MAX; i++) {
		struct str next = i % 2 == 0 ? b : a;
		assert_true(holds_admits_run(h, key, next, 5, now));
		holds_note_run(h, key, next, 5);
	}
	for (int i = 0; i < 10; i++, now += HOLDS_TAKEOVERS_MS / 2) { /* for ever, while it tries */
		assert_false(holds_admits_run(h, key, a, 5, now));
		assert_true(holds_admits_run(h, key, b, 5, now));
	}
	assert_true(
		holds_admits_run(h, key, STR(""), 5, now)); /* an older connector says nothing */
	assert_true(holds_admits_run(h, key, a, 6, now));   /* refreshed: it stays */
	holds_leaving(h, key, 0, false);
	assert_true(holds_admits_run(h, key, a, 5, now)); /* the holder is gone */
	holds_free(h);
}

TEST(a_place_that_was_taken_over_is_forgotten_after_the_minute)
{
	struct holds *h = holds_new(1, STR("node"));
	char key[32];
	bool replace;

	(void)begin(h, "here", "i", &replace);
	assert_true(holds_takeover(h, STR("sub/here"), 1000));
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "sub/x%d", i);
		assert_true(holds_takeover(h, str_of(key), 1000));
	}
	assert_int_equal(holds_places(h), 101);
	assert_true(holds_takeover(h, STR("sub/y"), 1000 + HOLDS_TAKEOVERS_MS));
	assert_int_equal(holds_places(h), 2);
	assert_int_equal(holds_total(h), 1);
	holds_free(h);
}

TEST(a_place_and_a_relay_have_limits)
{
	struct holds *h = holds_new(2, STR("node"));
	unsigned worker;
	bool replace;
	struct err err;

	for (int i = 0; i < HOLDS_PLACE_TUNNELS_MAX; i++) {
		(void)begin(h, "x", "i", &replace);
	}
	assert_err(holds_begin(h, STR("sub"), STR("x"), STR("i"), &worker, &replace, &err), &err,
		   ERR_LIMIT, "this location has 256 tunnels");
	for (int i = HOLDS_PLACE_TUNNELS_MAX; i < HOLDS_TUNNELS_MAX; i++) {
		char subaccount[16];
		snprintf(subaccount, sizeof(subaccount), "s%d", i % 100);
		assert_ok(holds_begin(h, str_of(subaccount), str_of(subaccount), STR("i"), &worker,
				      &replace, &err),
			  &err);
	}
	assert_err(holds_begin(h, STR("sub"), STR("z"), STR("i"), &worker, &replace, &err), &err,
		   ERR_LIMIT, "this relay has 20000 tunnels");
	holds_free(h);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tunnels_of_a_place_spread_over_the_workers_and_then_replace_each_other),
	cmocka_unit_test(one_subaccount_cannot_fill_the_relay_with_location_ids),
	cmocka_unit_test(a_worker_with_a_tunnel_that_is_up_is_found_from_the_others),
	cmocka_unit_test(what_drains_is_neither_found_nor_counted_as_one_too_many),
	cmocka_unit_test(the_claim_counts_what_is_up_and_goes_with_the_last_tunnel),
	cmocka_unit_test(the_fourth_take_over_within_a_minute_is_refused),
	cmocka_unit_test(copies_of_a_machine_fight_until_the_holder_stays),
	cmocka_unit_test(a_place_that_was_taken_over_is_forgotten_after_the_minute),
	cmocka_unit_test(a_place_and_a_relay_have_limits),
};
UNIT_MAIN(tests)
