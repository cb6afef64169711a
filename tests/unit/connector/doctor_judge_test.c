#include "connector/doctor.h"

#include "unit/unit.h"

enum {
	NOW = 1800000000,
	DAY = 86400,
};

/* A healthy patient, whose parts a test breaks. */
struct ward {
	struct subaccount_set set;
	struct subaccount subaccount;
	struct link_status link;
	struct doctor_patient patient;
	struct ptth_answer answer;
	struct doctor_report report;
};

static void admit(struct ward *w)
{
	*w = (struct ward){.answer = {.status = 204, .date = NOW, .owners = "olga"}};
	snprintf(w->link.reason, sizeof(w->link.reason), "%s", "");
	w->link.state = LINK_STATUS_CONNECTED;
	w->link.tunnels = w->link.wanted = 1;
	w->subaccount.has_certificate = true;
	/* only looked at for being there */
	w->subaccount.tls = (struct tls_config *)(void *)&w->set;
	w->subaccount.state.connected = true;
	w->subaccount.certificate = (struct cert_facts){
		.serial = "0a", .not_before = NOW - DAY, .not_after = NOW + 300 * DAY};
	w->patient = (struct doctor_patient){
		.set = &w->set, .subaccount = &w->subaccount, .link = &w->link};
}

static void refuse(struct ward *w, unsigned status, const char *word, const char *detail)
{
	w->answer.status = status;
	snprintf(w->answer.refusal, sizeof(w->answer.refusal), "%s", word);
	snprintf(w->answer.detail, sizeof(w->answer.detail), "%s", detail);
}

static void examine(struct ward *w)
{
	w->report = (struct doctor_report){.broken = DOCTOR_LINKS};
	doctor_judge(&w->patient, &w->answer, NOW, &w->report);
}

static void assert_broken(struct ward *w, enum doctor_link link, const char *found,
			  const char *next)
{
	examine(w);
	assert_int_equal(w->report.broken, link);
	assert_int_equal(w->report.steps[link].result, DOCTOR_BROKEN);
	if (strstr(w->report.steps[link].found, found) == NULL ||
	    strstr(w->report.steps[link].next, next) == NULL) {
		fail_msg("found \"%s\", next \"%s\"", w->report.steps[link].found,
			 w->report.steps[link].next);
	}
	for (int i = (int)link + 1; i < DOCTOR_LINKS; i++) {
		assert_int_equal(w->report.steps[i].result, DOCTOR_NOT_REACHED);
	}
}

TEST(who_is_healthy_is_told_so)
{
	struct ward w;

	admit(&w);
	examine(&w);
	assert_int_equal(w.report.broken, DOCTOR_LINKS);
	for (int i = DOCTOR_CLOCK; i < DOCTOR_LINKS; i++) {
		assert_int_equal(w.report.steps[i].result, DOCTOR_OK);
	}
	assert_non_null(strstr(w.report.steps[DOCTOR_SUBACCOUNT].found, "owners: olga"));
}

TEST(refusals_of_the_certificate_are_told_apart)
{
	static const struct {
		unsigned status;
		const char *word, *next;
	} rows[] = {{401, "expired", "Refresh Certificate"},
		    {403, "revoked", "why it was revoked"},
		    {403, "superseded", "older copy"},
		    {403, "unknown_serial", "Refresh Certificate"},
		    {401, "", "Refresh Certificate"}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ward w;
		admit(&w);
		refuse(&w, rows[i].status, rows[i].word, "the relay's words");
		assert_broken(&w, DOCTOR_CERTIFICATE, "the relay's words", rows[i].next);
	}
}

TEST(a_missing_certificate_is_named_whatever_the_relay_says)
{
	struct ward w;

	admit(&w);
	w.subaccount.tls = NULL;
	snprintf(w.subaccount.defect, sizeof(w.subaccount.defect), "the key does not open");
	refuse(&w, 401, "no_certificate", "no certificate");
	assert_broken(&w, DOCTOR_CERTIFICATE, "the key does not open", "Refresh");
}

TEST(a_wrong_clock_is_guilty_only_when_the_relay_refuses_for_it)
{
	struct ward w;

	admit(&w);
	w.answer.date = NOW - 4000;
	examine(&w);
	assert_int_equal(w.report.broken, DOCTOR_LINKS);
	assert_int_equal(w.report.steps[DOCTOR_CLOCK].result, DOCTOR_WARNING);
	assert_non_null(strstr(w.report.steps[DOCTOR_CLOCK].found, "4000 s before"));
	refuse(&w, 401, "not_yet_valid", "not yet");
	assert_broken(&w, DOCTOR_CLOCK, "4000 s before", "time service");
	w.answer.date = NOW + 4000;
	assert_broken(&w, DOCTOR_CLOCK, "4000 s behind", "time service");
}

TEST(an_end_that_is_near_is_a_warning)
{
	struct ward w;

	admit(&w);
	w.subaccount.certificate.not_before = NOW - 360 * DAY;
	w.subaccount.certificate.not_after = NOW + 5 * DAY;
	examine(&w);
	assert_int_equal(w.report.broken, DOCTOR_LINKS);
	assert_int_equal(w.report.steps[DOCTOR_CERTIFICATE].result, DOCTOR_WARNING);
}

TEST(states_of_the_subaccount_have_their_own_next_step)
{
	static const struct {
		const char *word, *next;
	} rows[] = {{"locked", "unlocks"},
		    {"disconnected", "forced disconnect"},
		    {"no_subaccount", "gone"}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ward w;
		admit(&w);
		refuse(&w, 403, rows[i].word, "why");
		assert_broken(&w, DOCTOR_SUBACCOUNT, "why", rows[i].next);
		assert_int_equal(w.report.steps[DOCTOR_CERTIFICATE].result, DOCTOR_OK);
	}
}

TEST(other_answers_are_the_upgrades)
{
	struct ward w;

	admit(&w);
	refuse(&w, 404, "", "there is nothing here");
	assert_broken(&w, DOCTOR_UPGRADE, "404", "tunnel port");
	refuse(&w, 503, "", "draining");
	assert_broken(&w, DOCTOR_UPGRADE, "draining", "tries again");
}

TEST(the_own_tunnel_is_the_last_link)
{
	struct ward w;

	admit(&w);
	w.subaccount.state.connected = false;
	assert_broken(&w, DOCTOR_TUNNEL, "disconnected here", "Connect");
	admit(&w);
	w.link.state = LINK_STATUS_FAILURE;
	w.link.refused = 409;
	snprintf(w.link.reason, sizeof(w.link.reason), "held by another");
	assert_broken(&w, DOCTOR_TUNNEL, "held by another", "location ID");
	w.patient.link = NULL;
	examine(&w);
	assert_int_equal(w.report.broken, DOCTOR_LINKS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_is_healthy_is_told_so),
	cmocka_unit_test(refusals_of_the_certificate_are_told_apart),
	cmocka_unit_test(a_missing_certificate_is_named_whatever_the_relay_says),
	cmocka_unit_test(a_wrong_clock_is_guilty_only_when_the_relay_refuses_for_it),
	cmocka_unit_test(an_end_that_is_near_is_a_warning),
	cmocka_unit_test(states_of_the_subaccount_have_their_own_next_step),
	cmocka_unit_test(other_answers_are_the_upgrades),
	cmocka_unit_test(the_own_tunnel_is_the_last_link),
};
UNIT_MAIN(tests)
