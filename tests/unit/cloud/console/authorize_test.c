#include "unit/cloud/console/fixture.h"

static void without_a_login_there_is_nothing_but_the_version(void **state)
{
	struct world *w = ready(state);

	asks(w, NULL, "GET", V1 "/version", NULL, 200);
	asks(w, NULL, "GET", V1 "/subaccounts", NULL, 401);
	asks(w, NULL, "GET", V1 "/ca", NULL, 401);
	asks(w, NULL, "DELETE", at(w, ""), NULL, 401);
	end(w);
}

static void closed_handler(UNUSED struct http_call *call)
{
}

static unsigned judged(struct world *w, const struct http_route *route)
{
	struct fixture f;

	fixture_start(&f, "", "");
	f.head.method = STR("GET");
	f.call.route = route;
	f.call.user = &w->rooms;
	if (console_authorize(&f.call, w->console)) {
		f.call.status = 200;
	}
	unsigned status = f.call.status;
	fixture_end(&f);
	return status;
}

static void another_rooms_route_is_closed_unless_it_says_open(void **state)
{
	struct world *w = ready(state);
	struct http_route route = {.method = "GET", .pattern = "/x", .handler = closed_handler};

	assert_int_equal(judged(w, &route), 401);
	assert_int_equal(judged(w, NULL), 401);
	route.roles = HTTP_ROUTE_OPEN;
	assert_int_equal(judged(w, &route), 200);
	end(w);
}

static void a_write_under_a_cookie_needs_its_token(void **state)
{
	struct world *w = ready(state);
	struct login without = w->admin;

	snprintf(without.token, sizeof(without.token), "guess");
	asks(w, &without, "GET", at(w, ""), NULL, 200);
	asks(w, &without, "DELETE", at(w, ""), NULL, 403);
	asks(w, &w->admin, "DELETE", at(w, ""), NULL, 204);
	end(w);
}

static void a_basic_write_from_another_site_is_refused(void **state)
{
	struct world *w = ready(state);

	w->user = "Administrator";
	w->password = PASSWORD;
	w->sec_fetch_site = "cross-site";
	asks(w, NULL, "DELETE", at(w, ""), NULL, 403);
	w->user = "Administrator";
	w->password = PASSWORD;
	asks(w, NULL, "DELETE", at(w, ""), NULL, 204);
	end(w);
}

static void an_owner_sees_and_edits_its_own_only(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"Other\",\"owner\":\"Administrator\"}", 201);
	char other[400];
	snprintf(other, sizeof(other), "%s", w->location);
	asks(w, &w->alice, "GET", V1 "/subaccounts", NULL, 200);
	assert_int_equal(listed(w), 1);
	asks(w, &w->admin, "GET", V1 "/subaccounts", NULL, 200);
	assert_int_equal(listed(w), 2);
	asks(w, &w->alice, "GET", at(w, ""), NULL, 200);
	asks(w, &w->alice, "GET", other, NULL, 403);
	asks(w, &w->alice, "PUT", other, "{}", 403);
	asks(w, &w->alice, "GET", V1 "/subaccounts/nothing", NULL, 403);
	asks(w, &w->admin, "GET", V1 "/subaccounts/nothing", NULL, 404);
	asks(w, &w->alice, "PUT", at(w, ""), "{\"description\":\"hall\"}", 200);
	asks(w, &w->alice, "PUT", at(w, ""), "{\"locked\":true}", 403);
	asks(w, &w->alice, "DELETE", at(w, ""), NULL, 403);
	asks(w, &w->alice, "POST", V1 "/subaccounts", "{\"displayName\":\"x\"}", 403);
	end(w);
}

static void the_display_role_reads_and_changes_nothing(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "POST", V1 "/users",
	     "{\"name\":\"dora\",\"password\":\"" PASSWORD "\",\"roles\":[\"display\"]}", 201);
	struct login dora = log_in(w, "dora", PASSWORD);
	asks(w, &dora, "GET", at(w, "/owners"), NULL, 200);
	asks(w, &dora, "GET", V1 "/users", NULL, 200);
	asks(w, &dora, "GET", V1 "/audit", NULL, 200);
	asks(w, &dora, "PUT", at(w, ""), "{}", 403);
	asks(w, &dora, "POST", at(w, "/authentication-data"), "{}", 403);
	asks(w, &dora, "POST", at(w, "/service-keys"), "{\"name\":\"x\"}", 403);
	end(w);
}

static void a_locked_user_loses_its_session_at_once(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "PUT", at(w, "/owners/Administrator"), NULL, 204);
	asks(w, &w->admin, "PUT", V1 "/users/alice", "{\"locked\":true}", 200);
	asks(w, &w->alice, "GET", at(w, ""), NULL, 401);
	w->user = "alice";
	w->password = PASSWORD;
	asks(w, NULL, "GET", at(w, ""), NULL, 403);
	end(w);
}

static void what_another_node_changed_ends_a_session_here_too(void **state)
{
	struct world *w = ready(state);
	const struct directory_actor other = {.who = STR("user:Administrator"), .from = STR("")};
	struct directory_user alice;
	struct err err;

	asks(w, &w->alice, "GET", at(w, ""), NULL, 200);
	assert_ok(directory_user_set_password(w->database->store, &other, STR("alice"),
					      STR("quite another"), false, &err),
		  &err);
	asks(w, &w->alice, "GET", at(w, ""), NULL, 401);
	w->user = "alice";
	w->password = "quite another";
	asks(w, &w->alice, "GET", at(w, ""), NULL, 200); /* its cookie is in nobody's way */
	w->user = NULL;
	struct login again = log_in(w, "alice", "quite another");
	asks(w, &again, "GET", at(w, ""), NULL, 200);
	assert_ok(directory_user_find(w->database->store, STR("alice"), &alice, &err), &err);
	alice.roles = DIRECTORY_ROLE_DISPLAY;
	assert_int_equal(
		directory_user_edit(w->database->store, &other, &alice, alice.version, &err),
		DIRECTORY_EDITED);
	asks(w, &again, "GET", at(w, ""), NULL, 401);
	end(w);
}

static void guessing_is_slowed_down(void **state)
{
	struct world *w = ready(state);
	unsigned status = 401;

	for (int i = 0; i < DIRECTORY_LOGIN_FREE + 2 && status == 401; i++) {
		w->user = "alice";
		w->password = "guess";
		status = ask(w, NULL, "GET", V1 "/session", NULL);
	}
	assert_int_equal(status, 429);
	assert_true(w->retry_after[0] >= '1');
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(without_a_login_there_is_nothing_but_the_version),
		ON_BOTH(another_rooms_route_is_closed_unless_it_says_open),
		ON_BOTH(a_write_under_a_cookie_needs_its_token),
		ON_BOTH(a_basic_write_from_another_site_is_refused),
		ON_BOTH(an_owner_sees_and_edits_its_own_only),
		ON_BOTH(the_display_role_reads_and_changes_nothing),
		ON_BOTH(a_locked_user_loses_its_session_at_once),
		ON_BOTH(what_another_node_changed_ends_a_session_here_too),
		ON_BOTH(guessing_is_slowed_down),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
