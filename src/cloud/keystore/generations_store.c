/*
 * Generations: their rows, and what authenticates them.
 *
 * A generation's row says which versions its change opened and closed, and hashes all versions that
 * are alive in it. Its MAC, by the key process, covers both and the MAC of the generation before.
 * So the current state, a pinned one and the way between them can each be checked against the life
 * rows, and a change that starts from a state that was tampered with is refused instead of being
 * authenticated.
 */
#include "cloud/keystore/generations_priv.h"

static void copy_hash(struct stmt *st, int col, uint8_t *into, size_t len)
{
	struct str bytes = stmt_col_text(st, col);

	if (bytes.len == len) {
		memcpy(into, bytes.at, len);
	}
}

static void read_generation(struct stmt *st, void *row)
{
	struct keystore_generation_row *g = row;

	g->n = stmt_col_int(st, 0);
	g->at = stmt_col_int(st, 1);
	query_copy(st, 2, g->by, sizeof(g->by));
	query_copy(st, 3, g->what, sizeof(g->what));
	g->settings = stmt_col_int(st, 4);
	g->safety = stmt_col_int(st, 5);
	g->entries = stmt_col_int(st, 6);
	g->bytes = stmt_col_int(st, 7);
	g->tenant_entries = stmt_col_int(st, 8);
	copy_hash(st, 9, g->changes_sha256, sizeof(g->changes_sha256));
	copy_hash(st, 10, g->state, sizeof(g->state));
	copy_hash(st, 11, g->previous, sizeof(g->previous));
	copy_hash(st, 12, g->data_key, sizeof(g->data_key));
	copy_hash(st, 13, g->mac, sizeof(g->mac));
}

bool keystore_read_generation(struct db *db, int64_t keystore, int64_t n,
			      struct keystore_generation_row *row, bool *found, struct err *err)
{
	struct query q = {.sql = "SELECT n, at_ms, by_user, what, settings, safety, entries, bytes,"
				 " tenant_entries, changes_sha256, state, previous, data_key, mac"
				 " FROM keystore_generation WHERE keystore = $1 AND n = $2",
			  .params = {QUERY_INT(keystore), QUERY_INT(n)},
			  .n_params = 2,
			  .read = read_generation,
			  .row_bytes = sizeof(*row)};

	*row = (struct keystore_generation_row){0};
	return query_row(db, &q, row, found, err);
}

static void message_of(const struct keystore_generation_row *g, struct buf *out)
{
	wr_blob(out, STR(KEYSTORE_SYSTEM));
	wr_u64(out, (uint64_t)g->n);
	wr_u64(out, (uint64_t)g->at);
	wr_blob(out, str_of(g->by));
	wr_blob(out, str_of(g->what));
	wr_u64(out, (uint64_t)g->settings);
	wr_u64(out, (uint64_t)g->safety);
	buf_add(out, g->previous, sizeof(g->previous));
	buf_add(out, g->changes_sha256, sizeof(g->changes_sha256));
	buf_add(out, g->state, sizeof(g->state));
}

bool keystore_mac(struct keystore *k, struct db *db, struct str tenant, struct str data_key,
		  const char *label, struct str message, uint8_t mac[static 32], bool *found,
		  struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);

	if (!keystore_data_key_by_id(db, tenant, data_key, &wrapped, found, err)) {
		return false;
	}
	return !*found ||
	       k->keys.mac(k->keys.user, tenant, buf_str(&wrapped), label, message, mac, err);
}

bool keystore_generation_mac(struct keystore *k, struct db *db, struct str tenant,
			     const struct keystore_generation_row *g, uint8_t mac[static 32],
			     bool *found, struct err *err)
{
	AUTO_BUF struct buf message = BUF(KIB(4));

	message_of(g, &message);
	return keystore_mac(k, db, tenant, str_make(g->data_key, sizeof(g->data_key)), "generation",
			    buf_str(&message), mac, found, err);
}

bool keystore_check_mac(struct keystore *k, struct db *db, struct str tenant,
			const struct keystore_generation_row *row, bool *good, struct err *err)
{
	uint8_t mac[32];
	bool found;

	if (!keystore_generation_mac(k, db, tenant, row, mac, &found, err)) {
		*good = false;
		return err->kind == ERR_DENIED; /* the tenant's data key does not open */
	}
	*good = found && equal_secret(mac, row->mac, sizeof(mac));
	return true;
}

/* ---- states ---- */

int keystore_by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

void keystore_add_ids(struct buf *out, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		wr_u64(out, (uint64_t)ids[i]);
	}
}

