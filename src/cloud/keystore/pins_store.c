/*
 * Pins: generations that are kept. Backups, and the safety copies of restores. Each has a MAC:
 * every generation is authentic for ever, and the pin alone says which one a restore brings back.
 */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

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

/* ---- what authenticates one ---- */

struct seal_row {
	uint8_t data_key[KEYSTORE_DATA_KEY_ID], mac[32];
	bool is_there, is_null;
};

static void read_seal(struct stmt *st, void *row)
{
	struct str data_key = stmt_col_text(st, 0), mac = stmt_col_text(st, 1);
	struct seal_row *s = row;

	s->is_null = stmt_col_is_null(st, 0) && stmt_col_is_null(st, 1);
	s->is_there = data_key.len == sizeof(s->data_key) && mac.len == sizeof(s->mac);
	if (s->is_there) {
		memcpy(s->data_key, data_key.at, data_key.len);
		memcpy(s->mac, mac.at, mac.len);
	}
}

static bool compute_mac(struct keystore *k, struct db *db, struct str tenant,
			const struct keystore_pin *pin, struct str data_key, uint8_t mac[static 32],
			bool *found, struct err *err)
{
	AUTO_BUF struct buf message = BUF(KIB(4));

	wr_blob(&message, STR(KEYSTORE_SYSTEM));
	wr_u64(&message, (uint64_t)pin->id);
	wr_u8(&message, pin->is_backup ? KEYSTORE_PIN_BACKUP : KEYSTORE_PIN_SAFETY);
	wr_u64(&message, (uint64_t)pin->generation);
	wr_u64(&message, (uint64_t)pin->at);
	wr_u64(&message, (uint64_t)pin->entries);
	wr_blob(&message, str_of(pin->by));
	wr_blob(&message, str_of(pin->note));
	return keystore_mac(k, db, tenant, data_key, "pin", buf_str(&message), mac, found, err);
}

bool keystore_pin_judge(struct keystore *k, struct db *db, struct str tenant,
			const struct keystore_pin *pin, enum keystore_pin_row *out, struct err *err)
{
	struct query q = {.sql = "SELECT data_key, mac FROM keystore_pin WHERE id = $1",
			  .params = {QUERY_INT(pin->id)},
			  .n_params = 1,
			  .read = read_seal,
			  .row_bytes = sizeof(struct seal_row)};
	struct seal_row row = {.is_there = false};
	uint8_t mac[32];
	bool found;

	*out = KEYSTORE_PIN_CHANGED;
	if (!query_row(db, &q, &row, &found, err)) {
		return false;
	}
	if (!row.is_there) {
		*out = found && row.is_null ? KEYSTORE_PIN_UNSEALED : KEYSTORE_PIN_CHANGED;
		return true;
	}
	if (!compute_mac(k, db, tenant, pin, str_make(row.data_key, sizeof(row.data_key)), mac,
			 &found, err)) {
		return err->kind == ERR_DENIED; /* the tenant's data key does not open */
	}
	if (found && equal_secret(mac, row.mac, sizeof(mac))) {
		*out = KEYSTORE_PIN_GOOD;
	}
	return true;
}

/* Over what the row says when it is read, however long a name was. */
static bool authenticate(struct keystore_edit *e, int64_t id, struct err *err)
{
	uint8_t data_key[KEYSTORE_DATA_KEY_ID] = {0}, mac[32] = {0};
	struct str key = str_make(data_key, sizeof(data_key));
	struct query q = {
		.sql = "UPDATE keystore_pin SET data_key = $2, mac = $3 WHERE id = $1",
		.params = {QUERY_INT(id), QUERY_BLOB(key), QUERY_BLOB(str_make(mac, sizeof(mac)))},
		.n_params = 3};
	struct keystore_pin pin;
	bool found;

	return keystore_pin_read(e->db, e->id, id, &pin, &found, err) &&
	       keystore_edit_data_key(e, data_key, err) &&
	       compute_mac(e->k, e->db, e->c->tenant, &pin, key, mac, &found, err) &&
	       query_run(e->db, &q, NULL, err);
}

/* ---- making one ---- */

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

	return query_row(e->db, &q, id, &found, err) && authenticate(e, *id, err) &&
	       retain(e, kind, err);
}

bool keystore_pins_of(struct db *db, struct str tenant, struct keystore_pin **rows, size_t *n,
		      struct err *err)
{
	struct query q = {.sql = "SELECT " PIN_COLUMNS " FROM keystore_pin p JOIN keystore s"
				 " ON s.id = p.keystore WHERE s.tenant = $1"
				 " AND s.name = '" KEYSTORE_SYSTEM "' ORDER BY p.id DESC",
			  .params = {QUERY_TEXT(tenant)},
			  .n_params = 1,
			  .read = read_pin,
			  .row_bytes = sizeof(**rows)};

	return query_rows(db, &q, rows, n, err);
}

struct listing {
	struct str tenant;
	struct keystore_pin *rows;
	size_t n;
};

static bool list_pins(struct db *db, void *user, struct err *err)
{
	struct listing *l = user;

	free(TAKE(l->rows)); /* of a try before */
	return keystore_pins_of(db, l->tenant, &l->rows, &l->n, err);
}

bool keystore_pins(struct keystore *k, struct str tenant, struct keystore_pin **rows, size_t *n,
		   struct err *err)
{
	struct listing l = {.tenant = tenant};

	if (!store_read(k->store, list_pins, &l, err)) {
		free(l.rows);
		return false;
	}
	*rows = l.rows;
	*n = l.n;
	return true;
}
