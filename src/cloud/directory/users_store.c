#include "cloud/directory/users.h"

#include "base/clock.h"
#include "cloud/directory/authdata_priv.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/users_priv.h"

enum {
	JSON_MAX = KIB(4),
	FAILURES_KEPT_S = 3600,
	FAILURES_MAX =
		10000, /* names remembered: a stranger who guesses names cannot fill the disk */
};

void directory_read_user(struct stmt *st, void *row)
{
	struct directory_user *u = row;

	query_copy(st, 0, u->name, sizeof(u->name));
	query_copy(st, 1, u->display_name, sizeof(u->display_name));
	u->roles = (unsigned)stmt_col_int(st, 2);
	u->locked = stmt_col_int(st, 3) != 0;
	u->must_change = stmt_col_int(st, 4) != 0;
	u->created = stmt_col_int(st, 5);
	u->version = stmt_col_int(st, 6);
}

static void read_secret(struct stmt *st, void *row)
{
	struct user_secret *secret = row;

	directory_read_user(st, &secret->user);
	query_copy(st, 7, secret->hash, sizeof(secret->hash));
}

static void write_json(const struct directory_user *u, struct buf *out)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_text(&w, "displayName", u->display_name);
	jsonw_key_int(&w, "roles", u->roles);
	jsonw_key_bool(&w, "locked", u->locked);
	jsonw_key_bool(&w, "mustChange", u->must_change);
	jsonw_object_end(&w);
}

static struct query by_name(struct str name)
{
	return (struct query){.sql = "SELECT " USER_COLUMNS " FROM person p WHERE p.name = $1",
			      .params = {QUERY_TEXT(name)},
			      .n_params = 1,
			      .read = directory_read_user,
			      .row_bytes = sizeof(struct directory_user)};
}

bool directory_user_find(struct store *s, struct str name, struct directory_user *out,
			 struct err *err)
{
	struct query q = by_name(name);

	return query_find(s, &q, out, "no such user", err);
}

bool directory_user_secret(struct store *s, struct str name, struct user_secret *out,
			   struct err *err)
{
	struct query q = by_name(name);

	q.sql = "SELECT " USER_COLUMNS ", p.password FROM person p WHERE p.name = $1";
	q.read = read_secret;
	q.row_bytes = sizeof(*out);
	return query_find(s, &q, out, "no such user", err);
}

bool directory_user_list(struct store *s, struct str after, size_t limit,
			 struct directory_user **rows, size_t *n, struct err *err)
{
	struct query q = by_name(after.at == NULL ? STR("") : after);

	q.sql = "SELECT " USER_COLUMNS " FROM person p WHERE p.name > $1 ORDER BY p.name LIMIT $2";
	q.params[1] = (struct query_param)QUERY_INT(directory_limit(limit));
	q.n_params = 2;
	return query_list(s, &q, rows, n, err);
}

static void read_count(struct stmt *st, void *row)
{
	int64_t *n = row;

	*n = stmt_col_int(st, 0);
}

bool directory_user_count(struct store *s, int64_t *n, struct err *err)
{
	struct query q = {
		.sql = "SELECT COUNT(*) FROM person", .read = read_count, .row_bytes = sizeof(*n)};

	return query_find(s, &q, n, "", err);
}

/* ---- changes ---- */

struct editing {
	const struct directory_actor *actor;
	struct directory_user *want;
	struct str name;
	const char *hash;
	bool must_change;
	int64_t version;
	bool stale;
};

static void record(struct change *c, const struct editing *e, const char *what,
		   const struct directory_user *old, const struct directory_user *new)
{
	AUTO_BUF struct buf before = BUF(JSON_MAX), after = BUF(JSON_MAX);

	if (old != NULL) {
		write_json(old, &before);
	}
	if (new != NULL) {
		write_json(new, &after);
	}
	directory_record(
		c, &(struct directory_record){.actor = e->actor,
					      .what = what,
					      .object = str_of(old != NULL ? old->name : new->name),
					      .before = &before,
					      .after = &after});
}

static bool insert(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct directory_user *u = e->want;
	struct query q = {.sql = "INSERT INTO person (name, display_name, password, roles, locked,"
				 " must_change, created, version)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
			  .params = {QUERY_CHARS(u->name), QUERY_CHARS(u->display_name),
				     QUERY_CHARS(e->hash), QUERY_INT(u->roles),
				     QUERY_INT(u->locked), QUERY_INT(u->must_change),
				     QUERY_INT(u->created)},
			  .n_params = 7};

	if (!query_run(db, &q, NULL, err)) {
		return err->kind == ERR_CONFLICT
			       ? err_set(err, ERR_CONFLICT, "a user \"%s\" exists already", u->name)
			       : false;
	}
	record(c, e, "user.create", NULL, u);
	return true;
}

