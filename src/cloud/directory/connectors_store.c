#include "cloud/directory/connectors.h"

#include "base/clock.h"
#include "cloud/directory/directory_priv.h"

#define COLUMNS                                                                                    \
	"c.subaccount, c.instance, c.location, c.version, c.address, c.first_seen, c.last_seen,"   \
	" c.disconnected, (SELECT CAST(COALESCE(SUM(t.tunnels), 0) AS BIGINT)"                     \
	" FROM location_tunnels t WHERE t.subaccount = c.subaccount"                               \
	" AND t.instance = c.instance AND t.until_ms >= $1)"

static void read_connector(struct stmt *st, void *row)
{
	struct directory_connector *c = row;

	query_copy(st, 0, c->subaccount, sizeof(c->subaccount));
	query_copy(st, 1, c->instance, sizeof(c->instance));
	query_copy(st, 2, c->location, sizeof(c->location));
	query_copy(st, 3, c->version, sizeof(c->version));
	query_copy(st, 4, c->address, sizeof(c->address));
	c->first_seen = stmt_col_int(st, 5);
	c->last_seen = stmt_col_int(st, 6);
	c->disconnected = stmt_col_int(st, 7) != 0;
	c->tunnels = stmt_col_int(st, 8);
}

struct seeing {
	const struct directory_connector *seen;
	int64_t now;
};

static bool see(struct db *db, void *user, struct err *err)
{
	struct seeing *s = user;
	const struct directory_connector *c = s->seen;
	struct query q = {
		.sql = "INSERT INTO connector (subaccount, instance, location, version, address,"
		       " first_seen, last_seen, disconnected) VALUES ($1, $2, $3, $4, $5, $6, $6, "
		       "0)"
		       " ON CONFLICT (subaccount, instance) DO UPDATE SET"
		       " location = excluded.location, version = excluded.version,"
		       " address = excluded.address, last_seen = excluded.last_seen,"
		       " first_seen = CASE WHEN connector.first_seen = 0 THEN excluded.first_seen"
		       " ELSE connector.first_seen END",
		.params = {QUERY_CHARS(c->subaccount), QUERY_CHARS(c->instance),
			   QUERY_CHARS(c->location), QUERY_CHARS(c->version),
			   QUERY_CHARS(c->address), QUERY_INT(s->now)},
		.n_params = 6};

	return query_run(db, &q, NULL, err);
}

bool directory_connector_seen(struct store *s, const struct directory_connector *seen, int64_t now,
			      struct err *err)
{
	struct seeing seeing = {.seen = seen, .now = now};

	return directory_check_text("version", str_of(seen->version), 0, sizeof(seen->version),
				    err) &&
	       store_tx(s, see, &seeing, err);
}

bool directory_connector_find(struct store *s, struct str subaccount, struct str instance,
			      int64_t now_ms, struct directory_connector *out, struct err *err)
{
	struct query q = {
		.sql = "SELECT " COLUMNS " FROM connector c"
		       " WHERE c.subaccount = $2 AND c.instance = $3",
		.params = {QUERY_INT(now_ms), QUERY_TEXT(subaccount), QUERY_TEXT(instance)},
		.n_params = 3,
		.read = read_connector,
		.row_bytes = sizeof(*out)};

	return query_find(s, &q, out, "no such connector", err);
}

bool directory_connector_list(struct store *s, struct str subaccount, struct str after,
			      size_t limit, int64_t now_ms, struct directory_connector **rows,
			      size_t *n, struct err *err)
{
	struct query q = {.sql = "SELECT " COLUMNS " FROM connector c WHERE c.subaccount = $2"
				 " AND c.instance > $3 ORDER BY c.instance LIMIT $4",
			  .params = {QUERY_INT(now_ms), QUERY_TEXT(subaccount),
				     QUERY_TEXT(after.at == NULL ? STR("") : after),
				     QUERY_INT(directory_limit(limit))},
			  .n_params = 4,
			  .read = read_connector,
			  .row_bytes = sizeof(struct directory_connector)};

	return query_list(s, &q, rows, n, err);
}

/* ---- changes ---- */

struct editing {
	const struct directory_actor *actor;
	struct str subaccount, instance;
	bool disconnected;
};

static bool set_disconnected(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct query q = {.sql = "UPDATE connector SET disconnected = $3"
				 " WHERE subaccount = $1 AND instance = $2",
			  .params = {QUERY_TEXT(e->subaccount), QUERY_TEXT(e->instance),
				     QUERY_INT(e->disconnected)},
			  .n_params = 3};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	directory_record(c,
			 &(struct directory_record){.actor = e->actor,
						    .tenant = e->subaccount,
						    .what = e->disconnected ? "connector.disconnect"
									    : "connector.allow",
						    .object = e->instance});
	return changed == 1 || err_set(err, ERR_MISSING, "no such connector");
}

bool directory_connector_set_disconnected(struct store *s, const struct directory_actor *actor,
					  struct str subaccount, struct str instance,
					  bool disconnected, struct err *err)
{
	struct editing e = {.actor = actor,
			    .subaccount = subaccount,
			    .instance = instance,
			    .disconnected = disconnected};

	return store_change(s, set_disconnected, &e, NULL, err);
}

static bool delete_row(struct db *db, struct change *c, void *user, struct err *err)
{
	struct editing *e = user;
	struct query revoke = {.sql = "UPDATE certificate SET revoked = $3 WHERE subaccount = $1"
				      " AND instance = $2 AND revoked = 0",
			       .params = {QUERY_TEXT(e->subaccount), QUERY_TEXT(e->instance),
					  QUERY_INT(clock_unix())},
			       .n_params = 3};
	struct query q = {.sql = "DELETE FROM connector WHERE subaccount = $1 AND instance = $2",
			  .params = {QUERY_TEXT(e->subaccount), QUERY_TEXT(e->instance)},
			  .n_params = 2};
	int64_t changed;

	if (!query_run(db, &revoke, NULL, err) || !query_run(db, &q, &changed, err)) {
		return false;
	}
	directory_record(c, &(struct directory_record){.actor = e->actor,
						       .tenant = e->subaccount,
						       .what = "connector.delete",
						       .object = e->instance});
	return changed == 1 || err_set(err, ERR_MISSING, "no such connector");
}

bool directory_connector_delete(struct store *s, const struct directory_actor *actor,
				struct str subaccount, struct str instance, struct err *err)
{
	struct editing e = {.actor = actor, .subaccount = subaccount, .instance = instance};

	return store_change(s, delete_row, &e, NULL, err);
}
