/* The contents of entries: chains, sealed keys, and the versions that they belong to. */
#include "base/crash.h"
#include "base/random.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

int64_t keystore_new_id(void)
{
	int64_t id = 0;

	while (id == 0) {
		random_bytes(&id, sizeof(id));
		id &= INT64_MAX;
	}
	return id;
}

struct keys_binding keystore_binding(struct str tenant, const struct keystore_entry *e,
				     const uint8_t chain_sha256[static 32])
{
	struct keys_binding b = {.tenant = tenant,
				 .keystore = STR(KEYSTORE_SYSTEM),
				 .alias = str_of(e->alias),
				 .owner = e->owner,
				 .kind = e->kind,
				 .flags = e->flags,
				 .version = e->version};

	memcpy(b.chain_sha256, chain_sha256, sizeof(b.chain_sha256));
	return b;
}

struct keys_entry keystore_sealed_entry(struct str tenant, const struct keystore_content *c)
{
	uint8_t hash[32];

	digest_sha256(buf_str(&c->chain), hash);
	return (struct keys_entry){.wrapped = buf_str(&c->wrapped),
				   .binding = keystore_binding(tenant, c->list->entries, hash),
				   .sealed = buf_str(&c->sealed)};
}

bool keystore_not_opened(const char *alias, struct err *err)
{
	if (err->kind == ERR_DENIED) { /* nobody was denied: it is not what was stored */
		err->kind = ERR_SYSTEM;
		return err_wrap(err,
				"alias \"%.100s\" is damaged, import it again or restore an older "
				"backup",
				alias);
	}
	return err_wrap(err, "alias \"%.100s\"", alias);
}

/* ---- reading ---- */

void keystore_content_fini(struct keystore_content *c)
{
	keystore_list_free(c->list);
	buf_fini(&c->chain);
	buf_fini(&c->sealed);
	buf_fini(&c->spki);
	buf_fini(&c->wrapped);
	*c = (struct keystore_content){0};
}

static void content_init(struct keystore_content *c)
{
	keystore_content_fini(c); /* of a try before */
	*c = (struct keystore_content){.list = keystore_list_new(),
				       .chain = BUF(KEYSTORE_CHAIN_BYTES_MAX),
				       .sealed = BUF(KIB(64)),
				       .spki = BUF(KIB(8)),
				       .wrapped = BUF(KEYS_WRAPPED_MAX)};
}

#define CONTENT_COLUMNS KEYSTORE_COLUMNS ", c.chain, c.sealed, c.spki, v.chain_sha256, d.wrapped"
#define CONTENT_FROM                                                                               \
	" JOIN entry_version v ON v.id = l.version JOIN entry_content c ON c.id = v.id"            \
	" LEFT JOIN data_key d ON d.tenant = s.tenant AND d.id = c.data_key"

/* *whole: false when something of it is longer than it can be; that is left out. */
static bool read_parts(struct stmt *st, struct keystore_content *out, bool *whole, struct err *err)
{
	struct str hash = stmt_col_text(st, KEYSTORE_N_COLUMNS + 3);

	if (!keystore_list_add(out->list, st, err)) {
		return false;
	}
	buf_add_str(&out->chain, stmt_col_text(st, KEYSTORE_N_COLUMNS));
	buf_add_str(&out->sealed, stmt_col_text(st, KEYSTORE_N_COLUMNS + 1));
	buf_add_str(&out->spki, stmt_col_text(st, KEYSTORE_N_COLUMNS + 2));
	buf_add_str(&out->wrapped, stmt_col_text(st, KEYSTORE_N_COLUMNS + 4));
	if (hash.len == sizeof(out->chain_sha256)) {
		memcpy(out->chain_sha256, hash.at, hash.len);
	}
	*whole = !buf_failed(&out->chain) && !buf_failed(&out->sealed) && !buf_failed(&out->spki);
	return true;
}

static bool take_content(struct stmt *st, struct keystore_content *out, struct err *err)
{
	bool whole;

	return read_parts(st, out, &whole, err) &&
	       (whole || err_set(err, ERR_STORE, "entry %s: its content is longer than it can be",
				 out->list->entries[0].alias));
}

struct content_reading {
	struct str tenant;
	struct buf fold;
	struct keystore_content *out;
	bool found;
};

