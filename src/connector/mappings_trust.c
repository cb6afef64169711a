/* The smaller tables of mappings_store: cookie domains and trusted certificates. */
#include "connector/mappings_store.h"

#include "connector/mappings_priv.h"
#include "connector/mappings_tx.h"

struct write {
	struct mappings_change change;
	struct str internal, to_internal, to_virtual;
	const struct trusted_row *rows;
	size_t n;
	struct str alias;
};

/* ---- cookie domains ---- */

struct domain_list {
	struct arena *arena;
	struct mappings_owner owner;
	struct domain_row *rows;
	size_t n;
};

static bool read_domains(struct db *db, void *user, struct err *err)
{
	struct domain_list *l = user;
	struct stmt *st;
	enum store_outcome o;

	l->n = 0;
	if (!db_prepare(db,
			"select region_host, subaccount, internal, virtual from cookie_domain "
			"where ($1 = '' or region_host = $1) and ($2 = '' or subaccount = $2) "
			"order by id",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, l->owner.region_host.at ? l->owner.region_host : STR(""));
	stmt_text(st, 2, l->owner.subaccount.at ? l->owner.subaccount : STR(""));
	while ((o = stmt_step(st, err)) == STORE_ROW) {
		l->rows = mappings_grow(l->arena, l->rows, l->n, sizeof *l->rows);
		struct domain_row *row = l->rows ? &l->rows[l->n++] : NULL;
		if (row == NULL || !mappings_keep(l->arena, st, 0, &row->region_host) ||
		    !mappings_keep(l->arena, st, 1, &row->subaccount) ||
		    !mappings_keep(l->arena, st, 2, &row->internal) ||
		    !mappings_keep(l->arena, st, 3, &row->virtual_domain)) {
			stmt_reset(st);
			return mappings_full(err);
		}
	}
	stmt_reset(st);
	return o == STORE_DONE;
}

bool domains_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
		     struct domain_row **rows, size_t *n, struct err *err)
{
	struct domain_list l = {.arena = arena, .owner = owner};

