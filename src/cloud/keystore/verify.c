/*
 * Is everything as it was written? Generations against their MACs, life rows against the changes
 * that the generations name, entries against their seals. Reads only.
 */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

enum {
	BATCH = KEYS_CHECK_MAX,
};

struct verifying {
	struct keystore *k;
	struct str tenant;
	keystore_damage_fn *fn;
	void *user;
	struct db *db;
	int64_t keystore, generation; /* the current one */
	int64_t checked;
	struct keystore_content batch[BATCH];
	size_t n;
};

static void tell(struct verifying *v, struct str alias, int64_t generation, const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "generation %lld: %s", (long long)generation, what);
	v->fn(alias, text, v->user);
}

/* ---- entries ---- */

/* What is wrong with an entry that does not open: the part that its row contradicts, if any. */
static const char *reason(const struct keystore_content *c)
{
	uint8_t hash[32];

	digest_sha256(buf_str(&c->chain), hash);
	if (memcmp(hash, c->chain_sha256, sizeof(hash)) != 0) {
		return "the chain was changed";
	}
	if (c->wrapped.len == 0) {
		return "its data key is missing";
	}
	return c->list->entries[0].kind == KEYS_ENTRY_KEY_PAIR
		       ? "the sealed key, or what it is bound to, was changed"
		       : "the certificate's tag, or what it is bound to, was changed";
}

static bool check_batch(struct verifying *v, struct err *err)
{
	struct keys_entry entries[BATCH];
	struct str spki[BATCH];
	bool good[BATCH];

	for (size_t i = 0; i < v->n; i++) {
		const struct keystore_content *c = &v->batch[i];
		entries[i] = keystore_sealed_entry(v->tenant, c);
		spki[i] = c->list->entries[0].kind == KEYS_ENTRY_KEY_PAIR ? buf_str(&c->spki)
									  : STR_NONE;
	}
	bool ok = v->n == 0 || v->k->keys.check(v->k->keys.user, entries, spki, v->n, good, err);
	for (size_t i = 0; i < v->n; i++) {
		if (ok && !good[i]) {
			v->fn(str_of(v->batch[i].list->entries[0].alias), reason(&v->batch[i]),
			      v->user);
		} else if (ok && !keystore_facts_fit(&v->batch[i])) {
			v->fn(str_of(v->batch[i].list->entries[0].alias),
			      "its row says something else than its certificate", v->user);
		}
		keystore_content_fini(&v->batch[i]);
	}
	v->checked += (int64_t)v->n;
	v->n = 0;
	return ok;
}

static bool take(struct keystore_content *c, void *user, struct err *err)
{
	struct verifying *v = user;

	v->batch[v->n++] = *c;
	*c = (struct keystore_content){0};
	return v->n < BATCH || check_batch(v, err);
}

/* ---- life rows ---- */

static void read_id(struct stmt *st, void *row)
{
	*(int64_t *)row = stmt_col_int(st, 0);
}

struct differing {
	char alias[KEYSTORE_ALIAS_MAX], fold[KEYSTORE_ALIAS_MAX];
	bool differs;
};

static void read_differing(struct stmt *st, void *row)
{
	struct differing *d = row;

	query_copy(st, 0, d->alias, sizeof(d->alias));
	query_copy(st, 1, d->fold, sizeof(d->fold));
	d->differs = stmt_col_int(st, 2) != 0;
}

/* What a life row repeats of its version; and generations that it cannot have. */
static bool check_copies(struct verifying *v, struct err *err)
{
	struct query q = {.sql = "SELECT v.alias, l.alias_fold, CASE WHEN l.owner <> v.owner"
				 " OR l.not_after <> v.not_after OR l.bytes <> v.bytes"
				 " OR l.from_gen > $2 OR l.to_gen <= l.from_gen"
				 " OR (l.to_gen > $2 AND l.to_gen <> " KEYSTORE_NOW ")"
				 " THEN 1 ELSE 0 END FROM entry_life l JOIN entry_version v"
				 " ON v.id = l.version WHERE l.keystore = $1",
			  .params = {QUERY_INT(v->keystore), QUERY_INT(v->generation)},
			  .n_params = 2,
			  .read = read_differing,
			  .row_bytes = sizeof(struct differing)};
	AUTO_FREE struct differing *rows = NULL;
	size_t n;

	if (!query_rows(v->db, &q, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf fold = BUF(KEYSTORE_ALIAS_MAX);
		keystore_alias_fold(str_of(rows[i].alias), &fold);
		if (rows[i].differs || !str_eq(buf_str(&fold), str_of(rows[i].fold))) {
			v->fn(str_of(rows[i].alias), "its life row was changed", v->user);
		}
	}
	return true;
}

static void tell_version(struct verifying *v, int64_t version, int64_t generation)
{
	struct keystore_list *l = keystore_list_new();
	struct err err;

	bool named = keystore_read_version(v->db, version, l, &err);
	tell(v, named ? str_of(l->entries[0].alias) : STR("?"), generation,
	     "its life row was changed");
	keystore_list_free(l);
}

static bool is_in(const int64_t *ids, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == id) {
			return true;
		}
	}
	return false;
}

