#include "unit/cloud/console/fixture.h"

static void what_was_done_is_listed_newest_first(void **state)
{
	struct world *w = ready(state);
	struct str what, who;

	asks(w, &w->admin, "GET", V1 "/audit?limit=1", NULL, 200);
	const struct json *entry = json_at(json_get(w->body, "items"), 0);
	assert_true(json_get_str(entry, "what", &what));
	assert_str(what, "subaccount.create");
	assert_true(json_get_str(entry, "who", &who));
	assert_str(who, "user:Administrator");
	char next[200];
	snprintf(next, sizeof(next), V1 "/audit?after=%s", said(w, "next"));
	asks(w, &w->admin, "GET", next, NULL, 200);
	assert_true(json_get_str(json_at(json_get(w->body, "items"), 0), "what", &what));
	assert_str(what, "user.create");
	assert_int_equal(listed(w), 2);
	assert_true(json_is_null(json_get(w->body, "next")));
	assert_null(strstr(w->text, PASSWORD));
	asks(w, &w->admin, "GET", V1 "/audit?after=x", NULL, 400);
	end(w);
}

static void what_was_refused_is_listed_in_pages(void **state)
{
	struct world *w = ready(state);
	struct str what, after;
	char path[300];

	for (int i = 0; i < 2; i++) {
		asks(w, &w->alice, "GET", V1 "/users", NULL, 403);
	}
	asks(w, &w->alice, "GET", V1 "/audit/denied", NULL, 403);
	asks(w, &w->admin, "GET", V1 "/audit/denied?limit=1", NULL, 200);
	const struct json *entry = json_at(json_get(w->body, "items"), 0);
	assert_true(json_get_str(entry, "what", &what));
	assert_true(json_get_str(entry, "after", &after));
	assert_true(str_starts(what, STR("denied")));
	assert_true(str_contains(after, STR("reason")));
	snprintf(path, sizeof(path), V1 "/audit/denied?limit=10&after=%s", said(w, "next"));
	asks(w, &w->admin, "GET", path, NULL, 200);
	assert_int_equal(listed(w), 2);
	assert_true(json_is_null(json_get(w->body, "next")));
	asks(w, &w->admin, "GET", V1 "/audit/denied?after=1.2", NULL, 400);
	asks(w, &w->admin, "GET", V1 "/audit/denied?limit=0", NULL, 400);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_was_done_is_listed_newest_first),
		ON_BOTH(what_was_refused_is_listed_in_pages),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