static bool read_content(struct db *db, void *user, struct err *err)
{
	struct content_reading *r = user;
	struct stmt *st;

	content_init(r->out);
	if (!db_prepare(db,
			"SELECT " CONTENT_COLUMNS " FROM keystore s JOIN entry_life l"
			" ON l.keystore = s.id" CONTENT_FROM
			" WHERE s.tenant = $1 AND s.name = '" KEYSTORE_SYSTEM "'"
			" AND l.alias_fold = $2 AND l.to_gen = " KEYSTORE_NOW,
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, r->tenant);
	stmt_blob(st, 2, r->fold.len == 0 ? STR("") : buf_str(&r->fold));
	enum store_outcome outcome = stmt_step(st, err);
	r->found = outcome == STORE_ROW;
	bool ok = outcome != STORE_FAILED &&
		  (!r->found ||
		   (take_content(st, r->out, err) &&
		    keystore_alias_fits(r->out->list->entries[0].alias,
					r->fold.len == 0 ? STR("") : buf_str(&r->fold), err)));
	stmt_reset(st);
	return ok;
}

bool keystore_read_content(struct keystore *k, struct str tenant, struct str alias,
			   struct keystore_content *out, bool *found, struct err *err)
{
	struct content_reading r = {.tenant = tenant, .fold = BUF(KIB(4)), .out = out};

	keystore_alias_fold(alias, &r.fold);
	bool ok = store_read(k->store, read_content, &r, err);
	buf_fini(&r.fold);
	*found = r.found;
	return ok;
}

static bool walk(struct stmt *st, keystore_content_fn *fn, void *user, struct err *err)
{
	struct keystore_content c = {0};
	enum store_outcome outcome = STORE_FAILED;
	bool ok = true;

	while (ok && (outcome = stmt_step(st, err)) == STORE_ROW) {
		bool whole; /* else it does not open: one damaged entry hides no other */
		content_init(&c);
		ok = read_parts(st, &c, &whole, err) && fn(&c, user, err);
	}
	stmt_reset(st);
	keystore_content_fini(&c);
	return ok && outcome == STORE_DONE;
}

#define CONTENTS_NOW                                                                               \
	"SELECT " CONTENT_COLUMNS " FROM keystore s JOIN entry_life l"                             \
	" ON l.keystore = s.id" CONTENT_FROM " WHERE l.to_gen = " KEYSTORE_NOW

bool keystore_walk_contents(struct db *db, int64_t keystore, int64_t only_flags,
			    keystore_content_fn *fn, void *user, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			CONTENTS_NOW
			" AND s.id = $1 AND ($2 = 0 OR (v.flags & $2) <> 0) ORDER BY l.alias_fold",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, keystore);
	stmt_int(st, 2, only_flags);
	return walk(st, fn, user, err);
}

bool keystore_walk_named(struct db *db, struct str tenant, struct str subject,
			 keystore_content_fn *fn, void *user, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			CONTENTS_NOW " AND s.tenant = $1 AND s.name = '" KEYSTORE_SYSTEM
				     "' AND v.kind = 2 AND v.subject = $2",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, tenant);
	stmt_text(st, 2, subject);
	return walk(st, fn, user, err);
}

struct version_reading {
	int64_t version;
	struct keystore_content *out;
	bool found;
};

