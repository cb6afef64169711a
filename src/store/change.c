#include "store/change.h"

#include <assert.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/rd.h"
#include "crypto/seal.h"
#include "store/change_priv.h"
#include "store/migrate.h"
#include "store/store_priv.h"

enum {
	ROW_MAX = MIB(8), /* bytes of one audit row; a larger one is ERR_LIMIT */
};

const struct migration store_migrations[] = {
	{1, "CREATE TABLE head (one {int} PRIMARY KEY CHECK (one = 1), n {int} NOT NULL,"
	    " hash {blob}) {strict};\n"
	    "INSERT INTO head (one, n, hash) VALUES (1, 0, NULL);\n"
	    "CREATE TABLE audit (n {int} PRIMARY KEY, at_ms {int} NOT NULL, who {text} NOT NULL,"
	    " origin {text} NOT NULL, tenant {text} NOT NULL, what {text} NOT NULL,"
	    " object {text} NOT NULL, was {text} NOT NULL, became {text} NOT NULL,"
	    " hash {blob} NOT NULL) {strict};\n"
	    "CREATE TABLE denied_head (node {text} PRIMARY KEY, n {int} NOT NULL,"
	    " hash {blob}) {strict};\n"
	    "CREATE TABLE denied (node {text} NOT NULL, n {int} NOT NULL, at_ms {int} NOT NULL,"
	    " who {text} NOT NULL, origin {text} NOT NULL, tenant {text} NOT NULL,"
	    " what {text} NOT NULL, object {text} NOT NULL, was {text} NOT NULL,"
	    " became {text} NOT NULL, hash {blob} NOT NULL, PRIMARY KEY (node, n)) {strict}"},
	{2, "CREATE INDEX denied_at ON denied (at_ms, node, n)"},
	{3, "ALTER TABLE denied_head ADD COLUMN pruned_n {int} NOT NULL DEFAULT 0;\n"
	    "ALTER TABLE denied_head ADD COLUMN pruned_hash {blob}"},
	{0, NULL},
};

struct change {
	bool recorded;
	struct row row;
	struct buf text; /* the copies behind row.texts */
};

bool change_hash_row(struct str previous, const struct row *row, uint8_t hash[static 32],
		     struct err *err)
{
	AUTO_BUF struct buf bytes = BUF(ROW_MAX);

	wr_blob(&bytes, previous);
	wr_u64(&bytes, (uint64_t)row->n);
	wr_u64(&bytes, (uint64_t)row->at_ms);
	for (int i = 0; i < ROW_TEXTS; i++) {
		wr_blob(&bytes, row->texts[i]);
	}
	if (buf_failed(&bytes)) {
		return err_set(err, ERR_LIMIT, "the audit row is larger than %d bytes",
			       (int)ROW_MAX);
	}
	digest_sha256(buf_str(&bytes), hash);
	return true;
}

static void texts_of(const struct change_audit *audit, struct str texts[static ROW_TEXTS])
{
	const struct str given[ROW_TEXTS] = {
		[ROW_WHO] = audit->who,       [ROW_ORIGIN] = audit->from,
		[ROW_TENANT] = audit->tenant, [ROW_WHAT] = audit->what,
		[ROW_OBJECT] = audit->object, [ROW_WAS] = audit->before,
		[ROW_BECAME] = audit->after,
	};

	for (int i = 0; i < ROW_TEXTS; i++) {
		texts[i] = given[i].at == NULL ? STR("") : given[i];
	}
}

void change_record(struct change *c, const struct change_audit *audit)
{
	size_t starts[ROW_TEXTS];

	assert(!c->recorded);
	c->recorded = true;
	texts_of(audit, c->row.texts);
	for (int i = 0; i < ROW_TEXTS; i++) {
		starts[i] = c->text.len;
		buf_add_str(&c->text, c->row.texts[i]);
	}
	for (int i = 0; i < ROW_TEXTS && !buf_failed(&c->text); i++) {
		size_t len = c->row.texts[i].len;
		c->row.texts[i] = len == 0 ? STR("") : str_make(c->text.at + starts[i], len);
	}
}

/* ---- head ---- */

/* Raises what this process has seen; a lower number means a database that was put back. */
static bool accept_head(struct store *s, int64_t n, struct err *err)
{
	long long known = atomic_load(&s->head);

	while (n > known && !atomic_compare_exchange_weak(&s->head, &known, n)) {
	}
	return n >= known ||
	       err_set(err, ERR_STORE,
		       "the database went back from change %lld to %lld: it was restored under a "
		       "running program, restart it",
		       known, (long long)n);
}

