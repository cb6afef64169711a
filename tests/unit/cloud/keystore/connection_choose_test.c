#include "cloud/keystore/connection_test.h"

#include "unit/unit.h"

#define GOOD                                                                                       \
	{                                                                                          \
		.issuer = true, .signature = true, .client_auth = true                             \
	}

enum {
	NOW = 1000,
};

static const char *choice(const struct connection_pair *pairs, const struct tls_fit *fits, size_t n)
{
	size_t i = connection_choose(pairs, fits, n, NOW);

	return i < n ? pairs[i].alias : "none";
}

TEST(the_longest_validity_wins_then_the_alias)
{
	const struct connection_pair pairs[] = {
		{.alias = "short", .not_after = 1500},
		{.alias = "zeta", .not_after = 3000},
		{.alias = "alpha", .not_after = 3000},
		{.alias = "middle", .not_after = 2000},
	};
	const struct tls_fit fits[COUNT(pairs)] = {GOOD, GOOD, GOOD, GOOD};

	assert_string_equal(choice(pairs, fits, 4), "alpha");
	assert_string_equal(choice(pairs, fits, 2), "zeta");
	assert_string_equal(choice(pairs, fits, 1), "short");
	assert_string_equal(choice(pairs, fits, 0), "none");
}

TEST(expired_and_early_ones_are_never_chosen)
{
	const struct connection_pair pairs[] = {
		{.alias = "expired", .not_after = NOW - 1},
		{.alias = "early", .not_before = NOW + 1, .not_after = 9000},
		{.alias = "last day", .not_after = NOW},
	};
	const struct tls_fit fits[COUNT(pairs)] = {GOOD, GOOD, GOOD};

	assert_string_equal(choice(pairs, fits, 3), "last day");
	assert_string_equal(choice(pairs, fits, 2), "none");
}

TEST(what_the_server_does_not_take_is_not_chosen)
{
	const struct connection_pair pairs[] = {
		{.alias = "issuer", .not_after = 9000},
		{.alias = "signature", .not_after = 9000},
		{.alias = "usage", .not_after = 9000},
		{.alias = "fits", .not_after = 1001},
	};
	const struct tls_fit fits[] = {
		{.signature = true, .client_auth = true},
		{.issuer = true, .client_auth = true},
		{.issuer = true, .signature = true},
		GOOD,
	};

	assert_string_equal(choice(pairs, fits, 4), "fits");
	assert_string_equal(choice(pairs, fits, 3), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_validity_wins_then_the_alias),
		cmocka_unit_test(expired_and_early_ones_are_never_chosen),
		cmocka_unit_test(what_the_server_does_not_take_is_not_chosen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
