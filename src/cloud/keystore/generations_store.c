/*
 * Generations: what makes one, and what authenticates it.
 *
 * A generation's row says which versions its change opened and closed, and hashes all versions that
 * are alive in it. Its MAC, by the key process, covers both and the MAC of the generation before.
 * So the current state, a pinned one and the way between them can each be checked against the life
 * rows, and a change that starts from a state that was tampered with is refused instead of being
 * authenticated.
 */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

enum {
	CHANGES_MAX = 64 * 1024 * 1024, /* ids of one change: 8 bytes each */
};

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

static bool compute_mac(struct keystore *k, struct db *db, struct str tenant,
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

	if (!compute_mac(k, db, tenant, row, mac, &found, err)) {
		*good = false;
		return err->kind == ERR_DENIED; /* the tenant's data key does not open */
	}
	*good = found && equal_secret(mac, row->mac, sizeof(mac));
	return true;
}

/* ---- states ---- */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void add_ids(struct buf *out, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		wr_u64(out, (uint64_t)ids[i]);
	}
}

void keystore_hash_ids(int64_t *ids, size_t n, uint8_t hash[static 32])
{
	AUTO_BUF struct buf bytes = BUF(CHANGES_MAX);

	if (n > 0) {
		qsort(ids, n, sizeof(*ids), by_number);
	}
	wr_u64(&bytes, n);
	add_ids(&bytes, ids, n);
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

static bool hash_is_good(struct keystore *k, struct db *db, struct str tenant, int64_t keystore,
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
	       hash_is_good(k, db, tenant, keystore, generation, state, good, err);
}

/* ---- a new one ---- */

static bool tell_damaged(const struct keystore_edit *e, struct err *err)
{
	return err_set(err, ERR_STORE,
		       "the keystore's generation %lld is damaged and is not changed any further: "
		       "restore a backup, with mode replace",
		       (long long)e->generation - 1);
}

/* Of the future: what begins or ends with a generation that is not made yet. */
#define FUTURE_BEGIN " WHERE keystore = $1 AND from_gen >= $2 AND to_gen = " KEYSTORE_NOW
#define FUTURE_END   " WHERE keystore = $1 AND to_gen >= $2 AND to_gen < " KEYSTORE_NOW

static bool drop_future(struct keystore_edit *e, struct err *err)
{
	struct query begin = {.sql = "DELETE FROM entry_life" FUTURE_BEGIN,
			      .params = {QUERY_INT(e->id), QUERY_INT(e->generation)},
			      .n_params = 2};
	struct query end = begin;

	end.sql = "UPDATE entry_life SET to_gen = " KEYSTORE_NOW FUTURE_END
		  " AND NOT EXISTS (SELECT 1 FROM entry_life o WHERE o.keystore = $1"
		  " AND o.alias_fold = entry_life.alias_fold AND o.to_gen = " KEYSTORE_NOW ")";
	return query_run(e->db, &begin, NULL, err) && query_run(e->db, &end, NULL, err);
}

bool keystore_check_future(struct keystore_edit *e, struct err *err)
{
	struct query q = {.sql = "SELECT version FROM entry_life" FUTURE_BEGIN
				 " UNION ALL SELECT version FROM entry_life" FUTURE_END " LIMIT 1",
			  .params = {QUERY_INT(e->id), QUERY_INT(e->generation)},
			  .n_params = 2};
	bool found;

	if (!query_row(e->db, &q, NULL, &found, err)) {
		return false;
	}
	return !found || (e->repairs ? drop_future(e, err) : tell_damaged(e, err));
}

struct alive {
	int64_t version, bytes;
	bool is_tenants;
};

static void read_alive(struct stmt *st, void *row)
{
	struct alive *a = row;

	a->version = stmt_col_int(st, 0);
	a->bytes = stmt_col_int(st, 1);
	a->is_tenants = stmt_col_int(st, 2) == KEYS_OWNER_TENANT;
}

struct making {
	struct keystore_edit *e;
	struct keystore_generation_row row;
	struct alive *alive;
	int64_t *opened, *closed, *ids; /* ids: of the state after, then of the one before */
	size_t n_alive, n_opened, n_closed;
};

static void making_fini(struct making *m)
{
	free(m->alive);
	free(m->opened);
	free(m->closed);
	free(m->ids);
}

static bool read_change(struct making *m, struct err *err)
{
	struct keystore_edit *e = m->e;
	struct query opened = {.sql = "SELECT version FROM entry_life WHERE keystore = $1"
				      " AND to_gen = " KEYSTORE_NOW " AND from_gen = $2",
			       .params = {QUERY_INT(e->id), QUERY_INT(e->generation)},
			       .n_params = 2};
	struct query closed = {
		.sql = "SELECT version FROM entry_life WHERE keystore = $1 AND to_gen = $2",
		.params = {QUERY_INT(e->id), QUERY_INT(e->generation)},
		.n_params = 2};
	struct query alive = {.sql = "SELECT version, bytes, owner FROM entry_life"
				     " WHERE keystore = $1 AND to_gen = " KEYSTORE_NOW,
			      .params = {QUERY_INT(e->id)},
			      .n_params = 1,
			      .read = read_alive,
			      .row_bytes = sizeof(*m->alive)};

	return keystore_read_ids(e->db, &opened, &m->opened, &m->n_opened, err) &&
	       keystore_read_ids(e->db, &closed, &m->closed, &m->n_closed, err) &&
	       query_rows(e->db, &alive, &m->alive, &m->n_alive, err);
}

static void sum_up(struct making *m)
{
	m->row.entries = (int64_t)m->n_alive;
	for (size_t i = 0; i < m->n_alive; i++) {
		m->row.bytes += m->alive[i].bytes;
		m->row.tenant_entries += m->alive[i].is_tenants;
	}
}

static bool is_among(const int64_t *sorted, size_t n, int64_t id)
{
	return n > 0 && bsearch(&id, sorted, n, sizeof(id), by_number) != NULL;
}

/* The state before this change, out of the one after it. */
static bool check_before(struct making *m, const struct keystore_generation_row *before, bool *good,
			 struct err *err)
{
	struct keystore_edit *e = m->e;
	uint8_t state[32];
	size_t n = 0;

	for (size_t i = 0; i < m->n_alive; i++) {
		if (!is_among(m->opened, m->n_opened, m->alive[i].version)) {
			m->ids[n++] = m->alive[i].version;
		}
	}
	for (size_t i = 0; i < m->n_closed; i++) {
		m->ids[n++] = m->closed[i];
	}
	keystore_hash_ids(m->ids, n, state);
	if (before->n == 0) {
		return hash_is_good(e->k, e->db, e->c->tenant, e->id, 0, state, good, err);
	}
	*good = equal_secret(state, before->state, sizeof(state));
	return !*good || keystore_check_mac(e->k, e->db, e->c->tenant, before, good, err);
}

static bool hash_change(struct making *m, struct buf *changes, struct err *err)
{
	wr_u32(changes, (uint32_t)m->n_opened);
	add_ids(changes, m->opened, m->n_opened);
	add_ids(changes, m->closed, m->n_closed);
	digest_sha256(buf_str(changes), m->row.changes_sha256);
	for (size_t i = 0; i < m->n_alive; i++) {
		m->ids[i] = m->alive[i].version;
	}
	keystore_hash_ids(m->ids, m->n_alive, m->row.state);
	return !buf_failed(changes) || err_set(err, ERR_LIMIT, "the change has too many entries");
}

static bool check_limits(struct making *m, const struct keystore_generation_row *before,
			 struct err *err)
{
	struct keystore_limits limits = keystore_limits_of(m->e->k);
	bool ok = true;

	/* Who is over a limit that was lowered may still remove. */
	if (m->row.entries > before->entries) {
		ok = keystore_within("keystore.entries.max", (uint64_t)m->row.entries,
				     limits.entries, err);
	}
	if (ok && m->row.bytes > before->bytes) {
		ok = keystore_within("keystore.bytes.max", (uint64_t)m->row.bytes,
				     limits.store_bytes, err);
	}
	if (!ok) {
		m->e->outcome = KEYSTORE_LIMIT;
	}
	return ok;
}

static bool insert_generation(struct keystore_edit *e, const struct keystore_generation_row *g,
			      struct str changes, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(
		    e->db,
		    "INSERT INTO keystore_generation (keystore, n, at_ms, by_user, what, settings,"
		    " safety, opened, closed, entries, bytes, tenant_entries, changes,"
		    " changes_sha256, state, previous, data_key, mac) VALUES ($1, $2, $3, $4, $5,"
		    " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
		    &st, err)) {
		return false;
	}
	const int64_t numbers[] = {g->settings, g->safety, e->opened,        e->closed,
				   g->entries,  g->bytes,  g->tenant_entries};
	stmt_int(st, 1, e->id);
	stmt_int(st, 2, g->n);
	stmt_int(st, 3, g->at);
	stmt_text(st, 4, str_of(g->by));
	stmt_text(st, 5, str_of(g->what));
	for (int i = 0; i < (int)COUNT(numbers); i++) {
		stmt_int(st, 6 + i, numbers[i]);
	}
	stmt_blob(st, 13, changes);
	stmt_blob(st, 14, str_make(g->changes_sha256, 32));
	stmt_blob(st, 15, str_make(g->state, 32));
	stmt_blob(st, 16, str_make(g->previous, 32));
	stmt_blob(st, 17, str_make(g->data_key, sizeof(g->data_key)));
	stmt_blob(st, 18, str_make(g->mac, 32));
	return stmt_run(st, NULL, err);
}

