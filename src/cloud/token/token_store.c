#include "cloud/token/token_store.h"

#include "cloud/token/token.h"

/* `slot` 0 is the first key ever: its uniqueness decides between nodes that start at once. */
const struct migration token_migrations[] = {
	{1, "create table token_key (kid {text} primary key, slot {int} not null unique, "
	    "sealed {blob} not null, spki {blob} not null, created {int} not null){strict};\n"},
	{0, NULL},
};

void token_key_init(struct token_key *k)
{
	k->sealed = BUF(KIB(16));
	k->spki = BUF(KEY_SPKI_MAX);
}

void token_key_fini(struct token_key *k)
{
	buf_fini(&k->sealed);
	buf_fini(&k->spki);
}

struct load {
	struct token_key *newest;
	token_key_fn *each;
	void *user;
	size_t n;
};

static bool take_row(struct stmt *st, struct load *l, struct err *err)
{
	if (l->n++ == 0) {
		buf_reset(&l->newest->sealed);
		buf_reset(&l->newest->spki);
		buf_add_str(&l->newest->sealed, stmt_col_text(st, 0));
		buf_add_str(&l->newest->spki, stmt_col_text(st, 1));
		if (buf_failed(&l->newest->sealed) || buf_failed(&l->newest->spki)) {
			return err_set(err, ERR_STORE, "a key of the token server is too long");
		}
	}
	return l->each(stmt_col_text(st, 1), l->user, err);
}

static bool load(struct db *db, void *user, struct err *err)
{
	struct load *l = user;
	struct stmt *st = NULL;
	enum store_outcome o;
	bool good = true;

	l->n = 0;
	if (!db_prepare(db, "select sealed, spki from token_key order by slot desc", &st, err)) {
		return false;
	}
	while (good && (o = stmt_step(st, err)) != STORE_DONE) {
		good = o == STORE_ROW && take_row(st, l, err);
	}
	stmt_reset(st);
	return good;
}

bool token_store_keys(struct store *s, struct token_key *newest, token_key_fn *each, void *user,
		      size_t *n, struct err *err)
{
	struct load l = {.newest = newest, .each = each, .user = user};

	if (!store_tx(s, load, &l, err)) {
		return err_wrap(err, "keys of the token server");
	}
	*n = l.n;
	return true;
}

struct add {
	const char *kid;
	const struct token_key *key;
	bool first;
	int64_t now;
};

static bool add(struct db *db, struct change *c, void *user, struct err *err)
{
	struct add *a = user;
	struct stmt *st = NULL;

	if (!db_prepare(db,
			"insert into token_key (kid, slot, sealed, spki, created) "
			"select $1, (select coalesce(max(slot) + 1, 0) from token_key), $2, $3, $4 "
			"where $5 = 0 or not exists (select 1 from token_key) "
			"on conflict do nothing",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(a->kid));
	stmt_blob(st, 2, buf_str(&a->key->sealed));
	stmt_blob(st, 3, buf_str(&a->key->spki));
	stmt_int(st, 4, a->now);
	stmt_int(st, 5, a->first ? 1 : 0);
	change_record(c, &(struct change_audit){.who = STR("system"),
						.from = STR(""),
						.tenant = STR(""),
						.what = STR("token.key"),
						.object = str_of(a->kid),
						.before = STR(""),
						.after = STR("")});
	return stmt_run(st, NULL, err);
}

bool token_store_add_key(struct store *s, const char *kid, const struct token_key *k, bool first,
			 int64_t now, struct err *err)
{
	struct add a = {kid, k, first, now};

	return store_change(s, add, &a, NULL, err) || err_wrap(err, "key of the token server");
}

const struct reseal_table token_reseal[] = {
	{.kind = RESEAL_KEY,
	 .what = "keys that sign tokens",
	 .select = "select sealed from token_key",
	 .update = "update token_key set sealed = $1 where sealed = $2"},
	{.select = NULL},
};
