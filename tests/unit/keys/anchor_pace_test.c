#include "keys/anchor_pace.h"

#include "unit/unit.h"

TEST(a_quiet_chain_gets_each_line_at_once)
{
	struct anchor_pace p = {0};

	for (msec_t now = 0; now < 200 * (msec_t)ANCHOR_PACE_MS; now += ANCHOR_PACE_MS) {
		assert_true(anchor_pace_may(&p, now));
		anchor_pace_noted(&p, now);
	}
}

TEST(under_steady_refusals_a_year_has_few_lines)
{
	enum {
		YEAR_S = 365 * 24 * 3600,
	};
	struct anchor_pace p = {0};
	unsigned lines = 0;

	for (msec_t s = 1; s <= YEAR_S; s++) {
		if (anchor_pace_may(&p, s * 1000)) {
			anchor_pace_noted(&p, s * 1000);
			lines++;
		}
	}
	assert_in_range(lines, YEAR_S / (ANCHOR_PACE_MS / 1000),
			YEAR_S / (ANCHOR_PACE_MS / 1000) + ANCHOR_PACE_BURST);
}

TEST(the_burst_comes_back_with_the_quiet)
{
	struct anchor_pace p = {0};
	msec_t now = 5;

	for (int i = 0; i < ANCHOR_PACE_BURST; i++) {
		assert_true(anchor_pace_may(&p, now));
		anchor_pace_noted(&p, now);
	}
	assert_false(anchor_pace_may(&p, now));
	assert_false(anchor_pace_may(&p, now + ANCHOR_PACE_MS - 1));
	assert_true(anchor_pace_may(&p, now + ANCHOR_PACE_MS));
	anchor_pace_noted(&p, now + ANCHOR_PACE_MS);
	assert_false(anchor_pace_may(&p, now + ANCHOR_PACE_MS));
	now += (msec_t)ANCHOR_PACE_MS * 1000;
	for (int i = 0; i < ANCHOR_PACE_BURST; i++) {
		assert_true(anchor_pace_may(&p, now));
		anchor_pace_noted(&p, now);
	}
	assert_false(anchor_pace_may(&p, now));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_quiet_chain_gets_each_line_at_once),
	cmocka_unit_test(under_steady_refusals_a_year_has_few_lines),
	cmocka_unit_test(the_burst_comes_back_with_the_quiet),
};
UNIT_MAIN(tests)
