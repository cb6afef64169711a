#include "base/clock.h"

#include "unit/unit.h"

TEST(times_are_written_in_utc)
{
	AUTO_BUF struct buf b = BUF(200);
	clock_add_rfc3339(&b, 1795315570);
	buf_add_c(&b, ' ');
	clock_add_rfc3339_ms(&b, -1);
	assert_str(buf_str(&b), "2026-11-22T02:46:10Z 1969-12-31T23:59:59.999Z");
	buf_reset(&b);
	clock_add_rfc3339_ms(&b, -62135596799960);
	buf_add_c(&b, ' ');
	clock_add_rfc3339(&b, 253402300799);
	buf_add_c(&b, ' ');
	clock_add_rfc3339_ms(&b, 253402300800507);
	assert_str(buf_str(&b),
		   "0001-01-01T00:00:00.040Z 9999-12-31T23:59:59Z 10000-01-01T00:00:00.507Z");
	buf_reset(&b);
	clock_add_http_date(&b, 784111777);
	assert_str(buf_str(&b), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(an_http_date_is_read_back)
{
	int64_t t = 0;
	assert_true(clock_parse_http_date(STR("Sun, 06 Nov 1994 08:49:37 GMT"), &t));
	assert_int_equal(t, 784111777);
	static const char *const bad[] = {
		"Mon, 06 Nov 1994 08:49:37 GMT",  "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 31 Feb 1994 08:49:37 GMT",  "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT",  "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", ""};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(clock_parse_http_date(str_of(bad[i]), &t));
	}
	assert_int_equal(t, 784111777);
}

TEST(a_duration_needs_its_unit)
{
	static const struct {
		const char *text;
		msec_t ms;
	} rows[] = {{"250ms", 250},    {"30s", 30000}, {"10min", 600000},
		    {"12h", 43200000}, {"0s", 0},      {"365d", 31536000000}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		msec_t ms = -1;
		assert_true(clock_parse_duration(str_of(rows[i].text), &ms));
		assert_int_equal(ms, rows[i].ms);
	}
	static const char *const bad[] = {"30", "s", "-1s", "1 s", "1m", "1S", "99999999999999999d",
					  ""};
	for (size_t i = 0; i < COUNT(bad); i++) {
		msec_t ms = 7;
		assert_false(clock_parse_duration(str_of(bad[i]), &ms));
		assert_int_equal(ms, 7);
	}
}

TEST(the_clocks_go_forward)
{
	msec_t a = clock_now();
	assert_true(clock_now() >= a);
	assert_true(clock_unix() > 1700000000);
	assert_true(clock_unix_ms() / 1000 >= clock_unix() - 1);
}

/* Each day of the calendar, at a second of it that moves, and what is outside. */
TEST(every_day_is_written_as_libc_has_it)
{
	const int64_t day = 86400, first = -INT64_C(719528) * day, last = INT64_C(2932897) * day;

	for (int64_t s = first - 3 * day; s < last + 3 * day; s += day + 1) {
		time_t t = (time_t)s;
		struct tm tm;
		char expected[64];
		assert_non_null(gmtime_r(&t, &tm));
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.007Z",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			 tm.tm_sec);
		AUTO_BUF struct buf b = BUF(64);
		clock_add_rfc3339_ms(&b, s * 1000 + 7);
		if (!str_eq(buf_str(&b), str_of(expected))) {
			fail_msg("%s, not %s", b.at, expected);
		}
	}
	AUTO_BUF struct buf b = BUF(64);
	clock_add_rfc3339(&b, last - 1);
	assert_str(buf_str(&b), "9999-12-31T23:59:59Z");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_day_is_written_as_libc_has_it),
	cmocka_unit_test(times_are_written_in_utc),
	cmocka_unit_test(an_http_date_is_read_back),
	cmocka_unit_test(a_duration_needs_its_unit),
	cmocka_unit_test(the_clocks_go_forward),
};
UNIT_MAIN(tests)
