#include "cloud/relay/registry.h"

#include "unit/unit.h"

struct item {
	struct registry_entry entry;
	bool usable;
};

static bool usable(struct registry_entry *e)
{
	return CONTAINER_OF(e, struct item, entry)->usable;
}

static int woken;
static struct registry *again; /* where on_wake() queues itself once more */

static void on_wake(struct registry_waiter *w)
{
	woken++;
	if (again != NULL) {
		assert_true(registry_wait(again, STR("a/x"), w, 10, 0));
	}
}

TEST(a_key_is_subaccount_and_location_and_has_a_limit)
{
	char key[REGISTRY_KEY_MAX];
	char *big = must_alloc(REGISTRY_KEY_MAX);

	assert_true(registry_key(STR("a"), STR(""), key));
	assert_string_equal(key, "a/");
	assert_false(registry_key(STR("a"), str_make(big, REGISTRY_KEY_MAX), key));
	free(big);
}

TEST(the_less_loaded_of_two_usable_tunnels_is_taken)
{
	struct registry *r = registry_new(usable, 1);
	struct item items[2] = {{.usable = true, .entry.streams = 5}, {.usable = true}};
	struct registry_entry *e = NULL;

	assert_true(registry_add(r, STR("a/x"), &items[0].entry, 0));
	assert_true(registry_add(r, STR("a/x"), &items[1].entry, 0));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(registry_pick(r, STR("a/x"), 0, 10, &e), REGISTRY_ENTRY);
		assert_ptr_equal(e, &items[1].entry);
	}
	items[1].usable = false;
	assert_int_equal(registry_pick(r, STR("a/x"), 0, 10, &e), REGISTRY_ENTRY);
	assert_ptr_equal(e, &items[0].entry);
	items[0].usable = false;
	assert_int_equal(registry_pick(r, STR("a/x"), 0, 10, &e), REGISTRY_BUSY);
	registry_remove(r, &items[0].entry, true, 100);
	registry_remove(r, &items[1].entry, true, 100);
	registry_free(r);
}

TEST(a_place_that_lost_its_last_tunnel_is_recent_for_a_while)
{
	struct registry *r = registry_new(usable, 1);
	struct item item = {.usable = true};
	struct registry_entry *e = NULL;

	assert_int_equal(registry_pick(r, STR("a/"), 0, 2000, &e), REGISTRY_ABSENT);
	assert_true(registry_add(r, STR("a/"), &item.entry, 0));
	registry_remove(r, &item.entry, true, 1000);
	registry_remove(r, &item.entry, true, 1000);
	assert_int_equal(registry_pick(r, STR("a/"), 2999, 2000, &e), REGISTRY_RECENT);
	assert_int_equal(registry_pick(r, STR("a/"), 3000, 2000, &e), REGISTRY_ABSENT);
	assert_int_equal(registry_pick(r, STR("b/"), 2999, 2000, &e), REGISTRY_ABSENT);
	assert_true(registry_add(r, STR("a/"), &item.entry, 3000));
	registry_remove(r, &item.entry, false, 3000); /* it left in order */
	assert_int_equal(registry_pick(r, STR("a/"), 3000, 2000, &e), REGISTRY_ABSENT);
	registry_free(r);
}

TEST(a_place_has_a_limit_of_tunnels)
{
	struct registry *r = registry_new(usable, 1);
	struct item *items = NEW_ARRAY(struct item, REGISTRY_PLACE_TUNNELS_MAX + 1);

	for (size_t i = 0; i < REGISTRY_PLACE_TUNNELS_MAX; i++) {
		assert_true(registry_add(r, STR("a/"), &items[i].entry, 0));
	}
	assert_false(registry_add(r, STR("a/"), &items[REGISTRY_PLACE_TUNNELS_MAX].entry, 0));
	assert_int_equal(registry_count(r, STR("a/")), REGISTRY_PLACE_TUNNELS_MAX);
	for (size_t i = 0; i <= REGISTRY_PLACE_TUNNELS_MAX; i++) {
		registry_remove(r, &items[i].entry, true, 0);
	}
	registry_free(r);
	free(items);
}

TEST(waiters_go_in_order_and_the_queue_is_bounded)
{
	struct registry *r = registry_new(usable, 1);
	struct registry_waiter w[3] = {{.fn = on_wake}, {.fn = on_wake}, {.fn = on_wake}};

	woken = 0;
	assert_true(registry_wait(r, STR("a/x"), &w[0], 2, 0));
	assert_true(registry_wait(r, STR("a/x"), &w[1], 2, 0));
	assert_false(registry_wait(r, STR("a/x"), &w[2], 2, 0));
	assert_true(registry_wait(r, STR("b/x"), &w[2], 2, 0));
	registry_wake(r, w[0].place, 1);
	assert_int_equal(woken, 1);
	assert_null(w[0].prev);
	assert_non_null(w[1].prev);
	registry_leave(&w[1]);
	registry_leave(&w[1]);
	assert_null(w[1].prev);
	assert_int_equal(woken, 1);
	registry_leave(&w[2]);
	registry_free(r);
}

TEST(one_who_waits_again_at_once_is_not_woken_twice)
{
	struct registry *r = again = registry_new(usable, 1);
	struct registry_waiter w = {.fn = on_wake};

	woken = 0;
	assert_true(registry_wait(r, STR("a/x"), &w, 2, 0));
	registry_wake(r, w.place, SIZE_MAX);
	assert_int_equal(woken, 1);
	registry_leave(&w);
	again = NULL;
	registry_free(r);
}

TEST(forgotten_places_do_not_pile_up)
{
	struct registry *r = registry_new(usable, 1);
	struct item item = {.usable = true};
	char key[REGISTRY_KEY_MAX];

	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "%d/", i);
		assert_true(registry_add(r, str_of(key), &item.entry, i * 100));
		registry_remove(r, &item.entry, true, i * 100);
	}
	struct registry_entry *e = NULL;
	assert_int_equal(registry_pick(r, STR("0/"), 0, 1000, &e), REGISTRY_ABSENT);
	registry_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_key_is_subaccount_and_location_and_has_a_limit),
	cmocka_unit_test(the_less_loaded_of_two_usable_tunnels_is_taken),
	cmocka_unit_test(a_place_that_lost_its_last_tunnel_is_recent_for_a_while),
	cmocka_unit_test(a_place_has_a_limit_of_tunnels),
	cmocka_unit_test(waiters_go_in_order_and_the_queue_is_bounded),
	cmocka_unit_test(one_who_waits_again_at_once_is_not_woken_twice),
	cmocka_unit_test(forgotten_places_do_not_pile_up),
};
UNIT_MAIN(tests)
