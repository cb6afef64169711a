#include "http/session.h"
#include "unit/unit.h"

static const struct session_settings settings = {.cookie = "S", .idle = 1000, .absolute = 1000};

static struct address at(const char *literal)
{
	struct address a;
	assert_true(address_parse(str_of(literal), 5000, &a));
	return a;
}

static void fail_often(struct sessions *s, const char *user, const char *from, int n, msec_t now)
{
	struct address a = at(from);
	for (int i = 0; i < n; i++) {
		login_note(s, str_of(user), &a, false, now);
	}
}

static msec_t pause_for(struct sessions *s, const char *user, const char *from, msec_t now)
{
	struct address a = at(from);
	return login_pause(s, str_of(user), &a, now);
}

TEST(the_first_failures_are_free_and_then_pauses_double)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	fail_often(s, "ann", "192.0.2.1", LOGIN_FREE_TRIES - 1, 100);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 100), 0);
	fail_often(s, "ann", "192.0.2.1", 1, 100);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 100), 1000);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 700), 400);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 1100), 0);
	fail_often(s, "ann", "192.0.2.1", 3, 1100);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 1100), 8000);
}

TEST(a_user_is_paused_shortly_from_elsewhere_and_an_address_for_long)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	fail_often(s, "ann", "192.0.2.1", 50, 100);
	assert_int_equal(pause_for(s, "ann", "2001:db8::1", 100), LOGIN_PAUSE_USER_MAX_MS);
	assert_int_equal(pause_for(s, "bob", "192.0.2.1", 100), LOGIN_PAUSE_ADDRESS_MAX_MS);
	assert_int_equal(pause_for(s, "bob", "192.0.2.2", 100), 0);
}

TEST(a_good_login_and_time_forget)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	struct address a = at("192.0.2.1");
	fail_often(s, "ann", "192.0.2.1", 9, 100);
	login_note(s, STR("ann"), &a, true, 200);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 200), 0);
	fail_often(s, "ann", "192.0.2.1", 9, 300);
	fail_often(s, "ann", "192.0.2.1", 1, 301 + LOGIN_FORGET_MS);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 301 + LOGIN_FORGET_MS), 0);
}

TEST(a_good_login_forgets_no_guesses_at_others)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	struct address a = at("192.0.2.1");
	fail_often(s, "bob", "192.0.2.1", LOGIN_FREE_TRIES, 100);
	fail_often(s, "ann", "192.0.2.1", 2, 100);
	login_note(s, STR("ann"), &a, true, 100);
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 100), 1000);
	assert_int_equal(pause_for(s, "ann", "192.0.2.2", 100), 0);
}

TEST(the_table_is_bounded_and_forgets_the_oldest)
{
	AUTO(sessions_free) struct sessions *s = sessions_new(&settings);
	fail_often(s, "ann", "192.0.2.1", 9, 1);
	for (int i = 0; i < LOGINS_MAX; i++) {
		char name[20];
		snprintf(name, sizeof name, "user%d", i);
		fail_often(s, name, "192.0.2.9", 1, 2);
	}
	assert_int_equal(pause_for(s, "ann", "192.0.2.1", 2), 0);
	assert_true(pause_for(s, "x", "192.0.2.9", 2) > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_failures_are_free_and_then_pauses_double),
	cmocka_unit_test(a_user_is_paused_shortly_from_elsewhere_and_an_address_for_long),
	cmocka_unit_test(a_good_login_and_time_forget),
	cmocka_unit_test(a_good_login_forgets_no_guesses_at_others),
	cmocka_unit_test(the_table_is_bounded_and_forgets_the_oldest),
};
UNIT_MAIN(tests)
