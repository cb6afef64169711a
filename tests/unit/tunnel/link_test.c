#include "tunnel/link.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct link fresh(void)
{
	return (struct link){.seed = 42};
}

static void bring_up(struct link *l, msec_t now)
{
	assert_int_equal(link_step(l, LINK_EV_CONNECTED, now), LINK_DO_GREET);
	assert_int_equal(link_step(l, LINK_EV_WELCOME, now), LINK_DO_OPEN);
	assert_int_equal(l->state, LINK_UP);
}

static void a_link_dials_greets_and_comes_up(void **state)
{
	struct link l = fresh();
	(void)state;

	assert_int_equal(link_step(&l, LINK_EV_START, 0), LINK_DO_DIAL);
	assert_int_equal(l.state, LINK_DIALING);
	bring_up(&l, 5);
	assert_int_equal(l.up_since, 5);
}

static void a_lost_link_waits_and_dials_for_ever(void **state)
{
	struct link l = fresh();
	msec_t now = 1000;
	(void)state;

	assert_int_equal(link_step(&l, LINK_EV_START, now), LINK_DO_DIAL);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(link_step(&l, LINK_EV_LOST, now), LINK_DO_CLOSE);
		assert_int_equal(l.state, LINK_WAITING);
		assert_true(l.retry_at >= now && l.retry_at <= now + LINK_BACKOFF_MAX_MS);
		now = l.retry_at;
		assert_int_equal(link_step(&l, LINK_EV_TIMER, now), LINK_DO_DIAL);
	}
}

static void an_early_timer_does_nothing(void **state)
{
	struct link l = {.state = LINK_WAITING, .retry_at = 100};
	(void)state;

	assert_int_equal(link_step(&l, LINK_EV_TIMER, 99), LINK_DO_NOTHING);
	assert_int_equal(l.state, LINK_WAITING);
	assert_int_equal(link_step(&l, LINK_EV_TIMER, 100), LINK_DO_DIAL);
}

static void backoff_is_full_jitter_and_is_capped(void **state)
{
	(void)state;
	assert_int_equal(link_backoff(0, 250), 250);
	assert_int_equal(link_backoff(0, 251), 0);
	assert_int_equal(link_backoff(3, 2000), 2000);
	assert_int_equal(link_backoff(7, 30000), 30000);
	assert_int_equal(link_backoff(4000000000u, 30000), 30000);
	assert_int_equal(link_backoff(4000000000u, 30001), 0);
}

static void a_link_that_was_up_for_ten_seconds_tries_again_within_250_ms(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct link l = {.seed = seed, .failures = 9};
		(void)link_step(&l, LINK_EV_START, 0);
		bring_up(&l, 0);
		(void)link_step(&l, LINK_EV_LOST, LINK_STABLE_MS);
		assert_true(l.retry_at <= LINK_STABLE_MS + LINK_BACKOFF_MIN_MS);
		assert_int_equal(l.failures, 1);
	}
}

static void after_a_loss_the_pauses_stay_below_a_second_for_a_while(void **state)
{
	struct link l = {.seed = 3};
	msec_t now = SEC(100);
	(void)state;

	(void)link_step(&l, LINK_EV_START, now);
	bring_up(&l, now);
	msec_t lost = now + SEC(1);
	for (now = lost; now < lost + LINK_QUICK_MS;) {
		(void)link_step(&l, LINK_EV_LOST, now);
		assert_true(l.retry_at - now <= 4 * LINK_BACKOFF_MIN_MS);
		now = l.retry_at;
		assert_int_equal(link_step(&l, LINK_EV_TIMER, now), LINK_DO_DIAL);
	}
	for (int i = 0; i < 20; i++) {
		(void)link_step(&l, LINK_EV_LOST, now);
		(void)link_step(&l, LINK_EV_TIMER, l.retry_at);
	}
	assert_true(l.failures > 10);
}

static void a_link_that_dies_young_keeps_its_failures(void **state)
{
	/* Not long ago it had its quick tries: it flaps. */
	struct link l = {.seed = 1, .failures = 5, .quick_until = 1};
	(void)state;

	(void)link_step(&l, LINK_EV_START, 0);
	bring_up(&l, 0);
	(void)link_step(&l, LINK_EV_LOST, LINK_STABLE_MS - 1);
	assert_int_equal(l.failures, 6);
}

