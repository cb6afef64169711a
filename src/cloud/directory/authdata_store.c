#include "cloud/directory/authdata.h"

#include "cloud/directory/authdata_priv.h"
#include "cloud/directory/directory_priv.h"

enum {
	KEPT_S = 3600, /* expired ones stay so long, to be told from unknown ones */
};

struct making {
	const struct directory_actor *actor;
	struct str subaccount, hash;
	int64_t now, expires;
};

static void read_count(struct stmt *st, void *row)
{
	int64_t *n = row;

	*n = stmt_col_int(st, 0);
}

static bool check_room(struct db *db, const struct making *m, struct err *err)
{
	struct query prune = {.sql = "DELETE FROM authdata WHERE expires < $1",
			      .params = {QUERY_INT(m->now - KEPT_S)},
			      .n_params = 1};
	struct query count = {.sql = "SELECT COUNT(*) FROM authdata WHERE subaccount = $1"
				     " AND expires > $2",
			      .params = {QUERY_TEXT(m->subaccount), QUERY_INT(m->now)},
			      .n_params = 2,
			      .read = read_count,
			      .row_bytes = sizeof(int64_t)};
	int64_t n;
	bool found;

	if (!query_run(db, &prune, NULL, err) || !query_row(db, &count, &n, &found, err)) {
		return false;
	}
	return n < DIRECTORY_AUTHDATA_OPEN_MAX ||
	       err_set(err, ERR_LIMIT, "%d authentication data of this subaccount are open already",
		       DIRECTORY_AUTHDATA_OPEN_MAX);
}

static bool insert(struct db *db, struct change *c, void *user, struct err *err)
{
	struct making *m = user;
	struct query put = {.sql = "INSERT INTO authdata (hash, subaccount, expires, spki, creator)"
				   " VALUES ($1, $2, $3, NULL, $4)",
			    .params = {QUERY_BLOB(m->hash), QUERY_TEXT(m->subaccount),
				       QUERY_INT(m->expires), QUERY_TEXT(m->actor->who)},
			    .n_params = 4};

	if (!check_room(db, m, err) || !query_run(db, &put, NULL, err)) {
		return false;
	}
	directory_record(c, &(struct directory_record){.actor = m->actor,
						       .tenant = m->subaccount,
						       .what = "authentication-data.create",
						       .object = m->subaccount});
	return true;
}

bool directory_authdata_insert(struct store *s, const struct directory_actor *actor,
			       struct str subaccount, const uint8_t hash[static 32], int64_t now,
			       int64_t expires, struct err *err)
{
	struct making m = {.actor = actor,
			   .subaccount = subaccount,
			   .hash = str_make(hash, 32),
			   .now = now,
			   .expires = expires};

	return store_change(s, insert, &m, NULL, err);
}

struct binding {
	struct str subaccount, hash, spki;
	int64_t now;
	struct authdata_row *out;
};

static void read_row(struct stmt *st, void *row)
{
	struct authdata_row *a = row;
	struct str spki = stmt_col_text(st, 1);

	a->expires = stmt_col_int(st, 0);
	a->is_bound = spki.len == sizeof(a->spki);
	if (a->is_bound) {
		memcpy(a->spki, spki.at, sizeof(a->spki));
	}
	query_copy(st, 2, a->creator, sizeof(a->creator));
}

static bool bind(struct db *db, void *user, struct err *err)
{
	struct binding *b = user;
	struct query mark = {.sql = "UPDATE authdata SET spki = $3 WHERE hash = $1"
				    " AND subaccount = $2 AND spki IS NULL AND expires > $4",
			     .params = {QUERY_BLOB(b->hash), QUERY_TEXT(b->subaccount),
					QUERY_BLOB(b->spki), QUERY_INT(b->now)},
			     .n_params = 4};
	struct query look = {.sql = "SELECT expires, spki, creator FROM authdata"
				    " WHERE hash = $1 AND subaccount = $2",
			     .params = {QUERY_BLOB(b->hash), QUERY_TEXT(b->subaccount)},
			     .n_params = 2,
			     .read = read_row,
			     .row_bytes = sizeof(*b->out)};
	bool found;

	if (!query_run(db, &mark, NULL, err) || !query_row(db, &look, b->out, &found, err)) {
		return false;
	}
	return found || err_set(err, ERR_MISSING, "no such token");
}

bool directory_authdata_bind(struct store *s, struct str subaccount, const uint8_t hash[static 32],
			     const uint8_t spki[static 32], int64_t now, struct authdata_row *out,
			     struct err *err)
{
	struct binding b = {.subaccount = subaccount,
			    .hash = str_make(hash, 32),
			    .spki = str_make(spki, 32),
			    .now = now,
			    .out = out};

	return store_tx(s, bind, &b, err);
}

bool directory_authdata_withdraw(struct db *db, struct str subaccount, struct str user,
				 struct err *err)
{
	AUTO_BUF struct buf creator = BUF(DIRECTORY_NAME_MAX);
	struct query q = {.sql = "DELETE FROM authdata WHERE creator = $1"
				 " AND ($2 = '' OR subaccount = $2)",
			  .n_params = 2};

	buf_addf(&creator, "user:%.*s", STR_ARGS(user));
	q.params[0] = (struct query_param)QUERY_TEXT(buf_str(&creator));
	q.params[1] = (struct query_param)QUERY_TEXT(subaccount.len > 0 ? subaccount : STR(""));
	return query_run(db, &q, NULL, err);
}
