/* The tables, a tenant's row, and its data keys. */
#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"

/*
 * entry_version is never changed; entry_content.sealed only by a reseal, to the same key under
 * another data key. entry_life says in which generations a version is alive (from_gen <= n <
 * to_gen) and repeats what lists and totals need. Folded aliases are blobs: they compare bytewise
 * on both databases.
 */
const struct migration keystore_migrations[] = {
	{1,
	 "CREATE TABLE keystore (id {serial}, tenant {text} NOT NULL, name {text} NOT NULL,"
	 " generation {int} NOT NULL, settings {int} NOT NULL, UNIQUE (tenant, name)) {strict};\n"
	 "CREATE TABLE data_key (tenant {text} NOT NULL, id {blob} NOT NULL,"
	 " wrapped {blob} NOT NULL, made {int} NOT NULL, PRIMARY KEY (tenant, id)) {strict};\n"
	 "CREATE TABLE keystore_generation (keystore {int} NOT NULL REFERENCES keystore (id),"
	 " n {int} NOT NULL, at_ms {int} NOT NULL, by_user {text} NOT NULL, what {text} NOT NULL,"
	 " settings {int} NOT NULL, safety {int} NOT NULL, opened {int} NOT NULL,"
	 " closed {int} NOT NULL, entries {int} NOT NULL, bytes {int} NOT NULL,"
	 " tenant_entries {int} NOT NULL, changes {blob} NOT NULL, changes_sha256 {blob} NOT NULL,"
	 " state {blob} NOT NULL, previous {blob} NOT NULL, data_key {blob} NOT NULL,"
	 " mac {blob} NOT NULL, PRIMARY KEY (keystore, n)) {strict};\n"
	 "CREATE TABLE entry_content (id {int} PRIMARY KEY, data_key {blob} NOT NULL,"
	 " chain {blob} NOT NULL, spki {blob} NOT NULL, sealed {blob} NOT NULL,"
	 " made {int} NOT NULL) {strict};\n"
	 "CREATE TABLE entry_version (id {int} PRIMARY KEY REFERENCES entry_content (id),"
	 " keystore {int} NOT NULL REFERENCES keystore (id), alias {text} NOT NULL,"
	 " owner {int} NOT NULL, kind {int} NOT NULL, flags {int} NOT NULL,"
	 " created_by {text} NOT NULL, modified_by {text} NOT NULL, created {int} NOT NULL,"
	 " modified {int} NOT NULL, key_type {text} NOT NULL, curve {text} NOT NULL,"
	 " signature {text} NOT NULL, serial {text} NOT NULL, key_size {int} NOT NULL,"
	 " x509_version {int} NOT NULL, not_before {int} NOT NULL, not_after {int} NOT NULL,"
	 " subject {text} NOT NULL, issuer {text} NOT NULL, prints {blob} NOT NULL,"
	 " chain_length {int} NOT NULL, bytes {int} NOT NULL, chain_sha256 {blob} NOT NULL)"
	 " {strict};\n"
	 "CREATE TABLE entry_life (keystore {int} NOT NULL REFERENCES keystore (id),"
	 " version {int} NOT NULL REFERENCES entry_version (id), alias_fold {blob} NOT NULL,"
	 " owner {int} NOT NULL, not_after {int} NOT NULL, bytes {int} NOT NULL,"
	 " from_gen {int} NOT NULL, to_gen {int} NOT NULL,"
	 " PRIMARY KEY (keystore, version, from_gen)) {strict};\n"
	 "CREATE UNIQUE INDEX entry_life_now ON entry_life (keystore, alias_fold)"
	 " WHERE to_gen = " KEYSTORE_NOW ";\n"
	 "CREATE INDEX entry_life_in ON entry_life (keystore, to_gen, from_gen, version);\n"
	 "CREATE INDEX entry_life_of ON entry_life (version);\n"
	 "CREATE TABLE keystore_pin (id {serial}, keystore {int} NOT NULL REFERENCES keystore (id),"
	 " kind {int} NOT NULL, generation {int} NOT NULL, at_ms {int} NOT NULL,"
	 " by_user {text} NOT NULL, note {text} NOT NULL, entries {int} NOT NULL) {strict};\n"
	 "CREATE INDEX keystore_pin_of ON keystore_pin (keystore, kind, id)"},
	{2, "ALTER TABLE keystore_pin ADD COLUMN data_key {blob};\n"
	    "ALTER TABLE keystore_pin ADD COLUMN mac {blob}"},
	{0, NULL},
};

static void read_row(struct stmt *st, void *row)
{
	struct keystore_row *r = row;

	r->id = stmt_col_int(st, 0);
	r->generation = stmt_col_int(st, 1);
	r->settings = stmt_col_int(st, 2);
}

