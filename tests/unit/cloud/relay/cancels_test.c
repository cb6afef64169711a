#include "cloud/relay/cancels.h"

#include "unit/unit.h"

static void note(struct cancels *c, const char *subaccount, int n, msec_t now)
{
	for (int i = 0; i < n; i++) {
		cancels_note(c, str_of(subaccount), now);
	}
}

TEST(a_burst_is_free_and_then_one_is_let_through_at_a_time)
{
	struct cancels *c = cancels_new();

	note(c, "a", CANCELS_BURST - 1, 1000);
	assert_int_equal(cancels_wait(c, STR("a"), 1000), 0);
	note(c, "a", 1, 1000);
	assert_int_equal(cancels_wait(c, STR("a"), 1000), CANCELS_COST_MS);
	assert_int_equal(cancels_wait(c, STR("b"), 1000), 0);
	assert_int_equal(cancels_wait(c, STR("a"), 1000 + CANCELS_COST_MS), 0);
	note(c, "a", 1, 1000 + CANCELS_COST_MS);
	assert_int_equal(cancels_wait(c, STR("a"), 1000 + CANCELS_COST_MS), CANCELS_COST_MS);
	cancels_free(c);
}

TEST(a_debt_has_an_end)
{
	struct cancels *c = cancels_new();

	note(c, "a", 10 * CANCELS_BURST, 1000);
	assert_int_equal(cancels_wait(c, STR("a"), 1000), CANCELS_FULL_MS + CANCELS_COST_MS);
	cancels_free(c);
}

TEST(a_subaccount_that_cancels_nothing_is_forgotten)
{
	struct cancels *c = cancels_new();

	note(c, "a", 1, CANCELS_FULL_MS);
	note(c, "b", CANCELS_BURST, CANCELS_FULL_MS + 2);
	assert_int_equal(cancels_count(c), 2);
	note(c, "c", 1, 2 * CANCELS_FULL_MS);
	assert_int_equal(cancels_count(c), 2);
	assert_true(cancels_wait(c, STR("b"), CANCELS_FULL_MS + 2) > 0);
	cancels_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_free_and_then_one_is_let_through_at_a_time),
		cmocka_unit_test(a_debt_has_an_end),
		cmocka_unit_test(a_subaccount_that_cancels_nothing_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