static void retry_after_is_obeyed_once_with_jitter_and_a_cap(void **state)
{
	struct link l = {.state = LINK_GREETING, .seed = 7, .retry_after = SEC(5)};
	(void)state;

	(void)link_step(&l, LINK_EV_LOST, 0);
	assert_true(l.retry_at >= SEC(5) && l.retry_at < SEC(7));
	assert_int_equal(l.retry_after, 0);

	l.state = LINK_GREETING;
	l.retry_after = SEC(86400);
	(void)link_step(&l, LINK_EV_LOST, 0);
	assert_true(l.retry_at <= LINK_RETRY_AFTER_MAX_MS * 2);
}

static void goaway_asks_for_a_replacement_and_then_drains(void **state)
{
	struct link l = {.state = LINK_UP};
	(void)state;

	assert_int_equal(link_step(&l, LINK_EV_GOAWAY, 1), LINK_DO_REPLACE);
	assert_int_equal(l.state, LINK_DRAINING);
	assert_int_equal(link_step(&l, LINK_EV_GOAWAY, 2), LINK_DO_NOTHING);
	assert_int_equal(link_step(&l, LINK_EV_DRAIN, 3), LINK_DO_DRAIN);
	assert_int_equal(link_step(&l, LINK_EV_LOST, 4), LINK_DO_CLOSE);
	assert_int_equal(l.state, LINK_IDLE);
}

static void a_successor_starts_with_the_first_pause(void **state)
{
	struct link l = fresh();
	(void)state;

	assert_int_equal(link_step(&l, LINK_EV_FOLLOW, 1000), LINK_DO_CLOSE);
	assert_int_equal(l.state, LINK_WAITING);
	assert_true(l.retry_at <= 1000 + LINK_BACKOFF_MIN_MS);
}

static void hurry_cuts_the_pause_short_and_disturbs_nothing_else(void **state)
{
	struct link waiting = {.state = LINK_WAITING, .retry_at = SEC(30)};
	struct link up = {.state = LINK_UP};
	(void)state;

	assert_int_equal(link_step(&waiting, LINK_EV_HURRY, 1), LINK_DO_DIAL);
	assert_int_equal(link_step(&up, LINK_EV_HURRY, 1), LINK_DO_NOTHING);
}

static void stop_ends_in_every_state_and_late_events_are_ignored(void **state)
{
	(void)state;
	for (int s = LINK_DIALING; s <= LINK_WAITING; s++) {
		struct link l = {.state = (enum link_state)s};
		assert_int_equal(link_step(&l, LINK_EV_STOP, 1), LINK_DO_CLOSE);
		assert_int_equal(l.state, LINK_IDLE);
		for (int e = LINK_EV_CONNECTED; e <= LINK_EV_HURRY; e++) {
			assert_int_equal(link_step(&l, (enum link_event)e, 2), LINK_DO_NOTHING);
			assert_int_equal(l.state, LINK_IDLE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_dials_greets_and_comes_up),
		cmocka_unit_test(a_lost_link_waits_and_dials_for_ever),
		cmocka_unit_test(an_early_timer_does_nothing),
		cmocka_unit_test(backoff_is_full_jitter_and_is_capped),
		cmocka_unit_test(a_link_that_was_up_for_ten_seconds_tries_again_within_250_ms),
		cmocka_unit_test(after_a_loss_the_pauses_stay_below_a_second_for_a_while),
		cmocka_unit_test(a_link_that_dies_young_keeps_its_failures),
		cmocka_unit_test(retry_after_is_obeyed_once_with_jitter_and_a_cap),
		cmocka_unit_test(goaway_asks_for_a_replacement_and_then_drains),
		cmocka_unit_test(a_successor_starts_with_the_first_pause),
		cmocka_unit_test(hurry_cuts_the_pause_short_and_disturbs_nothing_else),
		cmocka_unit_test(stop_ends_in_every_state_and_late_events_are_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