bool keystore_read_row(struct db *db, struct str tenant, struct keystore_row *row, bool *found,
		       struct err *err)
{
	struct query q = {.sql = "SELECT id, generation, settings FROM keystore"
				 " WHERE tenant = $1 AND name = '" KEYSTORE_SYSTEM "'",
			  .params = {QUERY_TEXT(tenant)},
			  .n_params = 1,
			  .read = read_row,
			  .row_bytes = sizeof(*row)};

	*row = (struct keystore_row){0};
	return query_row(db, &q, row, found, err);
}

/* ---- data keys ---- */

struct wrapped_row {
	uint8_t bytes[KEYS_WRAPPED_MAX];
	size_t len;
};

static void read_wrapped(struct stmt *st, void *row)
{
	struct wrapped_row *w = row;
	struct str wrapped = stmt_col_text(st, 0);

	if (wrapped.len <= sizeof(w->bytes)) {
		memcpy(w->bytes, wrapped.at, wrapped.len);
		w->len = wrapped.len;
	}
}

static bool read_key(struct db *db, struct query *q, struct buf *wrapped, bool *found,
		     struct err *err)
{
	struct wrapped_row row = {.len = 0}; /* one that is too long is none */

	q->read = read_wrapped;
	q->row_bytes = sizeof(row);
	if (!query_row(db, q, &row, found, err)) {
		return false;
	}
	if (*found) {
		buf_reset(wrapped);
		buf_add(wrapped, row.bytes, row.len);
	}
	return true;
}

bool keystore_read_data_key(struct db *db, struct str tenant, struct buf *wrapped, bool *found,
			    struct err *err)
{
	struct query q = {.sql = "SELECT wrapped FROM data_key WHERE tenant = $1"
				 " ORDER BY made DESC, id DESC LIMIT 1",
			  .params = {QUERY_TEXT(tenant)},
			  .n_params = 1};

	return read_key(db, &q, wrapped, found, err);
}

bool keystore_data_key_by_id(struct db *db, struct str tenant, struct str id, struct buf *wrapped,
			     bool *found, struct err *err)
{
	struct query q = {.sql = "SELECT wrapped FROM data_key WHERE tenant = $1 AND id = $2",
			  .params = {QUERY_TEXT(tenant), QUERY_BLOB(id)},
			  .n_params = 2};

	return read_key(db, &q, wrapped, found, err);
}

struct key_tx {
	struct str tenant;
	struct buf *wrapped;
	int64_t made;
	bool found;
};

static bool find_key(struct db *db, void *user, struct err *err)
{
	struct key_tx *t = user;

	return keystore_read_data_key(db, t->tenant, t->wrapped, &t->found, err);
}

/* Newer than all others, whatever the clock says. Two nodes may both make the first: both stay, and
 * the newest is used from then on. */
static bool insert_key(struct db *db, void *user, struct err *err)
{
	struct key_tx *t = user;
	struct query q = {.sql = "INSERT INTO data_key (tenant, id, wrapped, made)"
				 " VALUES ($1, $2, $3, (SELECT CASE WHEN COALESCE(MAX(made), 0)"
				 " >= $4 THEN MAX(made) + 1 ELSE $4 END FROM data_key"
				 " WHERE tenant = $1))",
			  .params = {QUERY_TEXT(t->tenant),
				     QUERY_BLOB(keys_data_key_id(buf_str(t->wrapped))),
				     QUERY_BLOB(buf_str(t->wrapped)), QUERY_INT(t->made)},
			  .n_params = 4};

	return query_run(db, &q, NULL, err);
}

bool keystore_add_data_key(struct keystore *k, struct str tenant, int64_t now, struct buf *wrapped,
			   struct err *err)
{
	struct key_tx t = {.tenant = tenant, .wrapped = wrapped, .made = now};

	buf_reset(wrapped);
	if (!k->keys.data_key_new(k->keys.user, tenant, wrapped, err)) {
		return false;
	}
	CRASH_POINT("keystore.datakey.made");
	if (!store_tx(k->store, insert_key, &t, err)) {
		return false;
	}
	CRASH_POINT("keystore.datakey.stored"); /* and nothing sealed with it */
	return true;
}

bool keystore_data_key(struct keystore *k, struct str tenant, int64_t now, struct buf *wrapped,
		       struct err *err)
{
	struct key_tx t = {.tenant = tenant, .wrapped = wrapped};

	return store_read(k->store, find_key, &t, err) &&
	       (t.found || keystore_add_data_key(k, tenant, now, wrapped, err));
}

const struct reseal_table keystore_data_keys[] = {
	{.kind = RESEAL_DATA_KEY,
	 .what = "data keys of tenants",
	 .select = "SELECT wrapped, tenant FROM data_key",
	 .update = "UPDATE data_key SET wrapped = $1 WHERE wrapped = $2"},
	{.select = NULL},
};
