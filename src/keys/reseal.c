#include "keys/reseal.h"

#include "base/crash.h"
#include "base/log.h"

struct item {
	struct buf sealed;
	char tenant[KEYS_TENANT_MAX + 1];
};

struct items {
	const struct reseal_table *table;
	struct item *rows;
	size_t n, room;
};

static void clear(struct items *all)
{
	for (size_t i = 0; i < all->n; i++) {
		buf_fini(&all->rows[i].sealed);
	}
	free(all->rows);
	all->rows = NULL;
	all->n = all->room = 0;
}

static bool add(struct items *all, struct stmt *st, struct err *err)
{
	struct str sealed = stmt_col_text(st, 0);

	if (sealed.len == 0) {
		return true;
	}
	if (all->n == RESEAL_ROWS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d rows of %s", RESEAL_ROWS_MAX,
			       all->table->what);
	}
	if (all->n == all->room) {
		all->room = all->room == 0 ? 64 : 2 * all->room;
		all->rows = must_realloc(all->rows, all->room * sizeof(*all->rows));
	}
	struct item *row = &all->rows[all->n++];
	*row = (struct item){.sealed = BUF(KEYS_PLAIN_MAX + KIB(1))};
	buf_add_str(&row->sealed, sealed);
	bool fits = all->table->kind != RESEAL_DATA_KEY ||
		    str_copy(stmt_col_text(st, 1), row->tenant, sizeof(row->tenant));
	return (fits && !buf_failed(&row->sealed)) ||
	       err_set(err, ERR_STORE, "a row of %s is too long", all->table->what);
}

static bool read_all(struct db *db, void *user, struct err *err)
{
	struct items *all = user;
	struct stmt *st;
	enum store_outcome outcome;

	clear(all);
	if (!db_prepare(db, all->table->select, &st, err)) {
		return false;
	}
	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		if (!add(all, st, err)) {
			stmt_reset(st);
			return false;
		}
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool ask(struct keys_client *c, const struct reseal_table *table, const struct item *row,
		struct buf *anew, bool *again, struct err *err)
{
	struct str sealed = buf_str(&row->sealed);

	switch (table->kind) {
	case RESEAL_KEY:
		return keys_reseal_key(c, sealed, anew, again, err);
	case RESEAL_SECRET:
		return keys_reseal_secret(c, table->label, sealed, anew, again, err);
	case RESEAL_DATA_KEY:
	default:
		return keys_data_key_rewrap(c, str_of(row->tenant), sealed, anew, again, err);
	}
}

struct write {
	const struct reseal_table *table;
	struct str old, anew;
};

static bool write_one(struct db *db, void *user, struct err *err)
{
	const struct write *w = user;
	struct stmt *st;

	if (!db_prepare(db, w->table->update, &st, err)) {
		return false;
	}
	stmt_blob(st, 1, w->anew);
	stmt_blob(st, 2, w->old);
	return stmt_run(st, NULL, err);
}

static bool do_one(struct keys_client *c, struct store *s, const struct reseal_table *table,
		   const struct item *row, bool change, struct reseal_count *count, struct err *err)
{
	AUTO_BUF struct buf anew = BUF(KEYS_PLAIN_MAX + KIB(1));
	bool again = false;

	count->items++;
	if (!ask(c, table, row, &anew, &again, err)) {
		if (err->kind != ERR_DENIED) {
			return false;
		}
		count->failed++;
		log_error("what is sealed does not open", LOG_TEXT("table", table->what),
			  LOG_ERR(err));
		return true;
	}
	if (!again) {
		return true;
	}
	if (!change) {
		count->under_old++;
		return true;
	}
	struct write w = {.table = table, .old = buf_str(&row->sealed), .anew = buf_str(&anew)};
	count->resealed++;
	CRASH_POINT("keystore.reseal.resealed");
	if (!store_tx(s, write_one, &w, err)) {
		return false;
	}
	CRASH_POINT("keystore.reseal.stored"); /* one row, and the others not */
	return true;
}

static bool do_table(struct keys_client *c, struct store *s, const struct reseal_table *table,
		     bool change, struct reseal_count *count, struct err *err)
{
	struct items all = {.table = table};
	uint64_t before = count->resealed;

	bool ok = store_read(s, read_all, &all, err);
	for (size_t i = 0; ok && i < all.n; i++) {
		ok = do_one(c, s, table, &all.rows[i], change, count, err);
	}
	if (change && count->resealed > before) {
		log_info("sealed again under the first master key", LOG_TEXT("table", table->what),
			 LOG_INT("items", count->resealed - before));
	}
	clear(&all);
	return ok;
}

bool reseal_run(struct keys_client *c, struct store *s, const struct reseal_table *tables,
		bool change, struct reseal_count *count, struct err *err)
{
	for (const struct reseal_table *t = tables; t->select; t++) {
		if (!do_table(c, s, t, change, count, err)) {
			return false;
		}
	}
	return true;
}
