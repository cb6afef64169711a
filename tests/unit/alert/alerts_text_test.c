#include "alert/alerts_text.h"

#include "unit/unit.h"

enum {
	NOW = 1800000000,
	DAY = 86400,
};

static struct alert_message message(enum alert_act act, enum alert_state state, int64_t left)
{
	return (struct alert_message){.act = act,
				      .row = {.key = "ui/ui",
					      .source = "ui",
					      .name = "ui",
					      .label = "certificate of the administration",
					      .subject = "CN=x",
					      .serial = "01",
					      .next_step = "make a new one",
					      .renewal_error = "no answer",
					      .not_after = NOW + left,
					      .memory = {.state = state, .since = NOW}}};
}

static const char *sentence(struct buf *out, enum alert_state state, int64_t left)
{
	struct alert_message m = message(ALERT_DO_RAISE, state, left);

	buf_reset(out);
	alert_add_sentence(out, &m.row, NOW);
	return out->at;
}

TEST(each_state_has_its_words)
{
	AUTO_BUF struct buf out = BUF(KIB(4));

	assert_string_equal(sentence(&out, ALERT_EXPIRING, 29 * DAY + 5),
			    "certificate of the administration expires in 29 days, on "
			    "2027-02-13T08:00:05Z. Next step: make a new one");
	assert_non_null(strstr(sentence(&out, ALERT_EXPIRED, -3600), "expired 60 minutes ago"));
	assert_non_null(strstr(sentence(&out, ALERT_EXPIRED, -7300), "expired 2 hours ago"));
	assert_non_null(strstr(sentence(&out, ALERT_RENEWAL_FAILING, 90),
			       "could not renew itself (no answer) and expires in 90 seconds"));
	assert_non_null(strstr(sentence(&out, ALERT_NOT_YET_VALID, 90), "clock right?"));
	assert_non_null(strstr(sentence(&out, ALERT_FINE, 90), "solved, valid until 2027-"));
	assert_non_null(strstr(sentence(&out, ALERT_FINE, -NOW), "not in use any more"));
}

TEST(a_mail_has_its_fields_and_a_line_for_each_alert)
{
	struct alert_message rows[2] = {message(ALERT_DO_RAISE, ALERT_EXPIRING, 5 * DAY),
					message(ALERT_DO_SOLVE, ALERT_FINE, 300 * DAY)};
	const struct alert_news news = {.origin = "test on here", .rows = rows, .n = 2, .now = NOW};
	const char *to[] = {"a@there.test", "b@there.test"};
	AUTO_BUF struct buf out = BUF(KIB(64));

	alert_write_mail(&out, &news, "us@here.test", to, 2, "abc");
	assert_non_null(strstr(out.at, "From: Drawbridge <us@here.test>\r\n"));
	assert_non_null(strstr(out.at, "To: a@there.test,\r\n b@there.test\r\n"));
	assert_non_null(strstr(out.at, "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"));
	assert_non_null(strstr(out.at, "Message-ID: <abc@here.test>\r\n"));
	assert_non_null(strstr(out.at, "Subject: [Drawbridge] 1 certificate alerts, 1 solved\r\n"));
	assert_non_null(strstr(out.at, "\r\n\r\nFrom test on here\r\n"));
	assert_non_null(strstr(out.at, "* certificate of the administration expires in 5 days"));
	assert_non_null(strstr(out.at, "* certificate of the administration: solved"));
	for (size_t i = 0; i < out.len; i++) { /* no bare line feed */
		assert_true(out.at[i] != '\n' || (i > 0 && out.at[i - 1] == '\r'));
	}
}

TEST(a_name_cannot_add_a_field_or_a_long_line)
{
	struct alert_message m = message(ALERT_DO_RAISE, ALERT_EXPIRING, DAY);
	const struct alert_news news = {.origin = "x", .rows = &m, .n = 1, .now = NOW};
	const char *to[] = {"a@there.test"};
	AUTO_BUF struct buf out = BUF(KIB(64));

	snprintf(m.row.label, sizeof(m.row.label), "a\r\nBcc: evil@there.test\r\n\r\n\xc3\xa9");
	memset(m.row.subject, 'x', sizeof(m.row.subject) - 1);
	alert_write_mail(&out, &news, "us@here.test", to, 1, "abc");
	assert_null(strstr(out.at, "\nBcc:"));
	assert_non_null(strstr(out.at, "expiring: a??Bcc: evil@there.test????"));
	assert_non_null(strstr(out.at, "\xc3\xa9 expires"));
	size_t line = 0;
	for (size_t i = 0; i < out.len; i++) {
		line = out.at[i] == '\n' ? 0 : line + 1;
		assert_true(line < 999);
	}
}

TEST(a_webhook_gets_json_that_can_be_read)
{
	struct alert_message m = message(ALERT_DO_REPEAT, ALERT_EXPIRED, -5 * DAY);
	const struct alert_news news = {.origin = "test", .rows = &m, .n = 1, .now = NOW};
	AUTO_BUF struct buf out = BUF(KIB(64));
	AUTO(json_free) struct json *j = NULL;
	struct str text;
	int64_t left;
	struct err err;

	alert_write_webhook(&out, &news);
	assert_ok(json_parse(buf_str(&out), KIB(64), &j, &err), &err);
	const struct json *one = json_at(json_get(j, "alerts"), 0);
	assert_true(json_get_str(one, "event", &text));
	assert_str(text, "repeated");
	assert_true(json_get_str(one, "state", &text));
	assert_str(text, "expired");
	assert_true(json_get_str(one, "severity", &text));
	assert_str(text, "error");
	assert_true(json_get_int(one, "remainingSeconds", &left));
	assert_int_equal(left, -5 * DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_its_words),
		cmocka_unit_test(a_mail_has_its_fields_and_a_line_for_each_alert),
		cmocka_unit_test(a_name_cannot_add_a_field_or_a_long_line),
		cmocka_unit_test(a_webhook_gets_json_that_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
