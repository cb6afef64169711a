/* The keystore of a subaccount that was deleted goes with all it has: entries, backups, data keys.
 */
#include "cloud/keystore/keystore_priv.h"

struct forgetting {
	const struct directory_actor *actor;
	struct str tenant;
	bool found;
};

static bool delete_of(struct db *db, const char *sql, struct str tenant, int64_t *gone,
		      struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, sql, &st, err)) {
		return false;
	}
	stmt_text(st, 1, tenant);
	return stmt_run(st, gone, err);
}

static bool delete_marked(struct db *db, struct err *err)
{
	struct query q = {.sql = "DELETE FROM entry_content WHERE made = -1"};

	return query_run(db, &q, NULL, err);
}

#define OF_TENANT "(SELECT id FROM keystore WHERE tenant = $1)"

/* Children before their parents. */
static bool delete_rows(struct db *db, struct str tenant, int64_t *keystores, struct err *err)
{
	return delete_of(db, "DELETE FROM keystore_pin WHERE keystore IN " OF_TENANT, tenant, NULL,
			 err) &&
	       delete_of(db, "DELETE FROM entry_life WHERE keystore IN " OF_TENANT, tenant, NULL,
			 err) &&
	       /* a content outlives its version for a moment: marked before, taken behind */
	       delete_of(db,
			 "UPDATE entry_content SET made = -1 WHERE id IN (SELECT id"
			 " FROM entry_version WHERE keystore IN " OF_TENANT ")",
			 tenant, NULL, err) &&
	       delete_of(db, "DELETE FROM entry_version WHERE keystore IN " OF_TENANT, tenant, NULL,
			 err) &&
	       delete_marked(db, err) &&
	       delete_of(db, "DELETE FROM keystore_generation WHERE keystore IN " OF_TENANT, tenant,
			 NULL, err) &&
	       delete_of(db, "DELETE FROM keystore WHERE tenant = $1", tenant, keystores, err) &&
	       delete_of(db, "DELETE FROM data_key WHERE tenant = $1", tenant, NULL, err);
}

static bool forget(struct db *db, struct change *c, void *user, struct err *err)
{
	struct forgetting *f = user;
	int64_t keystores = 0;

	if (!delete_rows(db, f->tenant, &keystores, err)) {
		return false;
	}
	change_record(c, &(struct change_audit){.who = f->actor->who,
						.from = f->actor->from,
						.tenant = f->tenant,
						.what = STR("keystore.forget"),
						.object = STR(KEYSTORE_SYSTEM)});
	return true;
}

static bool look(struct db *db, void *user, struct err *err)
{
	struct forgetting *f = user;
	struct stmt *st;

	if (!db_prepare(db, "SELECT 1 FROM data_key WHERE tenant = $1 LIMIT 1", &st, err)) {
		return false;
	}
	stmt_text(st, 1, f->tenant);
	enum store_outcome outcome = stmt_step(st, err);
	f->found = outcome == STORE_ROW;
	stmt_reset(st);
	return outcome != STORE_FAILED;
}

bool keystore_forget(struct keystore *k, const struct directory_actor *actor, struct str tenant,
		     struct err *err)
{
	struct forgetting f = {.actor = actor, .tenant = tenant};

	return store_read(k->store, look, &f, err) &&
	       (!f.found || store_change(k->store, forget, &f, NULL, err));
}

static void read_tenant(struct stmt *st, void *row)
{
	query_copy(st, 0, row, DIRECTORY_UUID);
}

bool keystore_tenants(struct keystore *k, char (**rows)[DIRECTORY_UUID], size_t *n, struct err *err)
{
	struct query q = {.sql = "SELECT DISTINCT tenant FROM data_key ORDER BY tenant",
			  .read = read_tenant,
			  .row_bytes = DIRECTORY_UUID};

	return query_list(k->store, &q, rows, n, err);
}