bool directory_user_insert(struct store *s, const struct directory_actor *actor,
			   struct directory_user *made, const char *hash, struct err *err)
{
	struct editing e = {.actor = actor, .want = made, .hash = hash};

	made->created = clock_unix();
	made->version = 1;
	return store_change(s, insert, &e, NULL, err);
}

/* Locks the user, all subaccounts it owns, and reads the user as it is. */
static bool read_locked(struct db *db, struct str name, struct directory_user *old, struct err *err)
{
	struct query lock = {.sql = "UPDATE subaccount SET version = version WHERE id IN"
				    " (SELECT subaccount FROM owner WHERE name = $1)",
			     .params = {QUERY_TEXT(name)},
			     .n_params = 1};
	struct query lock_admins = {.sql = "UPDATE person SET version = version"
					   " WHERE roles & 1 = 1 OR name = $1",
				    .params = {QUERY_TEXT(name)},
				    .n_params = 1};
	struct query q = by_name(name);
	bool found;

	if (!query_run(db, &lock, NULL, err) || !query_run(db, &lock_admins, NULL, err) ||
	    !query_row(db, &q, old, &found, err)) {
		return false;
	}
	return found || err_set(err, ERR_MISSING, "no such user");
}

static bool leaves_an_owner(struct db *db, struct str name, struct err *err)
{
	struct query q = {.sql = "SELECT s.display_name FROM subaccount s WHERE s.id IN"
				 " (SELECT subaccount FROM owner WHERE name = $1) AND NOT EXISTS"
				 " (SELECT 1 FROM owner o JOIN person p ON p.name = o.name"
				 " WHERE o.subaccount = s.id AND p.locked = 0 AND p.name <> $1)"
				 " ORDER BY s.display_name LIMIT 1",
			  .params = {QUERY_TEXT(name)},
			  .n_params = 1};
	bool found;

	if (!query_row(db, &q, NULL, &found, err)) {
		return false;
	}
	return !found ||
	       err_set(err, ERR_CONFLICT,
		       "%.*s is the last unlocked owner of a subaccount: add another owner "
		       "there first",
		       STR_ARGS(name));
}

static bool leaves_an_administrator(struct db *db, struct str name, struct err *err)
{
	struct query q = {.sql = "SELECT 1 FROM person WHERE roles & 1 = 1 AND locked = 0"
				 " AND name <> $1 LIMIT 1",
			  .params = {QUERY_TEXT(name)},
			  .n_params = 1};
	bool found;

	if (!query_row(db, &q, NULL, &found, err)) {
		return false;
	}
	return found || err_set(err, ERR_CONFLICT, "%.*s is the last unlocked administrator",
				STR_ARGS(name));
}

static bool update_row(struct db *db, const struct directory_user *u, struct err *err)
{
	struct query q = {.sql = "UPDATE person SET display_name = $2, roles = $3, locked = $4,"
				 " must_change = $5, version = version + 1 WHERE name = $1",
			  .params = {QUERY_CHARS(u->name), QUERY_CHARS(u->display_name),
				     QUERY_INT(u->roles), QUERY_INT(u->locked),
				     QUERY_INT(u->must_change)},
			  .n_params = 5};

	return query_run(db, &q, NULL, err);
}

static bool edit(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct directory_user old, made = *e->want;
	struct str name = str_of(made.name);

	if (!read_locked(db, name, &old, err)) {
		return false;
	}
	e->stale = e->version != DIRECTORY_ANY_VERSION && e->version != old.version;
	if (e->stale) {
		return err_set(err, ERR_CONFLICT,
			       "the user is at version %lld, the edit was made for %lld",
			       (long long)old.version, (long long)e->version);
	}
	bool was = (old.roles & DIRECTORY_ROLE_ADMINISTRATOR) != 0 && !old.locked;
	bool stays = (made.roles & DIRECTORY_ROLE_ADMINISTRATOR) != 0 && !made.locked;
	if ((made.locked && !old.locked && !leaves_an_owner(db, name, err)) ||
	    (was && !stays && !leaves_an_administrator(db, name, err))) {
		return false;
	}
	made.created = old.created;
	made.version = old.version + 1;
	bool loses = (made.locked && !old.locked) || (old.roles & ~made.roles) != 0;
	if (!update_row(db, &made, err) ||
	    (loses && !directory_authdata_withdraw(db, STR(""), name, err))) {
		return false;
	}
	record(c, e, "user.edit", &old, &made);
	*e->want = made;
	return true;
}

enum directory_edit directory_user_edit(struct store *s, const struct directory_actor *actor,
					struct directory_user *want, int64_t version,
					struct err *err)
{
	struct editing e = {.actor = actor, .want = want, .version = version};

