#include "http/h2_memory.h"

#include "unit/unit.h"

TEST(pieces_come_back_from_the_free_lists)
{
	struct h2_memory *m = h2_memory_new();
	nghttp2_mem hooks = h2_memory_hooks(m);
	for (size_t round = 0; round < 3; round++) {
		void *pieces[40];
		for (size_t i = 0; i < COUNT(pieces); i++) {
			pieces[i] = hooks.malloc(i * 25, m);
			assert_int_equal((uintptr_t)pieces[i] % 16, 0);
			memset(pieces[i], 0xaa, i * 25);
		}
		for (size_t i = 0; i < COUNT(pieces); i++) {
			hooks.free(pieces[i], m);
		}
		assert_int_equal(h2_memory_system_calls(m), COUNT(pieces));
	}
	hooks.free(NULL, m);
	h2_memory_free(m);
}

TEST(growing_keeps_the_bytes_over_all_sizes)
{
	struct h2_memory *m = h2_memory_new();
	nghttp2_mem hooks = h2_memory_hooks(m);
	char *at = hooks.realloc(NULL, 1, m);
	at[0] = 'a';
	for (size_t size = 2; size <= 40000; size += 1 + size / 3) {
		at = hooks.realloc(at, size, m);
		assert_non_null(at);
		assert_int_equal(at[0], 'a');
		assert_int_equal(at[size / 2 - 1], 'a');
		memset(at, 'a', size);
	}
	hooks.free(at, m);
	h2_memory_free(m);
}

TEST(zeroed_memory_is_zero_also_when_used_before)
{
	struct h2_memory *m = h2_memory_new();
	nghttp2_mem hooks = h2_memory_hooks(m);
	char *at = hooks.malloc(100, m);
	memset(at, 'x', 100);
	hooks.free(at, m);
	at = hooks.calloc(10, 10, m);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(at[i], 0);
	}
	hooks.free(at, m);
	assert_null(hooks.calloc(SIZE_MAX, 2, m));
	assert_null(hooks.malloc(SIZE_MAX - 8, m));
	h2_memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_come_back_from_the_free_lists),
		cmocka_unit_test(growing_keeps_the_bytes_over_all_sizes),
		cmocka_unit_test(zeroed_memory_is_zero_also_when_used_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
