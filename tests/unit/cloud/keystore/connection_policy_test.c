#include "cloud/keystore/connection_policy.h"

#include "unit/unit.h"

TEST(a_tenant_has_its_share_and_no_more)
{
	struct connection_policy p;

	connection_policy_init(&p);
	connection_policy_limit(&p, 3, 2);
	assert_int_equal(connection_policy_enter(&p, STR("a")), CONNECTION_RUNS);
	assert_int_equal(connection_policy_enter(&p, STR("a")), CONNECTION_RUNS);
	assert_int_equal(connection_policy_enter(&p, STR("a")), CONNECTION_TENANT_FULL);
	assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_RUNS);
	assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_ALL_FULL);
	assert_int_equal(connection_policy_refused(&p), 2);
	connection_policy_leave(&p, STR("a"));
	assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_RUNS);
	assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_TENANT_FULL);
	connection_policy_leave(&p, STR("b"));
	connection_policy_leave(&p, STR("b"));
	connection_policy_leave(&p, STR("a"));
	assert_int_equal(p.n, 0);
	connection_policy_fini(&p);
}

TEST(a_lower_limit_lets_end_what_runs)
{
	struct connection_policy p;

	connection_policy_init(&p);
	connection_policy_limit(&p, CONNECTION_TESTS_MOST, CONNECTION_TESTS_MOST);
	for (int i = 0; i < CONNECTION_TESTS_MOST; i++) {
		assert_int_equal(connection_policy_enter(&p, STR("a")), CONNECTION_RUNS);
	}
	assert_int_not_equal(connection_policy_enter(&p, STR("b")), CONNECTION_RUNS);
	connection_policy_limit(&p, 1, 1);
	for (int i = 0; i < CONNECTION_TESTS_MOST; i++) {
		assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_ALL_FULL);
		connection_policy_leave(&p, STR("a"));
	}
	assert_int_equal(connection_policy_enter(&p, STR("b")), CONNECTION_RUNS);
	connection_policy_leave(&p, STR("b"));
	connection_policy_fini(&p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_tenant_has_its_share_and_no_more),
	cmocka_unit_test(a_lower_limit_lets_end_what_runs),
};
UNIT_MAIN(tests)
