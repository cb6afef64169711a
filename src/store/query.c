#include "store/query.h"

#include <assert.h>

static bool prepare(struct db *db, const struct query *q, struct stmt **st, struct err *err)
{
	if (!db_prepare(db, q->sql, st, err)) {
		return false;
	}
	assert(q->n_params <= QUERY_PARAMS_MAX);
	for (int i = 0; i < q->n_params; i++) {
		const struct query_param *p = &q->params[i];
		if (p->kind == QUERY_PARAM_INT) {
			stmt_int(*st, i + 1, p->number);
		} else if (p->kind == QUERY_PARAM_TEXT) {
			stmt_text(*st, i + 1, p->bytes);
		} else {
			stmt_blob(*st, i + 1, p->bytes);
		}
	}
	return true;
}

bool query_run(struct db *db, const struct query *q, int64_t *changed, struct err *err)
{
	struct stmt *st;

	return prepare(db, q, &st, err) && stmt_run(st, changed, err);
}

bool query_row(struct db *db, const struct query *q, void *row, bool *found, struct err *err)
{
	struct stmt *st;

	if (!prepare(db, q, &st, err)) {
		return false;
	}
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome == STORE_FAILED) {
		return false;
	}
	*found = outcome == STORE_ROW;
	if (*found && row != NULL) {
		memset(row, 0, q->row_bytes);
		q->read(st, row);
	}
	stmt_reset(st);
	return true;
}

bool query_rows(struct db *db, const struct query *q, void *rows, size_t *n, struct err *err)
{
	AUTO_FREE char *made = NULL;
	size_t count = 0, room = 0;
	enum store_outcome outcome;
	struct stmt *st;

	if (!prepare(db, q, &st, err)) {
		return false;
	}
	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		if (count == room) {
			room = room == 0 ? 16 : room * 2;
			made = must_realloc(made, room * q->row_bytes);
		}
		memset(made + count * q->row_bytes, 0, q->row_bytes);
		q->read(st, made + count * q->row_bytes);
		count++;
	}
	stmt_reset(st);
	if (outcome == STORE_FAILED) {
		return false;
	}
	memcpy(rows, &made, sizeof(made)); /* whatever it points to */
	made = NULL;
	*n = count;
	return true;
}

struct reading {
	const struct query *q;
	void *row;
	bool found;
	void *rows;
	size_t n;
};

static bool read_row(struct db *db, void *user, struct err *err)
{
	struct reading *r = user;

	return query_row(db, r->q, r->row, &r->found, err);
}

static bool read_rows(struct db *db, void *user, struct err *err)
{
	struct reading *r = user;

	free(TAKE(r->rows)); /* of a try before */
	return query_rows(db, r->q, &r->rows, &r->n, err);
}

bool query_find(struct store *s, const struct query *q, void *row, const char *missing,
		struct err *err)
{
	struct reading r = {.q = q, .row = row};

	if (!store_read(s, read_row, &r, err)) {
		return false;
	}
	return r.found || err_set(err, ERR_MISSING, "%s", missing);
}

bool query_list(struct store *s, const struct query *q, void *rows, size_t *n, struct err *err)
{
	struct reading r = {.q = q};

	if (!store_read(s, read_rows, &r, err)) {
		free(r.rows);
		return false;
	}
	memcpy(rows, &r.rows, sizeof(r.rows));
	*n = r.n;
	return true;
}

void query_copy(struct stmt *st, int col, char *into, size_t size)
{
	struct str value = str_first(stmt_col_text(st, col), size - 1);

	if (value.len > 0) {
		memcpy(into, value.at, value.len);
	}
	into[value.len] = 0;
}
