#include "keys/reseal.h"

#include "base/crash.h"
#include "base/log.h"

struct item {
	struct buf sealed;
	char tenant[KEYS_TENANT_MAX + 1];
	bool too_long; /* for anything that was ever sealed */
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
	row->too_long = !fits || buf_failed(&row->sealed);
	return true;
}

bool reseal_step(struct reseal_count *count, struct err *err)
{
	count->items++;
	return count->step == NULL || count->step(count, count->user) ||
	       err_set(err, ERR_SYSTEM,
		       "stopped half way, because the program ends: start it again");
}

bool reseal_failed(struct reseal_count *count, struct str what, struct err *err)
{
	bool others = err->kind != ERR_STORE && err->kind != ERR_SYSTEM && err->kind != ERR_NETWORK;

	(void)err_wrap(err, "%.*s", STR_ARGS(what));
	if (!others) {
		return false;
	}
	count->failed++;
	log_error("what is sealed does not open", LOG_ERR(err));
	if (count->failure != NULL) {
		count->failure(err->text, count->user);
	}
	return true;
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

	if (row->too_long) {
		return err_set(err, ERR_DENIED, "longer than anything that was ever sealed");
	}
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

	if (!ask(c, table, row, &anew, &again, err)) {
		char what[256];

		(void)snprintf(what, sizeof(what), "%s%s%s", table->what,
			       row->tenant[0] != '\0' ? ", tenant " : "", row->tenant);
		return reseal_failed(count, str_of(what), err);
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
		ok = do_one(c, s, table, &all.rows[i], change, count, err) &&
		     reseal_step(count, err);
	}
	if (change && count->resealed > before) {
		log_info("sealed again under the first master key", LOG_TEXT("table", table->what),
			 LOG_INT("items", count->resealed - before));
	}
	clear(&all);
	return ok;
}

bool reseal_items(struct store *s, const struct reseal_table *tables, uint64_t *n, struct err *err)
{
	for (const struct reseal_table *t = tables; t->select; t++) {
		struct items all = {.table = t};
		bool ok = store_read(s, read_all, &all, err);

		*n += all.n;
		clear(&all);
		if (!ok) {
			return false;
		}
	}
	return true;
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
