#include "cloud/directory/snapshot.h"

#include "cloud/directory/certificates_priv.h"
#include "cloud/directory/settings.h"
#include "cloud/directory/snapshot_priv.h"
#include "cloud/directory/subaccounts_priv.h"

void directory_snapshot_rows_fini(struct snapshot_rows *rows)
{
	free(rows->subaccounts);
	free(rows->certificates);
	free(rows->disconnected);
	free(rows->bindings);
	buf_fini(&rows->jwks);
	*rows = (struct snapshot_rows){.jwks = BUF(DIRECTORY_SETTING_MAX)};
}

static void read_head(struct stmt *st, void *row)
{
	int64_t *n = row;

	*n = stmt_col_int(st, 0);
}

static void read_connector(struct stmt *st, void *row)
{
	struct snapshot_connector *c = row;

	snprintf(c->key, sizeof(c->key), "%.*s/%.*s", STR_ARGS(stmt_col_text(st, 0)),
		 STR_ARGS(stmt_col_text(st, 1)));
}

static void read_binding(struct stmt *st, void *row)
{
	struct snapshot_binding *b = row;

	query_copy(st, 0, b->client_id, sizeof(b->client_id));
	query_copy(st, 1, b->subaccount, sizeof(b->subaccount));
}

static bool read_jwks(struct db *db, struct buf *out, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT value FROM setting WHERE name = $1", &st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(DIRECTORY_SETTING_JWKS));
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome == STORE_ROW) {
		buf_add_str(out, stmt_col_text(st, 0));
	}
	stmt_reset(st);
	return outcome != STORE_FAILED;
}

struct reading {
	int64_t since;
	struct snapshot_rows *rows;
};

static bool read_tenants(struct db *db, struct snapshot_rows *rows, struct err *err)
{
	const struct query head = {.sql = "SELECT n FROM head WHERE one = 1",
				   .read = read_head,
				   .row_bytes = sizeof(rows->head)};
	const struct query subaccounts = {.sql = "SELECT " SUBACCOUNT_COLUMNS " FROM subaccount s",
					  .read = directory_read_subaccount,
					  .row_bytes = sizeof(*rows->subaccounts)};
	const struct query bindings = {.sql = "SELECT client_id, subaccount FROM binding",
				       .read = read_binding,
				       .row_bytes = sizeof(*rows->bindings)};
	bool found;

	return query_row(db, &head, &rows->head, &found, err) &&
	       query_rows(db, &subaccounts, &rows->subaccounts, &rows->n_subaccounts, err) &&
	       query_rows(db, &bindings, &rows->bindings, &rows->n_bindings, err) &&
	       read_jwks(db, &rows->jwks, err);
}

static bool read_all(struct db *db, void *user, struct err *err)
{
	struct reading *r = user;
	struct snapshot_rows *rows = r->rows;
	const struct query certificates = {.sql = "SELECT " CERTIFICATE_COLUMNS
						  " FROM certificate c WHERE c.not_after >= $1",
					   .params = {QUERY_INT(r->since)},
					   .n_params = 1,
					   .read = directory_read_certificate,
					   .row_bytes = sizeof(*rows->certificates)};
	const struct query disconnected = {.sql = "SELECT subaccount, instance FROM connector"
						  " WHERE disconnected = 1",
					   .read = read_connector,
					   .row_bytes = sizeof(*rows->disconnected)};

	directory_snapshot_rows_fini(rows); /* of a try before */
	return read_tenants(db, rows, err) &&
	       query_rows(db, &certificates, &rows->certificates, &rows->n_certificates, err) &&
	       query_rows(db, &disconnected, &rows->disconnected, &rows->n_disconnected, err);
}

bool directory_snapshot_read(struct store *s, int64_t since, struct snapshot_rows *rows,
			     struct err *err)
{
	struct reading r = {.since = since, .rows = rows};

	return store_read(s, read_all, &r, err);
}
