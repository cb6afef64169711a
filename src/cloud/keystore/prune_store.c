/*
 * What no kept state needs any more goes. Generations' rows stay: they are what happened.
 *
 * What may go is looked for in reads, which hold up nobody, PRUNE_BATCH at a time; each batch goes
 * in a transaction of its own, under the lock of its keystore's row (a restore may be at work), and
 * is judged again there.
 */
#include "cloud/keystore/keystore_priv.h"

enum {
	PRUNE_BATCH = 200,
	PRUNE_KEYSTORES = 1000, /* of one read */
};

struct candidate {
	int64_t keystore, id, from; /* id: pin, generation, version or content; from: of a life */
};

static void read_candidate(struct stmt *st, void *row)
{
	struct candidate *c = row;

	c->keystore = stmt_col_int(st, 0);
	c->id = stmt_col_int(st, 1);
	c->from = stmt_col_int(st, 2);
}

/* As every change does first (edit.c). */
static bool lock(struct db *db, int64_t keystore, struct err *err)
{
	struct query q = {.sql = "UPDATE keystore SET generation = generation WHERE id = $1",
			  .params = {QUERY_INT(keystore)},
			  .n_params = 1};

	return query_run(db, &q, NULL, err);
}

struct batch {
	const struct candidate *rows;
	size_t n;
	int64_t limit; /* Unix ms, or a generation */
	int64_t gone;
};

/* Reads candidates and lets them go, until there are no more. */
static bool prune_all(struct store *s, struct query *q, store_tx_fn *fn, int64_t limit,
		      struct err *err)
{
	size_t n = PRUNE_BATCH;

	q->read = read_candidate;
	q->row_bytes = sizeof(struct candidate);
	while (n == PRUNE_BATCH) {
		AUTO_FREE struct candidate *rows = NULL;
		struct batch b = {.limit = limit};

		if (!query_list(s, q, &rows, &n, err)) {
			return false;
		}
		b.rows = rows;
		b.n = n;
		if (n > 0 && !store_tx(s, fn, &b, err)) {
			return false;
		}
		if (b.gone == 0) {
			break; /* somebody else was faster, or needs them after all */
		}
	}
	return true;
}

/* ---- pins ---- */

#define NOT_THE_NEWEST                                                                             \
	" EXISTS (SELECT 1 FROM keystore_pin o WHERE o.keystore = keystore_pin.keystore"           \
	" AND o.kind = keystore_pin.kind AND o.id > keystore_pin.id)"

static bool drop_pins(struct db *db, void *user, struct err *err)
{
	struct batch *b = user;

	b->gone = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct query q = {.sql = "DELETE FROM keystore_pin WHERE id = $1 AND at_ms < $2"
					 " AND" NOT_THE_NEWEST,
				  .params = {QUERY_INT(b->rows[i].id), QUERY_INT(b->limit)},
				  .n_params = 2};
		int64_t changed;
		if (!lock(db, b->rows[i].keystore, err) || !query_run(db, &q, &changed, err)) {
			return false;
		}
		b->gone += changed;
	}
	return true;
}

/* Those that are too old, but for the newest of its kind: *the* backup, and what an undo needs. */
static bool prune_pins(struct keystore *k, int64_t before, struct err *err)
{
	struct query q = {.sql = "SELECT keystore, id, 0 FROM keystore_pin WHERE at_ms < $1"
				 " AND" NOT_THE_NEWEST " ORDER BY keystore, id LIMIT $2",
			  .params = {QUERY_INT(before), QUERY_INT(PRUNE_BATCH)},
			  .n_params = 2};

	return prune_all(k->store, &q, drop_pins, before, err);
}

/* ---- the entries of old generations ---- */

/* The newest generations and the pinned ones are kept whole. $2: the last that is not new. */
#define NOT_KEPT                                                                                   \
	" to_gen <= $2"                                                                            \
	" AND NOT EXISTS (SELECT 1 FROM keystore_pin p WHERE p.keystore = $1"                      \
	" AND p.generation >= entry_life.from_gen AND p.generation < entry_life.to_gen)"

/* A life; with its last one the version, and with that its content. */
static bool drop_life(struct db *db, const struct candidate *c, int64_t until_gen, int64_t *gone,
		      struct err *err)
{
	struct query life = {.sql = "DELETE FROM entry_life WHERE keystore = $1 AND version = $3"
				    " AND from_gen = $4 AND" NOT_KEPT,
			     .params = {QUERY_INT(c->keystore), QUERY_INT(until_gen),
					QUERY_INT(c->id), QUERY_INT(c->from)},
			     .n_params = 4};
	struct query version = {.sql = "DELETE FROM entry_version WHERE id = $1 AND NOT EXISTS"
				       " (SELECT 1 FROM entry_life l WHERE l.version = $1)",
				.params = {QUERY_INT(c->id)},
				.n_params = 1};
	struct query content = {.sql = "DELETE FROM entry_content WHERE id = $1 AND NOT EXISTS"
				       " (SELECT 1 FROM entry_version v WHERE v.id = $1)",
				.params = {QUERY_INT(c->id)},
				.n_params = 1};
	int64_t changed;

