#include "cloud/directory/owners.h"

#include "cloud/directory/authdata_priv.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/owners_priv.h"
#include "cloud/directory/users_priv.h"

bool directory_owner_list(struct store *s, struct str subaccount, struct directory_user **rows,
			  size_t *n, struct err *err)
{
	struct query q = {
		.sql = "SELECT " USER_COLUMNS " FROM owner o JOIN person p"
		       " ON p.name = o.name WHERE o.subaccount = $1 ORDER BY p.name LIMIT $2",
		.params = {QUERY_TEXT(subaccount), QUERY_INT(DIRECTORY_PAGE_MAX)},
		.n_params = 2,
		.read = directory_read_user,
		.row_bytes = sizeof(struct directory_user)};

	return query_list(s, &q, rows, n, err);
}

bool directory_owner_is(struct store *s, struct str subaccount, struct str user, bool *is,
			struct err *err)
{
	struct query q = {.sql = "SELECT 1 FROM owner WHERE subaccount = $1 AND name = $2",
			  .params = {QUERY_TEXT(subaccount), QUERY_TEXT(user)},
			  .n_params = 2};

	*is = query_find(s, &q, NULL, "", err);
	return *is || err->kind == ERR_MISSING;
}

bool directory_owner_insert(struct db *db, struct str subaccount, struct str user, bool unlocked,
			    struct err *err)
{
	struct directory_user found;
	struct query find = {.sql = "SELECT " USER_COLUMNS " FROM person p WHERE p.name = $1",
			     .params = {QUERY_TEXT(user)},
			     .n_params = 1,
			     .read = directory_read_user,
			     .row_bytes = sizeof(found)};
	struct query put = {.sql = "INSERT INTO owner (subaccount, name) VALUES ($1, $2)",
			    .params = {QUERY_TEXT(subaccount), QUERY_TEXT(user)},
			    .n_params = 2};
	bool exists;

	if (!query_row(db, &find, &found, &exists, err)) {
		return false;
	}
	if (!exists || (unlocked && found.locked)) {
		return err_set(err, ERR_MISSING, "owner: there is no %suser \"%.*s\"",
			       exists ? "unlocked " : "", STR_ARGS(user));
	}
	if (!query_run(db, &put, NULL, err)) {
		return err->kind == ERR_CONFLICT
			       ? err_set(err, ERR_CONFLICT, "%s is an owner already", found.name)
			       : false;
	}
	return true;
}

struct owning {
	const struct directory_actor *actor;
	struct str subaccount, user;
};

static void record(struct change *c, const struct owning *o, const char *what)
{
	directory_record(c, &(struct directory_record){.actor = o->actor,
						       .tenant = o->subaccount,
						       .what = what,
						       .object = o->user});
}

static bool lock(struct db *db, const struct owning *o, struct err *err)
{
	bool found;

	if (!directory_lock_subaccount(db, o->subaccount, &found, err)) {
		return false;
	}
	return found || err_set(err, ERR_MISSING, "no such subaccount");
}

static bool add(struct db *db, struct change *c, void *user, struct err *err)
{
	struct owning *o = user;

	if (!lock(db, o, err) || !directory_owner_insert(db, o->subaccount, o->user, false, err)) {
		return false;
	}
	record(c, o, "owner.add");
	return true;
}

bool directory_owner_add(struct store *s, const struct directory_actor *actor,
			 struct str subaccount, struct str user, struct err *err)
{
	struct owning o = {.actor = actor, .subaccount = subaccount, .user = user};

	return store_change(s, add, &o, NULL, err);
}

static bool has_unlocked_owner(struct db *db, struct str subaccount, bool *has, struct err *err)
{
	struct query q = {.sql = "SELECT 1 FROM owner o JOIN person p ON p.name = o.name"
				 " WHERE o.subaccount = $1 AND p.locked = 0 LIMIT 1",
			  .params = {QUERY_TEXT(subaccount)},
			  .n_params = 1};

	return query_row(db, &q, NULL, has, err);
}

static bool take_away(struct db *db, struct change *c, void *user, struct err *err)
{
	struct owning *o = user;
	struct query q = {.sql = "DELETE FROM owner WHERE subaccount = $1 AND name = $2",
			  .params = {QUERY_TEXT(o->subaccount), QUERY_TEXT(o->user)},
			  .n_params = 2};
	int64_t changed;
	bool has;

	if (!lock(db, o, err) || !query_run(db, &q, &changed, err)) {
		return false;
	}
	if (changed == 0) {
		return err_set(err, ERR_MISSING, "%.*s is not an owner", STR_ARGS(o->user));
	}
	if (!has_unlocked_owner(db, o->subaccount, &has, err)) {
		return false;
	}
	if (!has) {
		return err_set(err, ERR_CONFLICT,
			       "%.*s is the last unlocked owner: add another one first",
			       STR_ARGS(o->user));
	}
	record(c, o, "owner.remove");
	return directory_authdata_withdraw(db, o->subaccount, o->user, err);
}

bool directory_owner_remove(struct store *s, const struct directory_actor *actor,
			    struct str subaccount, struct str user, struct err *err)
{
	struct owning o = {.actor = actor, .subaccount = subaccount, .user = user};

	return store_change(s, take_away, &o, NULL, err);
}
