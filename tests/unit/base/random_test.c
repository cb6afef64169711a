#include "base/random.h"

#include "unit/unit.h"

TEST(random_bytes_differ_from_call_to_call)
{
	uint8_t a[32] = {0}, b[32] = {0};
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

TEST(a_uuid_names_its_version_and_variant)
{
	char a[37], b[37];
	random_uuid(a);
	random_uuid(b);
	assert_true(str_is_uuid(str_of(a)));
	assert_int_equal(a[14], '4');
	assert_true(strchr("89ab", a[19]) != NULL);
	assert_string_not_equal(a, b);
}

TEST(jitter_is_the_same_for_the_same_seed)
{
	uint64_t a = 1234567, b = 1234567;
	assert_true(random_jitter(&a) == 6457827717110365317U); /* the reference of splitmix64 */
	assert_true(random_jitter(&b) == 6457827717110365317U);
	assert_true(random_jitter(&a) == 3203168211198807973U);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(random_bytes_differ_from_call_to_call),
	cmocka_unit_test(a_uuid_names_its_version_and_variant),
	cmocka_unit_test(jitter_is_the_same_for_the_same_seed),
};
UNIT_MAIN(tests)
