#include "cloud/relay/counters.h"

#include "unit/unit.h"

TEST(parts_are_summed_and_written_with_their_types)
{
	AUTO_BUF struct buf out = BUF(KIB(64));
	struct relay_counters sum = {.tunnels = 1}, part = {.tunnels = 2, .requests_total = 40};

	relay_counters_add(&sum, &part);
	relay_counters_add(&sum, &part);
	relay_counters_write(&sum, &out);
	assert_true(str_contains(buf_str(&out), STR("\ndrawbridge_relay_tunnels 5\n")));
	assert_true(str_contains(buf_str(&out), STR("\ndrawbridge_relay_requests_total 80\n")));
	assert_true(str_contains(buf_str(&out),
				 STR("# TYPE drawbridge_relay_requests_total counter\n")));
	assert_true(str_contains(buf_str(&out), STR("# TYPE drawbridge_relay_tunnels gauge\n")));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(parts_are_summed_and_written_with_their_types),
};
UNIT_MAIN(tests)