/* `said`: ids of the generation's change; `sql`: those of the life rows. */
static bool compare(struct verifying *v, const int64_t *said, size_t n_said, const char *sql,
		    int64_t generation, struct err *err)
{
	struct query q = {.sql = sql,
			  .params = {QUERY_INT(v->keystore), QUERY_INT(generation)},
			  .n_params = 2,
			  .read = read_id,
			  .row_bytes = sizeof(int64_t)};
	AUTO_FREE int64_t *found = NULL;
	size_t n;

	if (!query_rows(v->db, &q, &found, &n, err)) {
		return false;
	}
	/* Quadratic only where something is wrong: equal sets hash alike. */
	uint8_t a[32], b[32];
	AUTO_FREE int64_t *copy = NEW_ARRAY(int64_t, n_said + 1);
	if (n_said > 0) {
		memcpy(copy, said, n_said * sizeof(*said));
	}
	keystore_hash_ids(copy, n_said, a);
	keystore_hash_ids(found, n, b);
	if (memcmp(a, b, sizeof(a)) == 0) {
		return true;
	}
	for (size_t i = 0; i < n_said; i++) {
		if (!is_in(found, n, copy[i])) {
			tell_version(v, copy[i], generation);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_in(copy, n_said, found[i])) {
			tell_version(v, found[i], generation);
		}
	}
	return true;
}

static bool check_changes(struct verifying *v, int64_t generation, struct str changes,
			  struct err *err)
{
	struct rd r = rd_over(changes);
	uint32_t n_opened = rd_u32(&r);
	size_t n = r.rest.len / 8;
	AUTO_FREE int64_t *ids = NEW_ARRAY(int64_t, n + 1);

	for (size_t i = 0; i < n; i++) {
		ids[i] = (int64_t)rd_u64(&r);
	}
	if (!rd_done(&r) || n_opened > n) {
		tell(v, STR(""), generation, "the list of what it changed was changed");
		return true;
	}
	return compare(v, ids, n_opened,
		       "SELECT version FROM entry_life WHERE keystore = $1 AND from_gen = $2",
		       generation, err) &&
	       compare(v, ids + n_opened, n - n_opened,
		       "SELECT version FROM entry_life WHERE keystore = $1 AND to_gen = $2",
		       generation, err);
}

/* ---- generations ---- */

struct changes_row {
	char *bytes;
	size_t len;
};

static void read_changes(struct stmt *st, void *row)
{
	struct changes_row *c = row;
	struct str bytes = stmt_col_text(st, 0);

	c->len = bytes.len;
	c->bytes = str_dup(bytes);
}

static bool check_generation(struct verifying *v, int64_t n, uint8_t previous[static 32],
			     struct err *err)
{
	struct query q = {.sql = "SELECT changes FROM keystore_generation WHERE keystore = $1"
				 " AND n = $2",
			  .params = {QUERY_INT(v->keystore), QUERY_INT(n)},
			  .n_params = 2,
			  .read = read_changes,
			  .row_bytes = sizeof(struct changes_row)};
	struct keystore_generation_row row;
	struct changes_row changes = {0};
	bool found, good = false;
	uint8_t hash[32];

	if (!keystore_read_generation(v->db, v->keystore, n, &row, &found, err) ||
	    (found && !keystore_check_mac(v->k, v->db, v->tenant, &row, &good, err)) ||
	    !query_row(v->db, &q, &changes, &found, err)) {
		return false;
	}
	AUTO_FREE char *bytes = changes.bytes;
	if (!good || memcmp(row.previous, previous, 32) != 0) {
		tell(v, STR(""), n, "its row is missing or was changed");
	}
	memcpy(previous, row.mac, 32);
	if (changes.len == 0) {
		return true; /* pruned, or missing and told */
	}
	digest_sha256(str_make(bytes, changes.len), hash);
	if (memcmp(hash, row.changes_sha256, sizeof(hash)) != 0) {
		tell(v, STR(""), n, "the list of what it changed was changed");
		return true;
	}
	return check_changes(v, n, str_make(bytes, changes.len), err);
}

static bool check_state(struct verifying *v, int64_t generation, struct err *err)
{
	bool good;

	if (!keystore_state_is_good(v->k, v->db, v->tenant, v->keystore, generation, &good, err)) {
		return false;
	}
	if (!good) {
		tell(v, STR(""), generation, "its entries are not those that it had");
	}
	return true;
}

