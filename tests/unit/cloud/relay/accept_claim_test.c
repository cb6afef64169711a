#include "unit/cloud/relay/relay_world.h"

static void a_location_is_held_by_who_answers_and_lost_by_who_does_not(void **state)
{
	struct world w;
	struct end *end = NULL, *other = NULL;

	start(&w, state);
	assert_int_equal(dial(&w, &FIRST, &end), 101);
	assert_int_equal(dial_in_job(&w, &SECOND, &other), 409);
	expect_detail(&w, "held by installation " INSTANCE);
	/* A dial that would block one job thread too many is put off, and asks nobody. */
	atomic_store(&w.relay->probes, RELAY_PROBES_MAX);
	assert_int_equal(dial(&w, &SECOND, &other), 503);
	assert_int_equal(atomic_load(&w.relay->probes), RELAY_PROBES_MAX);
	atomic_store(&w.relay->probes, 0);
	/* Now the holder stands still: its loop is not turned while the other one dials. */
	assert_int_equal(dial(&w, &SECOND, &other), 101);
	turn_until(&w, &end->lost);
	assert_false(other->lost);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(a_location_is_held_by_who_answers_and_lost_by_who_does_not),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