/* Binds the texts from parameter `first` on. */
static void bind_texts(struct stmt *st, int first, const struct row *row)
{
	for (int i = 0; i < ROW_TEXTS; i++) {
		stmt_text(st, first + i, row->texts[i]);
	}
}

/* `lock` advances a head and returns its number and old hash; `write` stores the new hash. */
static bool advance(struct stmt *lock, struct row *row, uint8_t hash[static 32], struct err *err)
{
	enum store_outcome outcome = stmt_step(lock, err);

	if (outcome != STORE_ROW) {
		return outcome == STORE_FAILED
			       ? false
			       : err_set(err, ERR_STORE, "the head's row is missing");
	}
	row->n = stmt_col_int(lock, 0);
	bool ok = change_hash_row(stmt_col_text(lock, 1), row, hash, err);
	stmt_reset(lock);
	return ok;
}

static bool insert_audit(struct db *db, const struct row *row, struct str hash, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"INSERT INTO audit (n, at_ms, who, origin, tenant, what, object, was,"
			" became, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, row->n);
	stmt_int(st, 2, row->at_ms);
	bind_texts(st, 3, row);
	stmt_blob(st, 10, hash);
	return stmt_run(st, NULL, err);
}

static bool advance_head(struct db *db, struct row *row, struct err *err)
{
	struct stmt *lock, *write;
	uint8_t hash[32] = {0};
	struct str bytes = str_make(hash, sizeof(hash));

	if (!db_prepare(db, "UPDATE head SET n = n + 1 WHERE one = 1 RETURNING n, hash", &lock,
			err) ||
	    !advance(lock, row, hash, err) ||
	    !db_prepare(db, "UPDATE head SET hash = $1 WHERE one = 1", &write, err)) {
		return false;
	}
	stmt_blob(write, 1, bytes);
	return stmt_run(write, NULL, err) && insert_audit(db, row, bytes, err);
}

struct changing {
	struct store *store;
	change_fn *fn;
	void *user;
	int64_t n;
};

static bool change_step(struct db *db, struct changing *ch, struct change *c, struct err *err)
{
	if (!ch->fn(db, c, ch->user, err)) {
		return false;
	}
	assert(c->recorded);
	if (buf_failed(&c->text)) {
		return err_set(err, ERR_LIMIT, "the audit row is larger than %d bytes",
			       (int)ROW_MAX);
	}
	c->row.at_ms = clock_unix_ms();
	if (!advance_head(db, &c->row, err)) {
		return false;
	}
	ch->n = c->row.n;
	CRASH_POINT("store.change.recorded"); /* and not committed */
	return true;
}

static bool change_tx(struct db *db, void *user, struct err *err)
{
	struct change c = {.text = BUF(ROW_MAX)};
	bool ok = change_step(db, user, &c, err);

	buf_fini(&c.text);
	return ok;
}

bool store_change(struct store *s, change_fn *fn, void *user, int64_t *n, struct err *err)
{
	struct changing ch = {.store = s, .fn = fn, .user = user};

	if (!store_tx(s, change_tx, &ch, err)) {
		return false;
	}
	CRASH_POINT("store.change.committed");
	struct err lower;
	(void)accept_head(s, ch.n, &lower); /* two commits may report here in either order */
	if (n != NULL) {
		*n = ch.n;
	}
	return true;
}

static bool read_head(struct db *db, int64_t *n, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT n FROM head WHERE one = 1", &st, err)) {
		return false;
	}
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome != STORE_ROW) {
		return outcome == STORE_FAILED
			       ? false
			       : err_set(err, ERR_STORE, "the head's row is missing");
	}
	*n = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

bool store_head(struct store *s, int64_t *n, struct err *err)
{
	struct db *db;
	long long before = atomic_load(&s->head);
	int64_t found;

	if (!store_take(s, &db, err)) {
		return false;
	}
	bool ok = read_head(db, &found, err);
	store_give(s, db);
	if (!ok) {
		return false;
	}
	if (found >= before) {
		struct err lower;
		(void)accept_head(s, found, &lower); /* another thread may have seen a later one */
		*n = found;
		return true;
	}
	return accept_head(s, found, err);
}

/* ---- the chains of a node ---- */

struct node_chain {
	char node[sizeof(STORE_EXPORTS_PREFIX) + sizeof(((struct store *)0)->node)];
};

