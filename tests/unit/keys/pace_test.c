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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_starts_are_at_once),
	cmocka_unit_test(after_a_burst_the_next_start_waits_for_the_end_of_the_window),
	cmocka_unit_test(rare_starts_never_wait),
};
UNIT_MAIN(tests)
