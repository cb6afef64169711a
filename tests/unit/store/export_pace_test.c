#include "store/export_pace.h"

#include "unit/unit.h"

TEST(a_tenant_has_its_burst_and_then_some_a_second)
{
	AUTO(export_pace_free) struct export_pace *p = export_pace_new();
	msec_t now = 5000;

	for (int i = 0; i < EXPORTS_BURST; i++) {
		assert_int_equal(export_pace_take(p, STR("a"), now), 0);
	}
	assert_int_equal(export_pace_take(p, STR("a"), now), EXPORTS_COST_MS);
	assert_int_equal(export_pace_take(p, STR("a"), now), EXPORTS_COST_MS); /* not counted */
	assert_int_equal(export_pace_take(p, STR("a"), now + EXPORTS_COST_MS - 1), 1);
	assert_int_equal(export_pace_take(p, STR("a"), now + EXPORTS_COST_MS), 0);
	assert_int_equal(export_pace_take(p, STR("a"), now + EXPORTS_COST_MS), EXPORTS_COST_MS);
}

TEST(one_tenant_takes_nothing_from_another)
{
	AUTO(export_pace_free) struct export_pace *p = export_pace_new();

	for (int i = 0; i < EXPORTS_BURST; i++) {
		assert_int_equal(export_pace_take(p, STR("a"), 0), 0);
	}
	assert_int_equal(export_pace_take(p, STR("b"), 0), 0);
	assert_int_equal(export_pace_take(p, STR_NONE, 0), 0);
	assert_int_not_equal(export_pace_take(p, STR("a"), 0), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_tenant_has_its_burst_and_then_some_a_second),
	cmocka_unit_test(one_tenant_takes_nothing_from_another),
};
UNIT_MAIN(tests)
