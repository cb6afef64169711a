#include "store/change.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database.h"
#include "store/migrate.h"
#include "unit/unit.h"

static const struct migration thing[] = {
	{1, "CREATE TABLE thing (name {text} PRIMARY KEY) {strict}"},
	{0, NULL},
};

static struct store *ready(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}, {"thing", thing}};
	struct err err;

	if (!store_migrate(d->store, sets, COUNT(sets), &err)) {
		fail_msg("%s", err.text);
	}
	return d->store;
}

static bool add_thing(struct db *db, struct change *c, void *user, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "INSERT INTO thing (name) VALUES ($1)", &st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(user));
	if (!stmt_run(st, NULL, err)) {
		return false;
	}
	change_record(c, &(struct change_audit){.who = STR("user:alice"),
						.from = STR("192.0.2.1"),
						.what = STR("thing.create"),
						.object = str_of(user),
						.after = STR("{\"a\":1}")});
	return true;
}

static char *name_of(int n)
{
	static char names[200][16];

	snprintf(names[n], sizeof(names[n]), "thing %d", n);
	return names[n];
}

static void fill(struct store *s, int from, int to)
{
	struct err err;

	for (int i = from; i < to; i++) {
		if (!store_change(s, add_thing, name_of(i), NULL, &err)) {
			fail_msg("%s", err.text);
		}
	}
}

static void a_change_advances_the_head_by_one(void **state)
{
	struct store *s = ready(state);
	struct err err;
	int64_t n;

	assert_true(store_head(s, &n, &err));
	assert_int_equal(n, 0);
	assert_true(store_change(s, add_thing, name_of('a'), &n, &err));
	assert_int_equal(n, 1);
	assert_true(store_change(s, add_thing, name_of('b'), &n, &err));
	assert_int_equal(n, 2);
	assert_true(store_head(s, &n, &err));
	assert_int_equal(n, 2);
}

static void a_change_that_fails_leaves_no_row_and_no_gap(void **state)
{
	struct store *s = ready(state);
	struct err err;
	int64_t n = 77;

	assert_true(store_change(s, add_thing, name_of('a'), NULL, &err));
	assert_false(store_change(s, add_thing, name_of('a'), &n, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(n, 77);
	assert_true(store_change(s, add_thing, name_of('b'), &n, &err));
	assert_int_equal(n, 2);
	assert_true(store_verify_audit(s, &n, &err));
	assert_int_equal(n, 2);
}

struct filler {
	struct store *store;
	int from;
	pthread_t thread;
	bool ok;
};

static void *fill_some(void *user)
{
	struct filler *f = user;
	char name[32];
	struct err err;

	f->ok = true;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "%d", f->from + i);
		f->ok &= store_change(f->store, add_thing, name, NULL, &err);
	}
	return NULL;
}

static void numbers_of_many_writers_have_no_gaps(void **state)
{
	struct filler fillers[5];
	struct store *s = ready(state);
	struct err err;
	int64_t n;

	for (int i = 0; i < 5; i++) {
		fillers[i] = (struct filler){.store = s, .from = i * 1000};
		assert_int_equal(0,
				 pthread_create(&fillers[i].thread, NULL, fill_some, &fillers[i]));
	}
	for (int i = 0; i < 5; i++) {
		pthread_join(fillers[i].thread, NULL);
		assert_true(fillers[i].ok);
	}
	assert_true(store_verify_audit(s, &n, &err));
	assert_int_equal(n, 100);
	assert_true(store_head(s, &n, &err));
	assert_int_equal(n, 100);
}

static void denied_attempts_have_a_chain_of_their_own_per_node(void **state)
{
	struct store *s = ready(state);
	const struct change_audit audit = {.who = STR("user:eve"), .what = STR("thing.create")};
	struct err err;
	int64_t n;

	store_set_node(s, "relay1");
	assert_true(store_denied(s, &audit, &err));
	assert_true(store_denied(s, &audit, &err));
	store_set_node(s, "relay2");
	assert_true(store_denied(s, &audit, &err));
	assert_true(store_verify_audit(s, &n, &err));
	assert_int_equal(n, 3);
	assert_true(store_head(s, &n, &err));
	assert_int_equal(n, 0);
	database_sql(*state, "UPDATE denied SET who = 'user:bob' WHERE node = 'relay1' AND n = 2");
	assert_false(store_verify_audit(s, &n, &err));
	assert_non_null(strstr(err.text, "denied on relay1: row 2 was changed"));
}