	if (!read_domains(db, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

bool domains_list(struct store *s, struct arena *arena, struct mappings_owner owner,
		  struct domain_row **rows, size_t *n, struct err *err)
{
	struct domain_list l = {.arena = arena, .owner = owner};

	if (!store_read(s, read_domains, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

static bool domain_missing(struct str internal, struct err *err)
{
	return err_set(err, ERR_MISSING, "Domain mapping with value '%.*s' does not exist",
		       STR_ARGS(str_first(internal, 200)));
}

bool domains_insert_in(struct db *db, struct mappings_owner owner, const struct domain_row *row,
		       struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"insert into cookie_domain (region_host, subaccount, internal, virtual) "
			"values ($1, $2, $3, $4)",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, owner.region_host);
	stmt_text(st, 2, owner.subaccount);
	stmt_text(st, 3, row->internal);
	stmt_text(st, 4, row->virtual_domain);
	return stmt_run(st, NULL, err);
}

static bool add_domain(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	const struct domain_row row = {.internal = w->internal, .virtual_domain = w->to_virtual};

	mappings_record(c, &w->change, "domain.create", w->internal);
	return mappings_count(db,
			      "select count(*) from cookie_domain where region_host = $1 and "
			      "subaccount = $2",
			      w->change.owner, 0, DOMAINS_MAX, "domain mappings", err) &&
	       domains_insert_in(db, w->change.owner, &row, err);
}

bool domains_add(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		 struct str internal, struct str virtual_domain, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")},
			  .internal = internal,
			  .to_virtual = virtual_domain};

	if (store_change(s, add_domain, &w, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT, "Domain mapping %.*s exists already",
				 STR_ARGS(str_first(internal, 200)))
		       : false;
}

bool domains_update_in(struct db *db, struct mappings_owner owner, struct str internal,
		       const struct domain_row *to, int64_t *changed, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"update cookie_domain set internal = $4, virtual = $5 where "
			"region_host = $1 and subaccount = $2 and internal = $3",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, owner.region_host);
	stmt_text(st, 2, owner.subaccount);
	stmt_text(st, 3, internal);
	stmt_text(st, 4, to->internal);
	stmt_text(st, 5, to->virtual_domain);
	return stmt_run(st, changed, err);
}

static bool edit_domain(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	const struct domain_row to = {.internal = w->to_internal, .virtual_domain = w->to_virtual};
	int64_t n = 0;

	mappings_record(c, &w->change, "domain.edit", w->internal);
	return domains_update_in(db, w->change.owner, w->internal, &to, &n, err) &&
	       (n > 0 || domain_missing(w->internal, err));
}

bool domains_edit(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		  struct str internal, struct str to_internal, struct str to_virtual,
		  struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")},
			  .internal = internal,
			  .to_internal = to_internal,
			  .to_virtual = to_virtual};

	return store_change(s, edit_domain, &w, NULL, err);
}

bool domains_delete_in(struct db *db, struct mappings_owner owner, struct str internal,
		       int64_t *changed, struct err *err)
{
	struct stmt *st;
	bool all = internal.at == NULL;

	if (!db_prepare(db,
			"delete from cookie_domain where region_host = $1 and subaccount = $2 and "
			"($3 = 1 or internal = $4)",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, owner.region_host);
	stmt_text(st, 2, owner.subaccount);
	stmt_int(st, 3, all);
	stmt_text(st, 4, all ? STR("") : internal);
	return stmt_run(st, changed, err);
}

static bool delete_domain(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	int64_t n = 0;
	bool all = w->internal.at == NULL;

	mappings_record(c, &w->change, "domain.delete", all ? STR("all") : w->internal);
	return domains_delete_in(db, w->change.owner, w->internal, &n, err) &&
	       (all || n > 0 || domain_missing(w->internal, err));
}

bool domains_delete(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		    struct str internal, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")}, .internal = internal};

	return store_change(s, delete_domain, &w, NULL, err);
}

/* ---- trusted certificates ---- */

struct trusted_list {
	struct arena *arena;
	struct trusted_row *rows;
	size_t n;
};

static bool read_trusted(struct db *db, void *user, struct err *err)
{
	struct trusted_list *l = user;
	struct stmt *st;
	enum store_outcome o;

	l->n = 0;
	if (!db_prepare(db, "select alias, pem from backend_trust order by id", &st, err)) {
		return false;
	}
	while ((o = stmt_step(st, err)) == STORE_ROW) {
		l->rows = mappings_grow(l->arena, l->rows, l->n, sizeof *l->rows);
		struct trusted_row *row = l->rows ? &l->rows[l->n++] : NULL;
		if (row == NULL || !mappings_keep(l->arena, st, 0, &row->alias) ||
		    !mappings_keep(l->arena, st, 1, &row->pem)) {
			stmt_reset(st);
			return mappings_full(err);
		}
	}
	stmt_reset(st);
	return o == STORE_DONE;
}

bool trusted_list(struct store *s, struct arena *arena, struct trusted_row **rows, size_t *n,
		  struct err *err)
{
	struct trusted_list l = {.arena = arena};

	if (!store_read(s, read_trusted, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

static bool add_trusted(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	struct stmt *st;

	if (!mappings_count(db, "select count(*) from backend_trust where id > 0 and id <> $1",
			    w->change.owner, -1, TRUSTED_MAX, "trusted certificates", err)) {
		return false;
	}
	for (size_t i = 0; i < w->n; i++) {
		if (!db_prepare(db, "insert into backend_trust (alias, pem) values ($1, $2)", &st,
				err)) {
			return false;
		}
		stmt_text(st, 1, w->rows[i].alias);
		stmt_text(st, 2, w->rows[i].pem);
		if (!stmt_run(st, NULL, err)) {
			return false;
		}
	}
	mappings_record(c, &w->change, "trust.add", w->rows[0].alias);
	return true;
}

bool trusted_add(struct store *s, const struct state_actor *actor, const struct trusted_row *rows,
		 size_t n, struct err *err)
{
	struct write w = {.change = {actor, {STR(""), STR("")}, STR("")}, .rows = rows, .n = n};

	if (store_change(s, add_trusted, &w, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT, "the certificate is trusted already")
		       : false;
}

static bool delete_trusted(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	struct stmt *st;
	int64_t n = 0;
	bool all = w->alias.at == NULL;

	if (!db_prepare(db, "delete from backend_trust where $1 = 1 or alias = $2", &st, err)) {
		return false;
	}
	stmt_int(st, 1, all);
	stmt_text(st, 2, all ? STR("") : w->alias);
	mappings_record(c, &w->change, "trust.delete", all ? STR("all") : w->alias);
	return stmt_run(st, &n, err) &&
	       (all || n > 0 ||
		err_set(err, ERR_MISSING, "Certificate with alias '%.*s' does not exist",
			STR_ARGS(str_first(w->alias, 100))));
}

bool trusted_delete(struct store *s, const struct state_actor *actor, struct str alias,
		    struct err *err)
{
	struct write w = {.change = {actor, {STR(""), STR("")}, STR("")}, .alias = alias};

	return store_change(s, delete_trusted, &w, NULL, err);
}
