#include "cloud/ca/ca_store.h"

#include "cloud/ca/ca.h"
#include "store/change.h"
#include "store/query.h"

const struct migration ca_migrations[] = {
	{1, "create table ca_authority (name {text} primary key, sealed {blob} not null, "
	    "spki {blob} not null, der {blob} not null, created {int} not null){strict};\n"
	    "create table ca_listener (name {text} primary key, hosts {text} not null, "
	    "sealed {blob} not null, spki {blob} not null, der {blob} not null, "
	    "issued {int} not null){strict};\n"},
	{0, NULL},
};

void ca_row_init(struct ca_row *row)
{
	row->sealed = BUF(KIB(16));
	row->spki = BUF(KEY_SPKI_MAX);
	row->der = BUF(CERT_DER_MAX);
}

void ca_row_fini(struct ca_row *row)
{
	buf_fini(&row->sealed);
	buf_fini(&row->spki);
	buf_fini(&row->der);
}

/* Columns sealed, spki, der from 0 on. */
static bool read_row(struct stmt *st, struct ca_row *row, struct err *err)
{
	buf_reset(&row->sealed);
	buf_reset(&row->spki);
	buf_reset(&row->der);
	buf_add_str(&row->sealed, stmt_col_text(st, 0));
	buf_add_str(&row->spki, stmt_col_text(st, 1));
	buf_add_str(&row->der, stmt_col_text(st, 2));
	if (buf_failed(&row->sealed) || buf_failed(&row->spki) || buf_failed(&row->der)) {
		return err_set(err, ERR_STORE, "a row of the CA's tables is too long");
	}
	return true;
}

struct authority_load {
	const char *name;
	struct ca_row *row;
	bool found;
};

static bool load_authority(struct db *db, void *user, struct err *err)
{
	struct authority_load *l = user;
	struct stmt *st = NULL;

	l->found = false;
	if (!db_prepare(db, "select sealed, spki, der from ca_authority where name = $1", &st,
			err)) {
		return false;
	}
	stmt_text(st, 1, str_of(l->name));
	enum store_outcome o = stmt_step(st, err);
	bool good = o != STORE_FAILED && (o != STORE_ROW || read_row(st, l->row, err));
	l->found = good && o == STORE_ROW;
	stmt_reset(st);
	return good;
}

bool ca_store_authority(struct store *s, const char *name, struct ca_row *row, bool *found,
			struct err *err)
{
	struct authority_load l = {.name = name, .row = row};

	if (!store_tx(s, load_authority, &l, err)) {
		return err_wrap(err, "certificate authority");
	}
	*found = l.found;
	return true;
}

struct authority_add {
	const struct ca_row *root, *issuing;
	int64_t now;
};

