#include "alert/judge.h"

#include "unit/unit.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
};

static const int64_t start = 1800000000;

static struct alert_policy policy(void)
{
	struct alert_policy p = {.repeat_s = DAY};
	struct err err;

	assert_ok(alert_policy_read(STR("60d, 30d, 14d, 7d, 3d, 1d"), &p, &err), &err);
	return p;
}

static struct alert_certificate certificate(int64_t life_s, bool renews_itself)
{
	return (struct alert_certificate){
		.not_before = start, .not_after = start + life_s, .renews_itself = renews_itself};
}

/* The messages of a life, one letter each (r raise, a again, s solve), looked at each `step_s`. */
struct life {
	struct alert_memory memory;
	char told[4000];
	size_t n;
	int64_t raised_at[32]; /* seconds before the end */
	size_t n_raised;
};

static void live(struct life *l, const struct alert_certificate *c, const struct alert_policy *p,
		 int64_t from, int64_t to, int64_t step_s)
{
	for (int64_t now = from; now <= to; now += step_s) {
		struct alert_verdict v = alert_judge(c, p, now);
		enum alert_act act = alert_step(&l->memory, v, p, now);
		if (act != ALERT_DO_NOTHING) {
			assert_true(l->n + 1 < sizeof(l->told));
			l->told[l->n++] = "-ras"[act];
		}
		if (act == ALERT_DO_RAISE) {
			assert_true(l->n_raised < COUNT(l->raised_at));
			l->raised_at[l->n_raised++] = c->not_after - now;
		}
	}
}

TEST(a_yearly_certificate_that_nobody_renews_is_raised_once_per_threshold)
{
	static const int64_t expected[] = {60 * DAY, 30 * DAY, 14 * DAY, 7 * DAY,
					   3 * DAY,  DAY,      -HOUR};
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, true);
	struct life l = {0};

	p.repeat_s = 0;
	live(&l, &c, &p, start, start + 400 * (int64_t)DAY, HOUR);
	assert_string_equal(l.told, "rrrrrrr");
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_int_equal(l.raised_at[i], expected[i]);
	}
	assert_int_equal(l.memory.state, ALERT_EXPIRED);
}

TEST(it_is_repeated_daily_and_solved_by_one_message)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, false);
	struct life l = {0};
	int64_t renewed = c.not_after - 27 * DAY;

	live(&l, &c, &p, start, renewed, HOUR);
	assert_string_equal(l.told, "raaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				    "raaa"); /* 30 days at 60, 3 at 30 */
	c.not_before = c.received = renewed;
	c.not_after = renewed + 365 * DAY;
	live(&l, &c, &p, renewed + HOUR, renewed + 100 * (int64_t)DAY, HOUR);
	assert_int_equal(l.told[l.n - 1], 's');
	assert_int_equal(l.n, 35);
	assert_int_equal(l.memory.state, ALERT_FINE);
	assert_int_equal(l.memory.solved, renewed + HOUR);
}

TEST(one_that_renews_itself_at_two_thirds_never_alerts)
{
	static const int64_t lives[] = {2 * MINUTE, HOUR,     DAY,       7 * DAY,
					30 * DAY,   90 * DAY, 365 * DAY, 825 * DAY};
	struct alert_policy p = policy();

	for (size_t i = 0; i < COUNT(lives); i++) {
		struct alert_certificate c = certificate(lives[i], true);
		struct life l = {0};
		for (int turn = 0; turn < 50; turn++) {
			int64_t step = lives[i] / 100 > 0 ? lives[i] / 100 : 1;
			int64_t due = c.not_before + lives[i] * 2 / 3;
			live(&l, &c, &p, c.not_before, due + step, step);
			c.not_before = due;
			c.not_after = due + lives[i];
		}
		assert_string_equal(l.told, "");
	}
}

TEST(minutes_of_life_are_judged_by_fractions_from_when_it_came_into_use)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(HOUR + 160, true);
	struct life l = {0};

	c.received = start + HOUR; /* not-before lies an hour back: 160 s are its life */
	p.repeat_s = 0;
	live(&l, &c, &p, c.received, c.not_after + 5, 1);
	assert_string_equal(l.told, "rrrr");
	assert_int_equal(l.raised_at[0], 40);
	assert_int_equal(l.raised_at[1], 20);
	assert_int_equal(l.raised_at[2], 10);
	assert_int_equal(l.raised_at[3], -1);
}

