#include "base/arena.h"

#include "unit/unit.h"

TEST(pieces_are_aligned_and_apart)
{
	AUTO(arena_free) struct arena *a = arena_new(100, 100000);
	char *before = NULL;
	for (size_t i = 0; i < 200; i++) {
		char *piece = arena_get(a, i);
		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % 16, 0);
		assert_ptr_not_equal(piece, before);
		memset(piece, (int)i, i);
		before = piece;
	}
	char *big = arena_get_zeroed(a, 50000);
	assert_non_null(big);
	assert_int_equal(big[49999], 0);
}

TEST(past_the_maximum_there_is_none)
{
	AUTO(arena_free) struct arena *a = arena_new(64, 128);
	assert_non_null(arena_get(a, 100));
	assert_null(arena_get(a, 100));
	assert_null(arena_get(a, SIZE_MAX));
	assert_null(arena_text(a, str_make("", SIZE_MAX)));
	assert_null(arena_str(a, STR("seventeen letters")).at);
	assert_non_null(arena_get(a, 16));
	assert_int_equal(arena_used(a), 128);
	arena_reset(a);
	assert_int_equal(arena_used(a), 0);
	assert_non_null(arena_get(a, 128));
}

TEST(texts_are_copied_and_ended)
{
	AUTO(arena_free) struct arena *a = arena_new(64, 1000);
	assert_string_equal(arena_text(a, STR("ab")), "ab");
	assert_string_equal(arena_printf(a, "%s-%d", "x", 12), "x-12");
	struct str empty = arena_str(a, STR_NONE);
	assert_non_null(empty.at);
	assert_int_equal(empty.len, 0);
	assert_null(arena_printf(a, "%2000d", 1));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pieces_are_aligned_and_apart),
	cmocka_unit_test(past_the_maximum_there_is_none),
	cmocka_unit_test(texts_are_copied_and_ended),
};
UNIT_MAIN(tests)
