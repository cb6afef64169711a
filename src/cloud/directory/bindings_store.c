#include "cloud/directory/bindings.h"

#include "cloud/directory/bindings_priv.h"
#include "cloud/directory/directory_priv.h"

#define COLUMNS "b.id, b.name, b.subaccount, b.client_id, b.created_by, b.created, b.roles"

static void read_binding(struct stmt *st, void *row)
{
	struct directory_binding *b = row;

	query_copy(st, 0, b->id, sizeof(b->id));
	query_copy(st, 1, b->name, sizeof(b->name));
	query_copy(st, 2, b->subaccount, sizeof(b->subaccount));
	query_copy(st, 3, b->client_id, sizeof(b->client_id));
	query_copy(st, 4, b->created_by, sizeof(b->created_by));
	b->created = stmt_col_int(st, 5);
	b->roles = (unsigned)stmt_col_int(st, 6) & DIRECTORY_MEMBER_ALL;
}

static void read_secret(struct stmt *st, void *row)
{
	struct binding_secret *s = row;
	struct str hash = stmt_col_text(st, 7);

	read_binding(st, &s->binding);
	if (hash.len == sizeof(s->hash)) {
		memcpy(s->hash, hash.at, sizeof(s->hash));
	}
	s->locked = stmt_col_int(st, 8) != 0;
}

bool directory_binding_secret(struct store *s, struct str client_id, struct binding_secret *out,
			      struct err *err)
{
	struct query q = {.sql = "SELECT " COLUMNS ", b.secret, s.locked FROM binding b"
				 " JOIN subaccount s ON s.id = b.subaccount WHERE b.client_id = $1",
			  .params = {QUERY_TEXT(client_id)},
			  .n_params = 1,
			  .read = read_secret,
			  .row_bytes = sizeof(*out)};

	return query_find(s, &q, out, "no such client", err);
}

bool directory_binding_list(struct store *s, struct str subaccount, struct str after, size_t limit,
			    struct directory_binding **rows, size_t *n, struct err *err)
{
	struct query q = {.sql = "SELECT " COLUMNS " FROM binding b WHERE b.subaccount = $1"
				 " AND b.name > $2 ORDER BY b.name LIMIT $3",
			  .params = {QUERY_TEXT(subaccount),
				     QUERY_TEXT(after.at == NULL ? STR("") : after),
				     QUERY_INT(directory_limit(limit))},
			  .n_params = 3,
			  .read = read_binding,
			  .row_bytes = sizeof(struct directory_binding)};

	return query_list(s, &q, rows, n, err);
}

struct making {
	const struct directory_actor *actor;
	const struct directory_binding *made;
	struct str hash;
	struct str subaccount, name; /* to delete */
};

static void read_count(struct stmt *st, void *row)
{
	int64_t *n = row;

	*n = stmt_col_int(st, 0);
}

static bool check_room(struct db *db, const struct making *m, struct err *err)
{
	struct query q = {.sql = "SELECT COUNT(*) FROM binding WHERE subaccount = $1",
			  .params = {QUERY_CHARS(m->made->subaccount)},
			  .n_params = 1,
			  .read = read_count,
			  .row_bytes = sizeof(int64_t)};
	int64_t n;
	bool found;

	if (!query_row(db, &q, &n, &found, err)) {
		return false;
	}
	return n < DIRECTORY_BINDINGS_MAX ||
	       err_set(err, ERR_LIMIT, "the subaccount has %d service keys already",
		       DIRECTORY_BINDINGS_MAX);
}

static bool insert_row(struct db *db, const struct making *m, struct err *err)
{
	const struct directory_binding *b = m->made;
	struct query q = {.sql = "INSERT INTO binding (id, subaccount, name, client_id, secret,"
				 " created_by, created, roles)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			  .params = {QUERY_CHARS(b->id), QUERY_CHARS(b->subaccount),
				     QUERY_CHARS(b->name), QUERY_CHARS(b->client_id),
				     QUERY_BLOB(m->hash), QUERY_CHARS(b->created_by),
				     QUERY_INT(b->created), QUERY_INT(b->roles)},
			  .n_params = 8};

	if (query_run(db, &q, NULL, err)) {
		return true;
	}
	if (err->kind == ERR_CONFLICT) {
		return err_set(err, ERR_CONFLICT, "a service key \"%s\" exists already", b->name);
	}
	return err->kind == ERR_MISSING ? err_set(err, ERR_MISSING, "no such subaccount") : false;
}

static bool insert(struct db *db, struct change *c, void *user, struct err *err)
{
	struct making *m = user;

	if (!check_room(db, m, err) || !insert_row(db, m, err)) {
		return false;
	}
	directory_record(c, &(struct directory_record){.actor = m->actor,
						       .tenant = str_of(m->made->subaccount),
						       .what = "service-key.create",
						       .object = str_of(m->made->name)});
	return true;
}

bool directory_binding_insert(struct store *s, const struct directory_actor *actor,
			      const struct directory_binding *made, const uint8_t hash[static 32],
			      struct err *err)
{
	struct making m = {.actor = actor, .made = made, .hash = str_make(hash, 32)};

	return store_change(s, insert, &m, NULL, err);
}

static bool delete_row(struct db *db, struct change *c, void *user, struct err *err)
{
	struct making *m = user;
	struct query q = {.sql = "DELETE FROM binding WHERE subaccount = $1 AND name = $2",
			  .params = {QUERY_TEXT(m->subaccount), QUERY_TEXT(m->name)},
			  .n_params = 2};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	directory_record(c, &(struct directory_record){.actor = m->actor,
						       .tenant = m->subaccount,
						       .what = "service-key.delete",
						       .object = m->name});
	return changed == 1 || err_set(err, ERR_MISSING, "no such service key");
}

bool directory_binding_delete(struct store *s, const struct directory_actor *actor,
			      struct str subaccount, struct str name, struct err *err)
{
	struct making m = {.actor = actor, .subaccount = subaccount, .name = name};

	return store_change(s, delete_row, &m, NULL, err);
}
