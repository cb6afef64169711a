#include "unit/cloud/console/tenant_fixture.h"

static struct login fetched(struct world *w)
{
	struct login login = {.token = ""};

	w->csrf = "Fetch";
	asks(w, NULL, "GET", "/api/v1/x", NULL, 200);
	assert_true(str_copy(str_first(str_of(w->set_cookie), str_find(str_of(w->set_cookie), ';')),
			     login.cookie, sizeof(login.cookie)));
	memcpy(login.token, w->token, sizeof(login.token));
	return login;
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
		ON_BOTH(a_read_without_fetch_makes_no_session),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
