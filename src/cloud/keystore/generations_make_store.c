/*
 * Generations: what makes one, at the end of a change.
 */
#include "cloud/keystore/generations_priv.h"

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
	return n > 0 && bsearch(&id, sorted, n, sizeof(id), keystore_by_number) != NULL;
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
		return keystore_hash_is_good(e->k, e->db, e->c->tenant, e->id, 0, state, good, err);
	}
	*good = equal_secret(state, before->state, sizeof(state));
	return !*good || keystore_check_mac(e->k, e->db, e->c->tenant, before, good, err);
}

static bool hash_change(struct making *m, struct buf *changes, struct err *err)
{
	wr_u32(changes, (uint32_t)m->n_opened);
	keystore_add_ids(changes, m->opened, m->n_opened);
	keystore_add_ids(changes, m->closed, m->n_closed);
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
	return keystore_generation_mac(e->k, e->db, e->c->tenant, &m->row, m->row.mac, &found, err);
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
	AUTO_BUF struct buf changes = BUF(KEYSTORE_CHANGES_MAX);
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
		qsort(m->opened, m->n_opened, sizeof(*m->opened), keystore_by_number);
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