static struct node_chain node_chain_of(const struct store *s, enum store_chain chain)
{
	struct node_chain c;

	(void)snprintf(c.node, sizeof(c.node), "%s%s",
		       chain == STORE_EXPORTS ? STORE_EXPORTS_PREFIX : "", s->node);
	return c;
}

bool store_is_exports(struct str node, struct str *name)
{
	const struct str prefix = STR(STORE_EXPORTS_PREFIX);
	bool is = str_starts(node, prefix);

	*name = is ? str_skip(node, prefix.len) : node;
	return is;
}

static bool read_tip(struct db *db, enum store_chain chain, struct store_tip *out, struct err *err)
{
	const struct node_chain node = node_chain_of(db->store, chain);
	struct stmt *st;
	bool ok = chain != STORE_CHANGES
			  ? db_prepare(db, "SELECT n, hash FROM denied_head WHERE node = $1", &st,
				       err)
			  : db_prepare(db, "SELECT n, hash FROM head WHERE one = 1", &st, err);

	if (!ok) {
		return false;
	}
	if (chain != STORE_CHANGES) {
		stmt_text(st, 1, str_of(node.node));
	}
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome == STORE_FAILED) {
		return false;
	}
	*out = (struct store_tip){0};
	struct str hash = outcome == STORE_ROW ? stmt_col_text(st, 1) : STR_NONE;
	if (hash.len == sizeof(out->hash)) {
		out->n = stmt_col_int(st, 0);
		memcpy(out->hash, hash.at, sizeof(out->hash));
	}
	stmt_reset(st);
	return true;
}

bool store_tip(struct store *s, enum store_chain chain, struct store_tip *out, struct err *err)
{
	struct db *db;

	if (!store_take(s, &db, err)) {
		return false;
	}
	bool ok = read_tip(db, chain, out, err);
	store_give(s, db);
	return ok;
}

static bool lock_denied_head(struct db *db, struct str node, struct row *row,
			     uint8_t hash[static 32], struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"INSERT INTO denied_head (node, n, hash) VALUES ($1, 1, NULL)"
			" ON CONFLICT (node) DO UPDATE SET n = denied_head.n + 1"
			" RETURNING n, hash",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, node);
	return advance(st, row, hash, err);
}

static bool insert_denied(struct db *db, struct str node, const struct row *row, struct str hash,
			  struct err *err)
{
	struct stmt *st;

	if (!db_prepare(
		    db,
		    "INSERT INTO denied (node, n, at_ms, who, origin, tenant, what, object, was,"
		    " became, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		    &st, err)) {
		return false;
	}
	stmt_text(st, 1, node);
	stmt_int(st, 2, row->n);
	stmt_int(st, 3, row->at_ms);
	bind_texts(st, 4, row);
	stmt_blob(st, 11, hash);
	return stmt_run(st, NULL, err);
}

struct denied_rows {
	const struct change_audit *audits;
	size_t n;
	struct str node;
};

static bool add_denied(struct db *db, struct str node, const struct change_audit *audit,
		       struct err *err)
{
	struct row row = {.at_ms = clock_unix_ms()};
	struct stmt *write;
	uint8_t hash[32] = {0};
	struct str bytes = str_make(hash, sizeof(hash));

	texts_of(audit, row.texts);
	if (!lock_denied_head(db, node, &row, hash, err) ||
	    !db_prepare(db, "UPDATE denied_head SET hash = $1 WHERE node = $2", &write, err)) {
		return false;
	}
	stmt_blob(write, 1, bytes);
	stmt_text(write, 2, node);
	return stmt_run(write, NULL, err) && insert_denied(db, node, &row, bytes, err);
}

static bool denied_tx(struct db *db, void *user, struct err *err)
{
	const struct denied_rows *rows = user;

	for (size_t i = 0; i < rows->n; i++) {
		if (!add_denied(db, rows->node, &rows->audits[i], err)) {
			return false;
		}
	}
	return true;
}

bool store_denied_all(struct store *s, enum store_chain chain, const struct change_audit *audits,
		      size_t n, struct err *err)
{
	const struct node_chain node = node_chain_of(s, chain);
	struct denied_rows rows = {audits, n, str_of(node.node)};

	assert(chain != STORE_CHANGES);
	return store_tx(s, denied_tx, &rows, err);
}

bool store_denied(struct store *s, const struct change_audit *audit, struct err *err)
{
	return store_denied_all(s, STORE_DENIED, audit, 1, err);
}
