/* The verifier of the hash chains: store_verify_audit() of change.h. */
#include <assert.h>

#include "store/change.h"
#include "store/denied_prune.h"
#include "store/query.h"
#include "store/store_priv.h"
#include "store/verify_priv.h"

static bool check_row(struct walk *w, struct stmt *st, struct err *err)
{
	struct row row = {.n = stmt_col_int(st, 0), .at_ms = stmt_col_int(st, 1)};
	struct str stored = stmt_col_text(st, 2 + ROW_TEXTS);
	uint8_t hash[32] = {0};

	for (int i = 0; i < ROW_TEXTS; i++) {
		row.texts[i] = stmt_col_text(st, 2 + i);
	}
	if (row.n != w->n + 1) {
		return err_set(err, ERR_STORE, "%s: row %lld is missing", w->chain,
			       (long long)(w->n + 1));
	}
	if (!change_hash_row(str_make(w->hash, w->hash_len), &row, hash, err)) {
		return false;
	}
	if (stored.len != sizeof(hash) || memcmp(stored.at, hash, sizeof(hash)) != 0) {
		return err_set(err, ERR_STORE, "%s: row %lld was changed or moved", w->chain,
			       (long long)row.n);
	}
	memcpy(w->hash, hash, sizeof(hash));
	w->hash_len = sizeof(hash);
	w->n = row.n;
	w->rows++;
	return w->seen == NULL || w->seen(w->user, w, row.at_ms, err);
}

static bool check_page(struct walk *w, struct stmt *st, int64_t *n, struct err *err)
{
	enum store_outcome outcome;

	*n = 0;
	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		++*n;
		if (!check_row(w, st, err)) {
			return false;
		}
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool prepare_page(struct db *db, const struct walk *w, struct stmt **st, struct err *err)
{
	if (w->node.at == NULL) {
		if (!db_prepare(db,
				"SELECT n, at_ms, who, origin, tenant, what, object, was, became,"
				" hash FROM audit WHERE n > $1 ORDER BY n LIMIT $2",
				st, err)) {
			return false;
		}
	} else {
		if (!db_prepare(db,
				"SELECT n, at_ms, who, origin, tenant, what, object, was, became,"
				" hash FROM denied WHERE node = $3 AND n > $1 ORDER BY n LIMIT $2",
				st, err)) {
			return false;
		}
		stmt_text(*st, 3, w->node);
	}
	stmt_int(*st, 1, w->n);
	stmt_int(*st, 2, WALK_PAGE);
	return true;
}

bool walk_knows_pruning(struct db *db, bool *knows, struct err *err)
{
	const struct query q = {
		.sql = "SELECT number FROM migration WHERE module = 'store' AND number = 3"};

	return query_row(db, &q, NULL, knows, err);
}

void walk_name(struct str node, char *out, size_t size)
{
	bool exports = store_is_exports(node, &node);

	(void)snprintf(out, size, "%s on %.*s", exports ? "exports" : "denied", STR_ARGS(node));
}

bool walk_page(struct db *db, struct walk *w, int64_t *n, struct err *err)
{
	struct stmt *st;

	return prepare_page(db, w, &st, err) && check_page(w, st, n, err);
}

/* Walks one chain and compares its end with its head. */
static bool walk_chain(struct db *db, struct walk *w, int64_t head, struct str hash,
		       struct err *err)
{
	int64_t n = WALK_PAGE;

	while (n == WALK_PAGE) {
		if (!walk_page(db, w, &n, err)) {
			return false;
		}
	}
	if (w->n != head) {
		return err_set(err, ERR_STORE, "%s: ends at row %lld, its head says %lld", w->chain,
			       (long long)w->n, (long long)head);
	}
	if (!str_eq(hash, str_make(w->hash, w->hash_len))) {
		return err_set(err, ERR_STORE, "%s: the head's hash is not that of row %lld",
			       w->chain, (long long)head);
	}
	return true;
}

static bool verify_changes(struct db *db, int64_t *rows, struct err *err)
{
	struct walk w = {.chain = "audit"};
	struct stmt *st;

	if (!db_prepare(db, "SELECT n, hash FROM head WHERE one = 1", &st, err)) {
		return false;
	}
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome != STORE_ROW) {
		return outcome == STORE_FAILED
			       ? false
			       : err_set(err, ERR_STORE, "the head's row is missing");
	}
	if (!walk_chain(db, &w, stmt_col_int(st, 0), stmt_col_text(st, 1), err)) {
		return false;
	}
	*rows += w.rows;
	return true;
}

/* No row may stand before the beginning. */
static bool begins_behind(struct db *db, const struct walk *w, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT n FROM denied WHERE node = $1 AND n <= $2 LIMIT 1", &st, err)) {
		return false;
	}
	stmt_text(st, 1, w->node);
	stmt_int(st, 2, w->n);
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome == STORE_ROW) {
		(void)err_set(err, ERR_STORE,
			      "%s: row %lld is there, and all up to %lld were pruned", w->chain,
			      (long long)stmt_col_int(st, 0), (long long)w->n);
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool verify_node(struct db *db, struct stmt *st, int64_t *rows, struct err *err)
{
	char chain[160];
	struct walk w = {.chain = chain, .node = stmt_col_text(st, 0), .n = stmt_col_int(st, 3)};
	struct str before = stmt_col_text(st, 4), name;

	walk_name(w.node, chain, sizeof(chain));
	if (w.n != 0 && store_is_exports(w.node, &name)) {
		return err_set(err, ERR_STORE,
			       "%s: no rule takes rows, and those up to %lld are gone", chain,
			       (long long)w.n);
	}
	if (w.n != 0 && before.len != sizeof(w.hash)) {
		return err_set(err, ERR_STORE, "%s: its beginning has no hash", chain);
	}
	if (w.n != 0) {
		memcpy(w.hash, before.at, sizeof(w.hash));
		w.hash_len = sizeof(w.hash);
	}
	if (!begins_behind(db, &w, err) ||
	    !walk_chain(db, &w, stmt_col_int(st, 1), stmt_col_text(st, 2), err)) {
		return false;
	}
	*rows += w.rows;
	return true;
}

static bool verify_denied(struct db *db, int64_t *rows, struct err *err)
{
	struct stmt *st;
	enum store_outcome outcome;
	bool pruning;

	if (!walk_knows_pruning(db, &pruning, err) ||
	    !db_prepare(db,
			pruning ? "SELECT node, n, hash, pruned_n, pruned_hash FROM denied_head"
				  " ORDER BY node LIMIT $1"
				: "SELECT node, n, hash, 0, NULL FROM denied_head"
				  " ORDER BY node LIMIT $1",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, DENIED_NODES_MAX);
	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		if (!verify_node(db, st, rows, err)) {
			return false;
		}
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool verify(struct db *db, void *user, struct err *err)
{
	int64_t *rows = user;

	*rows = 0;
	return verify_changes(db, rows, err) && verify_denied(db, rows, err);
}

bool store_verify_audit(struct store *s, int64_t *rows, struct err *err)
{
	int64_t counted;

	if (!store_read(s, verify, &counted, err)) {
		return false;
	}
	if (rows != NULL) {
		*rows = counted;
	}
	return true;
}
