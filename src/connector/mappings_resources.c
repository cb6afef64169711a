#include "connector/mappings_store.h"

#include "connector/mappings_priv.h"
#include "connector/mappings_tx.h"

struct list {
	struct arena *arena;
	int64_t mapping;
	struct str path; /* only this one; at == NULL: all */
	struct resource_row *rows;
	size_t n;
};

static bool take_resource(struct arena *a, struct stmt *st, struct resource_row *row)
{
	row->mapping = stmt_col_int(st, 0);
	row->enabled = stmt_col_int(st, 3) != 0;
	row->exact = stmt_col_int(st, 4) != 0;
	row->upgrade = stmt_col_int(st, 5) != 0;
	row->created_ms = stmt_col_int(st, 6);
	return mappings_keep(a, st, 1, &row->path) && mappings_keep(a, st, 2, &row->description);
}

static bool take_all(struct list *l, struct stmt *st, struct err *err)
{
	enum store_outcome o;

	l->n = 0;
	while ((o = stmt_step(st, err)) == STORE_ROW) {
		l->rows = mappings_grow(l->arena, l->rows, l->n, sizeof *l->rows);
		if (l->rows == NULL || !take_resource(l->arena, st, &l->rows[l->n])) {
			stmt_reset(st);
			return mappings_full(err);
		}
		l->n++;
	}
	stmt_reset(st);
	return o == STORE_DONE;
}

static bool read_resources(struct db *db, void *user, struct err *err)
{
	struct list *l = user;
	struct stmt *st;

	if (!db_prepare(db,
			"select mapping, path, description, enabled, exact, upgrade, created_ms "
			"from mapping_resource where ($1 = 0 or mapping = $1) and "
			"($2 = 0 or path = $3) order by mapping, id",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, l->mapping);
	stmt_int(st, 2, l->path.at != NULL);
	stmt_text(st, 3, l->path.at ? l->path : STR(""));
	return take_all(l, st, err);
}

bool resources_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
		       struct resource_row **rows, size_t *n, struct err *err)
{
	struct list l = {.arena = arena};
	struct stmt *st;

	if (!db_prepare(db,
			"select r.mapping, r.path, r.description, r.enabled, r.exact, r.upgrade, "
			"r.created_ms from mapping_resource r join mapping m on m.id = r.mapping "
			"where m.region_host = $1 and m.subaccount = $2 order by r.mapping, r.id",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, owner.region_host);
	stmt_text(st, 2, owner.subaccount);
	if (!take_all(&l, st, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

bool resources_list(struct store *s, struct arena *arena, int64_t mapping,
		    struct resource_row **rows, size_t *n, struct err *err)
{
	struct list l = {.arena = arena, .mapping = mapping};

	if (!store_read(s, read_resources, &l, err)) {
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}

static bool missing(struct str path, struct err *err)
{
	return err_set(err, ERR_MISSING, "Resource with value '%.*s' does not exist",
		       STR_ARGS(str_first(path, 200)));
}

bool resources_get(struct store *s, struct arena *arena, int64_t mapping, struct str path,
		   struct resource_row *out, struct err *err)
{
	struct list l = {.arena = arena, .mapping = mapping, .path = path};

	if (!store_read(s, read_resources, &l, err)) {
		return false;
	}
	if (l.n == 0) {
		return missing(path, err);
	}
	*out = l.rows[0];
	return true;
}

struct write {
	struct mappings_change change;
	const struct resource_row *row;
	int64_t mapping;
	struct str path;
};

static void bind(struct stmt *st, const struct resource_row *row)
{
	stmt_int(st, 1, row->mapping);
	stmt_text(st, 2, row->path);
	stmt_int(st, 3, row->enabled);
	stmt_int(st, 4, row->exact);
	stmt_int(st, 5, row->upgrade);
	stmt_text(st, 6, row->description);
}

bool resources_insert_in(struct db *db, const struct resource_row *row, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"insert into mapping_resource (mapping, path, enabled, exact, upgrade, "
			"description, created_ms) values ($1, $2, $3, $4, $5, $6, $7)",
			&st, err)) {
		return false;
	}
	bind(st, row);
	stmt_int(st, 7, row->created_ms);
	return stmt_run(st, NULL, err);
}

static bool add(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;

	mappings_record(c, &w->change, "resource.create", w->row->path);
	return mappings_count(db, "select count(*) from mapping_resource where mapping = $1",
			      w->change.owner, w->row->mapping, RESOURCES_MAX, "resources", err) &&
	       resources_insert_in(db, w->row, err);
}

bool resources_add(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		   const struct resource_row *row, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")}, .row = row};

	if (store_change(s, add, &w, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT, "Resource %.*s exists already",
				 STR_ARGS(str_first(row->path, 200)))
		       : false;
}

bool resources_update_in(struct db *db, const struct resource_row *row, struct err *err)
{
	struct stmt *st;
	int64_t n = 0;

	if (!db_prepare(db,
			"update mapping_resource set enabled = $3, exact = $4, upgrade = $5, "
			"description = $6 where mapping = $1 and path = $2",
			&st, err)) {
		return false;
	}
	bind(st, row);
	return stmt_run(st, &n, err) && (n > 0 || missing(row->path, err));
}

static bool edit(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;

	mappings_record(c, &w->change, "resource.edit", w->row->path);
	return resources_update_in(db, w->row, err);
}

bool resources_edit(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		    const struct resource_row *row, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")}, .row = row};

	return store_change(s, edit, &w, NULL, err);
}

static bool delete_rows(struct db *db, int64_t mapping, struct str path, struct err *err)
{
	struct stmt *st;
	int64_t n = 0;
	bool all = path.at == NULL;

	if (!db_prepare(db,
			"delete from mapping_resource where mapping = $1 and ($2 = 1 or path = $3)",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, mapping);
	stmt_int(st, 2, all);
	stmt_text(st, 3, all ? STR("") : path);
	return stmt_run(st, &n, err) && (all || n > 0 || missing(path, err));
}

bool resources_delete_in(struct db *db, const struct resource_row *row, struct err *err)
{
	return delete_rows(db, row->mapping, row->path, err);
}

static bool remove_rows(struct db *db, struct change *c, void *user, struct err *err)
{
	struct write *w = user;
	bool all = w->path.at == NULL;

	mappings_record(c, &w->change, all ? "resource.delete-all" : "resource.delete",
			all ? STR("") : w->path);
	return delete_rows(db, w->mapping, w->path, err);
}

bool resources_delete(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		      int64_t mapping, struct str path, struct err *err)
{
	struct write w = {.change = {actor, owner, STR("")}, .mapping = mapping, .path = path};

	return store_change(s, remove_rows, &w, NULL, err);
}
