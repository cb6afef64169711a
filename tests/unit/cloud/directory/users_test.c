#include "cloud/directory/users.h"

#include "unit/cloud/directory/fixture.h"

static enum directory_login login(struct store *s, const char *name, const char *password,
				  int64_t now, int64_t *wait)
{
	struct directory_user user;
	struct err err;

	return directory_user_login(s, str_of(name), str_of(password), now, &user, wait, &err);
}

static void the_right_password_logs_in(void **state)
{
	struct store *s = ready(state);
	int64_t wait;

	struct directory_user eve = {.name = "eve"};
	struct err err;

	assert_ok(directory_user_create(s, &actor, &eve, STR("battery staple"), &err), &err);
	assert_int_equal(login(s, "eve", "battery staple", 1000, &wait), DIRECTORY_LOGIN_OK);
	assert_int_equal(login(s, "alice", "correct horse", 1000, &wait), DIRECTORY_LOGIN_OK);
	assert_int_equal(login(s, "alice", "correct hors", 1000, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "nobody", "correct horse", 1000, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "\xff\xfe", "correct horse", 1000, &wait), DIRECTORY_LOGIN_WRONG);
}

static void failures_slow_a_name_down_and_success_forgets_them(void **state)
{
	struct store *s = ready(state);
	int64_t wait = 0, now = 1000;

	for (int i = 0; i < DIRECTORY_LOGIN_FREE; i++) {
		assert_int_equal(login(s, "alice", "wrong", now, &wait), DIRECTORY_LOGIN_WRONG);
	}
	assert_int_equal(login(s, "alice", "correct horse", now, &wait), DIRECTORY_LOGIN_THROTTLED);
	assert_int_equal(wait, 1);
	assert_int_equal(login(s, "bob", "correct horse", now, &wait), DIRECTORY_LOGIN_OK);
	now += 1;
	assert_int_equal(login(s, "alice", "wrong", now, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "alice", "wrong", now, &wait), DIRECTORY_LOGIN_THROTTLED);
	assert_int_equal(wait, 2);
	now += 2;
	assert_int_equal(login(s, "alice", "correct horse", now, &wait), DIRECTORY_LOGIN_OK);
	assert_int_equal(login(s, "alice", "wrong", now, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "alice", "correct horse", now, &wait), DIRECTORY_LOGIN_OK);
}

static void a_locked_user_is_told_so_only_with_the_right_password(void **state)
{
	struct store *s = ready(state);
	struct directory_user bob;
	struct err err;
	int64_t wait;

	assert_ok(directory_user_find(s, STR("bob"), &bob, &err), &err);
	bob.locked = true;
	assert_int_equal(directory_user_edit(s, &actor, &bob, bob.version, &err), DIRECTORY_EDITED);
	assert_int_equal(login(s, "bob", "wrong", 1000, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "bob", "correct horse", 1000, &wait), DIRECTORY_LOGIN_LOCKED);
}

static void a_new_password_must_differ_and_be_long_enough(void **state)
{
	struct store *s = ready(state);
	struct err err;
	int64_t wait;

	assert_err(directory_user_set_password(s, &actor, STR("alice"), STR("short"), false, &err),
		   &err, ERR_CONFIG, "at least 8");
	assert_err(directory_user_set_password(s, &actor, STR("alice"), STR("correct horse"), false,
					       &err),
		   &err, ERR_CONFIG, "differ");
	assert_err(directory_user_set_password(s, &actor, STR("eve"), STR("battery staple"), false,
					       &err),
		   &err, ERR_MISSING, "no such user");
	assert_ok(directory_user_set_password(s, &actor, STR("alice"), STR("battery staple"), false,
					      &err),
		  &err);
	assert_int_equal(login(s, "alice", "correct horse", 1000, &wait), DIRECTORY_LOGIN_WRONG);
	assert_int_equal(login(s, "alice", "battery staple", 1000, &wait), DIRECTORY_LOGIN_OK);
}

static void names_are_checked_and_unique(void **state)
{
	struct store *s = ready(state);
	const char *bad[] = {"", "a:b", "a/b", "a,b", "a\nb"};
	struct directory_user user = {.name = "alice"};
	struct err err;

	assert_err(directory_user_create(s, &actor, &user, STR("correct horse"), &err), &err,
		   ERR_CONFLICT, "exists already");
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(user.name, sizeof(user.name), "%s", bad[i]);
		assert_err(directory_user_create(s, &actor, &user, STR("correct horse"), &err),
			   &err, ERR_CONFIG, "user name");
	}
}

static void the_last_administrator_stays(void **state)
{
	struct store *s = ready(state);
	struct directory_user root;
	struct err err;

	add_user(s, "root", DIRECTORY_ROLE_ADMINISTRATOR);
	assert_ok(directory_user_find(s, STR("root"), &root, &err), &err);
	root.roles = 0;
	assert_int_equal(directory_user_edit(s, &actor, &root, DIRECTORY_ANY_VERSION, &err),
			 DIRECTORY_EDIT_FAILED);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_err(directory_user_delete(s, &actor, STR("root"), &err), &err, ERR_CONFLICT,
		   "last unlocked administrator");
	add_user(s, "root2", DIRECTORY_ROLE_ADMINISTRATOR);
	assert_ok(directory_user_delete(s, &actor, STR("root"), &err), &err);
}

static void the_last_owner_is_neither_locked_nor_deleted(void **state)
{
	struct store *s = ready(state);
	struct directory_user alice;
	struct err err;

	assert_ok(directory_user_find(s, STR("alice"), &alice, &err), &err);
	alice.locked = true;
	assert_int_equal(directory_user_edit(s, &actor, &alice, alice.version, &err),
			 DIRECTORY_EDIT_FAILED);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_err(directory_user_delete(s, &actor, STR("alice"), &err), &err, ERR_CONFLICT,
		   "last unlocked owner");
	assert_ok(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err);
	assert_int_equal(directory_user_edit(s, &actor, &alice, alice.version, &err),
			 DIRECTORY_EDITED);
	assert_int_equal(directory_user_edit(s, &actor, &alice, 1, &err), DIRECTORY_STALE);
}

static void users_are_listed_in_pages(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_user *rows = NULL;
	struct err err;
	int64_t count;
	size_t n;

	assert_ok(directory_user_count(s, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_ok(directory_user_list(s, STR("alice"), 1, &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].name, "bob");
	assert_int_equal(rows[0].roles, DIRECTORY_ROLE_DISPLAY);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_right_password_logs_in),
		ON_BOTH(failures_slow_a_name_down_and_success_forgets_them),
		ON_BOTH(a_locked_user_is_told_so_only_with_the_right_password),
		ON_BOTH(a_new_password_must_differ_and_be_long_enough),
		ON_BOTH(names_are_checked_and_unique),
		ON_BOTH(the_last_administrator_stays),
		ON_BOTH(the_last_owner_is_neither_locked_nor_deleted),
		ON_BOTH(users_are_listed_in_pages),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
