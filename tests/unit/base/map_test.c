#include "base/map.h"

#include "unit/unit.h"

TEST(many_entries_are_found_after_growing_and_removing)
{
	enum {
		N = 5000
	};
	AUTO(map_free) struct map *m = map_new();
	static char keys[N][8];
	for (int i = 0; i < N; i++) {
		snprintf(keys[i], sizeof keys[i], "k%d", i);
		assert_null(map_put(m, str_of(keys[i]), keys[i]));
	}
	for (int i = 0; i < N; i += 3) {
		assert_ptr_equal(map_remove(m, str_of(keys[i])), keys[i]);
		assert_null(map_remove(m, str_of(keys[i])));
	}
	for (int i = 0; i < N; i++) {
		void *expected = i % 3 == 0 ? NULL : keys[i];
		assert_ptr_equal(map_get(m, str_of(keys[i])), expected);
	}
	assert_int_equal(map_count(m), N - (N + 2) / 3);
	size_t at = 0, seen = 0;
	struct str key = STR_NONE;
	void *value = NULL;
	while (map_next(m, &at, &key, &value)) {
		assert_ptr_equal(key.at, value);
		seen++;
	}
	assert_int_equal(seen, map_count(m));
}

TEST(putting_again_returns_what_was_replaced)
{
	AUTO(map_free) struct map *m = map_new();
	int a = 1, b = 2;
	assert_null(map_put(m, STR("x"), &a));
	assert_ptr_equal(map_put(m, STR("x"), &b), &a);
	assert_int_equal(map_count(m), 1);
	assert_ptr_equal(map_get(m, STR("x")), &b);
	assert_null(map_put(m, STR_NONE, &a));
	assert_ptr_equal(map_get(m, STR("")), &a);
}

TEST(an_empty_map_answers)
{
	AUTO(map_free) struct map *m = map_new();
	size_t at = 0;
	struct str key;
	void *value;
	assert_null(map_get(m, STR("x")));
	assert_null(map_remove(m, STR("x")));
	assert_false(map_next(m, &at, &key, &value));
}

TEST(the_hash_depends_on_every_byte)
{
	char text[20] = "0123456789abcdefghi";
	uint64_t before = map_hash(str_of(text));
	assert_true(before == map_hash(str_of(text)));
	for (size_t i = 0; i < 19; i++) {
		text[i] ^= 1;
		assert_true(map_hash(str_of(text)) != before);
		text[i] ^= 1;
	}
	assert_true(map_hash(str_make("\0", 1)) != map_hash(str_make("\0\0", 2)));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(many_entries_are_found_after_growing_and_removing),
	cmocka_unit_test(putting_again_returns_what_was_replaced),
	cmocka_unit_test(an_empty_map_answers),
	cmocka_unit_test(the_hash_depends_on_every_byte),
};
UNIT_MAIN(tests)
