/* Pins: generations that are kept. Backups, and the safety copies of restores. */
#include "cloud/keystore/keystore_priv.h"

static void read_pin(struct stmt *st, void *row)
{
	struct keystore_pin *p = row;

	p->id = stmt_col_int(st, 0);
	p->is_backup = stmt_col_int(st, 1) == KEYSTORE_PIN_BACKUP;
	p->generation = stmt_col_int(st, 2);
	p->at = stmt_col_int(st, 3);
	query_copy(st, 4, p->by, sizeof(p->by));
	query_copy(st, 5, p->note, sizeof(p->note));
	p->entries = stmt_col_int(st, 6);
	p->is_current = stmt_col_int(st, 7) != 0;
}

#define PIN_COLUMNS                                                                                \
	"p.id, p.kind, p.generation, p.at_ms, p.by_user, p.note, p.entries,"                       \
	" CASE WHEN p.kind = 1 AND NOT EXISTS (SELECT 1 FROM keystore_pin o"                       \
	" WHERE o.keystore = p.keystore AND o.kind = 1 AND o.id > p.id) THEN 1 ELSE 0 END"

bool keystore_pin_read(struct db *db, int64_t keystore, int64_t id, struct keystore_pin *out,
		       bool *found, struct err *err)
{
	struct query newest = {.sql = "SELECT " PIN_COLUMNS " FROM keystore_pin p"
				      " WHERE p.keystore = $1 AND p.kind = 1"
				      " ORDER BY p.id DESC LIMIT 1",
			       .params = {QUERY_INT(keystore)},
			       .n_params = 1,
			       .read = read_pin,
			       .row_bytes = sizeof(*out)};
	struct query one = {.sql = "SELECT " PIN_COLUMNS " FROM keystore_pin p"
				   " WHERE p.keystore = $1 AND p.id = $2",
			    .params = {QUERY_INT(keystore), QUERY_INT(id)},
			    .n_params = 2,
			    .read = read_pin,
			    .row_bytes = sizeof(*out)};

	return query_row(db, id == 0 ? &newest : &one, out, found, err);
}

/* The oldest of that kind go. The newest ones stay whatever the limit says: they are *the* backup,
 * and what an undo needs. */
static bool retain(struct keystore_edit *e, enum keystore_pin_kind kind, struct err *err)
{
	uint32_t most = keystore_limits_of(e->k).pins;
	struct query q = {
		.sql = "DELETE FROM keystore_pin WHERE keystore = $1 AND kind = $2"
		       " AND id NOT IN (SELECT id FROM keystore_pin WHERE keystore = $1"
		       " AND kind = $2 ORDER BY id DESC LIMIT $3)",
		.params = {QUERY_INT(e->id), QUERY_INT(kind), QUERY_INT(most == 0 ? 1 : most)},
		.n_params = 3};

	return query_run(e->db, &q, NULL, err);
}

static void read_id(struct stmt *st, void *row)
{
	*(int64_t *)row = stmt_col_int(st, 0);
}

bool keystore_pin_add(struct keystore_edit *e, enum keystore_pin_kind kind, int64_t generation,
		      struct str note, int64_t tenant_entries, int64_t *id, struct err *err)
{
	struct query q = {
		.sql = "INSERT INTO keystore_pin (keystore, kind, generation, at_ms, by_user, note,"
		       " entries) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
		.params = {QUERY_INT(e->id), QUERY_INT(kind), QUERY_INT(generation),
			   QUERY_INT(e->c->now), QUERY_TEXT(e->c->actor.who),
			   QUERY_TEXT(note.at == NULL ? STR("") : note), QUERY_INT(tenant_entries)},
		.n_params = 7,
		.read = read_id,
		.row_bytes = sizeof(*id)};
	bool found;

	return query_row(e->db, &q, id, &found, err) && retain(e, kind, err);
}

bool keystore_pins(struct keystore *k, struct str tenant, struct keystore_pin **rows, size_t *n,
		   struct err *err)
{
	struct query q = {.sql = "SELECT " PIN_COLUMNS " FROM keystore_pin p JOIN keystore s"
				 " ON s.id = p.keystore WHERE s.tenant = $1"
				 " AND s.name = '" KEYSTORE_SYSTEM "' ORDER BY p.id DESC",
			  .params = {QUERY_TEXT(tenant)},
			  .n_params = 1,
			  .read = read_pin,
			  .row_bytes = sizeof(**rows)};

	return query_list(k->store, &q, rows, n, err);
}
