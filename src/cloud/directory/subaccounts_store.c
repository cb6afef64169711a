#include "cloud/directory/subaccounts.h"

#include "base/clock.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/owners_priv.h"
#include "cloud/directory/subaccounts_priv.h"

enum {
	JSON_MAX = KIB(16),
};

void directory_read_subaccount(struct stmt *st, void *row)
{
	struct directory_subaccount *s = row;

	query_copy(st, 0, s->id, sizeof(s->id));
	query_copy(st, 1, s->region_host, sizeof(s->region_host));
	query_copy(st, 2, s->display_name, sizeof(s->display_name));
	query_copy(st, 3, s->subdomain, sizeof(s->subdomain));
	query_copy(st, 4, s->description, sizeof(s->description));
	s->locked = stmt_col_int(st, 5) != 0;
	s->renewal_allowed = stmt_col_int(st, 6) != 0;
	s->created = stmt_col_int(st, 7);
	s->version = stmt_col_int(st, 8);
}

static void write_json(const struct directory_subaccount *s, struct buf *out)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_text(&w, "displayName", s->display_name);
	jsonw_key_text(&w, "subdomain", s->subdomain);
	jsonw_key_text(&w, "description", s->description);
	jsonw_key_text(&w, "regionHost", s->region_host);
	jsonw_key_bool(&w, "locked", s->locked);
	jsonw_key_bool(&w, "renewalAllowed", s->renewal_allowed);
	jsonw_object_end(&w);
}

static struct query by_id(struct str id)
{
	return (struct query){.sql = "SELECT " SUBACCOUNT_COLUMNS " FROM subaccount s"
				     " WHERE s.id = $1",
			      .params = {QUERY_TEXT(id)},
			      .n_params = 1,
			      .read = directory_read_subaccount,
			      .row_bytes = sizeof(struct directory_subaccount)};
}

bool directory_subaccount_find(struct store *s, struct str id, struct directory_subaccount *out,
			       struct err *err)
{
	struct query q = by_id(id);

	return query_find(s, &q, out, "no such subaccount", err);
}

bool directory_subaccount_resolve(struct store *s, struct str label,
				  struct directory_subaccount *out, struct err *err)
{
	struct query q = by_id(label);

	q.sql = "SELECT " SUBACCOUNT_COLUMNS
		" FROM subaccount s WHERE s.id = $1 OR s.subdomain = $1";
	return query_find(s, &q, out, "no such subaccount", err);
}

/* `after` is an id; its row tells where the page before ended. */
bool directory_subaccount_list(struct store *s, struct str owner, struct str after, size_t limit,
			       struct directory_subaccount **rows, size_t *n, struct err *err)
{
	struct query q = {
		.sql = "SELECT " SUBACCOUNT_COLUMNS " FROM subaccount s WHERE ($1 = '' OR EXISTS"
		       " (SELECT 1 FROM owner o WHERE o.subaccount = s.id AND o.name = $1))"
		       " AND ($2 = '' OR s.display_name > (SELECT a.display_name FROM subaccount a"
		       " WHERE a.id = $2) OR (s.display_name = (SELECT a.display_name FROM"
		       " subaccount a WHERE a.id = $2) AND s.id > $2))"
		       " ORDER BY s.display_name, s.id LIMIT $3",
		.params = {QUERY_TEXT(owner.at == NULL ? STR("") : owner),
			   QUERY_TEXT(after.at == NULL ? STR("") : after),
			   QUERY_INT(directory_limit(limit))},
		.n_params = 3,
		.read = directory_read_subaccount,
		.row_bytes = sizeof(struct directory_subaccount)};

	return query_list(s, &q, rows, n, err);
}

/* ---- changes ---- */

struct editing {
	const struct directory_actor *actor;
	struct directory_subaccount *want;
	struct str id;    /* to delete */
	struct str owner; /* of a new one */
	bool derived;
	int64_t version;
	bool stale;
};

static bool is_taken(struct db *db, const char *label, bool *taken, struct err *err)
{
	struct query q = {.sql = "SELECT 1 FROM subaccount WHERE subdomain = $1 OR id = $1",
			  .params = {QUERY_CHARS(label)},
			  .n_params = 1};

	return query_row(db, &q, NULL, taken, err);
}

