#include "connector/mappings_store.h"

#include "base/clock.h"
#include "connector/mappings_priv.h"
#include "connector/mappings_tx.h"

const struct migration mappings_migrations[] = {
	{1, "create table mapping (id {serial}, region_host {text} not null, "
	    "subaccount {text} not null, name {text} not null, virtual_host {text} not null, "
	    "virtual_port {text} not null, local_host {text} not null, local_port {text} not null, "
	    "protocol {text} not null, backend_type {text} not null, auth_mode {text} not null, "
	    "host_internal {int} not null, plain_prefix {int} not null, sid {text}, "
	    "description {text}, snc_partner {text}, sap_router {text}, "
	    "allowed_clients {text} not null, blocked_users {text} not null, "
	    "created_ms {int} not null, unique (region_host, subaccount, name)){strict};\n"
	    "create table mapping_resource (id {serial}, mapping {int} not null, "
	    "path {text} not null, enabled {int} not null, exact {int} not null, "
	    "upgrade {int} not null, description {text}, created_ms {int} not null, "
	    "unique (mapping, path)){strict};\n"
	    "create table cookie_domain (id {serial}, region_host {text} not null, "
	    "subaccount {text} not null, internal {text} not null, virtual {text} not null, "
	    "unique (region_host, subaccount, internal)){strict};\n"
	    "create table backend_trust (id {serial}, alias {text} not null unique, "
	    "pem {text} not null){strict};\n"},
	{0, NULL},
};

/* ---- shared: see mappings_priv.h ---- */

struct str mappings_lower(struct str s, char *into, size_t size)
{
	size_t n = s.len < size ? s.len : size;

	for (size_t i = 0; i < n; i++) {
		char c = s.at[i];
		into[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return str_make(into, n);
}

void mappings_record(struct change *c, const struct mappings_change *m, const char *what,
		     struct str object)
{
	change_record(c, &(struct change_audit){.who = m->actor->who,
						.from = m->actor->from,
						.tenant = m->owner.subaccount,
						.what = str_of(what),
						.object = object,
						.before = STR(""),
						.after = m->after});
}

bool mappings_keep(struct arena *arena, struct stmt *st, int col, struct str *out)
{
	struct str text = stmt_col_text(st, col);

	if (stmt_col_is_null(st, col)) {
		*out = STR_NONE;
		return true;
	}
	*out = text.len > 0 ? arena_str(arena, text) : STR("");
	return out->at != NULL;
}

bool mappings_full(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the list is too large to be answered in one piece");
}

void *mappings_grow(struct arena *arena, void *rows, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0) {
		return rows; /* there is room up to the next power of two */
	}
	void *bigger = arena_get_zeroed(arena, (n ? n * 2 : 1) * size);
	if (bigger != NULL && n > 0) {
		memcpy(bigger, rows, n * size);
	}
	return bigger;
}

bool mappings_count(struct db *db, const char *sql, struct mappings_owner owner, int64_t id,
		    int64_t max, const char *what, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, sql, &st, err)) {
		return false;
	}
	if (id != 0) {
		stmt_int(st, 1, id);
	} else {
		stmt_text(st, 1, owner.region_host);
		stmt_text(st, 2, owner.subaccount);
	}
	if (stmt_step(st, err) != STORE_ROW) {
		return false;
	}
	int64_t n = stmt_col_int(st, 0);
	stmt_reset(st);
	return n < max ||
	       err_set(err, ERR_LIMIT, "there are %lld %s already, and no more are allowed",
		       (long long)n, what);
}

/* ---- reading ---- */

#define MAPPING_COLUMNS                                                                            \
	"select m.id, m.region_host, m.subaccount, m.virtual_host, m.virtual_port, m.local_host, " \
	"m.local_port, m.protocol, m.backend_type, m.auth_mode, m.host_internal, m.plain_prefix, " \
	"m.sid, m.description, m.snc_partner, m.sap_router, m.allowed_clients, m.blocked_users, "  \
	"m.created_ms, (select count(*) from mapping_resource r where r.mapping = m.id), "         \
	"(select count(*) from mapping_resource r where r.mapping = m.id and r.enabled = 1) "      \
	"from mapping m "

static bool take_mapping(struct arena *a, struct stmt *st, struct mapping_row *row)
{
	struct str *const texts[] = {
		&row->region_host,  &row->subaccount,   &row->virtual_host,
		&row->virtual_port, &row->local_host,   &row->local_port,
		&row->protocol,     &row->backend_type, &row->authentication_mode,
	};
	struct str *const later[] = {
		&row->sid,        &row->description,     &row->snc_partner,
		&row->sap_router, &row->allowed_clients, &row->blocked_users,
	};
	bool good = true;

	row->id = stmt_col_int(st, 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		good = mappings_keep(a, st, (int)i + 1, texts[i]) && good;
	}
	row->host_internal = stmt_col_int(st, 10) != 0;
	row->plain_prefix = stmt_col_int(st, 11) != 0;
	for (size_t i = 0; i < COUNT(later); i++) {
		good = mappings_keep(a, st, (int)i + 12, later[i]) && good;
	}
	row->created_ms = stmt_col_int(st, 18);
	row->n_resources = stmt_col_int(st, 19);
	row->n_enabled = stmt_col_int(st, 20);
	return good;
}

