#include "cloud/directory/bindings.h"

#include "unit/cloud/directory/fixture.h"

static void the_secret_verifies_and_nothing_else(void **state)
{
	struct store *s = ready(state);
	struct directory_binding made, found;
	char secret[DIRECTORY_SECRET_MAX];
	struct err err;

	assert_ok(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR("app"),
					   DIRECTORY_MEMBER_READ, 1000, &made, secret, &err),
		  &err);
	assert_int_equal(
		directory_binding_verify(s, str_of(made.client_id), str_of(secret), &found, &err),
		DIRECTORY_CLIENT_OK);
	assert_string_equal(found.subaccount, SUBACCOUNT);
	assert_string_equal(found.created_by, "user:root");
	assert_int_equal(found.roles, DIRECTORY_MEMBER_READ);
	assert_int_equal(directory_binding_of_client(s, str_of(made.client_id), &found, &err),
			 DIRECTORY_CLIENT_OK);
	assert_string_equal(found.name, "app");
	assert_int_equal(directory_binding_of_client(s, STR("nobody"), &found, &err),
			 DIRECTORY_CLIENT_WRONG);
	secret[3] ^= 1;
	assert_int_equal(
		directory_binding_verify(s, str_of(made.client_id), str_of(secret), &found, &err),
		DIRECTORY_CLIENT_WRONG);
	assert_int_equal(directory_binding_verify(s, STR("nobody"), str_of(secret), &found, &err),
			 DIRECTORY_CLIENT_WRONG);
	assert_int_equal(directory_binding_verify(s, STR("\xff"), STR(""), &found, &err),
			 DIRECTORY_CLIENT_WRONG);
}

static void names_are_unique_in_a_subaccount(void **state)
{
	struct store *s = ready(state);
	struct directory_binding made;
	char secret[DIRECTORY_SECRET_MAX];
	struct err err;

	assert_ok(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR("app"),
					   DIRECTORY_MEMBER_READ, 1000, &made, secret, &err),
		  &err);
	assert_err(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR("app"),
					    DIRECTORY_MEMBER_READ, 1000, &made, secret, &err),
		   &err, ERR_CONFLICT, "exists already");
	assert_err(directory_binding_create(s, &actor, STR(OTHER), STR("app"),
					    DIRECTORY_MEMBER_READ, 1000, &made, secret, &err),
		   &err, ERR_MISSING, "no such subaccount");
	assert_err(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR(""), 0, 1000, &made,
					    secret, &err),
		   &err, ERR_CONFIG, "name");
}

static void a_deleted_or_locked_one_gives_no_tokens(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_binding *rows = NULL, *left = NULL;
	struct directory_binding made, found;
	struct directory_subaccount sa;
	char secret[DIRECTORY_SECRET_MAX];
	struct err err;
	size_t n;

	assert_ok(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR("app"),
					   DIRECTORY_MEMBER_READ, 1000, &made, secret, &err),
		  &err);
	assert_ok(directory_binding_list(s, STR(SUBACCOUNT), STR(""), 0, &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	sa.locked = true;
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 1, &err), DIRECTORY_EDITED);
	assert_int_equal(
		directory_binding_verify(s, str_of(made.client_id), str_of(secret), &found, &err),
		DIRECTORY_CLIENT_LOCKED);
	assert_ok(directory_binding_delete(s, &actor, STR(SUBACCOUNT), STR("app"), &err), &err);
	assert_err(directory_binding_delete(s, &actor, STR(SUBACCOUNT), STR("app"), &err), &err,
		   ERR_MISSING, "no such service key");
	assert_ok(directory_binding_list(s, STR(SUBACCOUNT), STR(""), 0, &left, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_int_equal(
		directory_binding_verify(s, str_of(made.client_id), str_of(secret), &found, &err),
		DIRECTORY_CLIENT_WRONG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_secret_verifies_and_nothing_else),
		ON_BOTH(names_are_unique_in_a_subaccount),
		ON_BOTH(a_deleted_or_locked_one_gives_no_tokens),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