bool keystore_edit_data_key(struct keystore_edit *e, uint8_t data_key[static KEYSTORE_DATA_KEY_ID],
			    struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	bool found;

	if (!keystore_read_data_key(e->db, e->c->tenant, &wrapped, &found, err)) {
		return false;
	}
	struct str id = keys_data_key_id(buf_str(&wrapped));
	if (!found || id.len != KEYSTORE_DATA_KEY_ID) {
		return err_set(err, ERR_STORE,
			       "the tenant's data key is missing: the keystore "
			       "cannot be changed without it");
	}
	memcpy(data_key, id.at, id.len);
	return true;
}

static bool seal_generation(struct making *m, struct err *err)
{
	struct keystore_edit *e = m->e;
	bool found;

	if (!keystore_edit_data_key(e, m->row.data_key, err)) {
		return false;
	}
	return compute_mac(e->k, e->db, e->c->tenant, &m->row, m->row.mac, &found, err);
}

/* The keystore's row has no MAC: its settings must be those of the generation before. */
static bool check_settings(struct making *m, const struct keystore_generation_row *before,
			   bool *good, struct err *err)
{
	struct keystore_edit *e = m->e;
	struct query q = {.sql = "UPDATE keystore SET settings = $2 WHERE id = $1",
			  .params = {QUERY_INT(e->id), QUERY_INT(before->settings)},
			  .n_params = 2};

	if (before->settings == e->settings_before) {
		return true;
	}
	*good = false;
	e->settings = m->row.settings = before->settings;
	return !e->repairs || query_run(e->db, &q, NULL, err);
}

