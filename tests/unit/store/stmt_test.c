#include "store/store.h"

#include "database.h"
#include "unit/unit.h"

static struct db *taken(void **state)
{
	struct database *d = *state;
	struct db *db;
	struct err err;

	database_sql(d, d->path[0] != 0
				? "CREATE TABLE t (a INTEGER, b TEXT, c BLOB) STRICT"
				: "CREATE TABLE t (a BIGINT, b TEXT COLLATE \"C\", c BYTEA)");
	assert_true(store_take(d->store, &db, &err));
	return db;
}

static void give(void **state, struct db *db)
{
	struct database *d = *state;

	store_give(d->store, db);
}

static bool insert(struct db *db, int64_t a, struct str b, struct str c, struct err *err)
{
	struct stmt *st;

	/* $3 comes first on purpose: bound by index this would run and do nonsense on SQLite */
	if (!db_prepare(db, "INSERT INTO t (c, b, a) VALUES ($3, $2, $1)", &st, err)) {
		return false;
	}
	stmt_int(st, 1, a);
	stmt_text(st, 2, b);
	stmt_blob(st, 3, c);
	return stmt_run(st, NULL, err);
}

static void what_is_bound_comes_back(void **state)
{
	struct db *db = taken(state);
	struct stmt *st;
	struct err err;

	assert_true(insert(db, INT64_MIN, STR("Zürich"), STR("\0\xff"), &err));
	assert_true(insert(db, 7, STR(""), STR(""), &err));
	assert_true(insert(db, 8, STR_NONE, STR_NONE, &err));
	assert_true(db_prepare(db, "SELECT a, b, c FROM t ORDER BY a", &st, &err));
	assert_int_equal(stmt_step(st, &err), STORE_ROW);
	assert_true(stmt_col_int(st, 0) == INT64_MIN);
	assert_true(str_eq(stmt_col_text(st, 1), STR("Zürich")));
	assert_true(str_eq(stmt_col_text(st, 2), STR("\0\xff")));
	assert_int_equal(stmt_step(st, &err), STORE_ROW);
	assert_true(stmt_col_text(st, 1).at != NULL && stmt_col_text(st, 1).len == 0);
	assert_true(stmt_col_text(st, 2).at != NULL && !stmt_col_is_null(st, 2));
	assert_int_equal(stmt_step(st, &err), STORE_ROW);
	assert_true(stmt_col_is_null(st, 1) && stmt_col_text(st, 1).at == NULL);
	assert_true(stmt_col_is_null(st, 2));
	assert_int_equal(stmt_step(st, &err), STORE_DONE);
	give(state, db);
}

static void a_statement_is_prepared_once_and_cleared(void **state)
{
	static const char sql[] = "SELECT COUNT(*) FROM t WHERE a = $1 OR b = $2";
	struct db *db = taken(state);
	struct stmt *first, *again;
	struct err err;

	assert_true(insert(db, 1, STR("x"), STR(""), &err));
	assert_true(db_prepare(db, sql, &first, &err));
	stmt_int(first, 1, 1);
	stmt_text(first, 2, STR("x"));
	assert_int_equal(stmt_step(first, &err), STORE_ROW);
	assert_int_equal(stmt_col_int(first, 0), 1);
	assert_true(db_prepare(db, sql, &again, &err)); /* in the middle of its rows */
	assert_ptr_equal(first, again);
	stmt_int(again, 1, 2); /* $2 is NULL now */
	assert_int_equal(stmt_step(again, &err), STORE_ROW);
	assert_int_equal(stmt_col_int(again, 0), 0);
	give(state, db);
}

static void changed_rows_are_counted(void **state)
{
	struct db *db = taken(state);
	struct stmt *st;
	struct err err;
	int64_t changed;

	assert_true(insert(db, 1, STR("x"), STR(""), &err));
	assert_true(insert(db, 2, STR("x"), STR(""), &err));
	assert_true(db_prepare(db, "UPDATE t SET a = 0 WHERE b = $1", &st, &err));
	stmt_text(st, 1, STR("x"));
	assert_true(stmt_run(st, &changed, &err));
	assert_int_equal(changed, 2);
	stmt_text(st, 1, STR("y"));
	assert_true(stmt_run(st, &changed, &err));
	assert_int_equal(changed, 0);
	give(state, db);
}

static void text_that_one_database_cannot_hold_is_refused_by_both(void **state)
{
	struct db *db = taken(state);
	struct err err;

	assert_false(insert(db, 1, STR("a\0b"), STR(""), &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_false(insert(db, 1, STR("\xc3("), STR(""), &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_true(insert(db, 1, STR("fine"), STR(""), &err));
	give(state, db);
}

static void order_is_bytewise(void **state)
{
	struct db *db = taken(state);
	struct stmt *st;
	struct err err;

	assert_true(insert(db, 1, STR("b"), STR(""), &err));
	assert_true(insert(db, 2, STR("B"), STR(""), &err));
	assert_true(insert(db, 3, STR("ä"), STR(""), &err));
	assert_true(insert(db, 4, STR("_"), STR(""), &err));
	assert_true(db_prepare(db, "SELECT a FROM t ORDER BY b", &st, &err));
	for (size_t i = 0; i < 4; i++) {
		const int64_t order[] = {2, 4, 1, 3};
		assert_int_equal(stmt_step(st, &err), STORE_ROW);
		assert_int_equal(stmt_col_int(st, 0), order[i]);
	}
	give(state, db);
}

static void a_statement_that_makes_no_sense_is_an_error(void **state)
{
	struct db *db = taken(state);
	struct stmt *st;
	struct err err;
	bool ok = db_prepare(db, "SELECT nothing FROM nowhere", &st, &err);

	assert_true(!ok || stmt_step(st, &err) == STORE_FAILED);
	assert_int_equal(err.kind, ERR_STORE);
	assert_true(db_prepare(db, "SELECT a FROM t WHERE a = $1 AND b = $2", &st, &err));
	stmt_int(st, 1, 1); /* and not $2 */
	assert_int_equal(stmt_step(st, &err), STORE_FAILED);
	assert_int_equal(err.kind, ERR_STORE);
	give(state, db);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_is_bound_comes_back),
		ON_BOTH(a_statement_is_prepared_once_and_cleared),
		ON_BOTH(changed_rows_are_counted),
		ON_BOTH(text_that_one_database_cannot_hold_is_refused_by_both),
		ON_BOTH(order_is_bytewise),
		ON_BOTH(a_statement_that_makes_no_sense_is_an_error),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
