#include "unit/cloud/keystore/fixture.h"

static const struct directory_actor actor = {{"user:alice", 10}, {"", 0}};

static void nothing_of_a_tenant_is_left(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	char(*rows)[DIRECTORY_UUID] = NULL;
	struct err err;
	size_t n;

	put(k, "a", "CN=A", false);
	make_pair(k, "edge");
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
	put(k, "a", "CN=A2", true);
	assert_ok(keystore_tenants(k, &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0], TENANT);
	free(rows);
	assert_ok(keystore_forget(k, &actor, STR(TENANT), &err), &err);
	assert_ok(keystore_tenants(k, &rows, &n, &err), &err);
	assert_int_equal(n, 0);
	free(rows);
	assert_string_equal(aliases_of(k, &here), "");
	/* each fails when a row is left */
	database_sql(*state, "CREATE TABLE none (x INTEGER CHECK (x = 0))");
	database_sql(*state, "INSERT INTO none SELECT COUNT(*) FROM entry_content");
	database_sql(*state, "INSERT INTO none SELECT COUNT(*) FROM entry_version");
	database_sql(*state, "INSERT INTO none SELECT COUNT(*) FROM keystore_generation");
	database_sql(*state, "INSERT INTO none SELECT COUNT(*) FROM data_key");
	put(k, "new", "CN=New", false);
	assert_string_equal(aliases_of(k, &here), "new");
	keystore_close(k);
}

static void another_tenant_keeps_all(void **state)
{
	struct keystore *k = ready(state);
	struct err err;

	put(k, "a", "CN=A", false);
	assert_ok(keystore_forget(k, &actor, STR("99999999-2222-4333-8444-555555555555"), &err),
		  &err);
	assert_string_equal(aliases_of(k, &here), "a");
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(nothing_of_a_tenant_is_left),
	ON_BOTH(another_tenant_keeps_all),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
