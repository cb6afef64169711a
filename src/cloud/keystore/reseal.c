/*
 * Every tenant's entries move to a new data key. The same keys under the same bindings: no
 * generation. Old data keys stay, since the generations of their time were authenticated with them;
 * keys/reseal.h wraps all of them again after a rotation of the master key.
 */
#include "base/clock.h"
#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"

enum {
	PAGE = 100,
};

struct tenant_row {
	char id[KEYS_TENANT_MAX + 1];
};

static void read_tenant(struct stmt *st, void *row)
{
	struct tenant_row *r = row;

	query_copy(st, 0, r->id, sizeof(r->id));
}

struct sealed_row {
	int64_t version;
	uint8_t data_key[16];
};

static void read_sealed(struct stmt *st, void *row)
{
	struct sealed_row *r = row;
	struct str id = stmt_col_text(st, 1);

	r->version = stmt_col_int(st, 0);
	if (id.len == sizeof(r->data_key)) {
		memcpy(r->data_key, id.at, id.len);
	}
}

struct moving {
	int64_t version;
	struct str old_key, new_key, sealed;
};

static bool write_sealed(struct db *db, void *user, struct err *err)
{
	const struct moving *m = user;
	struct query q = {.sql = "UPDATE entry_content SET sealed = $4, data_key = $3"
				 " WHERE id = $1 AND data_key = $2",
			  .params = {QUERY_INT(m->version), QUERY_BLOB(m->old_key),
				     QUERY_BLOB(m->new_key), QUERY_BLOB(m->sealed)},
			  .n_params = 4};

	return query_run(db, &q, NULL, err);
}

/* *moved: false when it was pruned meanwhile. */
static bool move(struct keystore *k, struct str tenant, struct str wrapped,
		 const struct sealed_row *row, bool *moved, struct err *err)
{
	AUTO_CONTENT struct keystore_content c = {0};
	AUTO_BUF struct buf sealed = BUF(KIB(64));

	*moved = false;
	if (!keystore_read_content_of(k, row->version, &c, moved, err)) {
		/* a row that is there and cannot be read is damaged, the database is not */
		err->kind = *moved ? ERR_DENIED : err->kind;
		return false;
	}
	if (!*moved) {
		return true;
	}
	const struct keys_entry entry = keystore_sealed_entry(tenant, &c);
	if (!k->keys.rebind(k->keys.user, &entry, wrapped, &entry.binding, &sealed, err)) {
		return err_wrap(err, "entry %.100s", c.list->entries[0].alias);
	}
	struct moving m = {row->version, str_make(row->data_key, 16), keys_data_key_id(wrapped),
			   buf_str(&sealed)};
	CRASH_POINT("keystore.reseal.moving");
	if (!store_tx(k->store, write_sealed, &m, err)) {
		return false;
	}
	CRASH_POINT("keystore.reseal.moved"); /* one entry, and the others not */
	return true;
}

static bool move_one(struct keystore *k, struct str tenant, struct str wrapped,
		     const struct sealed_row *row, struct reseal_count *count, struct err *err)
{
	char what[KEYS_TENANT_MAX + 16];
	bool moved;

	if (move(k, tenant, wrapped, row, &moved, err)) {
		count->resealed += moved;
		return reseal_step(count, err);
	}
	(void)snprintf(what, sizeof(what), "tenant %.*s", STR_ARGS(tenant));
	return reseal_failed(count, str_of(what), err) && reseal_step(count, err);
}

static bool move_all(struct keystore *k, struct str tenant, struct reseal_count *count,
		     struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	int64_t after = 0;
	size_t n = PAGE;

	if (!keystore_add_data_key(k, tenant, clock_unix_ms(), &wrapped, err)) {
		return false;
	}
	while (n == PAGE) {
		struct query q = {
			.sql = "SELECT c.id, c.data_key FROM keystore s JOIN entry_version v"
			       " ON v.keystore = s.id JOIN entry_content c ON c.id = v.id"
			       " WHERE s.tenant = $1 AND c.id > $2 AND c.data_key <> $3"
			       " ORDER BY c.id LIMIT $4",
			.params = {QUERY_TEXT(tenant), QUERY_INT(after),
				   QUERY_BLOB(keys_data_key_id(buf_str(&wrapped))),
				   QUERY_INT(PAGE)},
			.n_params = 4,
			.read = read_sealed,
			.row_bytes = sizeof(struct sealed_row)};
		AUTO_FREE struct sealed_row *rows = NULL;
		if (!query_list(k->store, &q, &rows, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			if (!move_one(k, tenant, buf_str(&wrapped), &rows[i], count, err)) {
				return false;
			}
			after = rows[i].version;
		}
	}
	return true;
}

static void read_count(struct stmt *st, void *row)
{
	*(int64_t *)row = stmt_col_int(st, 0);
}

static bool count_all(struct keystore *k, struct reseal_count *count, struct err *err)
{
	int64_t n = 0;
	struct query q = {.sql = "SELECT COUNT(*) FROM entry_version",
			  .read = read_count,
			  .row_bytes = sizeof(n)};

	if (!query_find(k->store, &q, &n, "", err)) {
		return false;
	}
	count->items += (uint64_t)n;
	return true;
}

bool keystore_reseal(struct keystore *k, bool change, struct reseal_count *count, struct err *err)
{
	struct query tenants = {.sql = "SELECT DISTINCT tenant FROM data_key ORDER BY tenant",
				.read = read_tenant,
				.row_bytes = sizeof(struct tenant_row)};
	AUTO_FREE struct tenant_row *rows = NULL;
	size_t n;

	if (!change) {
		return count_all(k, count, err);
	}
	if (!query_list(k->store, &tenants, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!move_all(k, str_of(rows[i].id), count, err)) {
			return false;
		}
	}
	return true;
}
