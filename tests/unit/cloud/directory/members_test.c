#include "cloud/directory/members.h"

#include "unit/cloud/directory/fixture.h"

TEST(names_of_both_vocabularies_are_known_in_their_case)
{
	assert_int_equal(directory_member_role_of(STR("NodeManager.read")), DIRECTORY_MEMBER_READ);
	assert_int_equal(directory_member_role_of(STR("MonitoringDataRead")),
			 DIRECTORY_MEMBER_READ);
	assert_int_equal(directory_member_role_of(STR("PI_Administrator")),
			 DIRECTORY_MEMBER_ADMINISTRATOR);
	assert_int_equal(directory_member_role_of(STR("nodemanager.read")), 0);
	assert_int_equal(directory_member_role_of(STR("")), 0);
	assert_string_equal(directory_member_role_name(DIRECTORY_MEMBER_EDIT),
			    "NodeManager.deploysecuritycontent");
	assert_string_equal(directory_member_role_name(DIRECTORY_MEMBER_READ_ONLY),
			    "AuthGroup.ReadOnly");
}

TEST(groups_stand_for_single_roles)
{
	assert_int_equal(directory_member_may(DIRECTORY_MEMBER_DEVELOPER), DIRECTORY_MEMBER_READ);
	assert_int_equal(directory_member_may(DIRECTORY_MEMBER_READ_ONLY), DIRECTORY_MEMBER_READ);
	assert_int_equal(directory_member_may(DIRECTORY_MEMBER_ADMINISTRATOR),
			 DIRECTORY_MEMBER_READ | DIRECTORY_MEMBER_EDIT);
	assert_int_equal(directory_member_may(DIRECTORY_MEMBER_EDIT), DIRECTORY_MEMBER_EDIT);
	assert_int_equal(directory_member_may(0), 0);
}

static unsigned may(struct store *s, const char *name)
{
	struct directory_user user;
	struct err err;
	unsigned out = 99;

	assert_ok(directory_user_find(s, str_of(name), &user, &err), &err);
	assert_ok(directory_member_find(s, STR(SUBACCOUNT), &user, &out, &err), &err);
	return out;
}

static void roles_are_kept_as_given_and_replaced(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_member *rows = NULL;
	struct err err;
	size_t n;

	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("alice"),
				       DIRECTORY_MEMBER_READ_ONLY, &err),
		  &err);
	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("alice"),
				       DIRECTORY_MEMBER_DEVELOPER | DIRECTORY_MEMBER_EDIT, &err),
		  &err);
	assert_ok(directory_member_list(s, STR(SUBACCOUNT), &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].user, "alice");
	assert_int_equal(rows[0].roles, DIRECTORY_MEMBER_DEVELOPER | DIRECTORY_MEMBER_EDIT);
	assert_int_equal(may(s, "alice"), DIRECTORY_MEMBER_READ | DIRECTORY_MEMBER_EDIT);
	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("alice"), 0, &err), &err);
	assert_int_equal(may(s, "alice"), 0);
}

static void who_or_what_is_not_there_is_named(void **state)
{
	struct store *s = ready(state);
	struct err err;

	assert_err(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("nobody"), 1, &err), &err,
		   ERR_MISSING, "\"nobody\"");
	assert_err(directory_member_set(s, &actor, STR(OTHER), STR("alice"), 1, &err), &err,
		   ERR_MISSING, "no such subaccount");
}

static void global_roles_count_and_ownership_does_not(void **state)
{
	struct store *s = ready(state);

	add_user(s, "root", DIRECTORY_ROLE_ADMINISTRATOR);
	add_user(s, "sam", DIRECTORY_ROLE_SUBACCOUNT_ADMINISTRATOR);
	assert_int_equal(may(s, "root"), DIRECTORY_MEMBER_READ | DIRECTORY_MEMBER_EDIT);
	assert_int_equal(may(s, "bob"), DIRECTORY_MEMBER_READ); /* display */
	assert_int_equal(may(s, "alice"), 0);                   /* the owner */
	assert_int_equal(may(s, "sam"), 0);
}

static void the_only_subaccount_of_a_member_is_found(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount other = {
		.id = OTHER, .region_host = REGION, .display_name = "Other"};
	char found[DIRECTORY_UUID];
	struct err err;

	assert_err(directory_member_only(s, STR("bob"), found, &err), &err, ERR_MISSING, "no ");
	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("bob"), 1, &err), &err);
	assert_ok(directory_member_only(s, STR("bob"), found, &err), &err);
	assert_string_equal(found, SUBACCOUNT);
	assert_ok(directory_subaccount_create(s, &actor, &other, STR("alice"), &err), &err);
	assert_ok(directory_member_set(s, &actor, STR(OTHER), STR("bob"), 2, &err), &err);
	assert_err(directory_member_only(s, STR("bob"), found, &err), &err, ERR_MISSING,
		   "more than one");
}

static void members_go_with_user_and_subaccount(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_member *rows = NULL;
	struct err err;
	size_t n;

	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("bob"), 1, &err), &err);
	assert_ok(directory_user_delete(s, &actor, STR("bob"), &err), &err);
	assert_ok(directory_member_list(s, STR(SUBACCOUNT), &rows, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_ok(directory_member_set(s, &actor, STR(SUBACCOUNT), STR("alice"), 1, &err), &err);
	assert_ok(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err);
	assert_int_equal(may(s, "alice"), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_both_vocabularies_are_known_in_their_case),
		cmocka_unit_test(groups_stand_for_single_roles),
		ON_BOTH(roles_are_kept_as_given_and_replaced),
		ON_BOTH(who_or_what_is_not_there_is_named),
		ON_BOTH(global_roles_count_and_ownership_does_not),
		ON_BOTH(the_only_subaccount_of_a_member_is_found),
		ON_BOTH(members_go_with_user_and_subaccount),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
