#include "net/heap.h"

#include "base/random.h"
#include "unit/unit.h"

enum {
	N = 500
};

TEST(timers_come_in_order_of_time_after_random_moves_and_removals)
{
	struct heap h = {NULL, 0, 0};
	struct loop_timer timers[N] = {{.at = 0}};
	uint64_t seed = 7;
	size_t left = N;

	for (size_t i = 0; i < N; i++) {
		heap_set(&h, &timers[i], 1 + (msec_t)(random_jitter(&seed) % 1000));
	}
	for (size_t i = 0; i < N; i += 3) {
		heap_set(&h, &timers[i], 1 + (msec_t)(random_jitter(&seed) % 1000));
	}
	for (size_t i = 0; i < N; i += 5) {
		heap_remove(&h, &timers[i]);
		left--;
	}
	msec_t last = 0;
	for (struct loop_timer *t; (t = heap_first(&h)) != NULL; left--) {
		assert_true(t->at >= last);
		last = t->at;
		heap_remove(&h, t);
	}
	assert_int_equal(left, 0);
	heap_fini(&h);
}

TEST(a_timer_that_is_not_set_may_be_removed)
{
	struct heap h = {NULL, 0, 0};
	struct loop_timer t = {.at = 0};

	heap_remove(&h, &t);
	heap_set(&h, &t, 5);
	heap_remove(&h, &t);
	heap_remove(&h, &t);
	assert_null(heap_first(&h));
	heap_fini(&h);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(timers_come_in_order_of_time_after_random_moves_and_removals),
	cmocka_unit_test(a_timer_that_is_not_set_may_be_removed),
};
UNIT_MAIN(tests)
