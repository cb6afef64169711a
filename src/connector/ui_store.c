#include "connector/ui_store.h"

#include "connector/state_store_priv.h"
#include "crypto/cert.h"
#include "keys/protocol.h"

const struct migration ui_migrations[] = {
	{1, "create table ui_certificate (slot {int} primary key, sealed {blob} not null, "
	    "spki {blob} not null, chain {text} not null){strict};\n"},
	{0, NULL},
};

void ui_row_init(struct ui_row *row)
{
	row->sealed = BUF(KEYS_SEALED_MAX);
	row->spki = BUF(KEY_SPKI_MAX);
	row->chain_pem = BUF(STATE_CHAIN_MAX);
}

void ui_row_fini(struct ui_row *row)
{
	buf_fini(&row->sealed);
	buf_fini(&row->spki);
	buf_fini(&row->chain_pem);
}

struct get {
	enum ui_slot slot;
	struct ui_row *row;
	bool found;
};

static bool get(struct db *db, void *user, struct err *err)
{
	struct get *g = user;
	struct stmt *st = NULL;

	buf_reset(&g->row->sealed);
	buf_reset(&g->row->spki);
	buf_reset(&g->row->chain_pem);
	if (!db_prepare(db, "select sealed, spki, chain from ui_certificate where slot = $1", &st,
			err)) {
		return false;
	}
	stmt_int(st, 1, g->slot);
	if (!state_step_one(st, &g->found, err)) {
		return false;
	}
	if (g->found) {
		buf_add_str(&g->row->sealed, stmt_col_text(st, 0));
		buf_add_str(&g->row->spki, stmt_col_text(st, 1));
		buf_add_str(&g->row->chain_pem, stmt_col_text(st, 2));
	}
	stmt_reset(st);
	return true;
}

bool ui_store_get(struct store *s, enum ui_slot slot, struct ui_row *out, bool *found,
		  struct err *err)
{
	struct get g = {.slot = slot, .row = out};

	if (!store_read(s, get, &g, err)) {
		return false;
	}
	*found = g.found;
	return true;
}

struct put {
	const struct state_actor *actor;
	const char *what;
	enum ui_slot slot;
	const struct ui_row *row;
	struct str subject;
};

static bool drop(struct db *db, enum ui_slot slot, int64_t *n, struct err *err)
{
	struct stmt *st = NULL;

	if (!db_prepare(db, "delete from ui_certificate where slot = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, slot);
	return stmt_run(st, n, err);
}

/* The waiting key, when it is the one whose certificate came: another one's may come yet. */
static bool drop_request_of(struct db *db, struct str spki, struct err *err)
{
	struct stmt *st = NULL;

	if (!db_prepare(db, "delete from ui_certificate where slot = $1 and spki = $2", &st, err)) {
		return false;
	}
	stmt_int(st, 1, UI_WAITING);
	stmt_blob(st, 2, spki);
	return stmt_run(st, NULL, err);
}

static bool put(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct put *p = user;
	struct stmt *st = NULL;

	if ((p->slot == UI_IN_USE && !drop_request_of(db, buf_str(&p->row->spki), err)) ||
	    !db_prepare(db,
			"insert into ui_certificate (slot, sealed, spki, chain) "
			"values ($1, $2, $3, $4) on conflict (slot) do update set "
			"sealed = excluded.sealed, spki = excluded.spki, chain = excluded.chain",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, p->slot);
	stmt_blob(st, 2, buf_str(&p->row->sealed));
	stmt_blob(st, 3, buf_str(&p->row->spki));
	stmt_text(st, 4, p->row->chain_pem.len > 0 ? buf_str(&p->row->chain_pem) : STR(""));
	state_record(c, p->actor, STR(""), p->what, p->subject, STR(""));
	return stmt_run(st, NULL, err);
}

bool ui_store_put(struct store *s, const struct state_actor *actor, const char *what,
		  enum ui_slot slot, const struct ui_row *row, struct str subject, struct err *err)
{
	struct put p = {actor, what, slot, row, subject};

	return store_change(s, put, &p, NULL, err);
}

static bool delete_both(struct db *db, struct change *c, void *user, struct err *err)
{
	int64_t n = 0;

	state_record(c, user, STR(""), "ui-certificate.delete", STR("default"), STR(""));
	return drop(db, UI_IN_USE, &n, err) && drop(db, UI_WAITING, NULL, err) &&
	       (n > 0 || err_set(err, ERR_MISSING,
				 "no certificate was installed: the connector's "
				 "own is in use"));
}

bool ui_store_delete(struct store *s, const struct state_actor *actor, struct err *err)
{
	struct state_actor copy = *actor;

	return store_change(s, delete_both, &copy, NULL, err);
}

const struct reseal_table ui_reseal[] = {
	{.kind = RESEAL_KEY,
	 .what = "keys of the administration's certificate",
	 .select = "select sealed from ui_certificate",
	 .update = "update ui_certificate set sealed = $1 where sealed = $2"},
	{.select = NULL},
};
