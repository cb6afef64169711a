#include "connector/certificate_state.h"

#include "unit/unit.h"

enum {
	DAY = 86400,
	NOW = 1767225600,
};

static struct subaccount sample(int64_t not_before, int64_t not_after)
{
	return (struct subaccount){
		.has_certificate = true,
		.certificate = {.not_before = not_before, .not_after = not_after}};
}

static void check(const struct subaccount *sa, const struct link_status *link,
		  enum certificate_state wanted, const char *part)
{
	AUTO_BUF struct buf reason = BUF(KIB(1));

	assert_int_equal(certificate_state_of(sa, link, NOW, &reason), wanted);
	if (!str_contains(buf_str(&reason), str_of(part))) {
		fail_msg("\"%s\" does not say \"%s\"", reason.len > 0 ? reason.at : "", part);
	}
}

TEST(its_dates_say_whether_it_is_valid)
{
	struct subaccount sa = sample(NOW - DAY, NOW + 364 * DAY);

	(void)state;
	check(&sa, NULL, CERTIFICATE_VALID, "");
	sa = sample(NOW - 340 * DAY, NOW + 25 * DAY);
	check(&sa, NULL, CERTIFICATE_EXPIRING, "expires on 2026-01-26");
	sa = sample(NOW - DAY, NOW + 2 * DAY); /* a short one, not late yet */
	check(&sa, NULL, CERTIFICATE_VALID, "");
	sa = sample(NOW - 365 * DAY, NOW - DAY);
	check(&sa, NULL, CERTIFICATE_EXPIRED, "expired on 2025-12-31");
	sa = sample(NOW + DAY, NOW + 365 * DAY);
	check(&sa, NULL, CERTIFICATE_NOT_YET_VALID, "is it right?");
}

TEST(a_wrong_clock_is_corrected_and_named)
{
	struct link_status link = {.state = LINK_STATUS_CONNECTED, .skew_s = 400 * DAY};
	struct subaccount sa = sample(NOW - 400 * DAY, NOW - 35 * DAY);

	(void)state;
	check(&sa, &link, CERTIFICATE_VALID, ""); /* for the cloud side it is 400 days earlier */
	link.skew_s = -DAY;
	sa = sample(NOW - 364 * DAY, NOW + DAY / 2);
	check(&sa, &link, CERTIFICATE_EXPIRED, "clock is 86400 s behind");
}

TEST(the_relays_word_wins)
{
	static const struct {
		const char *word;
		enum certificate_state state;
	} rows[] = {
		{"revoked", CERTIFICATE_REVOKED},
		{"superseded", CERTIFICATE_SUPERSEDED},
		{"expired", CERTIFICATE_EXPIRED},
		{"not_yet_valid", CERTIFICATE_NOT_YET_VALID},
		{"unknown_serial", CERTIFICATE_UNKNOWN},
		{"locked", CERTIFICATE_VALID},
	};
	struct subaccount sa = sample(NOW - DAY, NOW + 364 * DAY);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct link_status link = {.refused = 403, .reason = "as the relay said"};
		snprintf(link.refusal, sizeof link.refusal, "%s", rows[i].word);
		check(&sa, &link, rows[i].state,
		      rows[i].state == CERTIFICATE_VALID ? "" : "as the relay said");
		link.refused = 0; /* of a try long ago */
		check(&sa, &link, CERTIFICATE_VALID, "");
	}
}

TEST(without_a_certificate_the_defect_is_told)
{
	struct subaccount sa = {.defect = "its key does not open"};

	(void)state;
	check(&sa, NULL, CERTIFICATE_MISSING, "does not open");
	assert_string_equal(certificate_state_name(CERTIFICATE_NOT_YET_VALID), "notYetValid");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_dates_say_whether_it_is_valid),
		cmocka_unit_test(a_wrong_clock_is_corrected_and_named),
		cmocka_unit_test(the_relays_word_wins),
		cmocka_unit_test(without_a_certificate_the_defect_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