static bool insert_row(struct db *db, const struct directory_subaccount *s, struct err *err)
{
	struct query q = {.sql = "INSERT INTO subaccount (id, region_host, display_name, subdomain,"
				 " description, locked, renewal_allowed, created, version)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
			  .params = {QUERY_CHARS(s->id), QUERY_CHARS(s->region_host),
				     QUERY_CHARS(s->display_name), QUERY_CHARS(s->subdomain),
				     QUERY_CHARS(s->description), QUERY_INT(s->locked),
				     QUERY_INT(s->renewal_allowed), QUERY_INT(s->created)},
			  .n_params = 8};

	if (query_run(db, &q, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT,
				 "a subaccount with id %s or subdomain \"%s\" exists already",
				 s->id, s->subdomain)
		       : false;
}

static bool insert(struct db *db, struct change *c, void *user, struct err *err)
{
	AUTO_BUF struct buf json = BUF(JSON_MAX);
	struct editing *e = user;
	struct directory_subaccount made = *e->want;
	bool taken = false;

	if (e->derived && !is_taken(db, made.subdomain, &taken, err)) {
		return false;
	}
	if (taken) {
		snprintf(made.subdomain, sizeof(made.subdomain), "%s", made.id);
	}
	if (!insert_row(db, &made, err) ||
	    !directory_owner_insert(db, str_of(made.id), e->owner, true, err)) {
		return false;
	}
	write_json(&made, &json);
	directory_record(c, &(struct directory_record){.actor = e->actor,
						       .tenant = str_of(made.id),
						       .what = "subaccount.create",
						       .object = str_of(made.id),
						       .after = &json});
	*e->want = made;
	return true;
}

bool directory_subaccount_insert(struct store *s, const struct directory_actor *actor,
				 struct directory_subaccount *made, bool derived, struct str owner,
				 struct err *err)
{
	struct editing e = {.actor = actor, .want = made, .owner = owner, .derived = derived};

	made->created = clock_unix();
	made->version = 1;
	return store_change(s, insert, &e, NULL, err);
}

static bool update_row(struct db *db, const struct directory_subaccount *want, struct err *err)
{
	struct query q = {.sql = "UPDATE subaccount SET display_name = $2, subdomain = $3,"
				 " description = $4, locked = $5, renewal_allowed = $6,"
				 " version = version + 1 WHERE id = $1",
			  .params = {QUERY_CHARS(want->id), QUERY_CHARS(want->display_name),
				     QUERY_CHARS(want->subdomain), QUERY_CHARS(want->description),
				     QUERY_INT(want->locked), QUERY_INT(want->renewal_allowed)},
			  .n_params = 6};

	if (query_run(db, &q, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT ? err_set(err, ERR_CONFLICT,
						   "the subdomain \"%s\" is taken", want->subdomain)
					 : false;
}

/* Locks and reads the row as it is. */
static bool read_locked(struct db *db, struct str id, struct directory_subaccount *old,
			struct err *err)
{
	struct query q = by_id(id);
	bool found;

	if (!directory_lock_subaccount(db, id, &found, err)) {
		return false;
	}
	return (found && query_row(db, &q, old, &found, err)) ||
	       (!found && err_set(err, ERR_MISSING, "no such subaccount"));
}

static bool edit(struct db *db, struct change *c, void *user, struct err *err)
{
	AUTO_BUF struct buf before = BUF(JSON_MAX), after = BUF(JSON_MAX);
	struct editing *e = user;
	struct directory_subaccount old, made = *e->want;

	if (!read_locked(db, str_of(made.id), &old, err)) {
		return false;
	}
	e->stale = e->version != DIRECTORY_ANY_VERSION && e->version != old.version;
	if (e->stale) {
		return err_set(err, ERR_CONFLICT,
			       "the subaccount is at version %lld, the edit was made for %lld",
			       (long long)old.version, (long long)e->version);
	}
	snprintf(made.region_host, sizeof(made.region_host), "%s", old.region_host);
	made.created = old.created;
	made.version = old.version + 1;
	if (!update_row(db, &made, err)) {
		return false;
	}
	write_json(&old, &before);
	write_json(&made, &after);
	directory_record(c, &(struct directory_record){.actor = e->actor,
						       .tenant = str_of(made.id),
						       .what = "subaccount.edit",
						       .object = str_of(made.id),
						       .before = &before,
						       .after = &after});
	*e->want = made;
	return true;
}

enum directory_edit directory_subaccount_edit(struct store *s, const struct directory_actor *actor,
					      struct directory_subaccount *want, int64_t version,
					      struct err *err)
{
	struct editing e = {.actor = actor, .want = want, .version = version};

	if (!directory_check_subaccount(want, err)) {
		return DIRECTORY_EDIT_FAILED;
	}
	if (store_change(s, edit, &e, NULL, err)) {
		return DIRECTORY_EDITED;
	}
	return e.stale ? DIRECTORY_STALE : DIRECTORY_EDIT_FAILED;
}

static bool delete_row(struct db *db, struct change *c, void *user, struct err *err)
{
	AUTO_BUF struct buf before = BUF(JSON_MAX);
	struct editing *e = user;
	struct directory_subaccount old;
	struct query q = {.sql = "DELETE FROM subaccount WHERE id = $1",
			  .params = {QUERY_TEXT(e->id)},
			  .n_params = 1};

	if (!read_locked(db, e->id, &old, err) || !query_run(db, &q, NULL, err)) {
		return false;
	}
	write_json(&old, &before);
	directory_record(c, &(struct directory_record){.actor = e->actor,
						       .tenant = str_of(old.id),
						       .what = "subaccount.delete",
						       .object = str_of(old.id),
						       .before = &before});
	return true;
}

bool directory_subaccount_delete(struct store *s, const struct directory_actor *actor,
				 struct str id, struct err *err)
{
	struct editing e = {.actor = actor, .id = id};

	return store_change(s, delete_row, &e, NULL, err);
}
