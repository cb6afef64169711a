#include "cloud/directory/claims.h"

#include "cloud/directory/directory_priv.h"

struct claiming {
	const struct directory_claim *want;
	bool force;
	int64_t now_ms;
	struct directory_claim *holder;
	bool held;
};

static void read_holder(struct stmt *st, void *row)
{
	struct directory_claim *c = row;

	query_copy(st, 0, c->subaccount, sizeof(c->subaccount));
	query_copy(st, 1, c->location, sizeof(c->location));
	query_copy(st, 2, c->instance, sizeof(c->instance));
	query_copy(st, 3, c->node, sizeof(c->node));
}

/* One statement decides; it writes nothing while another installation's lease runs. */
static bool take_row(struct db *db, const struct claiming *c, bool *held, struct err *err)
{
	const struct directory_claim *w = c->want;
	struct query q = {
		.sql = "INSERT INTO location_claim (subaccount, location, instance, node, until_ms)"
		       " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subaccount, location)"
		       " DO UPDATE SET instance = excluded.instance, node = excluded.node,"
		       " until_ms = excluded.until_ms"
		       " WHERE location_claim.instance = excluded.instance"
		       " OR location_claim.until_ms < $6 OR $7 = 1",
		.params = {QUERY_CHARS(w->subaccount), QUERY_CHARS(w->location),
			   QUERY_CHARS(w->instance), QUERY_CHARS(w->node),
			   QUERY_INT(c->now_ms + DIRECTORY_CLAIM_LEASE_MS), QUERY_INT(c->now_ms),
			   QUERY_INT(c->force)},
		.n_params = 7};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	*held = changed == 1;
	return true;
}

static bool put_tunnels(struct db *db, const struct directory_claim *w, int64_t now_ms,
			struct err *err)
{
	struct query others = {.sql = "DELETE FROM location_tunnels WHERE subaccount = $1"
				      " AND location = $2 AND instance <> $3",
			       .params = {QUERY_CHARS(w->subaccount), QUERY_CHARS(w->location),
					  QUERY_CHARS(w->instance)},
			       .n_params = 3};
	struct query put = {
		.sql = "INSERT INTO location_tunnels (subaccount, location, instance, node,"
		       " tunnels, until_ms) VALUES ($1, $2, $3, $4, $5, $6)"
		       " ON CONFLICT (subaccount, location, instance, node) DO UPDATE SET"
		       " tunnels = excluded.tunnels, until_ms = excluded.until_ms",
		.params = {QUERY_CHARS(w->subaccount), QUERY_CHARS(w->location),
			   QUERY_CHARS(w->instance), QUERY_CHARS(w->node), QUERY_INT(w->tunnels),
			   QUERY_INT(now_ms + DIRECTORY_CLAIM_LEASE_MS)},
		.n_params = 6};

	return query_run(db, &others, NULL, err) && query_run(db, &put, NULL, err);
}

static bool read_row(struct db *db, const struct claiming *c, struct err *err)
{
	struct query q = {
		.sql = "SELECT subaccount, location, instance, node FROM location_claim"
		       " WHERE subaccount = $1 AND location = $2",
		.params = {QUERY_CHARS(c->want->subaccount), QUERY_CHARS(c->want->location)},
		.n_params = 2,
		.read = read_holder,
		.row_bytes = sizeof(*c->holder)};
	bool found;

	return query_row(db, &q, c->holder, &found, err);
}

static bool claim(struct db *db, void *user, struct err *err)
{
	struct claiming *c = user;

	if (!take_row(db, c, &c->held, err)) {
		return false;
	}
	return c->held ? put_tunnels(db, c->want, c->now_ms, err) : read_row(db, c, err);
}

enum directory_claimed directory_claim(struct store *s, const struct directory_claim *want,
				       bool force, int64_t now_ms, struct directory_claim *holder,
				       struct err *err)
{
	struct claiming c = {.want = want, .force = force, .now_ms = now_ms, .holder = holder};

	if (!store_tx(s, claim, &c, err)) {
		return DIRECTORY_CLAIM_FAILED;
	}
	if (c.held) {
		return DIRECTORY_CLAIM_HELD;
	}
	err_set(err, ERR_CONFLICT,
		"location ID \"%s\" of this subaccount is held by another installation (%s): give "
		"this one another location ID, or disconnect that one",
		want->location, holder->instance);
	return DIRECTORY_CLAIM_TAKEN;
}

struct renewing {
	const struct directory_claim *held;
	size_t n;
	int64_t now_ms;
	bool *lost;
};

/* A claim whose lease ran out and that nobody took is taken again. */
static bool renew(struct db *db, void *user, struct err *err)
{
	struct renewing *r = user;

	for (size_t i = 0; i < r->n; i++) {
		struct claiming c = {.want = &r->held[i], .now_ms = r->now_ms};
		bool held;
		if (!take_row(db, &c, &held, err) ||
		    (held && !put_tunnels(db, c.want, r->now_ms, err))) {
			return false;
		}
		r->lost[i] = !held;
	}
	return true;
}

bool directory_claim_renew(struct store *s, const struct directory_claim *held, size_t n,
			   int64_t now_ms, bool *lost, struct err *err)
{
	struct renewing r = {.held = held, .n = n, .now_ms = now_ms, .lost = lost};

	return n == 0 || store_tx(s, renew, &r, err);
}

static bool release(struct db *db, void *user, struct err *err)
{
	struct claiming *c = user;
	const struct directory_claim *w = c->want;
	struct query tunnels = {.sql = "DELETE FROM location_tunnels WHERE subaccount = $1"
				       " AND location = $2 AND instance = $3 AND node = $4",
				.params = {QUERY_CHARS(w->subaccount), QUERY_CHARS(w->location),
					   QUERY_CHARS(w->instance), QUERY_CHARS(w->node)},
				.n_params = 4};
	struct query row = {
		.sql = "DELETE FROM location_claim WHERE subaccount = $1 AND location = $2"
		       " AND instance = $3 AND NOT EXISTS (SELECT 1 FROM location_tunnels t"
		       " WHERE t.subaccount = $1 AND t.location = $2 AND t.instance = $3"
		       " AND t.until_ms >= $4)",
		.params = {QUERY_CHARS(w->subaccount), QUERY_CHARS(w->location),
			   QUERY_CHARS(w->instance), QUERY_INT(c->now_ms)},
		.n_params = 4};

	return query_run(db, &tunnels, NULL, err) && query_run(db, &row, NULL, err);
}

bool directory_claim_release(struct store *s, const struct directory_claim *held, int64_t now_ms,
			     struct err *err)
{
	struct claiming c = {.want = held, .now_ms = now_ms};

	return store_tx(s, release, &c, err);
}

static bool release_node(struct db *db, void *user, struct err *err)
{
	const struct str *node = user;
	struct query tunnels = {.sql = "DELETE FROM location_tunnels WHERE node = $1",
				.params = {QUERY_TEXT(*node)},
				.n_params = 1};
	struct query rows = {
		.sql = "DELETE FROM location_claim WHERE node = $1 AND NOT EXISTS (SELECT 1"
		       " FROM location_tunnels t WHERE t.subaccount = location_claim.subaccount"
		       " AND t.location = location_claim.location"
		       " AND t.instance = location_claim.instance)",
		.params = {QUERY_TEXT(*node)},
		.n_params = 1};

	return query_run(db, &tunnels, NULL, err) && query_run(db, &rows, NULL, err);
}

bool directory_claim_release_node(struct store *s, struct str node, struct err *err)
{
	return store_tx(s, release_node, &node, err);
}