	if (!directory_check_text("display name", str_of(want->display_name), 0,
				  sizeof(want->display_name), err)) {
		return DIRECTORY_EDIT_FAILED;
	}
	if (store_change(s, edit, &e, NULL, err)) {
		return DIRECTORY_EDITED;
	}
	return e.stale ? DIRECTORY_STALE : DIRECTORY_EDIT_FAILED;
}

static bool delete_row(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct directory_user old;
	struct query q = {.sql = "DELETE FROM person WHERE name = $1",
			  .params = {QUERY_TEXT(e->name)},
			  .n_params = 1};

	if (!read_locked(db, e->name, &old, err)) {
		return false;
	}
	bool was = (old.roles & DIRECTORY_ROLE_ADMINISTRATOR) != 0 && !old.locked;
	if (!leaves_an_owner(db, e->name, err) ||
	    (was && !leaves_an_administrator(db, e->name, err)) || !query_run(db, &q, NULL, err)) {
		return false;
	}
	record(c, e, "user.delete", &old, NULL);
	return directory_authdata_withdraw(db, STR(""), e->name, err);
}

bool directory_user_delete(struct store *s, const struct directory_actor *actor, struct str name,
			   struct err *err)
{
	struct editing e = {.actor = actor, .name = name};

	return store_change(s, delete_row, &e, NULL, err);
}

static bool write_password(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct query q = {
		.sql = "UPDATE person SET password = $2, must_change = $3,"
		       " version = version + 1 WHERE name = $1",
		.params = {QUERY_TEXT(e->name), QUERY_CHARS(e->hash), QUERY_INT(e->must_change)},
		.n_params = 3};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	directory_record(c, &(struct directory_record){
				    .actor = e->actor, .what = "user.password", .object = e->name});
	return (changed == 1 || err_set(err, ERR_MISSING, "no such user")) &&
	       directory_authdata_withdraw(db, STR(""), e->name, err);
}

bool directory_user_write_password(struct store *s, const struct directory_actor *actor,
				   struct str name, const char *hash, bool must_change,
				   struct err *err)
{
	struct editing e = {.actor = actor, .name = name, .hash = hash, .must_change = must_change};

	return store_change(s, write_password, &e, NULL, err);
}

/* ---- failed logins: not through the head ---- */

static void read_failures(struct stmt *st, void *row)
{
	struct login_failures *f = row;

	f->failures = stmt_col_int(st, 0);
	f->wait_until = stmt_col_int(st, 1);
}

bool directory_login_failures(struct store *s, const uint8_t name[static 32],
			      struct login_failures *out, struct err *err)
{
	struct query q = {.sql = "SELECT failures, wait_until FROM login_failure WHERE name = $1",
			  .params = {QUERY_BLOB(str_make(name, 32))},
			  .n_params = 1,
			  .read = read_failures,
			  .row_bytes = sizeof(*out)};

	*out = (struct login_failures){0};
	return query_find(s, &q, out, "", err) || err->kind == ERR_MISSING;
}

struct noting {
	struct str name;
	struct login_failures has;
	int64_t now;
};

static bool note(struct db *db, void *user, struct err *err)
{
	struct noting *n = user;
	struct query old = {.sql = "DELETE FROM login_failure WHERE at < $1",
			    .params = {QUERY_INT(n->now - FAILURES_KEPT_S)},
			    .n_params = 1};
	struct query most = {.sql = "DELETE FROM login_failure WHERE name IN (SELECT name"
				    " FROM login_failure ORDER BY at DESC LIMIT 1000 OFFSET $1)",
			     .params = {QUERY_INT(FAILURES_MAX)},
			     .n_params = 1};
	struct query put = {.sql = "INSERT INTO login_failure (name, failures, wait_until, at)"
				   " VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET"
				   " failures = login_failure.failures + 1,"
				   " wait_until = excluded.wait_until, at = excluded.at",
			    .params = {QUERY_BLOB(n->name), QUERY_INT(n->has.failures),
				       QUERY_INT(n->has.wait_until), QUERY_INT(n->now)},
			    .n_params = 4};

	return query_run(db, &old, NULL, err) && query_run(db, &most, NULL, err) &&
	       query_run(db, &put, NULL, err);
}

bool directory_login_note(struct store *s, const uint8_t name[static 32],
			  const struct login_failures *now_has, int64_t now, struct err *err)
{
	struct noting n = {.name = str_make(name, 32), .has = *now_has, .now = now};

	return store_tx(s, note, &n, err);
}

static bool forget(struct db *db, void *user, struct err *err)
{
	struct query q = {.sql = "DELETE FROM login_failure WHERE name = $1",
			  .params = {QUERY_BLOB(str_make(user, 32))},
			  .n_params = 1};

	return query_run(db, &q, NULL, err);
}

bool directory_login_forget(struct store *s, const uint8_t name[static 32], struct err *err)
{
	uint8_t copy[32];

	memcpy(copy, name, sizeof(copy));
	return store_tx(s, forget, copy, err);
}
