#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "connector/renewal.h"

#define S    ((int64_t)1000)
#define MIN  (60 * S)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define T0   (1767225600 * S)

static struct renewal_plan planned(int64_t life)
{
	struct renewal_plan p;

	renewal_init(&p, 7);
	renewal_certificate(&p, T0, T0 + life, 0, T0);
	return p;
}

static void it_is_due_at_two_thirds_of_its_life(void **state)
{
	struct renewal_plan p = planned(300 * DAY);

	(void)state;
	assert_int_equal(p.state, RENEWAL_PLANNED);
	assert_int_equal(p.next_at, T0 + 200 * DAY);
	assert_int_equal(renewal_wait(&p, T0), 200 * DAY);
	assert_false(renewal_begin(&p, T0 + 200 * DAY - 1));
	assert_true(renewal_begin(&p, T0 + 200 * DAY));
	assert_int_equal(renewal_wait(&p, T0 + 200 * DAY), -1);
}

static void it_comes_up_to_a_hundredth_sooner(void **state)
{
	struct renewal_plan p;

	(void)state;
	renewal_init(&p, 7);
	renewal_certificate(&p, T0, T0 + 300 * DAY, UINT32_MAX, T0);
	assert_int_equal(p.next_at, T0 + 197 * DAY);
}

static void pauses_grow_to_an_hour_and_are_a_tenth_of_what_remains(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;
	int64_t longest = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_FAILED, -1, now);
		assert_int_equal(p.state, RENEWAL_RETRYING);
		assert_true(p.next_at >= now + MIN && p.next_at <= now + HOUR);
		assert_true(i > 0 || p.next_at <= now + 2 * MIN);
		longest = p.next_at - now > longest ? p.next_at - now : longest;
		now = p.next_at;
	}
	assert_true(longest > 40 * MIN);
	now = T0 + 300 * DAY - 100 * MIN;
	p.next_at = now;
	assert_true(renewal_begin(&p, now));
	renewal_end(&p, RENEWAL_FAILED, -1, now);
	assert_true(p.next_at <= now + 10 * MIN);
}

static void after_its_end_it_is_tried_for_ever(void **state)
{
	struct renewal_plan p = planned(90 * S);
	int64_t now = T0 + 60 * S;

	(void)state;
	for (int i = 0; i < 500; i++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_FAILED, -1, now);
		assert_true(p.next_at >= now + S && p.next_at <= now + HOUR);
		now = p.next_at;
	}
	assert_true(now > T0 + 2 * DAY);
}

static void a_refusal_slows_it_down(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;
	unsigned tries = 0;

	(void)state;
	for (; now < T0 + 230 * DAY; tries++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_DENIED, -1, now);
		assert_int_equal(p.state, RENEWAL_REFUSED);
		assert_true(p.next_at <= now + 12 * HOUR);
		renewal_heard(&p, now); /* what is refused is not asked sooner for a tunnel */
		now = p.next_at;
	}
	assert_in_range(tries, 80, 200);
}

static void a_retry_after_is_obeyed(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;

	(void)state;
	assert_true(renewal_begin(&p, now));
	renewal_end(&p, RENEWAL_FAILED, 5 * HOUR, now);
	assert_true(p.next_at >= now + 5 * HOUR && p.next_at <= now + 6 * HOUR);
	renewal_heard(&p, now + MIN);
	assert_true(p.next_at >= now + 5 * HOUR);
	now = p.next_at;
	assert_true(renewal_begin(&p, now));
	renewal_end(&p, RENEWAL_FAILED, 400 * DAY, now);
	assert_true(p.next_at <= now + DAY + HOUR);
}

static void a_sign_of_life_brings_the_next_try_forward(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_FAILED, -1, now);
		int64_t tried = now;
		renewal_heard(&p, now);
		assert_true(p.next_at <= now + 6 * MIN);
		now = p.next_at;
		for (int k = 0; k < 1000; k++) { /* a link that flaps */
			renewal_heard(&p, now);
		}
		assert_true(p.next_at >= tried + MIN);
		now = p.next_at;
	}
}

