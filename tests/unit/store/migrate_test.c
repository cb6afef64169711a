#include "store/migrate.h"

#include "database.h"
#include "unit/unit.h"

#define STEP_ONE                                                                                   \
	{                                                                                          \
		1, "CREATE TABLE m (id {serial}, a {text} NOT NULL, b {blob}, c {bool}) "          \
		   "{strict};\n"                                                                   \
		   "INSERT INTO m (a) VALUES ('one')"                                              \
	}
#define STEP_TWO                                                                                   \
	{                                                                                          \
		2, "ALTER TABLE m ADD COLUMN d {int};\nUPDATE m SET d = 2"                         \
	}

static const struct migration none[] = {{0, NULL}};
static const struct migration one[] = {STEP_ONE, {0, NULL}};
static const struct migration two[] = {STEP_ONE, STEP_TWO, {0, NULL}};
static const struct migration broken[] = {
	STEP_ONE,
	{2, "UPDATE m SET a = 'half'; CREATE TABLE m (x {int})"},
	{0, NULL},
};

static bool migrate(void **state, const struct migration *steps, struct err *err)
{
	struct database *d = *state;
	const struct migration_set set = {"thing", steps};

	return store_migrate(d->store, &set, 1, err);
}

static int64_t number(void **state, const char *sql)
{
	struct database *d = *state;
	struct db *db;
	struct stmt *st;
	struct err err;

	assert_true(store_take(d->store, &db, &err));
	assert_true(db_prepare(db, sql, &st, &err));
	if (stmt_step(st, &err) != STORE_ROW) {
		fail_msg("%s", err.text);
	}
	int64_t n = stmt_col_int(st, 0);
	store_give(d->store, db);
	return n;
}

static void each_step_is_applied_once(void **state)
{
	struct err err;

	assert_true(migrate(state, one, &err));
	assert_true(migrate(state, one, &err));
	assert_int_equal(number(state, "SELECT COUNT(*) FROM m"), 1);
	assert_true(migrate(state, two, &err));
	assert_true(migrate(state, two, &err));
	assert_int_equal(number(state, "SELECT d FROM m"), 2);
	assert_int_equal(number(state, "SELECT COUNT(*) FROM migration"), 2);
}

static void a_broken_step_leaves_nothing_behind(void **state)
{
	struct err err;

	assert_false(migrate(state, broken, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_non_null(strstr(err.text, "migration thing 2"));
	assert_int_equal(number(state, "SELECT COUNT(*) FROM m WHERE a = 'one'"), 1);
	assert_true(migrate(state, two, &err));
}

static void a_schema_may_be_one_version_ahead(void **state)
{
	struct err err;

	assert_true(migrate(state, two, &err));
	assert_true(migrate(state, one, &err));
	assert_false(migrate(state, none, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.text, "newer version"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(each_step_is_applied_once),
		ON_BOTH(a_broken_step_leaves_nothing_behind),
		ON_BOTH(a_schema_may_be_one_version_ahead),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
