#include "store/audit.h"

static struct audit_entry read_entry(struct stmt *st)
{
	return (struct audit_entry){.n = stmt_col_int(st, 0),
				    .at_ms = stmt_col_int(st, 1),
				    .audit = {.who = stmt_col_text(st, 2),
					      .from = stmt_col_text(st, 3),
					      .tenant = stmt_col_text(st, 4),
					      .what = stmt_col_text(st, 5),
					      .object = stmt_col_text(st, 6),
					      .before = stmt_col_text(st, 7),
					      .after = stmt_col_text(st, 8)},
				    .node = stmt_col_text(st, 9)};
}

static bool tell(struct stmt *st, audit_fn *fn, void *user, struct err *err)
{
	enum store_outcome outcome;

	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		const struct audit_entry entry = read_entry(st);
		fn(&entry, user);
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool each(struct db *db, int64_t before, size_t limit, audit_fn *fn, void *user,
		 struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"SELECT n, at_ms, who, origin, tenant, what, object, was, became, '' FROM"
			" audit WHERE n < $1 ORDER BY n DESC LIMIT $2",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, before);
	stmt_int(st, 2, (int64_t)limit);
	return tell(st, fn, user, err);
}

/* Not store_read(): that may start again, and the entries of a first try were handed out. */
bool store_audit_each(struct store *s, int64_t before, size_t limit, audit_fn *fn, void *user,
		      struct err *err)
{
	struct db *db;

	if (!store_take(s, &db, err)) {
		return false;
	}
	bool ok = each(db, before, limit, fn, user, err);
	store_give(s, db);
	return ok;
}

static bool each_denied(struct db *db, const struct audit_place *after, size_t limit, audit_fn *fn,
			void *user, struct err *err)
{
	const struct audit_place newest = {INT64_MAX, STR(""), 0};
	struct stmt *st;

	if (!db_prepare(db,
			"SELECT n, at_ms, who, origin, tenant, what, object, was, became, node"
			" FROM denied WHERE at_ms < $1 OR (at_ms = $1 AND (node < $2 OR"
			" (node = $2 AND n < $3))) ORDER BY at_ms DESC, node DESC, n DESC LIMIT $4",
			&st, err)) {
		return false;
	}
	after = after != NULL ? after : &newest;
	stmt_int(st, 1, after->at_ms);
	stmt_text(st, 2, after->node.at != NULL ? after->node : STR(""));
	stmt_int(st, 3, after->n);
	stmt_int(st, 4, (int64_t)limit);
	return tell(st, fn, user, err);
}

bool store_denied_each(struct store *s, const struct audit_place *after, size_t limit, audit_fn *fn,
		       void *user, struct err *err)
{
	struct db *db;

	if (!store_take(s, &db, err)) {
		return false;
	}
	bool ok = each_denied(db, after, limit, fn, user, err);
	store_give(s, db);
	return ok;
}

struct wanted {
	struct str node;
	int64_t n;
	uint8_t *hash;
	bool found;
};

static bool prepare_hash(struct db *db, const struct wanted *w, struct stmt **st, struct err *err)
{
	if (w->node.at == NULL) {
		if (!db_prepare(db, "SELECT hash FROM audit WHERE n = $1", st, err)) {
			return false;
		}
	} else {
		if (!db_prepare(db, "SELECT hash FROM denied WHERE n = $1 AND node = $2", st,
				err)) {
			return false;
		}
		stmt_text(*st, 2, w->node);
	}
	stmt_int(*st, 1, w->n);
	return true;
}

static bool find_hash(struct db *db, void *user, struct err *err)
{
	struct wanted *w = user;
	struct stmt *st;

	if (!prepare_hash(db, w, &st, err)) {
		return false;
	}
	enum store_outcome outcome = stmt_step(st, err);
	struct str hash = outcome == STORE_ROW ? stmt_col_text(st, 0) : STR_NONE;
	w->found = hash.len == 32;
	if (w->found) {
		memcpy(w->hash, hash.at, 32);
	}
	stmt_reset(st);
	return outcome != STORE_FAILED;
}

bool store_audit_hash(struct store *s, struct str node, int64_t n, uint8_t hash[static 32],
		      bool *found, struct err *err)
{
	struct wanted w = {.node = node, .n = n, .hash = hash};
	bool ok = store_read(s, find_hash, &w, err);

	*found = w.found;
	return ok;
}