static bool make(struct making *m, struct err *err)
{
	AUTO_BUF struct buf changes = BUF(CHANGES_MAX);
	struct keystore_generation_row before;
	struct keystore_edit *e = m->e;
	bool found, good;

	m->ids = NEW_ARRAY(int64_t, m->n_alive + m->n_closed + 1);
	if (!keystore_read_generation(e->db, e->id, e->generation - 1, &before, &found, err)) {
		return false;
	}
	sum_up(m);
	if (!hash_change(m, &changes, err) || !check_limits(m, &before, err)) {
		return false;
	}
	if (m->n_opened > 0) {
		qsort(m->opened, m->n_opened, sizeof(*m->opened), by_number);
	}
	if (!check_before(m, &before, &good, err) || !check_settings(m, &before, &good, err)) {
		return false;
	}
	good = good && found == (e->generation > 1);
	if (!good && !e->repairs) {
		return tell_damaged(e, err);
	}
	memcpy(m->row.previous, before.mac, sizeof(m->row.previous));
	return seal_generation(m, err) && insert_generation(e, &m->row, buf_str(&changes), err);
}

bool keystore_make_generation(struct keystore_edit *e, struct err *err)
{
	struct making m = {.e = e,
			   .row = {.n = e->generation,
				   .at = e->c->now,
				   .settings = e->settings,
				   .safety = e->safety}};

	(void)snprintf(m.row.by, sizeof(m.row.by), "%.*s", STR_ARGS(e->c->actor.who));
	(void)snprintf(m.row.what, sizeof(m.row.what), "%s", e->what);
	bool ok = read_change(&m, err);
	e->opened = (int64_t)m.n_opened;
	e->closed = (int64_t)m.n_closed;
	if (ok && m.n_opened == 0 && m.n_closed == 0 && !e->is_forced) {
		ok = keystore_refuse(e, KEYSTORE_SAME, err, "nothing to change");
	} else if (ok) {
		ok = make(&m, err);
	}
	making_fini(&m);
	return ok;
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
