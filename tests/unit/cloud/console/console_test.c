#include "cloud/console/console.h"

#include "unit/cloud/console/fixture.h"

static void the_setup_code_is_in_force_until_it_is_changed(void **state)
{
	struct world *w = empty(state);
	bool made;
	struct err err;

	assert_int_equal(console_setup(w->database->store, &err), CONSOLE_SETUP_FIRST);
	assert_ok(console_first_start(w->database->store, STR(SETUP_CODE), &made, &err), &err);
	assert_int_equal(console_setup(w->database->store, &err), CONSOLE_SETUP_INITIAL);
	w->admin = log_in(w, "Administrator", SETUP_CODE);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"oldPassword\":\"guess\",\"newPassword\":\"" PASSWORD "\"}", 401);
	assert_int_equal(w->passwords, 0);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"oldPassword\":\"" SETUP_CODE "\",\"newPassword\":\"" PASSWORD "\"}", 204);
	assert_int_equal(w->passwords, 1);
	assert_int_equal(console_setup(w->database->store, &err), CONSOLE_SETUP_DONE);
	end(w);
}

static void the_first_start_makes_one_administrator(void **state)
{
	struct world *w = fresh(state);
	struct err err;
	bool made = true;

	assert_ok(console_first_start(w->database->store, STR("another code"), &made, &err), &err);
	assert_false(made);
	w->user = "Administrator";
	w->password = "another code";
	asks(w, NULL, "GET", V1 "/session", NULL, 401);
	w->user = "Administrator";
	w->password = SETUP_CODE;
	asks(w, NULL, "GET", V1 "/session", NULL, 200);
	assert_true(str_contains(str_of(w->text), STR("\"mustChangePassword\":true")));
	end(w);
}

static void nothing_else_works_until_the_setup_code_is_changed(void **state)
{
	struct world *w = fresh(state);

	w->admin = log_in(w, "Administrator", SETUP_CODE);
	asks(w, &w->admin, "GET", V1 "/subaccounts", NULL, 403);
	assert_string_equal(said(w, "detail"),
			    "operation unavailable unless initial password is changed");
	asks(w, &w->admin, "POST", V1 "/users", "{}", 403);
	asks(w, NULL, "GET", V1 "/version", NULL, 200);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"newPassword\":\"" PASSWORD "\"}", 400);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"oldPassword\":\"guess\",\"newPassword\":\"" PASSWORD "\"}", 401);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"oldPassword\":\"" SETUP_CODE "\",\"newPassword\":\"" SETUP_CODE "\"}", 400);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator/password",
	     "{\"oldPassword\":\"" SETUP_CODE "\",\"newPassword\":\"" PASSWORD "\"}", 204);
	asks(w, &w->admin, "GET", V1 "/subaccounts", NULL, 401); /* the old session ended */
	w->admin = log_in(w, "Administrator", PASSWORD);
	asks(w, &w->admin, "GET", V1 "/subaccounts", NULL, 200);
	end(w);
}

static void lists_come_in_pages(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "GET", V1 "/users?limit=1", NULL, 200);
	assert_int_equal(listed(w), 1);
	assert_string_equal(said(w, "next"), "Administrator");
	asks(w, &w->admin, "GET", V1 "/users?limit=2&after=Administrator", NULL, 200);
	assert_int_equal(listed(w), 1);
	assert_true(json_is_null(json_get(w->body, "next")));
	asks(w, &w->admin, "GET", V1 "/users?limit=0", NULL, 400);
	asks(w, &w->admin, "GET", V1 "/users?limit=1001", NULL, 400);
	end(w);
}

static void denied_attempts_are_recorded_and_bounded(void **state)
{
	struct world *w = ready(state);
	struct err err;
	int64_t before, after, head;

	assert_ok(store_verify_audit(w->database->store, &before, &err), &err);
	for (int i = 0; i < 3 * CONSOLE_DENIED_PER_S; i++) {
		asks(w, &w->alice, "GET", V1 "/users", NULL, 403);
	}
	assert_ok(store_verify_audit(w->database->store, &after, &err), &err);
	assert_true(after > before);
	/* 60 calls may take several seconds on a slow machine, but not 60 rows' worth */
	assert_true(after - before <= 3 * CONSOLE_DENIED_PER_S);
	assert_ok(store_head(w->database->store, &head, &err), &err);
	assert_true(head < after);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_setup_code_is_in_force_until_it_is_changed),
		ON_BOTH(the_first_start_makes_one_administrator),
		ON_BOTH(nothing_else_works_until_the_setup_code_is_changed),
		ON_BOTH(lists_come_in_pages),
		ON_BOTH(denied_attempts_are_recorded_and_bounded),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