static void switched_off_it_waits_and_goes_on_when_it_is_on_again(void **state)
{
	struct renewal_plan p = planned(300 * DAY);

	(void)state;
	renewal_switch(&p, false, T0);
	assert_int_equal(p.state, RENEWAL_OFF);
	assert_int_equal(renewal_wait(&p, T0 + 400 * DAY), -1);
	renewal_switch(&p, true, T0 + 100 * DAY);
	assert_int_equal(p.next_at, T0 + 200 * DAY);
	renewal_switch(&p, false, T0 + 100 * DAY);
	renewal_switch(&p, true, T0 + 250 * DAY);
	assert_true(p.next_at <= T0 + 250 * DAY + HOUR);
}

static void switched_off_in_the_middle_of_a_try_nothing_follows(void **state)
{
	struct renewal_plan p = planned(300 * DAY);

	(void)state;
	assert_true(renewal_begin(&p, T0 + 200 * DAY));
	renewal_switch(&p, false, T0 + 200 * DAY);
	renewal_end(&p, RENEWAL_FAILED, -1, T0 + 200 * DAY);
	assert_int_equal(p.state, RENEWAL_OFF);
	assert_int_equal(renewal_wait(&p, T0 + 900 * DAY), -1);
}

static void a_refresh_by_hand_ends_the_retries(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;

	(void)state;
	assert_true(renewal_begin(&p, now));
	renewal_certificate(&p, now, now + 300 * DAY, 0, now);
	renewal_end(&p, RENEWAL_FAILED, -1, now);
	assert_int_equal(p.state, RENEWAL_PLANNED);
	assert_int_equal(p.next_at, now + 200 * DAY);
}

static void a_certificate_that_is_over_when_it_comes_makes_no_loop(void **state)
{
	struct renewal_plan p = planned(90 * S);
	int64_t now = T0 + 60 * S;
	unsigned tries = 0;

	(void)state;
	for (; now < T0 + DAY; tries++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_DONE, -1, now);
		renewal_certificate(&p, now, now - 365 * DAY, 0,
				    now); /* our clock is a year ahead */
		now = p.next_at;
	}
	assert_in_range(tries, 12, 26);
}

static void a_renewal_that_brings_nothing_new_makes_no_loop(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;
	unsigned tries = 0;

	(void)state;
	for (; now < T0 + 201 * DAY; tries++) {
		assert_true(renewal_begin(&p, now));
		renewal_end(&p, RENEWAL_DONE, -1, now);
		now = p.next_at;
	}
	assert_in_range(tries, 12, 26);
}

static void after_a_restart_the_pause_goes_on(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY + HOUR;

	(void)state;
	renewal_certificate(&p, T0, T0 + 300 * DAY, 0, now);
	renewal_restore(&p, now - S, RENEWAL_DENIED, 3, now);
	assert_int_equal(p.state, RENEWAL_REFUSED);
	assert_true(p.next_at > now && p.next_at <= now + 12 * HOUR);
	p = planned(300 * DAY); /* refreshed since: its failures are history */
	renewal_restore(&p, T0 - DAY, RENEWAL_FAILED, 9, T0);
	assert_int_equal(p.state, RENEWAL_PLANNED);
	assert_int_equal(p.next_at, T0 + 200 * DAY);
}

static void a_clock_that_is_set_back_does_not_stop_it(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t now = T0 + 200 * DAY;

	(void)state;
	assert_true(renewal_begin(&p, now));
	renewal_end(&p, RENEWAL_FAILED, -1, now);
	assert_true(renewal_wait(&p, now - 50 * DAY) <= HOUR);
}

/* Started two years ahead, it planned a try for a moment later; then the clock was put right, or
 * the cloud side's Date told by how much it is wrong: the next try stood two years away. */
