#include "cloud/directory/owners.h"

#include <pthread.h>

#include "unit/cloud/directory/fixture.h"

static enum directory_enrol judge(struct store *s, const char *sa, const char *user,
				  const char *password, struct err *err)
{
	int64_t wait;

	return directory_owner_judge(s, str_of(sa), str_of(user), str_of(password), 1000, &wait,
				     err);
}

static void one_unlocked_owner_remains(void **state)
{
	struct store *s = ready(state);
	struct err err;

	assert_err(directory_owner_remove(s, &actor, STR(SUBACCOUNT), STR("alice"), &err), &err,
		   ERR_CONFLICT, "last unlocked owner");
	assert_ok(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err);
	assert_err(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err,
		   ERR_CONFLICT, "already");
	assert_ok(directory_owner_remove(s, &actor, STR(SUBACCOUNT), STR("alice"), &err), &err);
	assert_err(directory_owner_remove(s, &actor, STR(SUBACCOUNT), STR("alice"), &err), &err,
		   ERR_MISSING, "not an owner");
	assert_err(directory_owner_add(s, &actor, STR(OTHER), STR("alice"), &err), &err,
		   ERR_MISSING, "no such subaccount");
	assert_err(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("eve"), &err), &err,
		   ERR_MISSING, "eve");
}

struct remover {
	struct store *store;
	struct str user;
	bool ok;
};

static void *remove_owner(void *user)
{
	struct remover *r = user;
	struct err err;

	r->ok = directory_owner_remove(r->store, &actor, STR(SUBACCOUNT), r->user, &err);
	return NULL;
}

static void two_who_remove_each_other_at_once_do_not_both_win(void **state)
{
	struct store *s = ready(state);
	struct err err;

	for (int round = 0; round < 5; round++) {
		struct remover removers[] = {{s, STR("alice"), false}, {s, STR("bob"), false}};
		pthread_t other;
		(void)!directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("alice"), &err);
		(void)!directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err);
		assert_int_equal(0, pthread_create(&other, NULL, remove_owner, &removers[1]));
		remove_owner(&removers[0]);
		pthread_join(other, NULL);
		assert_true(removers[0].ok != removers[1].ok);
	}
}

static void only_an_owner_with_the_right_password_may_enrol(void **state)
{
	struct store *s = ready(state);
	struct err err;

	assert_int_equal(judge(s, SUBACCOUNT, "alice", "correct horse", &err),
			 DIRECTORY_ENROL_ALLOWED);
	assert_int_equal(judge(s, SUBACCOUNT, "alice", "wrong", &err), DIRECTORY_ENROL_WRONG);
	assert_false(str_contains(str_of(err.text), STR("alice")));
	assert_int_equal(judge(s, SUBACCOUNT, "bob", "correct horse", &err),
			 DIRECTORY_ENROL_NOT_OWNER);
	assert_true(str_contains(str_of(err.text), STR("alice")));
	assert_true(str_contains(str_of(err.text), STR("Core Account")));
	assert_int_equal(judge(s, OTHER, "alice", "correct horse", &err),
			 DIRECTORY_ENROL_NOT_OWNER);
	assert_true(str_contains(str_of(err.text), STR("is the ID right?")));
	assert_int_equal(judge(s, OTHER, "bob", "correct horse", &err),
			 DIRECTORY_ENROL_NO_SUBACCOUNT);
}

static void a_locked_subaccount_takes_no_connector(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;

	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	sa.locked = true;
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 1, &err), DIRECTORY_EDITED);
	assert_int_equal(judge(s, SUBACCOUNT, "alice", "correct horse", &err),
			 DIRECTORY_ENROL_LOCKED);
}

static void an_initial_password_enrols_nothing(void **state)
{
	struct store *s = ready(state);
	struct err err;

	assert_ok(directory_user_set_password(s, &actor, STR("alice"), STR("battery staple"), true,
					      &err),
		  &err);
	assert_int_equal(judge(s, SUBACCOUNT, "alice", "battery staple", &err),
			 DIRECTORY_ENROL_MUST_CHANGE);
}

static void names_leave_out_the_locked_and_count_the_rest(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf names = BUF(1000);
	struct directory_user bob;
	struct err err;

	assert_ok(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err);
	assert_ok(directory_owner_names(s, STR(SUBACCOUNT), &names, &err), &err);
	assert_str(buf_str(&names), "alice, bob");
	assert_ok(directory_user_find(s, STR("bob"), &bob, &err), &err);
	bob.locked = true;
	assert_int_equal(directory_user_edit(s, &actor, &bob, 1, &err), DIRECTORY_EDITED);
	buf_reset(&names);
	assert_ok(directory_owner_names(s, STR(SUBACCOUNT), &names, &err), &err);
	assert_str(buf_str(&names), "alice");
}

TEST(each_refusal_has_its_status)
{
	assert_int_equal(directory_enrol_status(DIRECTORY_ENROL_WRONG), 401);
	assert_int_equal(directory_enrol_status(DIRECTORY_ENROL_NOT_OWNER), 403);
	assert_int_equal(directory_enrol_status(DIRECTORY_ENROL_NO_SUBACCOUNT), 404);
	assert_int_equal(directory_enrol_status(DIRECTORY_ENROL_THROTTLED), 429);
	assert_int_equal(directory_enrol_status(DIRECTORY_ENROL_FAILED), 503);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(one_unlocked_owner_remains),
		ON_BOTH(two_who_remove_each_other_at_once_do_not_both_win),
		ON_BOTH(only_an_owner_with_the_right_password_may_enrol),
		ON_BOTH(a_locked_subaccount_takes_no_connector),
		ON_BOTH(an_initial_password_enrols_nothing),
		ON_BOTH(names_leave_out_the_locked_and_count_the_rest),
		cmocka_unit_test(each_refusal_has_its_status),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