struct list {
	struct arena *arena;
	struct mappings_owner owner;
	struct str name; /* only this one; at == NULL: all */
	struct mapping_row *rows;
	size_t n;
};

static bool read_mappings(struct db *db, void *user, struct err *err)
{
	struct list *l = user;
	struct stmt *st;
	enum store_outcome o;

	l->n = 0;
	if (!db_prepare(db,
			MAPPING_COLUMNS "where ($1 = '' or m.region_host = $1) and "
					"($2 = '' or m.subaccount = $2) and "
					"($3 = '' or m.name = $3) order by m.id",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, l->owner.region_host.at ? l->owner.region_host : STR(""));
	stmt_text(st, 2, l->owner.subaccount.at ? l->owner.subaccount : STR(""));
	stmt_text(st, 3, l->name.at ? l->name : STR(""));
	while ((o = stmt_step(st, err)) == STORE_ROW) {
		l->rows = mappings_grow(l->arena, l->rows, l->n, sizeof *l->rows);
		if (l->rows == NULL || !take_mapping(l->arena, st, &l->rows[l->n])) {
			stmt_reset(st);
			return mappings_full(err);
		}
		l->n++;
	}
	stmt_reset(st);
	return o == STORE_DONE;
}

bool mappings_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
		      struct mapping_row **rows, size_t *n, struct err *err)
{
	struct list l = {.arena = arena, .owner = owner};

