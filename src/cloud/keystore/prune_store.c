/* What no kept state needs any more goes. Generations' rows stay: they are what happened. */
#include "cloud/keystore/keystore_priv.h"

struct pruning {
	int64_t now;
};

/* The newest generations and the pinned ones are kept whole. */
static bool prune_lives(struct db *db, struct err *err)
{
	struct query lives = {
		.sql = "DELETE FROM entry_life WHERE to_gen <= (SELECT s.generation - $1"
		       " FROM keystore s WHERE s.id = entry_life.keystore) AND NOT EXISTS"
		       " (SELECT 1 FROM keystore_pin p WHERE p.keystore = entry_life.keystore"
		       " AND p.generation >= entry_life.from_gen"
		       " AND p.generation < entry_life.to_gen)",
		.params = {QUERY_INT(KEYSTORE_HISTORY_KEPT)},
		.n_params = 1};
	/* Their changes cannot be compared with life rows from then on. */
	struct query changes = {
		.sql = "UPDATE keystore_generation SET changes = $2 WHERE LENGTH(changes) > 0"
		       " AND n <= (SELECT s.generation - $1 FROM keystore s"
		       " WHERE s.id = keystore_generation.keystore)",
		.params = {QUERY_INT(KEYSTORE_HISTORY_KEPT), QUERY_BLOB(STR(""))},
		.n_params = 2};

	return query_run(db, &lives, NULL, err) && query_run(db, &changes, NULL, err);
}

static bool prune(struct db *db, void *user, struct err *err)
{
	const struct pruning *p = user;
	struct query versions = {
		.sql = "DELETE FROM entry_version WHERE NOT EXISTS (SELECT 1 FROM entry_life l"
		       " WHERE l.version = entry_version.id)"};
	/* Content is written before its version: only what is old has lost its change. */
	struct query contents = {
		.sql = "DELETE FROM entry_content WHERE made < $1 AND NOT EXISTS"
		       " (SELECT 1 FROM entry_version v WHERE v.id = entry_content.id)",
		.params = {QUERY_INT(p->now - KEYSTORE_ORPHAN_MS)},
		.n_params = 1};

	return prune_lives(db, err) && query_run(db, &versions, NULL, err) &&
	       query_run(db, &contents, NULL, err);
}

bool keystore_prune(struct keystore *k, int64_t now, struct err *err)
{
	struct pruning p = {now};

	return store_tx(k->store, prune, &p, err);
}
