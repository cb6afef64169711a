#include "store/change.h"
#include "unit/cloud/console/fixture.h"

/* The list is by time, and two rows of one millisecond are in the order of their chains. */
static void wait_a_millisecond(void)
{
	int64_t now = clock_unix_ms();

	while (clock_unix_ms() <= now) {
	}
}

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

static void what_was_taken_out_is_listed_with_what_was_refused(void **state)
{
	struct world *w = ready(state);
	const struct change_audit export = {.who = STR("user:bob"), .what = STR("keystore.export")};
	struct store *s = w->database->store;
	const char *const whats[] = {"denied GET", "keystore.export", "denied GET"};
	const char *const chains[] = {"denied", "exports", "denied"};
	char path[300] = V1 "/audit/denied?limit=1";
	struct str text;
	struct err err;

	asks(w, &w->alice, "GET", V1 "/users", NULL, 403);
	wait_a_millisecond();
	assert_ok(store_denied_all(s, STORE_EXPORTS, &export, 1, &err), &err);
	wait_a_millisecond();
	asks(w, &w->alice, "GET", V1 "/users", NULL, 403);
	for (size_t i = 0; i < COUNT(whats); i++) {
		asks(w, &w->admin, "GET", path, NULL, 200);
		const struct json *entry = json_at(json_get(w->body, "items"), 0);
		assert_true(json_get_str(entry, "what", &text));
		assert_str(text, whats[i]);
		assert_true(json_get_str(entry, "chain", &text));
		assert_str(text, chains[i]);
		assert_true(json_get_str(entry, "node", &text));
		assert_str(text, "local");
		snprintf(path, sizeof(path), V1 "/audit/denied?limit=1&after=%s", said(w, "next"));
	}
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_was_done_is_listed_newest_first),
		ON_BOTH(what_was_refused_is_listed_in_pages),
		ON_BOTH(what_was_taken_out_is_listed_with_what_was_refused),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