static bool insert_authority(struct db *db, const char *name, const struct ca_row *row, int64_t now,
			     int64_t *changed, struct err *err)
{
	struct stmt *st = NULL;

	if (!db_prepare(db,
			"insert into ca_authority (name, sealed, spki, der, created) "
			"values ($1, $2, $3, $4, $5) on conflict (name) do nothing",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(name));
	stmt_blob(st, 2, buf_str(&row->sealed));
	stmt_blob(st, 3, buf_str(&row->spki));
	stmt_blob(st, 4, buf_str(&row->der));
	stmt_int(st, 5, now);
	return stmt_run(st, changed, err);
}

/* The issuing row is only written by the node whose root was: the two must belong together. */
static bool add_authorities(struct db *db, struct change *c, void *user, struct err *err)
{
	struct authority_add *a = user;
	int64_t changed = 0;

	if (!insert_authority(db, "root", a->root, a->now, &changed, err)) {
		return false;
	}
	if (changed == 1 && !insert_authority(db, "issuing", a->issuing, a->now, &changed, err)) {
		return false;
	}
	change_record(c, &(struct change_audit){.who = STR("system"),
						.from = STR(""),
						.tenant = STR(""),
						.what = STR("ca.create"),
						.object = STR("root and issuing CA"),
						.before = STR(""),
						.after = changed == 1 ? STR("{}") : STR("")});
	return true;
}

bool ca_store_add_authorities(struct store *s, const struct ca_row *root,
			      const struct ca_row *issuing, int64_t now, struct err *err)
{
	struct authority_add a = {root, issuing, now};

	return store_change(s, add_authorities, &a, NULL, err) ||
	       err_wrap(err, "certificate authority");
}

struct listener_load {
	const char *name;
	struct str hosts;
	struct ca_row *row;
	int64_t issued;
	bool found;
};

static bool load_listener(struct db *db, void *user, struct err *err)
{
	struct listener_load *l = user;
	struct stmt *st = NULL;

	l->found = false;
	if (!db_prepare(db,
			"select sealed, spki, der, issued from ca_listener "
			"where name = $1 and hosts = $2",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(l->name));
	stmt_text(st, 2, l->hosts);
	enum store_outcome o = stmt_step(st, err);
	bool good = o != STORE_FAILED && (o != STORE_ROW || read_row(st, l->row, err));
	l->found = good && o == STORE_ROW;
	l->issued = l->found ? stmt_col_int(st, 3) : 0;
	stmt_reset(st);
	return good;
}

bool ca_store_listener(struct store *s, const char *name, struct str hosts, struct ca_row *row,
		       int64_t *issued, bool *found, struct err *err)
{
	struct listener_load l = {.name = name, .hosts = hosts, .row = row};

	if (!store_tx(s, load_listener, &l, err)) {
		return err_wrap(err, "listener's certificate");
	}
	*issued = l.issued;
	*found = l.found;
	return true;
}

static void read_listener(struct stmt *st, void *out)
{
	struct ca_listener_row *row = out;
	struct str der = stmt_col_text(st, 1);

	query_copy(st, 0, row->name, sizeof(row->name));
	if (der.len <= sizeof(row->der)) { /* ours: always */
		memcpy(row->der, der.at, der.len);
		row->len = der.len;
	}
}

bool ca_store_listeners(struct store *s, struct ca_listener_row **rows, size_t *n, struct err *err)
{
	struct query q = {.sql = "select name, der from ca_listener order by name",
			  .read = read_listener,
			  .row_bytes = sizeof(struct ca_listener_row)};

	return query_list(s, &q, rows, n, err) || err_wrap(err, "listeners' certificates");
}

struct listener_put {
	const char *name;
	struct str hosts;
	const struct ca_row *row;
	int64_t issued;
};

static bool put_listener(struct db *db, struct change *c, void *user, struct err *err)
{
	struct listener_put *l = user;
	struct stmt *st = NULL;

	if (!db_prepare(db,
			"insert into ca_listener (name, hosts, sealed, spki, der, issued) "
			"values ($1, $2, $3, $4, $5, $6) on conflict (name) do update set "
			"hosts = excluded.hosts, sealed = excluded.sealed, spki = excluded.spki, "
			"der = excluded.der, issued = excluded.issued",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(l->name));
	stmt_text(st, 2, l->hosts);
	stmt_blob(st, 3, buf_str(&l->row->sealed));
	stmt_blob(st, 4, buf_str(&l->row->spki));
	stmt_blob(st, 5, buf_str(&l->row->der));
	stmt_int(st, 6, l->issued);
	change_record(c, &(struct change_audit){.who = STR("system"),
						.from = STR(""),
						.tenant = STR(""),
						.what = STR("ca.listener"),
						.object = str_of(l->name),
						.before = STR(""),
						.after = STR("")});
	return stmt_run(st, NULL, err);
}

bool ca_store_put_listener(struct store *s, const char *name, struct str hosts,
			   const struct ca_row *row, int64_t issued, struct err *err)
{
	struct listener_put l = {name, hosts, row, issued};

	return store_change(s, put_listener, &l, NULL, err) ||
	       err_wrap(err, "listener's certificate");
}

const struct reseal_table ca_reseal[] = {
	{.kind = RESEAL_KEY,
	 .what = "keys of the certificate authority",
	 .select = "select sealed from ca_authority",
	 .update = "update ca_authority set sealed = $1 where sealed = $2"},
	{.kind = RESEAL_KEY,
	 .what = "keys of listeners",
	 .select = "select sealed from ca_listener",
	 .update = "update ca_listener set sealed = $1 where sealed = $2"},
	{.select = NULL},
};