	if (!query_run(db, &life, &changed, err)) {
		return false;
	}
	*gone += changed;
	return changed == 0 ||
	       (query_run(db, &version, NULL, err) && query_run(db, &content, NULL, err));
}

/* Of one keystore. */
static bool drop_lives(struct db *db, void *user, struct err *err)
{
	struct batch *b = user;

	b->gone = 0;
	if (!lock(db, b->rows[0].keystore, err)) {
		return false;
	}
	for (size_t i = 0; i < b->n; i++) {
		if (!drop_life(db, &b->rows[i], b->limit, &b->gone, err)) {
			return false;
		}
	}
	return true;
}

/* Changes of generations that cannot be compared with life rows from then on. */
static bool drop_changes(struct db *db, void *user, struct err *err)
{
	struct batch *b = user;

	b->gone = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct query q = {.sql = "UPDATE keystore_generation SET changes = $1"
					 " WHERE keystore = $2 AND n = $3",
				  .params = {QUERY_BLOB(STR("")), QUERY_INT(b->rows[i].keystore),
					     QUERY_INT(b->rows[i].id)},
				  .n_params = 3};
		int64_t changed;
		if (!query_run(db, &q, &changed, err)) {
			return false;
		}
		b->gone += changed;
	}
	return true;
}

/* The changes first, up to the same generation: who verifies compares those that are there with the
 * lives. */
static bool prune_keystore(struct keystore *k, int64_t keystore, int64_t until_gen, struct err *err)
{
	struct query changes = {
		.sql = "SELECT keystore, n, 0 FROM keystore_generation"
		       " WHERE keystore = $1 AND n <= $2 AND LENGTH(changes) > 0"
		       " ORDER BY n LIMIT $3",
		.params = {QUERY_INT(keystore), QUERY_INT(until_gen), QUERY_INT(PRUNE_BATCH)},
		.n_params = 3};
	struct query lives = {
		.sql = "SELECT keystore, version, from_gen FROM entry_life"
		       " WHERE keystore = $1 AND" NOT_KEPT " LIMIT $3",
		.params = {QUERY_INT(keystore), QUERY_INT(until_gen), QUERY_INT(PRUNE_BATCH)},
		.n_params = 3};

	return prune_all(k->store, &changes, drop_changes, until_gen, err) &&
	       prune_all(k->store, &lives, drop_lives, until_gen, err);
}

/* Those that have old generations at all. */
static bool prune_keystores(struct keystore *k, struct err *err)
{
	struct query q = {
		.sql = "SELECT id, generation, 0 FROM keystore WHERE id > $1 AND generation > $2"
		       " ORDER BY id LIMIT $3",
		.params = {QUERY_INT(0), QUERY_INT(KEYSTORE_HISTORY_KEPT),
			   QUERY_INT(PRUNE_KEYSTORES)},
		.n_params = 3,
		.read = read_candidate,
		.row_bytes = sizeof(struct candidate)};
	size_t n = PRUNE_KEYSTORES;

	while (n == PRUNE_KEYSTORES) {
		AUTO_FREE struct candidate *rows = NULL;

		if (!query_list(k->store, &q, &rows, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			int64_t until_gen = rows[i].id - KEYSTORE_HISTORY_KEPT;
			if (!prune_keystore(k, rows[i].keystore, until_gen, err)) {
				return false;
			}
			q.params[0].number = rows[i].keystore;
		}
	}
	return true;
}

/* ---- what a refused change left behind ---- */

static bool drop_contents(struct db *db, void *user, struct err *err)
{
	struct batch *b = user;

	b->gone = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct query q = {.sql = "DELETE FROM entry_content WHERE id = $1 AND made < $2"
					 " AND NOT EXISTS (SELECT 1 FROM entry_version v"
					 " WHERE v.id = $1)",
				  .params = {QUERY_INT(b->rows[i].id), QUERY_INT(b->limit)},
				  .n_params = 2};
		int64_t changed;
		if (!query_run(db, &q, &changed, err)) {
			return false;
		}
		b->gone += changed;
	}
	return true;
}

/* Content is written before its version: only what is old has lost its change. */
static bool prune_contents(struct keystore *k, int64_t before, struct err *err)
{
	struct query q = {.sql = "SELECT 0, id, 0 FROM entry_content WHERE made < $1 AND NOT EXISTS"
				 " (SELECT 1 FROM entry_version v WHERE v.id = entry_content.id)"
				 " LIMIT $2",
			  .params = {QUERY_INT(before), QUERY_INT(PRUNE_BATCH)},
			  .n_params = 2};

	return prune_all(k->store, &q, drop_contents, before, err);
}

bool keystore_prune(struct keystore *k, int64_t now, struct err *err)
{
	msec_t age = keystore_limits_of(k).pins_age;

	return (age == 0 || prune_pins(k, now - age, err)) && prune_keystores(k, err) &&
	       prune_contents(k, now - KEYSTORE_ORPHAN_MS, err);
}