void keystore_hash_ids(int64_t *ids, size_t n, uint8_t hash[static 32])
{
	AUTO_BUF struct buf bytes = BUF(KEYSTORE_CHANGES_MAX);

	if (n > 0) {
		qsort(ids, n, sizeof(*ids), keystore_by_number);
	}
	wr_u64(&bytes, n);
	keystore_add_ids(&bytes, ids, n);
	digest_sha256(buf_str(&bytes), hash);
}

static void read_id(struct stmt *st, void *row)
{
	*(int64_t *)row = stmt_col_int(st, 0);
}

bool keystore_read_ids(struct db *db, const struct query *q, int64_t **ids, size_t *n,
		       struct err *err)
{
	struct query copy = *q;

	copy.read = read_id;
	copy.row_bytes = sizeof(**ids);
	return query_rows(db, &copy, ids, n, err);
}

bool keystore_state_hash(struct db *db, int64_t keystore, int64_t generation,
			 uint8_t hash[static 32], struct err *err)
{
	/*
	 * A beginning or an end that has not come yet is none of ours: lists show the one as alive
	 * and the other not, so the current state is hashed as they show it.
	 */
	struct query q = {.sql = "SELECT version FROM entry_life WHERE keystore = $1"
				 " AND to_gen > $2 AND (to_gen = " KEYSTORE_NOW
				 " OR to_gen <= (SELECT generation FROM keystore WHERE id = $1))"
				 " AND (from_gen <= $2 OR (to_gen = " KEYSTORE_NOW
				 " AND $2 = (SELECT generation FROM keystore WHERE id = $1)))",
			  .params = {QUERY_INT(keystore), QUERY_INT(generation)},
			  .n_params = 2};
	AUTO_FREE int64_t *ids = NULL;
	size_t n;

	if (!keystore_read_ids(db, &q, &ids, &n, err)) {
		return false;
	}
	keystore_hash_ids(ids, n, hash);
	return true;
}

bool keystore_hash_is_good(struct keystore *k, struct db *db, struct str tenant, int64_t keystore,
			   int64_t generation, const uint8_t state[static 32], bool *good,
			   struct err *err)
{
	struct keystore_generation_row row;
	uint8_t empty[32];
	bool found;

	if (generation == 0) {
		keystore_hash_ids(NULL, 0, empty);
		*good = equal_secret(state, empty, sizeof(empty));
		return true;
	}
	if (!keystore_read_generation(db, keystore, generation, &row, &found, err)) {
		return false;
	}
	*good = found && equal_secret(state, row.state, sizeof(row.state));
	return !*good || keystore_check_mac(k, db, tenant, &row, good, err);
}

bool keystore_state_is_good(struct keystore *k, struct db *db, struct str tenant, int64_t keystore,
			    int64_t generation, bool *good, struct err *err)
{
	uint8_t state[32];

	return keystore_state_hash(db, keystore, generation, state, err) &&
	       keystore_hash_is_good(k, db, tenant, keystore, generation, state, good, err);
}

/* ---- what happened ---- */

static void read_history(struct stmt *st, void *row)
{
	struct keystore_generation *g = row;

	g->n = stmt_col_int(st, 0);
	g->at = stmt_col_int(st, 1);
	query_copy(st, 2, g->by, sizeof(g->by));
	query_copy(st, 3, g->what, sizeof(g->what));
	g->opened = stmt_col_int(st, 4);
	g->closed = stmt_col_int(st, 5);
}

bool keystore_generations(struct keystore *k, struct str tenant, int64_t before, size_t limit,
			  struct keystore_generation **rows, size_t *n, struct err *err)
{
	size_t most = limit == 0 || limit > KEYSTORE_PAGE_MAX ? KEYSTORE_PAGE_MAX : limit;
	struct query q = {.sql = "SELECT g.n, g.at_ms, g.by_user, g.what, g.opened, g.closed"
				 " FROM keystore_generation g JOIN keystore s ON s.id = g.keystore"
				 " WHERE s.tenant = $1 AND s.name = '" KEYSTORE_SYSTEM "'"
				 " AND g.n < $2 ORDER BY g.n DESC LIMIT $3",
			  .params = {QUERY_TEXT(tenant),
				     QUERY_INT(before <= 0 ? INT64_MAX : before), QUERY_INT(most)},
			  .n_params = 3,
			  .read = read_history,
			  .row_bytes = sizeof(**rows)};

	return query_list(k->store, &q, rows, n, err);
}
