#include "unit/cloud/keystore/fixture.h"

static void no_damage(struct str alias, const char *what, void *user UNUSED)
{
	fail_msg("%.*s: %s", STR_ARGS(alias), what);
}

static void last_of(int64_t done, int64_t all, void *user)
{
	int64_t *seen = user;

	seen[0] = done;
	seen[1] = all;
}

static void entries_move_to_a_new_data_key(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	int64_t seen[2] = {0}, checked;
	struct err err;

	put(k, "a", "CN=A", false);
	make_pair(k, "edge");
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
	put(k, "a", "CN=A2", true);
	int64_t before = generation_of(k), version = version_of(k, "edge");
	assert_ok(keystore_reseal(k, true, last_of, seen, &err), &err);
	assert_int_equal(seen[0], 4); /* one data key, three versions */
	assert_int_equal(seen[1], 4);
	assert_int_equal(generation_of(k), before);
	assert_int_equal(version_of(k, "edge"), version);
	assert_ok(keystore_verify(k, STR(TENANT), no_damage, NULL, &checked, &err), &err);
	assert_int_equal(checked, 2);
	/* fails when an entry is under the old one */
	database_sql(*state, "CREATE TABLE one (x INTEGER CHECK (x = 1))");
	database_sql(*state, "INSERT INTO one SELECT COUNT(DISTINCT data_key) FROM entry_content");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_ok(keystore_verify(k, STR(TENANT), no_damage, NULL, &checked, &err), &err);
	keystore_close(k);
}

static void a_rewrap_alone_moves_nothing(void **state)
{
	struct keystore *k = ready(state);
	int64_t seen[2] = {0};
	struct err err;

	put(k, "a", "CN=A", false);
	assert_ok(keystore_reseal(k, false, last_of, seen, &err), &err);
	assert_int_equal(seen[1], 1);
	keystore_close(k);
}

static void a_damaged_entry_stops_it_by_name(void **state)
{
	struct keystore *k = ready(state);
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	database_sql(*state, "UPDATE entry_version SET flags = 1 WHERE alias = 'b'");
	assert_err(keystore_reseal(k, true, NULL, NULL, &err), &err, ERR_DENIED, "entry b");
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(entries_move_to_a_new_data_key),
	ON_BOTH(a_rewrap_alone_moves_nothing),
	ON_BOTH(a_damaged_entry_stops_it_by_name),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
