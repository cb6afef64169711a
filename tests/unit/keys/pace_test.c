#include "keys/pace.h"

#include "unit/unit.h"

TEST(the_first_starts_are_at_once)
{
	struct pace p = {0};

	for (int i = 0; i < PACE_BURST; i++) {
		assert_int_equal(pace_next(&p, 1000 + i), 1000 + i);
		pace_started(&p, 1000 + i);
	}
}

TEST(after_a_burst_the_next_start_waits_for_the_end_of_the_window)
{
	struct pace p = {0};

	for (int i = 0; i < PACE_BURST; i++) {
		pace_started(&p, 1000 + i * 10);
	}
	assert_int_equal(pace_next(&p, 1050), 1000 + PACE_WINDOW_MS);
	pace_started(&p, 2000);
	assert_int_equal(pace_next(&p, 2001), 1010 + PACE_WINDOW_MS);
}

TEST(rare_starts_never_wait)
{
	struct pace p = {0};

	for (msec_t now = 1000; now < 10000; now += 300) {
		assert_int_equal(pace_next(&p, now), now);
		pace_started(&p, now);
	}
}

TEST(each_failure_waits_twice_as_long_up_to_a_maximum)
{
	struct pace p = {0};
	msec_t now = 1000, wanted = PACE_PAUSE_MS;

	for (int i = 0; i < 20; i++) {
		pace_started(&p, now);
		assert_int_equal(pace_failed(&p, now + 10), now + 10 + wanted);
		now += 10 + wanted;
		wanted = wanted < PACE_PAUSE_MAX_MS ? wanted * 2 : wanted;
	}
	assert_int_equal(wanted, PACE_PAUSE_MAX_MS);
}

TEST(a_long_life_makes_up_for_failures)
{
	struct pace p = {0};

	pace_started(&p, 0);
	pace_failed(&p, 10);
	assert_int_equal(pace_failed(&p, 20), 20 + 2 * PACE_PAUSE_MS);
	pace_started(&p, 1000);
	msec_t end = 1000 + PACE_GOOD_MS;
	assert_int_equal(pace_failed(&p, end), end + PACE_PAUSE_MS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_starts_are_at_once),
	cmocka_unit_test(after_a_burst_the_next_start_waits_for_the_end_of_the_window),
	cmocka_unit_test(rare_starts_never_wait),
	cmocka_unit_test(each_failure_waits_twice_as_long_up_to_a_maximum),
	cmocka_unit_test(a_long_life_makes_up_for_failures),
};
UNIT_MAIN(tests)
