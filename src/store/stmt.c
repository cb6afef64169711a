/* Statements: the cache of a connection, and what both dialects do alike. See store.h. */
#include <assert.h>

#include "store/store.h"
#include "store/store_priv.h"

static struct stmt **slot_of(struct db *db, const char *sql)
{
	size_t i = ((uintptr_t)sql * 0x9E3779B97F4A7C15u) >> 32;

	for (;; i++) {
		struct stmt **slot = &db->stmts[i % COUNT(db->stmts)];
		if (*slot == NULL || (*slot)->sql == sql) {
			return slot;
		}
	}
}

static bool is_dead(struct db *db, struct err *err)
{
	return db->broken && !err_set(err, ERR_STORE, "the database connection was lost");
}

bool db_prepare(struct db *db, const char *sql, struct stmt **out, struct err *err)
{
	struct stmt **slot = slot_of(db, sql);

	if (is_dead(db, err)) {
		return false;
	}
	if (*slot == NULL) {
		assert(db->n_stmts < STORE_STATEMENTS_MAX);
		struct stmt *st = NEW(struct stmt);
		st->db = db;
		st->sql = sql;
		if (!db->dialect->prepare(st, err)) {
			db->failed = true;
			free(st);
			return false;
		}
		db->n_stmts++;
		*slot = st;
	}
	struct stmt *st = *slot;
	if (st->started) {
		stmt_reset(st);
	}
	for (int i = 0; i < st->n_params; i++) {
		st->params[i] = (struct param){.kind = PARAM_NULL};
	}
	*out = st;
	return true;
}

static struct param *param_of(struct stmt *st, int param)
{
	assert(param >= 1 && param <= STORE_PARAMS_MAX && !st->started);
	if (param > st->n_params) {
		st->n_params = param;
	}
	return &st->params[param - 1];
}

void stmt_text(struct stmt *st, int param, struct str value)
{
	enum param_kind kind = value.at == NULL ? PARAM_NULL : PARAM_TEXT;

	*param_of(st, param) = (struct param){.kind = kind, .bytes = value};
}

void stmt_blob(struct stmt *st, int param, struct str value)
{
	enum param_kind kind = value.at == NULL ? PARAM_NULL : PARAM_BLOB;

	*param_of(st, param) = (struct param){.kind = kind, .bytes = value};
}

void stmt_int(struct stmt *st, int param, int64_t value)
{
	*param_of(st, param) = (struct param){.kind = PARAM_INT, .number = value};
}

/* The stricter of the two databases decides, so that both behave alike. */
static bool params_are_storable(const struct stmt *st, struct err *err)
{
	for (int i = 0; i < st->n_params; i++) {
		const struct param *p = &st->params[i];
		bool text = p->kind == PARAM_TEXT && p->bytes.len > 0;
		if (text && (!str_is_utf8(p->bytes) || str_find(p->bytes, 0) < p->bytes.len)) {
			return err_set(err, ERR_CONFIG, "a text is not UTF-8, or holds a NUL byte");
		}
	}
	return true;
}

static enum store_outcome failed(struct stmt *st)
{
	st->db->failed = true;
	stmt_reset(st);
	return STORE_FAILED;
}

enum store_outcome stmt_step(struct stmt *st, struct err *err)
{
	if (is_dead(st->db, err)) {
		return STORE_FAILED;
	}
	if (!st->started) {
		if (!params_are_storable(st, err)) {
			return failed(st);
		}
		st->started = true;
		if (!st->db->dialect->start(st, err)) {
			return failed(st);
		}
	}
	enum store_outcome outcome = st->db->dialect->next(st, err);
	return outcome == STORE_FAILED ? failed(st) : outcome;
}

struct str stmt_col_text(struct stmt *st, int col)
{
	return st->db->dialect->col_bytes(st, col);
}

int64_t stmt_col_int(struct stmt *st, int col)
{
	return st->db->dialect->col_int(st, col);
}

bool stmt_col_is_null(struct stmt *st, int col)
{
	return st->db->dialect->col_is_null(st, col);
}

void stmt_reset(struct stmt *st)
{
	st->db->dialect->reset(st);
	st->started = false;
}

bool stmt_run(struct stmt *st, int64_t *changed, struct err *err)
{
	enum store_outcome outcome = stmt_step(st, err);

	if (outcome == STORE_FAILED) {
		return false;
	}
	if (changed != NULL) {
		*changed = st->db->dialect->changed(st);
	}
	stmt_reset(st);
	return true;
}