	if (!read_mappings(db, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

bool mappings_list(struct store *s, struct arena *arena, struct mappings_owner owner,
		   struct mapping_row **rows, size_t *n, struct err *err)
{
	struct list l = {.arena = arena, .owner = owner};

	if (!store_read(s, read_mappings, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

struct str mappings_name(struct str host, struct str port, char *into, size_t size)
{
	char text[600];
	int len = snprintf(text, sizeof text, "%.*s:%.*s", STR_ARGS(host), STR_ARGS(port));

	return mappings_lower(str_first(str_of(text), (size_t)len), into, size);
}

bool mappings_get(struct store *s, struct arena *arena, struct mappings_owner owner,
		  struct str host, struct str port, struct mapping_row *out, struct err *err)
{
	char name[MAPPINGS_NAME_MAX];
	struct list l = {.arena = arena,
			 .owner = owner,
			 .name = mappings_name(host, port, name, sizeof name)};

	if (!store_read(s, read_mappings, &l, err)) {
		return false;
	}
	if (l.n == 0) {
		return err_set(err, ERR_MISSING, "System mapping with value '%.*s' does not exist",
			       STR_ARGS(str_first(l.name, 200)));
	}
	*out = l.rows[0];
	return true;
}

/* ---- writing ---- */

static void bind_mapping(struct stmt *st, const struct mapping_row *row)
{
	stmt_text(st, 1, row->local_host);
	stmt_text(st, 2, row->local_port);
	stmt_text(st, 3, row->protocol);
	stmt_text(st, 4, row->backend_type);
	stmt_text(st, 5, row->authentication_mode);
	stmt_int(st, 6, row->host_internal);
	stmt_int(st, 7, row->plain_prefix);
	stmt_text(st, 8, row->sid);
	stmt_text(st, 9, row->description);
	stmt_text(st, 10, row->snc_partner);
	stmt_text(st, 11, row->sap_router);
	stmt_text(st, 12, row->allowed_clients.at ? row->allowed_clients : STR("[]"));
	stmt_text(st, 13, row->blocked_users.at ? row->blocked_users : STR("[]"));
}

struct write {
	struct mappings_change change;
	const struct mapping_row *row;
	struct str name;
	int64_t id;
};

bool mappings_insert_in(struct db *db, struct mappings_owner owner, const struct mapping_row *row,
			int64_t *id, struct err *err)
{
	char name[MAPPINGS_NAME_MAX];
	struct stmt *st;

	if (!db_prepare(
		    db,
		    "insert into mapping (local_host, local_port, protocol, backend_type, "
		    "auth_mode, host_internal, plain_prefix, sid, description, snc_partner, "
		    "sap_router, allowed_clients, blocked_users, region_host, subaccount, name, "
		    "virtual_host, virtual_port, created_ms) values ($1, $2, $3, $4, $5, $6, $7, "
		    "$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) returning id",
		    &st, err)) {
		return false;
	}
	bind_mapping(st, row);
	stmt_text(st, 14, owner.region_host);
	stmt_text(st, 15, owner.subaccount);
	stmt_text(st, 16, mappings_name(row->virtual_host, row->virtual_port, name, sizeof name));
	stmt_text(st, 17, row->virtual_host);
	stmt_text(st, 18, row->virtual_port);
	stmt_int(st, 19, row->created_ms);
	if (stmt_step(st, err) != STORE_ROW) {
		return false;
	}
	*id = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

static bool add_mapping(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;

	mappings_record(c, &w->change, "mapping.create", w->name);
	return mappings_count(
		       db,
		       "select count(*) from mapping where region_host = $1 and subaccount = $2",
		       w->change.owner, 0, MAPPINGS_MAX, "system mappings", err) &&
	       mappings_insert_in(db, w->change.owner, w->row, &w->id, err);
}

bool mappings_add(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		  const struct mapping_row *row, struct err *err)
{
	char name[MAPPINGS_NAME_MAX];
	struct write w = {
		.change = {actor, owner, STR("")},
		.row = row,
		.name = mappings_name(row->virtual_host, row->virtual_port, name, sizeof name)};

	if (store_change(s, add_mapping, &w, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT, "System mapping %.*s exists already",
				 STR_ARGS(str_first(w.name, 200)))
		       : false;
}

bool mappings_update_in(struct db *db, struct mappings_owner owner, const struct mapping_row *row,
			struct err *err)
{
	struct stmt *st;
	int64_t n = 0;

	if (!db_prepare(db,
			"update mapping set local_host = $1, local_port = $2, protocol = $3, "
			"backend_type = $4, auth_mode = $5, host_internal = $6, plain_prefix = $7, "
			"sid = $8, description = $9, snc_partner = $10, sap_router = $11, "
			"allowed_clients = $12, blocked_users = $13 where id = $14 and "
			"region_host = $15 and subaccount = $16",
			&st, err)) {
		return false;
	}
	bind_mapping(st, row);
	stmt_int(st, 14, row->id);
	stmt_text(st, 15, owner.region_host);
	stmt_text(st, 16, owner.subaccount);
	if (!stmt_run(st, &n, err)) {
		return false;
	}
	return n > 0 || err_set(err, ERR_MISSING, "the system mapping does not exist any more");
}

static bool edit_mapping(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;

	mappings_record(c, &w->change, "mapping.edit", w->name);
	return mappings_update_in(db, w->change.owner, w->row, err);
}

bool mappings_edit(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		   const struct mapping_row *row, struct err *err)
{
	char name[MAPPINGS_NAME_MAX];
	struct write w = {
		.change = {actor, owner, STR("")},
		.row = row,
		.name = mappings_name(row->virtual_host, row->virtual_port, name, sizeof name)};

	return store_change(s, edit_mapping, &w, NULL, err);
}

static bool run_owned(struct db *db, const char *sql, struct mappings_owner owner, int64_t id,
		      struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, sql, &st, err)) {
		return false;
	}
	stmt_text(st, 1, owner.region_host);
	stmt_text(st, 2, owner.subaccount);
	if (id >= 0) {
		stmt_int(st, 3, id);
	}
	return stmt_run(st, NULL, err);
}

static bool delete_rows(struct db *db, struct mappings_owner owner, int64_t id, struct err *err)
{
	if (id == 0) {
		return run_owned(db,
				 "delete from mapping_resource where mapping in (select id from "
				 "mapping where region_host = $1 and subaccount = $2)",
				 owner, -1, err) &&
		       run_owned(db,
				 "delete from mapping where region_host = $1 and subaccount = $2",
				 owner, -1, err);
	}
	/* By its number alone, not all of the owner's: an import removes thousands, one by one. */
	return run_owned(db,
			 "delete from mapping_resource where mapping in (select id from mapping "
			 "where region_host = $1 and subaccount = $2 and id = $3)",
			 owner, id, err) &&
	       run_owned(db,
			 "delete from mapping where region_host = $1 and subaccount = $2 and "
			 "id = $3",
			 owner, id, err);
}

bool mappings_delete_in(struct db *db, struct mappings_owner owner, int64_t id, struct err *err)
{
	return delete_rows(db, owner, id, err);
}

static bool delete_mappings(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	char id[24];

	snprintf(id, sizeof id, "%lld", (long long)w->id);
	mappings_record(c, &w->change, w->id ? "mapping.delete" : "mapping.delete-all", str_of(id));
	return delete_rows(db, w->change.owner, w->id, err);
}

bool mappings_delete(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		     int64_t id, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")}, .id = id};

	return store_change(s, delete_mappings, &w, NULL, err);
}

bool mappings_purge_in(struct db *db, struct mappings_owner owner, struct err *err)
{
	return delete_rows(db, owner, 0, err) &&
	       run_owned(db, "delete from cookie_domain where region_host = $1 and subaccount = $2",
			 owner, -1, err);
}
