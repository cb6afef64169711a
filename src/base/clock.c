#include "base/clock.h"

enum {
	DAY_S = 86400,
	ERA_DAYS = 146097, /* of 400 years */
};
#define CALENDAR_START (INT64_C(719468) * DAY_S)      /* 0000-03-01 to 1970-01-01 */
#define CALENDAR_FIRST (-CALENDAR_START)              /* 0000-03-01T00:00:00 */
#define CALENDAR_LAST  (INT64_C(2932897) * DAY_S - 1) /* 9999-12-31T23:59:59 */

static int64_t read_ms(clockid_t id)
{
	struct timespec t = {0};
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

msec_t clock_now(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_unix(void)
{
	return clock_unix_ms() / 1000;
}

int64_t clock_unix_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

static struct tm utc(int64_t unix_s)
{
	struct tm tm = {0};
	time_t t = (time_t)unix_s;
	if (gmtime_r(&t, &tm) == NULL) {
		tm = (struct tm){
			.tm_mday = 1, .tm_year = 70, .tm_wday = 4}; /* outside the calendar */
	}
	return tm;
}

static char *two_digits(char *to, unsigned n, char after)
{
	*to++ = (char)('0' + n / 10);
	*to++ = (char)('0' + n % 10);
	*to++ = after;
	return to;
}

/*
 * Seconds of a day and days since 1970 to "2026-07-01T12:00:00"; years 0 to 9999. Counted in years
 * from March on, so that a leap day is the last one. By hand, digit by digit: lists have four of
 * these a row, and libc's calendar takes a lock.
 */
static char *write_seconds(char *to, int64_t unix_s)
{
	const uint64_t s = (uint64_t)(unix_s + CALENDAR_START); /* since 0000-03-01 */
	const unsigned days = (unsigned)(s / DAY_S), second = (unsigned)(s % DAY_S);
	const unsigned era = days / ERA_DAYS, day_of_era = days % ERA_DAYS;
	const unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const unsigned month = (5 * day_of_year + 2) / 153; /* 0 is March */
	const unsigned year = era * 400 + year_of_era + (month >= 10 ? 1 : 0);

	to = two_digits(to, year / 100, '-');
	to = two_digits(to - 1, year % 100, '-');
	to = two_digits(to, month < 10 ? month + 3 : month - 9, '-');
	to = two_digits(to, day_of_year - (153 * month + 2) / 5 + 1, 'T');
	to = two_digits(to, second / 3600, ':');
	to = two_digits(to, second / 60 % 60, ':');
	return two_digits(to, second % 60, 'Z') - 1;
}

static void add_far_seconds(struct buf *b, int64_t unix_s)
{
	struct tm tm = utc(unix_s);

	buf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* With `behind`, which is at most ".123Z". */
static void add_seconds(struct buf *b, int64_t unix_s, struct str behind)
{
	char text[32];

	if (unix_s < CALENDAR_FIRST || unix_s > CALENDAR_LAST) {
		add_far_seconds(b, unix_s);
		buf_add_str(b, behind);
		return;
	}
	char *end = write_seconds(text, unix_s);
	memcpy(end, behind.at, behind.len);
	buf_add(b, text, (size_t)(end - text) + behind.len);
}

void clock_add_rfc3339(struct buf *b, int64_t unix_s)
{
	add_seconds(b, unix_s, STR("Z"));
}

void clock_add_rfc3339_ms(struct buf *b, int64_t unix_ms)
{
	int64_t ms = unix_ms % 1000;
	int64_t s = unix_ms / 1000;
	if (ms < 0) {
		ms += 1000;
		s--;
	}
	const char behind[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			       (char)('0' + ms % 10), 'Z'};
	add_seconds(b, s, str_make(behind, sizeof(behind)));
}

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void clock_add_http_date(struct buf *b, int64_t unix_s)
{
	struct tm tm = utc(unix_s);
	buf_addf(b, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday], tm.tm_mday,
		 month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* `n` digits at s[from]; -1 on anything else. */
static int digits(struct str s, size_t from, size_t n)
{
	uint64_t value = 0;
	if (!str_to_u64(str_first(str_skip(s, from), n), &value)) {
		return -1;
	}
	return (int)value;
}

/* Fills tm from "06 Nov 1994 08:49:37" at s[5]; the shape was checked already. */
static bool read_fields(struct str s, struct tm *tm)
{
	tm->tm_mon = -1;
	for (int i = 0; i < 12; i++) {
		if (str_eq(str_first(str_skip(s, 8), 3), str_of(month_names[i]))) {
			tm->tm_mon = i;
		}
	}
	int year = digits(s, 12, 4);
	tm->tm_mday = digits(s, 5, 2);
	tm->tm_hour = digits(s, 17, 2);
	tm->tm_min = digits(s, 20, 2);
	tm->tm_sec = digits(s, 23, 2);
	tm->tm_year = year - 1900;
	return tm->tm_mon >= 0 && year >= 0 && tm->tm_mday >= 1 && tm->tm_hour >= 0 &&
	       tm->tm_hour <= 23 && tm->tm_min >= 0 && tm->tm_min <= 59 && tm->tm_sec >= 0 &&
	       tm->tm_sec <= 60;
}

bool clock_parse_http_date(struct str s, int64_t *unix_s)
{
	static const char shape[] = "???, ?? ??? ???? ??:??:?? GMT";
	if (s.len != sizeof(shape) - 1) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (shape[i] != '?' && shape[i] != s.at[i]) {
			return false;
		}
	}
	struct tm tm = {0};
	if (!read_fields(s, &tm)) {
		return false;
	}
	struct tm normal = tm;
	time_t t = timegm(&normal);
	/* 31 February moved: refused. A leap second (60) moves lawfully. */
	if (tm.tm_sec < 60 && (normal.tm_mday != tm.tm_mday || normal.tm_mon != tm.tm_mon)) {
		return false;
	}
	if (!str_eq(str_first(s, 3), str_of(day_names[normal.tm_wday])) && tm.tm_sec < 60) {
		return false;
	}
	*unix_s = (int64_t)t;
	return true;
}

static const struct duration_unit {
	const char *name;
	msec_t ms;
} duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1},
};

bool clock_parse_duration(struct str s, msec_t *out)
{
	size_t n = 0;
	while (n < s.len && s.at[n] >= '0' && s.at[n] <= '9') {
		n++;
	}
	uint64_t value = 0;
	if (!str_to_u64(str_first(s, n), &value)) {
		return false;
	}
	for (size_t i = 0; i < COUNT(duration_units); i++) {
		msec_t ms = 0;
		if (str_eq(str_skip(s, n), str_of(duration_units[i].name))) {
			if (__builtin_mul_overflow(value, duration_units[i].ms, &ms)) {
				return false;
			}
			*out = ms;
			return true;
		}
	}
	return false;
}
