#include "http/session.h"

#include "unit/http/call_fixture.h"

static const struct session_settings settings = {
	.cookie = "JSESSIONID", .idle = SEC(1200), .absolute = SEC(43200)};
static const struct session_user admin = {.name = "Administrator", .roles = 5};

static void begin(struct fixture *f, const char *method, const char *cookie, const char *token)
{
	fixture_start(f, "", "");
	f->head.method = str_of(method);
	f->head.keep_alive = true;
	f->head.authority = STR("eu1:8443");
	if (cookie != NULL) {
		fixture_field(f, "Cookie", cookie);
	}
	if (token != NULL) {
		fixture_field(f, "X-CSRF-Token", token);
	}
}

/* Logs in at `now`; cookie and token as a client keeps them. */
static void log_in(struct sessions *s, msec_t now, char cookie[static 128], char token[static 64])
{
	struct fixture f;
	begin(&f, "POST", NULL, NULL);
	assert_true(session_start(s, &f.call, &admin, now));
	struct str set = fixture_answered(&f, "Set-Cookie");
	assert_true(str_ends(set, STR("; Path=/; Secure; HttpOnly; SameSite=Strict")));
	assert_true(str_copy(str_first(set, str_find(set, ';')), cookie, 128));
	assert_true(str_copy(fixture_answered(&f, "X-CSRF-Token"), token, 64));
	assert_int_equal(strlen(token), 43);
	fixture_end(&f);
}

static enum session_outcome check(struct sessions *s, const char *method, const char *cookie,
				  const char *token, msec_t now)
{
	struct fixture f;
	struct session_user user = {0};
	begin(&f, method, cookie, token);
	enum session_outcome outcome = session_check(s, &f.call, now, &user);
	if (outcome == SESSION_GOOD) {
		assert_string_equal(user.name, admin.name);
		assert_int_equal(user.roles, 5);
	}
	fixture_end(&f);
	return outcome;
}

TEST(writing_needs_the_token_and_reading_does_not)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	log_in(s, 0, cookie, token);
	assert_int_equal(check(s, "GET", cookie, NULL, 1), SESSION_GOOD);
	assert_int_equal(check(s, "POST", cookie, NULL, 1), SESSION_NO_TOKEN);
	assert_int_equal(check(s, "DELETE", cookie, "x", 1), SESSION_NO_TOKEN);
	assert_int_equal(check(s, "POST", cookie, token, 1), SESSION_GOOD);
	token[5] ^= 1;
	assert_int_equal(check(s, "PUT", cookie, token, 1), SESSION_NO_TOKEN);
}

TEST(a_guessed_or_cut_cookie_is_none)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	log_in(s, 0, cookie, token);
	assert_int_equal(check(s, "GET", NULL, NULL, 1), SESSION_NONE);
	assert_int_equal(check(s, "GET", "JSESSIONID=", NULL, 1), SESSION_NONE);
	cookie[strlen(cookie) - 1] ^= 1;
	assert_int_equal(check(s, "GET", cookie, NULL, 1), SESSION_NONE);
	cookie[strlen(cookie) - 1] = '\0';
	assert_int_equal(check(s, "GET", cookie, NULL, 1), SESSION_NONE);
}

TEST(a_session_ends_when_idle_and_when_old)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	log_in(s, 0, cookie, token);
	assert_int_equal(check(s, "GET", cookie, NULL, SEC(1200)), SESSION_GOOD);
	assert_int_equal(check(s, "GET", cookie, NULL, SEC(2401)), SESSION_NONE);
	log_in(s, 0, cookie, token);
	for (int i = 1; i <= 43; i++) {
		assert_int_equal(check(s, "GET", cookie, NULL, SEC(1000) * i), SESSION_GOOD);
	}
	assert_int_equal(check(s, "GET", cookie, NULL, SEC(43201)), SESSION_NONE);
	assert_int_equal(sessions_count(s), 0);
}

TEST(who_asks_for_a_token_gets_one_whatever_becomes_of_the_connection)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	struct fixture f;
	begin(&f, "GET", NULL, NULL);
	f.head.keep_alive = false;
	session_give(s, &f.call, &admin, 0);
	char cookie[128], token[64];
	struct str set = fixture_answered(&f, "Set-Cookie");
	assert_true(str_copy(str_first(set, str_find(set, ';')), cookie, sizeof cookie));
	assert_true(str_copy(fixture_answered(&f, "X-CSRF-Token"), token, sizeof token));
	fixture_end(&f);
	assert_int_equal(check(s, "PUT", cookie, token, 1), SESSION_GOOD);
}