static bool read_content_of(struct db *db, void *user, struct err *err)
{
	struct version_reading *r = user;
	struct stmt *st;

	content_init(r->out);
	if (!db_prepare(db,
			"SELECT " CONTENT_COLUMNS " FROM entry_version v"
			" JOIN keystore s ON s.id = v.keystore JOIN entry_content c ON c.id = v.id"
			" LEFT JOIN data_key d ON d.tenant = s.tenant AND d.id = c.data_key"
			" WHERE v.id = $1",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, r->version);
	enum store_outcome outcome = stmt_step(st, err);
	r->found = outcome == STORE_ROW;
	bool ok = outcome != STORE_FAILED && (!r->found || take_content(st, r->out, err));
	stmt_reset(st);
	return ok;
}

bool keystore_read_content_of(struct keystore *k, int64_t version, struct keystore_content *out,
			      bool *found, struct err *err)
{
	struct version_reading r = {.version = version, .out = out};
	bool ok = store_read(k->store, read_content_of, &r, err);

	*found = r.found;
	return ok;
}

struct chain_reading {
	int64_t version;
	struct buf *chain;
	bool found;
};

static bool read_chain(struct db *db, void *user, struct err *err)
{
	struct chain_reading *r = user;
	struct stmt *st;

	if (!db_prepare(db, "SELECT chain FROM entry_content WHERE id = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, r->version);
	enum store_outcome outcome = stmt_step(st, err);
	r->found = outcome == STORE_ROW;
	if (r->found) {
		buf_reset(r->chain);
		buf_add_str(r->chain, stmt_col_text(st, 0));
	}
	stmt_reset(st);
	return outcome != STORE_FAILED;
}

bool keystore_chain(struct keystore *k, const struct keystore_place *place, struct str alias,
		    struct buf *chain, struct err *err)
{
	struct keystore_list *found;

	if (!keystore_find(k, place, alias, &found, err)) {
		return false;
	}
	struct chain_reading r = {.version = found->entries[0].version, .chain = chain};
	keystore_list_free(found);
	if (!store_read(k->store, read_chain, &r, err)) {
		return false;
	}
	return (r.found && !buf_failed(chain)) ||
	       err_set(err, ERR_STORE, "the chain of %.*s is missing or too long", STR_ARGS(alias));
}

bool keystore_chain_each(struct str chain, cert_each_fn *fn, void *user, struct err *err)
{
	struct rd r = rd_over(chain);

	while (r.rest.len > 0) {
		struct str der = rd_blob(&r, CERT_DER_MAX);
		if (r.failed || der.len == 0) {
			return err_set(err, ERR_STORE, "the entry's chain is damaged");
		}
		if (!fn(der, user, err)) {
			return false;
		}
	}
	return true;
}

size_t keystore_chain_split(struct str chain, struct str *ders, size_t max)
{
	struct rd r = rd_over(chain);
	size_t n = 0;

	while (r.rest.len > 0 && n < max) {
		ders[n] = rd_blob(&r, CERT_DER_MAX);
		if (r.failed) {
			return 0;
		}
		n++;
	}
	return n;
}

/* ---- writing, before the change itself ---- */

struct contents {
	struct keystore_drafts *drafts;
	int64_t now;
};

static bool insert_content(struct db *db, const struct keystore_draft *d, int64_t now,
			   struct err *err)
{
	struct query q = {
		.sql = "INSERT INTO entry_content (id, data_key, chain, spki, sealed, made)"
		       " VALUES ($1, $2, $3, $4, $5, $6)",
		.params = {QUERY_INT(d->entry.version),
			   QUERY_BLOB(str_make(d->data_key, sizeof(d->data_key))),
			   QUERY_BLOB(buf_str(&d->chain)),
			   QUERY_BLOB(d->spki.len == 0 ? STR("") : buf_str(&d->spki)),
			   QUERY_BLOB(buf_str(&d->sealed)), QUERY_INT(now)},
		.n_params = 6};

	return query_run(db, &q, NULL, err);
}

static bool insert_contents(struct db *db, void *user, struct err *err)
{
	const struct contents *c = user;

	for (size_t i = 0; i < c->drafts->n; i++) {
		if (!insert_content(db, c->drafts->all[i], c->now, err)) {
			return false;
		}
	}
	return true;
}

bool keystore_store_contents(struct keystore *k, struct keystore_drafts *ds, int64_t now,
			     struct err *err)
{
	struct contents c = {ds, now};

	CRASH_POINT("keystore.content.sealed"); /* and not stored */
	if (ds->n > 0 && !store_tx(k->store, insert_contents, &c, err)) {
		return false;
	}
	CRASH_POINT("keystore.content.stored"); /* and part of no version */
	return true;
}

static bool delete_contents(struct db *db, void *user, struct err *err)
{
	const struct contents *c = user;

	for (size_t i = 0; i < c->drafts->n; i++) {
		const struct keystore_draft *d = c->drafts->all[i];
		struct query q = {.sql = "DELETE FROM entry_content WHERE id = $1 AND NOT EXISTS"
					 " (SELECT 1 FROM entry_version v WHERE v.id = $1)",
				  .params = {QUERY_INT(d->entry.version)},
				  .n_params = 1};
		if (!d->is_used && !query_run(db, &q, NULL, err)) {
			return false;
		}
	}
	return true;
}

void keystore_drop_contents(struct keystore *k, struct keystore_drafts *ds)
{
	struct contents c = {ds, 0};
	struct err ignored;

	for (size_t i = 0; i < ds->n; i++) {
		if (!ds->all[i]->is_used) {
			(void)!store_tx(k->store, delete_contents, &c, &ignored);
			return;
		}
	}
}
