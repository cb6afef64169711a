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

/* ---- plans ---- */

/* Each version lived twice, so the planner thinks that a join would look it up again and again. */
#define HISTORY                                                                                    \
	"CREATE TABLE version (id BIGINT PRIMARY KEY, name TEXT);"                                 \
	"CREATE TABLE life (version BIGINT, gen BIGINT PRIMARY KEY);"                              \
	"INSERT INTO version SELECT n, repeat('x', 200) FROM generate_series(1, 5000) n;"          \
	"INSERT INTO life SELECT n % 5000 + 1, n FROM generate_series(1, 10000) n;"                \
	"ANALYZE version; ANALYZE life"

struct step {
	char text[256];
};

static void read_step(struct stmt *st, void *row)
{
	struct step *step = row;

	query_copy(st, 0, step->text, sizeof(step->text));
}

static void a_join_keeps_no_copies_of_what_it_finds_by_key(void **state)
{
	struct database *d = *state;
	struct query q = {.sql = "EXPLAIN SELECT v.name FROM life l JOIN version v ON v.id ="
				 " l.version WHERE l.gen > 2000 ORDER BY l.gen LIMIT 500",
			  .read = read_step,
			  .row_bytes = sizeof(struct step)};
	struct step *plan;
	struct err err;
	size_t n;

	database_sql(d, HISTORY);
	assert_ok(query_list(d->store, &q, &plan, &n, &err), &err);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_null(strstr(plan[i].text, "Memoize"));
	}
	free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(rows_come_as_an_array),
		ON_BOTH(a_row_that_is_not_there_is_missing),
		ON_BOTH(a_statement_that_fails_gives_no_rows),
		ON_POSTGRESQL(a_join_keeps_no_copies_of_what_it_finds_by_key),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
