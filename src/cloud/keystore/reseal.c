/*
 * After a rotation: data keys are wrapped by the current master key, and, when asked, every
 * tenant's entries move to a new data key. The same keys under the same bindings: no generation.
 * Old data keys stay, since the generations of their time were authenticated with them.
 */
#include "base/clock.h"
#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"

enum {
	PAGE = 100,
};

struct reseal {
	struct keystore *k;
	void (*progress)(int64_t done, int64_t all, void *user);
	void *user;
	int64_t done, all;
};

static void step(struct reseal *r)
{
	r->done++;
	if (r->progress != NULL) {
		r->progress(r->done, r->all, r->user);
	}
}

/* ---- data keys ---- */

struct key_row {
	char tenant[KEYS_TENANT_MAX + 1];
	uint8_t id[16], wrapped[KEYS_WRAPPED_MAX];
	size_t len;
};

static void read_key(struct stmt *st, void *row)
{
	struct key_row *r = row;
	struct str id = stmt_col_text(st, 1), wrapped = stmt_col_text(st, 2);

	query_copy(st, 0, r->tenant, sizeof(r->tenant));
	if (id.len == sizeof(r->id) && wrapped.len <= sizeof(r->wrapped)) {
		memcpy(r->id, id.at, id.len);
		memcpy(r->wrapped, wrapped.at, wrapped.len);
		r->len = wrapped.len;
	}
}

struct writing {
	const struct key_row *row;
	struct str wrapped;
};

static bool write_key(struct db *db, void *user, struct err *err)
{
	const struct writing *w = user;
	struct query q = {.sql = "UPDATE data_key SET wrapped = $3 WHERE tenant = $1 AND id = $2",
			  .params = {QUERY_CHARS(w->row->tenant),
				     QUERY_BLOB(str_make(w->row->id, sizeof(w->row->id))),
				     QUERY_BLOB(w->wrapped)},
			  .n_params = 3};

	return query_run(db, &q, NULL, err);
}

static bool rewrap(struct reseal *r, const struct key_row *row, struct err *err)
{
	AUTO_BUF struct buf fresh = BUF(KEYS_WRAPPED_MAX);
	struct keystore *k = r->k;
	bool again = false;

	if (!k->keys.data_key_rewrap(k->keys.user, str_of(row->tenant),
				     str_make(row->wrapped, row->len), &fresh, &again, err)) {
		return err_wrap(err, "data key of tenant %s", row->tenant);
	}
	struct writing w = {row, buf_str(&fresh)};
	return !again || store_tx(k->store, write_key, &w, err);
}

/* ---- entries ---- */

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

static bool move(struct reseal *r, struct str tenant, struct str wrapped,
		 const struct sealed_row *row, struct err *err)
{
	AUTO_CONTENT struct keystore_content c = {0};
	AUTO_BUF struct buf sealed = BUF(KIB(64));
	struct keystore *k = r->k;
	bool found;

	if (!keystore_read_content_of(k, row->version, &c, &found, err)) {
		return false;
	}
	if (!found) {
		return true; /* pruned meanwhile */
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
	step(r);
	return true;
}

static bool move_all(struct reseal *r, struct str tenant, struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	int64_t after = 0;
	size_t n = PAGE;

	if (!keystore_add_data_key(r->k, tenant, clock_unix_ms(), &wrapped, err)) {
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
		if (!query_list(r->k->store, &q, &rows, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			if (!move(r, tenant, buf_str(&wrapped), &rows[i], err)) {
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

bool keystore_reseal(struct keystore *k, bool new_data_keys,
		     void (*progress)(int64_t done, int64_t all, void *user), void *user,
		     struct err *err)
{
	struct reseal r = {.k = k, .progress = progress, .user = user};
	struct query keys = {.sql = "SELECT tenant, id, wrapped FROM data_key ORDER BY tenant",
			     .read = read_key,
			     .row_bytes = sizeof(struct key_row)};
	struct query count = {.sql = "SELECT COUNT(*) FROM entry_version",
			      .read = read_count,
			      .row_bytes = sizeof(r.all)};
	AUTO_FREE struct key_row *rows = NULL;
	size_t n;

	if (!query_list(k->store, &keys, &rows, &n, err) ||
	    !query_find(k->store, &count, &r.all, "", err)) {
		return false;
	}
	r.all = (new_data_keys ? r.all : 0) + (int64_t)n;
	for (size_t i = 0; i < n; i++) {
		if (!rewrap(&r, &rows[i], err)) {
			return false;
		}
		step(&r);
	}
	for (size_t i = 0; new_data_keys && i < n; i++) {
		bool first = i == 0 || strcmp(rows[i].tenant, rows[i - 1].tenant) != 0;
		if (first && !move_all(&r, str_of(rows[i].tenant), err)) {
			return false;
		}
	}
	return true;
}
