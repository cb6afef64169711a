#include "unit/cloud/console/fixture.h"

static void a_user_is_made_shown_edited_and_deleted(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "POST", V1 "/users",
	     "{\"name\":\"bob@plant\",\"displayName\":\"Bob\",\"password\":\"" PASSWORD
	     "\",\"roles\":[\"subaccount-administrator\"]}",
	     201);
	assert_string_equal(w->location, V1 "/users/bob@plant");
	assert_null(strstr(w->text, PASSWORD));
	asks(w, &w->admin, "GET", V1 "/users/bob%40plant", NULL, 200);
	assert_string_equal(said(w, "displayName"), "Bob");
	assert_true(str_contains(str_of(w->text), STR("[\"subaccount-administrator\"]")));
	assert_string_equal(w->etag, "\"1\"");
	w->if_match = "\"1\"";
	asks(w, &w->admin, "PUT", V1 "/users/bob@plant", "{\"roles\":[]}", 200);
	assert_string_equal(w->etag, "\"2\"");
	w->if_match = "\"1\"";
	asks(w, &w->admin, "PUT", V1 "/users/bob@plant", "{\"roles\":[\"display\"]}", 412);
	asks(w, &w->admin, "DELETE", V1 "/users/bob@plant", NULL, 204);
	asks(w, &w->admin, "GET", V1 "/users/bob@plant", NULL, 404);
	end(w);
}

static void bad_bodies_name_the_member(void **state)
{
	static const struct {
		const char *body, *named;
	} bad[] = {
		{"{", "JSON"},
		{"{\"password\":\"" PASSWORD "\"}", "\\\"name\\\""},
		{"{\"name\":7,\"password\":\"" PASSWORD "\"}", "\\\"name\\\""},
		{"{\"name\":\"x\"}", "\\\"password\\\""},
		{"{\"name\":\"x\",\"password\":\"short\"}", "password"},
		{"{\"name\":\"a:b\",\"password\":\"" PASSWORD "\"}", "user name"},
		{"{\"name\":\"x\",\"password\":\"" PASSWORD "\",\"roles\":[\"king\"]}", "roles"},
		{"{\"name\":\"x\",\"password\":\"" PASSWORD "\",\"roles\":\"display\"}", "roles"},
		{"{\"name\":\"x\\u0000y\",\"password\":\"" PASSWORD "\"}", ""},
	};
	struct world *w = ready(state);

	for (size_t i = 0; i < COUNT(bad); i++) {
		asks(w, &w->admin, "POST", V1 "/users", bad[i].body, 400);
		if (strstr(w->text, bad[i].named) == NULL) {
			fail_msg("%s: %s", bad[i].body, w->text);
		}
	}
	asks(w, &w->admin, "POST", V1 "/users",
	     "{\"name\":\"alice\",\"password\":\"" PASSWORD "\"}", 409);
	w->if_match = "7";
	asks(w, &w->admin, "PUT", V1 "/users/alice", "{}", 400);
	end(w);
}

static void the_last_administrator_and_owner_stay(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "DELETE", V1 "/users/Administrator", NULL, 409);
	asks(w, &w->admin, "PUT", V1 "/users/Administrator", "{\"roles\":[]}", 409);
	asks(w, &w->admin, "DELETE", V1 "/users/alice", NULL, 409);
	assert_true(str_contains(str_of(w->text), STR("last unlocked owner")));
	end(w);
}

static void an_administrators_choice_of_password_must_be_changed(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->alice, "PUT", V1 "/users/Administrator/password",
	     "{\"newPassword\":\"battery staple\"}", 403);
	asks(w, &w->admin, "PUT", V1 "/users/alice/password",
	     "{\"newPassword\":\"battery staple\"}", 204);
	asks(w, &w->alice, "GET", V1 "/session", NULL, 401);
	w->alice = log_in(w, "alice", "battery staple");
	asks(w, &w->alice, "GET", at(w, ""), NULL, 403);
	asks(w, &w->alice, "PUT", V1 "/users/alice/password",
	     "{\"oldPassword\":\"battery staple\",\"newPassword\":\"" PASSWORD "\"}", 204);
	w->alice = log_in(w, "alice", PASSWORD);
	asks(w, &w->alice, "GET", at(w, ""), NULL, 200);
	end(w);
}

static void a_session_tells_who_and_ends(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->alice, "GET", V1 "/session", NULL, 200);
	assert_string_equal(said(w, "user"), "alice");
	assert_string_equal(w->token, w->alice.token);
	asks(w, &w->alice, "DELETE", V1 "/session", NULL, 204);
	asks(w, &w->alice, "GET", V1 "/session", NULL, 401);
	asks(w, NULL, "POST", V1 "/session", "{\"user\":\"alice\"}", 400);
	asks(w, NULL, "POST", V1 "/session", "{\"user\":\"alice\",\"password\":\"x\"}", 401);
	w->sec_fetch_site = "cross-site";
	asks(w, NULL, "POST", V1 "/session", "{\"user\":\"alice\",\"password\":\"x\"}", 403);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_user_is_made_shown_edited_and_deleted),
		ON_BOTH(bad_bodies_name_the_member),
		ON_BOTH(the_last_administrator_and_owner_stay),
		ON_BOTH(an_administrators_choice_of_password_must_be_changed),
		ON_BOTH(a_session_tells_who_and_ends),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
