#include "store/query.h"

#include "database.h"
#include "unit/unit.h"

struct item {
	int64_t id;
	char name[8];
};

static void read_item(struct stmt *st, void *row)
{
	struct item *item = row;

	item->id = stmt_col_int(st, 0);
	query_copy(st, 1, item->name, sizeof(item->name));
}

static bool fill(struct db *db, void *user, struct err *err)
{
	(void)user;
	for (int i = 0; i < 40; i++) {
		struct query q = {.sql = "INSERT INTO item (id, name, raw) VALUES ($1, $2, $3)",
				  .params = {QUERY_INT(i), QUERY_TEXT(STR("a long name")),
					     QUERY_BLOB(STR_NONE)},
				  .n_params = 3};
		int64_t changed;
		if (!query_run(db, &q, &changed, err)) {
			return false;
		}
		assert_int_equal(changed, 1);
	}
	return true;
}

static struct store *ready(void **state)
{
	struct database *d = *state;
	struct err err;

	database_sql(d, d->path[0] != 0
				? "CREATE TABLE item (id INTEGER, name TEXT, raw BLOB) STRICT"
				: "CREATE TABLE item (id BIGINT, name TEXT, raw BYTEA)");
	assert_ok(store_tx(d->store, fill, NULL, &err), &err);
	return d->store;
}

static struct query above(int64_t id)
{
	return (struct query){.sql = "SELECT id, name FROM item WHERE id > $1 ORDER BY id",
			      .params = {QUERY_INT(id)},
			      .n_params = 1,
			      .read = read_item,
			      .row_bytes = sizeof(struct item)};
}

static void rows_come_as_an_array(void **state)
{
	struct store *s = ready(state);
	struct query q = above(-1);
	struct item *items;
	struct err err;
	size_t n;

	assert_ok(query_list(s, &q, &items, &n, &err), &err);
	assert_int_equal(n, 40);
	assert_int_equal(items[39].id, 39);
	assert_string_equal(items[39].name, "a long ");
	free(items);
	q = above(100);
	assert_ok(query_list(s, &q, &items, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_null(items);
}

static void a_row_that_is_not_there_is_missing(void **state)
{
	struct store *s = ready(state);
	struct query q = above(38);
	struct item item;
	struct err err;

	assert_ok(query_find(s, &q, &item, "no such item", &err), &err);
	assert_int_equal(item.id, 39);
	q = above(39);
	assert_err(query_find(s, &q, &item, "no such item", &err), &err, ERR_MISSING,
		   "no such item");
}

static void a_statement_that_fails_gives_no_rows(void **state)
{
	struct store *s = ready(state);
	struct query q = above(1);
	struct item *items = NULL;
	struct err err;
	size_t n;

	q.sql = "SELECT id, name FROM elsewhere WHERE id > $1";
	assert_err(query_list(s, &q, &items, &n, &err), &err, ERR_STORE, "elsewhere");
	assert_null(items);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(rows_come_as_an_array),
		ON_BOTH(a_row_that_is_not_there_is_missing),
		ON_BOTH(a_statement_that_fails_gives_no_rows),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
