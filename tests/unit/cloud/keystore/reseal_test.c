#include "unit/cloud/keystore/fixture.h"

static void no_damage(struct str alias, const char *what, void *user UNUSED)
{
	fail_msg("%.*s: %s", STR_ARGS(alias), what);
}

/* Goes on for `left` items, and keeps what it was told of. */
struct watcher {
	unsigned left;
	uint64_t seen;
	char failure[400];
};

static bool step(const struct reseal_count *count, void *user)
{
	struct watcher *w = user;

	w->seen = count->items;
	return --w->left > 0;
}

static void failure(const char *what, void *user)
{
	struct watcher *w = user;

	(void)snprintf(w->failure, sizeof(w->failure), "%s", what);
}

static struct reseal_count watched(struct watcher *w)
{
	return (struct reseal_count){.step = step, .failure = failure, .user = w};
}

static void entries_move_to_a_new_data_key(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct watcher w = {.left = 100};
	struct reseal_count count = watched(&w), before_it = {0};
	int64_t checked;
	struct err err;

	put(k, "a", "CN=A", false);
	make_pair(k, "edge");
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
	put(k, "a", "CN=A2", true);
	int64_t before = generation_of(k), version = version_of(k, "edge");
	assert_ok(keystore_reseal(k, false, &before_it, &err), &err);
	assert_int_equal(before_it.items, 3); /* versions */
	assert_int_equal(before_it.resealed, 0);
	assert_ok(keystore_reseal(k, true, &count, &err), &err);
	assert_int_equal(w.seen, 3);
	assert_int_equal(count.resealed, 3);
	assert_int_equal(count.failed, 0);
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

/* Fails unless `count`, a SELECT of one number, gives `wanted`. */
static void assert_count(void *database, const char *count, int wanted)
{
	char sql[400];

	database_sql(database, "CREATE TABLE one (x INTEGER CHECK (x = 1))");
	(void)snprintf(sql, sizeof(sql),
		       "INSERT INTO one SELECT CASE WHEN (%s) = %d THEN 1 ELSE 0 END", count,
		       wanted);
	database_sql(database, sql);
}

static void a_damaged_entry_is_named_and_the_others_move(void **state)
{
	struct keystore *k = ready(state);
	struct watcher w = {.left = 100};
	struct reseal_count count = watched(&w);
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	put(k, "c", "CN=C", false);
	database_sql(*state, "UPDATE entry_version SET flags = 1 WHERE alias = 'b'");
	assert_ok(keystore_reseal(k, true, &count, &err), &err);
	assert_int_equal(w.seen, 3);
	assert_int_equal(count.resealed, 2);
	assert_int_equal(count.failed, 1);
	assert_non_null(strstr(w.failure, "tenant " TENANT ": entry b: "));
	assert_count(*state,
		     "SELECT COUNT(*) FROM entry_content WHERE data_key <> (SELECT c.data_key FROM"
		     " entry_content c JOIN entry_version v ON v.id = c.id WHERE v.alias = 'b')",
		     2);
	keystore_close(k);
}

static void a_watcher_ends_it_and_the_next_run_does_the_rest(void **state)
{
	struct keystore *k = ready(state);
	struct watcher w = {.left = 1};
	struct reseal_count count = watched(&w);
	int64_t checked;
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	assert_err(keystore_reseal(k, true, &count, &err), &err, ERR_SYSTEM, "start it again");
	assert_int_equal(count.resealed, 1);
	assert_ok(keystore_verify(k, STR(TENANT), no_damage, NULL, &checked, &err), &err);
	w.left = 100;
	count = watched(&w);
	assert_ok(keystore_reseal(k, true, &count, &err), &err);
	assert_int_equal(count.resealed, 2);
	assert_count(*state, "SELECT COUNT(DISTINCT data_key) FROM entry_content", 1);
	keystore_close(k);
}

static void a_key_process_that_is_gone_is_no_damage(void **state)
{
	struct keystore *k = ready(state);
	struct reseal_count count = {0};
	struct err err;

	put(k, "a", "CN=A", false);
	atomic_store(&local_keys_down, true);
	bool ok = keystore_reseal(k, true, &count, &err);
	atomic_store(&local_keys_down, false);
	assert_false(ok);
	assert_int_equal(count.failed, 0);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(entries_move_to_a_new_data_key),
	ON_BOTH(a_damaged_entry_is_named_and_the_others_move),
	ON_BOTH(a_watcher_ends_it_and_the_next_run_does_the_rest),
	ON_BOTH(a_key_process_that_is_gone_is_no_damage),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