TEST(a_renewal_that_fails_is_told_before_the_first_threshold)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, true);
	struct life l = {0};
	int64_t due = start + 244 * DAY; /* two thirds */

	c.renewal_error = "the relay is away";
	live(&l, &c, &p, due, due + 5 * DAY, HOUR); /* a first failure is no alert yet */
	assert_string_equal(l.told, "");
	live(&l, &c, &p, due + 5 * DAY, due + 13 * DAY, HOUR);
	assert_int_equal(l.told[0], 'r');
	assert_int_equal(l.memory.state, ALERT_RENEWAL_FAILING);
	c.renewal_error = NULL; /* it goes again, and the certificate is still the old one */
	live(&l, &c, &p, due + 13 * DAY, due + 14 * DAY, HOUR);
	assert_int_equal(l.told[l.n - 1], 's');
}

TEST(an_error_that_is_gone_leaves_the_nearness_of_the_end)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, true);
	struct alert_memory m = {0};
	int64_t now = c.not_after - 10 * DAY;

	c.renewal_error = "no";
	assert_int_equal(alert_step(&m, alert_judge(&c, &p, now), &p, now), ALERT_DO_RAISE);
	assert_int_equal(m.state, ALERT_RENEWAL_FAILING);
	c.renewal_error = "";
	assert_int_equal(alert_step(&m, alert_judge(&c, &p, now), &p, now), ALERT_DO_NOTHING);
	assert_int_equal(m.state, ALERT_EXPIRING);
	assert_int_equal(m.since, now);
}

TEST(not_yet_valid_is_a_state_of_its_own)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, false);
	struct life l = {0};

	live(&l, &c, &p, start - 2 * DAY, start + 2 * DAY, HOUR);
	assert_string_equal(l.told, "ras");
	assert_int_equal(alert_judge(&c, &p, start - 1).state, ALERT_NOT_YET_VALID);
	assert_int_equal(alert_judge(&c, &p, start).state, ALERT_FINE);
	assert_int_equal(alert_judge(&c, &p, c.not_after).state, ALERT_EXPIRING);
	assert_int_equal(alert_judge(&c, &p, c.not_after + 1).state, ALERT_EXPIRED);
}

TEST(a_clock_that_is_set_back_neither_storms_nor_falls_silent)
{
	struct alert_policy p = policy();
	struct alert_certificate c = certificate(365 * DAY, false);
	struct alert_memory m = {0};
	int64_t now = c.not_after - 50 * DAY;

	assert_int_equal(alert_step(&m, alert_judge(&c, &p, now), &p, now), ALERT_DO_RAISE);
	now -= 5 * DAY; /* still within 60 days */
	assert_int_equal(alert_step(&m, alert_judge(&c, &p, now), &p, now), ALERT_DO_NOTHING);
	now += DAY;
	assert_int_equal(alert_step(&m, alert_judge(&c, &p, now), &p, now), ALERT_DO_REPEAT);
}

TEST(thresholds_are_read_sorted_and_judged)
{
	static const char *const bad[] = {"", "30", "30d,x", "500ms", "-1d"};
	struct alert_policy p = {.repeat_s = 7};
	struct err err;

	assert_ok(alert_policy_read(STR("1d,12h, 60d,1d"), &p, &err), &err);
	assert_int_equal(p.n, 3);
	assert_int_equal(p.thresholds_s[0], 60 * DAY);
	assert_int_equal(p.thresholds_s[2], 12 * HOUR);
	assert_int_equal(p.repeat_s, 7);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_err(alert_policy_read(str_of(bad[i]), &p, &err), &err, ERR_CONFIG,
			   "alert.thresholds");
	}
	assert_err(
		alert_policy_read(STR("1d,2d,3d,4d,5d,6d,7d,8d,9d,10d,11d,12d,13d,14d,15d,16d,17d"),
				  &p, &err),
		&err, ERR_CONFIG, "more than 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_yearly_certificate_that_nobody_renews_is_raised_once_per_threshold),
		cmocka_unit_test(it_is_repeated_daily_and_solved_by_one_message),
		cmocka_unit_test(one_that_renews_itself_at_two_thirds_never_alerts),
		cmocka_unit_test(
			minutes_of_life_are_judged_by_fractions_from_when_it_came_into_use),
		cmocka_unit_test(a_renewal_that_fails_is_told_before_the_first_threshold),
		cmocka_unit_test(an_error_that_is_gone_leaves_the_nearness_of_the_end),
		cmocka_unit_test(not_yet_valid_is_a_state_of_its_own),
		cmocka_unit_test(a_clock_that_is_set_back_neither_storms_nor_falls_silent),
		cmocka_unit_test(thresholds_are_read_sorted_and_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