/* Each way to tamper, on a chain that verified before; the text names the row. */
static void finds(void **state, const char *sql, const char *expected)
{
	struct store *s = ready(state);
	struct err err;
	int64_t n;

	fill(s, 0, 6);
	assert_true(store_verify_audit(s, &n, &err));
	database_sql(*state, sql);
	assert_false(store_verify_audit(s, &n, &err));
	assert_int_equal(err.kind, ERR_STORE);
	if (strstr(err.text, expected) == NULL) {
		fail_msg("%s", err.text);
	}
}

static void a_changed_row_is_found(void **state)
{
	finds(state, "UPDATE audit SET became = '{}' WHERE n = 3", "row 3 was changed");
}

static void text_moved_between_columns_is_found(void **state)
{
	finds(state, "UPDATE audit SET tenant = who, who = '' WHERE n = 3", "row 3 was changed");
}

static void a_missing_row_is_found(void **state)
{
	finds(state, "DELETE FROM audit WHERE n = 4", "row 4 is missing");
}

static void a_cut_tail_is_found(void **state)
{
	finds(state, "DELETE FROM audit WHERE n > 4", "ends at row 4, its head says 6");
}

static void swapped_rows_are_found(void **state)
{
	finds(state,
	      "UPDATE audit SET n = 100 WHERE n = 2; UPDATE audit SET n = 2 WHERE n = 3;"
	      "UPDATE audit SET n = 3 WHERE n = 100",
	      "row 2 was changed or moved");
}

static void a_changed_head_is_found(void **state)
{
	finds(state, "UPDATE head SET hash = NULL", "the head's hash is not that of row 6");
}

static void a_head_that_went_back_is_not_accepted(void **state)
{
	struct store *s = ready(state);
	struct err err;
	int64_t n;

	fill(s, 0, 3);
	database_sql(*state, "UPDATE head SET n = 1");
	assert_false(store_head(s, &n, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_non_null(strstr(err.text, "went back from change 3 to 1"));
}

static bool add_and_die(struct db *db, struct change *c, void *user, struct err *err)
{
	bool ok = add_thing(db, c, user, err);

	raise(SIGKILL);
	return ok;
}

static void a_change_killed_in_the_middle_did_not_happen(void **state)
{
	struct database *d = *state;
	struct err err;
	int64_t n;
	int status;

	fill(ready(state), 0, 2);
	store_close(d->store);
	d->store = NULL;
	pid_t child = fork();
	if (child == 0) {
		database_open(d);
		_exit(store_change(d->store, add_and_die, name_of(5), NULL, &err));
	}
	assert_int_equal(child, waitpid(child, &status, 0));
	assert_true(WIFSIGNALED(status));
	database_open(d);
	assert_true(store_head(d->store, &n, &err));
	assert_int_equal(n, 2);
	fill(d->store, 5, 6); /* the name is free */
	assert_true(store_verify_audit(d->store, &n, &err));
	assert_int_equal(n, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_change_advances_the_head_by_one),
		ON_BOTH(a_change_that_fails_leaves_no_row_and_no_gap),
		ON_BOTH(numbers_of_many_writers_have_no_gaps),
		ON_BOTH(denied_attempts_have_a_chain_of_their_own_per_node),
		ON_BOTH(a_changed_row_is_found),
		ON_BOTH(text_moved_between_columns_is_found),
		ON_BOTH(a_missing_row_is_found),
		ON_BOTH(a_cut_tail_is_found),
		ON_BOTH(swapped_rows_are_found),
		ON_BOTH(a_changed_head_is_found),
		ON_BOTH(a_head_that_went_back_is_not_accepted),
		ON_BOTH(a_change_killed_in_the_middle_did_not_happen),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
