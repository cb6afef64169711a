#include "unit/cloud/console/tenant_fixture.h"

/* What the last answer gave. */
static struct login given(const struct world *w)
{
	struct login login = {.token = ""};

	assert_true(str_copy(str_first(str_of(w->set_cookie), str_find(str_of(w->set_cookie), ';')),
			     login.cookie, sizeof(login.cookie)));
	memcpy(login.token, w->token, sizeof(login.token));
	return login;
}

static struct login fetched(struct world *w)
{
	w->csrf = "Fetch";
	asks(w, NULL, "GET", "/api/v1/x", NULL, 200);
	return given(w);
}

static void a_fetched_token_lets_basic_write(void **state)
{
	struct world *w = tenants(state);

	give(w, "alice", DIRECTORY_MEMBER_ADMINISTRATOR);
	w->user = "alice";
	w->password = PASSWORD;
	struct login login = fetched(w);
	assert_true(login.token[0] != 0 && login.cookie[0] != 0);
	w->user = "alice";
	w->password = PASSWORD;
	asks(w, &login, "PUT", "/api/v1/x", "{}", 200);
	end(w);
}

static void every_write_needs_a_token_also_with_basic(void **state)
{
	struct world *w = tenants(state);
	struct login wrong;

	give(w, "alice", DIRECTORY_MEMBER_ADMINISTRATOR);
	w->user = "alice";
	w->password = PASSWORD;
	asks(w, NULL, "PUT", "/api/v1/x", "{}", 403);
	assert_string_equal(w->token, "Required");
	wrong = w->alice;
	snprintf(wrong.token, sizeof(wrong.token), "guess");
	asks(w, &wrong, "PUT", "/api/v1/x", "{}", 403);
	assert_string_equal(w->token, "Required");
	asks(w, &w->alice, "PUT", "/api/v1/x", "{}", 200);
	end(w);
}

static void a_session_of_an_older_password_is_given_anew(void **state)
{
	struct world *w = tenants(state);
	const struct directory_actor other = {.who = STR("user:Administrator"), .from = STR("")};
	struct login fetching = w->alice;
	struct err err;

	give(w, "alice", DIRECTORY_MEMBER_ADMINISTRATOR);
	(void)snprintf(fetching.token, sizeof(fetching.token), "Fetch");
	asks(w, &fetching, "GET", "/api/v1/x", NULL, 200);
	assert_string_equal(w->set_cookie, "");
	assert_string_equal(w->token, w->alice.token);
	assert_ok(directory_user_set_password(w->database->store, &other, STR("alice"),
					      STR("quite another"), false, &err),
		  &err);
	w->user = "alice";
	w->password = "quite another";
	asks(w, &fetching, "GET", "/api/v1/x", NULL, 200);
	const struct login anew = given(w);
	asks(w, &anew, "PUT", "/api/v1/x", "{}", 200);
	end(w);
}

static void a_read_without_fetch_makes_no_session(void **state)
{
	struct world *w = tenants(state);

	w->user = "alice";
	w->password = PASSWORD;
	asks(w, NULL, "GET", "/api/v1/x", NULL, 200);
	assert_string_equal(w->set_cookie, "");
	assert_string_equal(w->token, "");
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_fetched_token_lets_basic_write),
		ON_BOTH(every_write_needs_a_token_also_with_basic),
		ON_BOTH(a_session_of_an_older_password_is_given_anew),
		ON_BOTH(a_read_without_fetch_makes_no_session),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