static void a_clock_that_is_set_right_before_the_first_try_does_not_lose_it(void **state)
{
	struct renewal_plan p = planned(300 * DAY);
	int64_t ahead = T0 + 730 * DAY;

	(void)state;
	renewal_certificate(&p, T0, T0 + 300 * DAY, 0, ahead);
	assert_true(p.next_at > ahead);
	assert_int_equal(renewal_wait(&p, T0 + DAY), 199 * DAY);
	renewal_certificate(&p, T0, T0 + 300 * DAY, 0, ahead);
	assert_true(renewal_wait(&p, T0 + 250 * DAY) <= HOUR);
}

/* ---- ten years of a fleet ---- */

struct fleet {
	int64_t life, spread_start; /* of certificates; over which time they enrolled */
	int64_t away, back;         /* the cloud side is not reachable */
	int64_t end;
	unsigned *per_minute; /* renewals that came through */
	unsigned tries_most, done_least, done_most;
	int64_t gap_most; /* longest time without a valid certificate, outage not counted */
};

enum {
	FLEET = 1000,
};

static bool is_away(const struct fleet *f, int64_t now)
{
	return now >= f->away && now < f->back;
}

/* From its end, or the cloud side's return, to the renewal. */
static void note_gap(struct fleet *f, const struct renewal_plan *p, int64_t now)
{
	int64_t since = p->not_after;

	if (is_away(f, since)) {
		since = f->back;
	}
	f->gap_most = now - since > f->gap_most ? now - since : f->gap_most;
}

static void live(struct fleet *f, uint64_t *random)
{
	struct renewal_plan p;
	int64_t now = T0 + (int64_t)(random_jitter(random) % (uint64_t)f->spread_start);
	bool told = false;
	unsigned tries = 0, done = 0;

	renewal_init(&p, random_jitter(random));
	renewal_certificate(&p, now, now + f->life, (uint32_t)random_jitter(random), now);
	while (now < f->end) {
		int64_t next = now + renewal_wait(&p, now);
		int64_t dialled = f->back + (int64_t)(random_jitter(random) % 30000);
		if (!told && next > dialled &&
		    now < dialled) { /* the dialer is let in, or refused */
			told = true;
			now = dialled;
			renewal_heard(&p, now);
			continue;
		}
		now = next;
		assert_true(renewal_begin(&p, now));
		tries++;
		if (is_away(f, now)) {
			renewal_end(&p, RENEWAL_FAILED, -1, now);
			continue;
		}
		note_gap(f, &p, now);
		renewal_end(&p, RENEWAL_DONE, -1, now);
		renewal_certificate(&p, now, now + f->life, (uint32_t)random_jitter(random), now);
		done++;
		if (now < f->end) {
			f->per_minute[(now - T0) / MIN]++;
		}
	}
	f->tries_most = tries > f->tries_most ? tries : f->tries_most;
	f->done_least = done < f->done_least ? done : f->done_least;
	f->done_most = done > f->done_most ? done : f->done_most;
}

static void run(struct fleet *f)
{
	uint64_t random = 42;

	f->done_least = UINT32_MAX;
	f->gap_most = INT64_MIN;
	f->per_minute = NEW_ARRAY(unsigned, (size_t)((f->end - T0) / MIN) + 1);
	for (int i = 0; i < FLEET; i++) {
		live(f, &random);
	}
}

/* The most renewals of an hour that does not begin within a day of the outage's end. */
static unsigned busiest_hour(const struct fleet *f)
{
	unsigned most = 0;

	for (int64_t at = T0; at + HOUR < f->end; at += HOUR) {
		unsigned n = 0;
		for (int64_t m = 0; m < 60; m++) {
			n += f->per_minute[(at - T0) / MIN + m];
		}
		bool after_outage = at + HOUR > f->back && at < f->back + DAY;
		most = n > most && !after_outage ? n : most;
	}
	return most;
}

static unsigned busiest_minute(const struct fleet *f)
{
	unsigned most = 0;

	for (int64_t m = 0; m < (f->end - T0) / MIN; m++) {
		most = f->per_minute[m] > most ? f->per_minute[m] : most;
	}
	return most;
}

