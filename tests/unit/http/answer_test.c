#include "unit/http/call_fixture.h"

TEST(a_problem_names_title_status_and_detail)
{
	struct fixture f;
	fixture_start(&f, "", "");
	buf_add_str(&f.call.out, STR("half an answer"));
	http_problem(&f.call, 404, "no \"%s\"", "x");
	assert_int_equal(f.call.status, 404);
	assert_str(fixture_answered(&f, "content-type"), "application/problem+json");
	assert_str(buf_str(&f.call.out), "{\"type\":\"about:blank\",\"title\":\"Not Found\","
					 "\"status\":404,\"detail\":\"no \\\"x\\\"\"}");
	fixture_end(&f);
}

static bool own_form(struct http_call *call, unsigned status, const char *detail)
{
	if (status == 500) {
		return false;
	}
	buf_addf(&call->out, "<%u %s>", status, detail);
	http_answer_field(call, "Content-Type", STR("text/x"));
	return true;
}

TEST(a_program_may_have_its_own_form_of_errors)
{
	struct fixture f;
	fixture_start(&f, "", "");
	f.settings.render_error = own_form;
	struct err err = {.kind = ERR_CONFLICT, .text = "exists"};
	http_problem_err(&f.call, &err);
	assert_str(buf_str(&f.call.out), "<409 exists>");
	http_problem(&f.call, 500, "x");
	assert_str(fixture_answered(&f, "content-type"), "application/problem+json");
	fixture_end(&f);
}

TEST(what_is_away_for_a_while_says_when_to_come_again)
{
	struct fixture f;
	fixture_start(&f, "", "");
	struct err away = {.kind = ERR_STORE, .text = "the key process is busy"};
	struct err broken = {.kind = ERR_SYSTEM, .text = "no memory"};
	http_problem_err(&f.call, &broken);
	assert_int_equal(f.call.status, 500);
	assert_int_equal(fixture_answered(&f, "retry-after").len, 0);
	http_problem_err(&f.call, &away);
	assert_int_equal(f.call.status, 503);
	assert_str(fixture_answered(&f, "retry-after"), "1");
	fixture_end(&f);
}

TEST(a_field_cannot_split_the_answer)
{
	struct fixture f;
	fixture_start(&f, "", "");
	http_answer_field(&f.call, "Location", STR("/x\r\nSet-Cookie: a=b"));
	assert_int_equal(f.call.n_fields, 0);
	for (int i = 0; i < 30; i++) {
		http_answer_field(&f.call, "X", STR("y"));
	}
	assert_int_equal(f.call.n_fields, COUNT(f.call.fields));
	fixture_end(&f);
}

TEST(every_kind_of_error_has_a_status)
{
	assert_int_equal(http_status_of(ERR_CONFIG), 400);
	assert_int_equal(http_status_of(ERR_DENIED), 403);
	assert_int_equal(http_status_of(ERR_MISSING), 404);
	assert_int_equal(http_status_of(ERR_CONFLICT), 409);
	assert_int_equal(http_status_of(ERR_LIMIT), 429);
	assert_int_equal(http_status_of(ERR_STORE), 503);
	assert_int_equal(http_status_of(ERR_SYSTEM), 500);
}

TEST(a_text_replaces_what_was_there)
{
	struct fixture f;
	fixture_start(&f, "", "");
	buf_add_str(&f.call.out, STR("old"));
	http_answer_json(&f.call, 201);
	http_answer_text(&f.call, 200, "text/plain", STR("new"));
	assert_str(buf_str(&f.call.out), "new");
	assert_str(fixture_answered(&f, "Content-Type"), "text/plain");
	assert_int_equal(f.call.n_fields, 1);
	fixture_end(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_problem_names_title_status_and_detail),
	cmocka_unit_test(a_program_may_have_its_own_form_of_errors),
	cmocka_unit_test(what_is_away_for_a_while_says_when_to_come_again),
	cmocka_unit_test(a_field_cannot_split_the_answer),
	cmocka_unit_test(every_kind_of_error_has_a_status),
	cmocka_unit_test(a_text_replaces_what_was_there),
};
UNIT_MAIN(tests)