TEST(a_login_ends_the_session_that_came_with_it)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	struct fixture f;
	log_in(s, 0, cookie, token);
	begin(&f, "POST", cookie, token);
	assert_true(session_start(s, &f.call, &admin, 1));
	fixture_end(&f);
	assert_int_equal(check(s, "GET", cookie, NULL, 2), SESSION_NONE);
	assert_int_equal(sessions_count(s), 1);
}

TEST(logging_out_ends_it_and_clears_the_cookie)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	struct fixture f;
	log_in(s, SEC(9), cookie, token);
	begin(&f, "POST", cookie, token);
	session_end(s, &f.call);
	assert_true(str_ends(fixture_answered(&f, "Set-Cookie"), STR("; Max-Age=0")));
	fixture_end(&f);
	assert_int_equal(check(s, "GET", cookie, NULL, SEC(9)), SESSION_NONE);
	log_in(s, 0, cookie, token);
	session_end_user(s, STR("other"));
	assert_int_equal(sessions_count(s), 1);
	session_end_user(s, STR("Administrator"));
	assert_int_equal(sessions_count(s), 0);
}

TEST(clients_that_ignore_cookies_do_not_push_people_out)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	log_in(s, 0, cookie, token);
	for (int i = 0; i < 2 * SESSIONS_MAX; i++) {
		struct fixture f;
		begin(&f, "GET", NULL, NULL);
		session_offer(s, &f.call, &admin, 1);
		assert_int_equal(fixture_answered(&f, "X-CSRF-Token").len, 43);
		fixture_end(&f);
	}
	assert_int_equal(sessions_count(s), 1 + SESSIONS_OFFERED_MAX);
	assert_int_equal(check(s, "POST", cookie, token, 2), SESSION_GOOD);
	for (int i = 0; i < SESSIONS_MAX + 5; i++) {
		log_in(s, 3, cookie, token);
	}
	assert_int_equal(sessions_count(s), SESSIONS_MAX + SESSIONS_OFFERED_MAX);
}

TEST(connection_close_makes_no_session_and_ends_one)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	char cookie[128], token[64];
	struct fixture f;
	log_in(s, 0, cookie, token);
	begin(&f, "GET", cookie, NULL);
	f.head.keep_alive = false;
	session_offer(s, &f.call, &admin, 1);
	assert_int_equal(f.call.n_fields, 0);
	fixture_end(&f);
	assert_int_equal(sessions_count(s), 0);
}

TEST(a_browser_that_comes_from_another_site_says_so)
{
	static const struct {
		const char *name, *value;
		bool cross;
	} rows[] = {{"Sec-Fetch-Site", "same-origin", false},
		    {"Sec-Fetch-Site", "cross-site", true},
		    {"Sec-Fetch-Site", "same-site", true},
		    {"Origin", "https://eu1:8443", false},
		    {"Origin", "https://evil", true},
		    {"Origin", "null", true},
		    {"Accept", "*/*", false}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		begin(&f, "POST", NULL, NULL);
		fixture_field(&f, rows[i].name, rows[i].value);
		assert_int_equal(session_is_cross_site(&f.call), rows[i].cross);
		fixture_end(&f);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(writing_needs_the_token_and_reading_does_not),
	cmocka_unit_test(a_guessed_or_cut_cookie_is_none),
	cmocka_unit_test(a_session_ends_when_idle_and_when_old),
	cmocka_unit_test(who_asks_for_a_token_gets_one_whatever_becomes_of_the_connection),
	cmocka_unit_test(a_login_ends_the_session_that_came_with_it),
	cmocka_unit_test(logging_out_ends_it_and_clears_the_cookie),
	cmocka_unit_test(clients_that_ignore_cookies_do_not_push_people_out),
	cmocka_unit_test(connection_close_makes_no_session_and_ends_one),
	cmocka_unit_test(a_browser_that_comes_from_another_site_says_so),
};
UNIT_MAIN(tests)
