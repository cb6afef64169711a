#include "cloud/directory/members.h"

#include "cloud/directory/directory_priv.h"
#include "cloud/directory/members_priv.h"

enum {
	JSON_MAX = 1024,
};

static void read_roles(struct stmt *st, void *row)
{
	unsigned *roles = row;

	*roles = (unsigned)stmt_col_int(st, 0) & DIRECTORY_MEMBER_ALL;
}

static void read_member(struct stmt *st, void *row)
{
	struct directory_member *m = row;

	query_copy(st, 0, m->user, sizeof(m->user));
	m->roles = (unsigned)stmt_col_int(st, 1) & DIRECTORY_MEMBER_ALL;
}

static struct query roles_of(struct str subaccount, struct str user)
{
	return (struct query){.sql = "SELECT roles FROM member WHERE subaccount = $1 AND name = $2",
			      .params = {QUERY_TEXT(subaccount), QUERY_TEXT(user)},
			      .n_params = 2,
			      .read = read_roles,
			      .row_bytes = sizeof(unsigned)};
}

bool directory_member_roles(struct store *s, struct str subaccount, struct str user,
			    unsigned *roles, struct err *err)
{
	struct query q = roles_of(subaccount, user);

	*roles = 0;
	return query_find(s, &q, roles, "", err) || err->kind == ERR_MISSING;
}

bool directory_member_list(struct store *s, struct str subaccount, struct directory_member **rows,
			   size_t *n, struct err *err)
{
	struct query q = {.sql = "SELECT name, roles FROM member WHERE subaccount = $1"
				 " ORDER BY name LIMIT $2",
			  .params = {QUERY_TEXT(subaccount), QUERY_INT(DIRECTORY_PAGE_MAX)},
			  .n_params = 2,
			  .read = read_member,
			  .row_bytes = sizeof(struct directory_member)};

	return query_list(s, &q, rows, n, err);
}

struct only_row {
	char subaccount[DIRECTORY_UUID];
};

static void read_only_row(struct stmt *st, void *row)
{
	struct only_row *o = row;

	query_copy(st, 0, o->subaccount, sizeof(o->subaccount));
}

bool directory_member_only(struct store *s, struct str user, char into[static DIRECTORY_UUID],
			   struct err *err)
{
	AUTO_FREE struct only_row *rows = NULL;
	struct query q = {.sql = "SELECT subaccount FROM member WHERE name = $1 LIMIT 2",
			  .params = {QUERY_TEXT(user)},
			  .n_params = 1,
			  .read = read_only_row,
			  .row_bytes = sizeof(struct only_row)};
	size_t n;

	if (!query_list(s, &q, &rows, &n, err)) {
		return false;
	}
	if (n != 1) {
		return err_set(err, ERR_MISSING, "the user is a member of %s subaccount",
			       n == 0 ? "no" : "more than one");
	}
	memcpy(into, rows[0].subaccount, DIRECTORY_UUID);
	return true;
}

/* ---- the change ---- */

struct joining {
	const struct directory_actor *actor;
	struct str subaccount, user;
	unsigned roles, before;
};

static void write_roles(unsigned roles, struct buf *json)
{
	struct jsonw w = jsonw_to(json);

	jsonw_object(&w);
	jsonw_key(&w, "roles");
	jsonw_array(&w);
	for (unsigned bit = 1; bit <= DIRECTORY_MEMBER_ALL; bit <<= 1) {
		if ((roles & bit) != 0) {
			jsonw_str(&w, str_of(directory_member_role_name(bit)));
		}
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

static bool put_row(struct db *db, const struct joining *j, struct err *err)
{
	struct query put = {
		.sql = "INSERT INTO member (subaccount, name, roles)"
		       " VALUES ($1, $2, $3) ON CONFLICT (subaccount, name)"
		       " DO UPDATE SET roles = excluded.roles",
		.params = {QUERY_TEXT(j->subaccount), QUERY_TEXT(j->user), QUERY_INT(j->roles)},
		.n_params = 3};
	struct query drop = {.sql = "DELETE FROM member WHERE subaccount = $1 AND name = $2",
			     .params = {QUERY_TEXT(j->subaccount), QUERY_TEXT(j->user)},
			     .n_params = 2};

	return query_run(db, j->roles != 0 ? &put : &drop, NULL, err);
}

static bool check_user(struct db *db, const struct joining *j, struct err *err)
{
	struct query q = {.sql = "SELECT 1 FROM person WHERE name = $1",
			  .params = {QUERY_TEXT(j->user)},
			  .n_params = 1};
	bool found;

	if (!query_row(db, &q, NULL, &found, err)) {
		return false;
	}
	return found || err_set(err, ERR_MISSING, "there is no user \"%.*s\"", STR_ARGS(j->user));
}

static bool set_roles(struct db *db, struct change *c, void *user, struct err *err)
{
	AUTO_BUF struct buf before = BUF(JSON_MAX), after = BUF(JSON_MAX);
	struct joining *j = user;
	struct query old = roles_of(j->subaccount, j->user);
	bool found;

	if (!directory_lock_subaccount(db, j->subaccount, &found, err)) {
		return false;
	}
	if (!found) {
		return err_set(err, ERR_MISSING, "no such subaccount");
	}
	j->before = 0;
	if (!check_user(db, j, err) || !query_row(db, &old, &j->before, &found, err) ||
	    !put_row(db, j, err)) {
		return false;
	}
	write_roles(j->before, &before);
	write_roles(j->roles, &after);
	directory_record(c, &(struct directory_record){.actor = j->actor,
						       .tenant = j->subaccount,
						       .object = j->user,
						       .what = "member.set",
						       .before = &before,
						       .after = &after});
	return true;
}

bool directory_member_set(struct store *s, const struct directory_actor *actor,
			  struct str subaccount, struct str user, unsigned roles, struct err *err)
{
	struct joining j = {.actor = actor,
			    .subaccount = subaccount,
			    .user = user,
			    .roles = roles & DIRECTORY_MEMBER_ALL};

	return store_change(s, set_roles, &j, NULL, err);
}