/* All enrolled within an hour, and the cloud side is away when the first of them is due. */
static void ten_years_of_a_fleet_that_enrolled_together(void **state)
{
	struct fleet f = {.life = 365 * DAY,
			  .spread_start = HOUR,
			  .away = T0 + 238 * DAY,
			  .back = T0 + 245 * DAY,
			  .end = T0 + 3650 * DAY};

	(void)state;
	run(&f);
	assert_true(f.gap_most < -100 * DAY); /* never close to its end */
	assert_in_range(f.done_least, 15, 16);
	assert_in_range(f.done_most, 15, 16);
	assert_in_range(f.tries_most, 100, 16 + 700);
	assert_in_range(busiest_minute(&f), 100, 300); /* the whole fleet is back in some minutes */
	assert_in_range(busiest_hour(&f), 1, 40);
	free(f.per_minute);
}

static void ten_years_of_a_fleet_that_grew(void **state)
{
	struct fleet f = {.life = 825 * DAY,
			  .spread_start = 365 * DAY,
			  .away = T0 + 900 * DAY,
			  .back = T0 + 907 * DAY,
			  .end = T0 + 3650 * DAY};

	(void)state;
	run(&f);
	assert_true(f.gap_most < -200 * DAY);
	assert_in_range(f.done_least, 4, 7);
	assert_in_range(busiest_hour(&f), 1, 10);
	free(f.per_minute);
}

static void certificates_of_minutes_survive_a_week_without_the_cloud(void **state)
{
	struct fleet f = {.life = 5 * MIN,
			  .spread_start = 5 * MIN,
			  .away = T0 + DAY,
			  .back = T0 + 8 * DAY,
			  .end = T0 + 9 * DAY};

	(void)state;
	run(&f);
	assert_true(f.gap_most <= 61 * S); /* the dial that tells, and the scatter */
	assert_in_range(f.done_least, 2 * 24 * 60 / 4, 2 * 24 * 60 / 3);
	assert_in_range(f.tries_most, 500, 5000);
	assert_in_range(busiest_minute(&f), 250, 1100);
	free(f.per_minute);
}

static void certificates_of_seconds_never_have_a_gap(void **state)
{
	struct fleet f = {.life = 6 * S,
			  .spread_start = 4 * S,
			  .away = T0 + HOUR,
			  .back = T0 + HOUR,
			  .end = T0 + HOUR};

	(void)state;
	run(&f);
	assert_true(f.gap_most <= -2 * S + 60);
	assert_in_range(f.tries_most, 880, 920);
	free(f.per_minute);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_due_at_two_thirds_of_its_life),
		cmocka_unit_test(it_comes_up_to_a_hundredth_sooner),
		cmocka_unit_test(pauses_grow_to_an_hour_and_are_a_tenth_of_what_remains),
		cmocka_unit_test(after_its_end_it_is_tried_for_ever),
		cmocka_unit_test(a_refusal_slows_it_down),
		cmocka_unit_test(a_retry_after_is_obeyed),
		cmocka_unit_test(a_sign_of_life_brings_the_next_try_forward),
		cmocka_unit_test(switched_off_it_waits_and_goes_on_when_it_is_on_again),
		cmocka_unit_test(switched_off_in_the_middle_of_a_try_nothing_follows),
		cmocka_unit_test(a_refresh_by_hand_ends_the_retries),
		cmocka_unit_test(a_certificate_that_is_over_when_it_comes_makes_no_loop),
		cmocka_unit_test(a_renewal_that_brings_nothing_new_makes_no_loop),
		cmocka_unit_test(after_a_restart_the_pause_goes_on),
		cmocka_unit_test(a_clock_that_is_set_back_does_not_stop_it),
		cmocka_unit_test(a_clock_that_is_set_right_before_the_first_try_does_not_lose_it),
		cmocka_unit_test(ten_years_of_a_fleet_that_enrolled_together),
		cmocka_unit_test(ten_years_of_a_fleet_that_grew),
		cmocka_unit_test(certificates_of_minutes_survive_a_week_without_the_cloud),
		cmocka_unit_test(certificates_of_seconds_never_have_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