static bool check_pin_rows(struct verifying *v, struct err *err)
{
	AUTO_FREE struct keystore_pin *pins = NULL;
	char text[96];
	size_t n;

	if (!keystore_pins_of(v->db, v->tenant, &pins, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		enum keystore_pin_row row;
		if (!keystore_pin_judge(v->k, v->db, v->tenant, &pins[i], &row, err)) {
			return false;
		}
		if (row != KEYSTORE_PIN_GOOD) {
			(void)snprintf(text, sizeof(text), "the row of backup %lld %s",
				       (long long)pins[i].id,
				       row == KEYSTORE_PIN_UNSEALED
					       ? "has no seal (of a version before?)"
					       : "was changed");
			tell(v, STR(""), pins[i].generation, text);
		}
	}
	return true;
}

static bool check_pins(struct verifying *v, struct err *err)
{
	struct query q = {.sql = "SELECT DISTINCT generation FROM keystore_pin"
				 " WHERE keystore = $1",
			  .params = {QUERY_INT(v->keystore)},
			  .n_params = 1,
			  .read = read_id,
			  .row_bytes = sizeof(int64_t)};
	AUTO_FREE int64_t *pinned = NULL;
	size_t n;

	if (!query_rows(v->db, &q, &pinned, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!check_state(v, pinned[i], err)) {
			return false;
		}
	}
	return true;
}

/* The keystore's own row: settings that no MAC covers there, and a number below what was made. */
static bool check_row(struct verifying *v, const struct keystore_row *row, struct err *err)
{
	struct query q = {.sql = "SELECT n FROM keystore_generation WHERE keystore = $1"
				 " AND n > $2 ORDER BY n LIMIT 1",
			  .params = {QUERY_INT(v->keystore), QUERY_INT(row->generation)},
			  .n_params = 2,
			  .read = read_id,
			  .row_bytes = sizeof(int64_t)};
	struct keystore_generation_row g;
	int64_t later = 0;
	bool found;

	if (!query_row(v->db, &q, &later, &found, err)) {
		return false;
	}
	if (found) {
		tell(v, STR(""), later, "it was made, and the keystore stands at an earlier one");
	}
	if (!keystore_read_generation(v->db, v->keystore, row->generation, &g, &found, err)) {
		return false;
	}
	if (g.settings != row->settings) {
		tell(v, STR(""), row->generation, "its settings are not those of the keystore");
	}
	return true;
}

/* The keystore's number is under no seal: a flipped bit of it is no reason to look for ever. */
static bool find_last(struct verifying *v, int64_t *last, struct err *err)
{
	struct query q = {.sql = "SELECT COALESCE(MAX(n), 0) FROM keystore_generation"
				 " WHERE keystore = $1 AND n <= $2",
			  .params = {QUERY_INT(v->keystore), QUERY_INT(v->generation)},
			  .n_params = 2,
			  .read = read_id,
			  .row_bytes = sizeof(*last)};
	bool found;

	if (!query_row(v->db, &q, last, &found, err)) {
		return false;
	}
	if (*last != v->generation) {
		tell(v, STR(""), v->generation, "its row is missing or was changed");
	}
	return true;
}

static bool verify(struct db *db, void *user, struct err *err)
{
	struct verifying *v = user;
	uint8_t previous[32] = {0};
	struct keystore_row row;
	int64_t last = 0;
	bool found;

	v->db = db;
	v->checked = 0;
	if (!keystore_read_row(db, v->tenant, &row, &found, err)) {
		return false;
	}
	v->keystore = row.id;
	v->generation = row.generation;
	if (!find_last(v, &last, err)) {
		return false;
	}
	for (int64_t n = 1; n <= last; n++) {
		if (!check_generation(v, n, previous, err)) {
			return false;
		}
	}
	return !found ||
	       (check_row(v, &row, err) && check_state(v, row.generation, err) &&
		check_pin_rows(v, err) && check_pins(v, err) && check_copies(v, err) &&
		keystore_walk_contents(db, row.id, 0, take, v, err) && check_batch(v, err));
}

bool keystore_verify(struct keystore *k, struct str tenant, keystore_damage_fn *fn, void *user,
		     int64_t *checked, struct err *err)
{
	struct verifying *v = NEW(struct verifying);

	*v = (struct verifying){.k = k, .tenant = tenant, .fn = fn, .user = user};
	bool ok = store_read(k->store, verify, v, err);
	for (size_t i = 0; i < v->n; i++) {
		keystore_content_fini(&v->batch[i]);
	}
	*checked = v->checked;
	free(v);
	return ok;
}
