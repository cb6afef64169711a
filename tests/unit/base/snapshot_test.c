#include "base/snapshot.h"

#include "unit/unit.h"

struct number {
	struct snapshot snapshot;
	int value;
	atomic_int *freed;
};

static void number_free(struct snapshot *s)
{
	struct number *n = CONTAINER_OF(s, struct number, snapshot);
	atomic_fetch_add(n->freed, 1);
	n->value = -1;
	free(n);
}

static struct snapshot *number_new(int value, atomic_int *freed)
{
	struct number *n = NEW(struct number);
	n->value = value;
	n->freed = freed;
	snapshot_init(&n->snapshot, number_free);
	return &n->snapshot;
}

static int value_of(struct snapshot *s)
{
	return s ? CONTAINER_OF(s, struct number, snapshot)->value : 0;
}

TEST(a_view_keeps_what_it_holds_until_it_refreshes)
{
	atomic_int freed = 0;
	struct snapshot_cell cell;
	snapshot_cell_init(&cell);
	struct snapshot_view view = {.cell = &cell};
	assert_null(snapshot_view_refresh(&view));
	snapshot_publish(&cell, number_new(1, &freed));
	struct snapshot *held = snapshot_view_refresh(&view);
	assert_int_equal(value_of(held), 1);
	snapshot_publish(&cell, number_new(2, &freed));
	assert_int_equal(freed, 0);
	assert_int_equal(value_of(held), 1);
	assert_int_equal(value_of(snapshot_view_refresh(&view)), 2);
	assert_int_equal(freed, 1);
	struct snapshot *job = snapshot_ref(&cell);
	snapshot_view_fini(&view);
	snapshot_cell_fini(&cell);
	assert_int_equal(freed, 1);
	snapshot_unref(job);
	assert_int_equal(freed, 2);
	snapshot_unref(NULL);
}

static void *read_many(void *arg)
{
	struct snapshot_view view = {.cell = arg};
	int last = 0;
	while (last < 1000) {
		int now = value_of(snapshot_view_refresh(&view));
		assert_true(now >= last);
		last = now;
	}
	snapshot_view_fini(&view);
	return NULL;
}

TEST(readers_of_other_threads_see_whole_objects_in_order)
{
	atomic_int freed = 0;
	struct snapshot_cell cell;
	snapshot_cell_init(&cell);
	pthread_t readers[3];
	for (size_t i = 0; i < COUNT(readers); i++) {
		assert_int_equal(pthread_create(&readers[i], NULL, read_many, &cell), 0);
	}
	for (int i = 1; i <= 1000; i++) {
		snapshot_publish(&cell, number_new(i, &freed));
	}
	for (size_t i = 0; i < COUNT(readers); i++) {
		pthread_join(readers[i], NULL);
	}
	snapshot_cell_fini(&cell);
	assert_int_equal(freed, 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_view_keeps_what_it_holds_until_it_refreshes),
	cmocka_unit_test(readers_of_other_threads_see_whole_objects_in_order),
};
UNIT_MAIN(tests)
