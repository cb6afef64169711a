/*
 * One change of a keystore, from the lock to the audit row. What is slow (sealing, big content)
 * has happened before; here the state is judged, life rows are closed and opened, and the
 * generation is authenticated. May run several times: a transaction is repeated after a
 * serialization failure.
 */
#include <stdarg.h>

#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"

enum {
	AUDIT_TEXT_MAX = 24 * 1024, /* before and after; the row's limit is 64 KiB */
};

bool keystore_refuse(struct keystore_edit *e, enum keystore_outcome outcome, struct err *err,
		     const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	e->outcome = outcome;
	return err_set(err, outcome == KEYSTORE_MISSING ? ERR_MISSING : ERR_CONFLICT, "%s", text);
}

/* ---- judging ---- */

static void read_current(struct stmt *st, void *row)
{
	struct keystore_current *c = row;
	struct str hash = stmt_col_text(st, 7);
	struct str prints = stmt_col_text(st, 10);

	c->version = stmt_col_int(st, 0);
	c->owner = stmt_col_int(st, 1) == KEYS_OWNER_PROVIDER ? KEYS_OWNER_PROVIDER
							      : KEYS_OWNER_TENANT;
	c->kind = stmt_col_int(st, 2) == KEYS_ENTRY_KEY_PAIR ? KEYS_ENTRY_KEY_PAIR
							     : KEYS_ENTRY_CERTIFICATE;
	c->flags = (uint8_t)stmt_col_int(st, 3);
	query_copy(st, 4, c->alias, sizeof(c->alias));
	query_copy(st, 5, c->created_by, sizeof(c->created_by));
	c->created = stmt_col_int(st, 6);
	if (hash.len == sizeof(c->chain_sha256)) {
		memcpy(c->chain_sha256, hash.at, hash.len);
	}
	query_copy(st, 8, c->subject, sizeof(c->subject));
	query_copy(st, 9, c->serial, sizeof(c->serial));
	if (prints.len == KEYSTORE_PRINTS) {
		keystore_print_text((const uint8_t *)prints.at + 20, 32, c->sha256);
	}
	query_copy(st, 11, c->issuer, sizeof(c->issuer));
}

bool keystore_edit_find(struct keystore_edit *e, struct str fold, struct keystore_current *out,
			bool *found, struct err *err)
{
	struct query q = {.sql = "SELECT v.id, v.owner, v.kind, v.flags, v.alias, v.created_by,"
				 " v.created, v.chain_sha256, v.subject, v.serial, v.prints,"
				 " v.issuer FROM entry_life l JOIN entry_version v"
				 " ON v.id = l.version WHERE l.keystore = $1 AND l.alias_fold = $2"
				 " AND l.to_gen = " KEYSTORE_NOW,
			  .params = {QUERY_INT(e->id), QUERY_BLOB(fold)},
			  .n_params = 2,
			  .read = read_current,
			  .row_bytes = sizeof(*out)};

	return query_row(e->db, &q, out, found, err) &&
	       (!*found || keystore_alias_fits(out->alias, fold, err));
}

bool keystore_edit_match_generation(struct keystore_edit *e, struct err *err)
{
	int64_t now = e->generation - !e->makes_no_generation;

	return e->c->if_match == DIRECTORY_ANY_VERSION || e->c->if_match == now ||
	       keystore_refuse(e, KEYSTORE_STALE, err,
			       "the keystore is at generation %lld and no longer at %lld",
			       (long long)now, (long long)e->c->if_match);
}

bool keystore_edit_match(struct keystore_edit *e, const struct keystore_current *now,
			 struct err *err)
{
	return e->c->if_match == DIRECTORY_ANY_VERSION || e->c->if_match == now->version ||
	       keystore_refuse(e, KEYSTORE_STALE, err,
			       "alias \"%.100s\" is at version %lld and no longer at %lld",
			       now->alias, (long long)now->version, (long long)e->c->if_match);
}

bool keystore_edit_may(struct keystore_edit *e, const struct keystore_current *now, struct err *err)
{
	bool providers = now->owner == KEYS_OWNER_PROVIDER;

	if (providers != e->c->provider) {
		return keystore_refuse(e, KEYSTORE_RESERVED, err,
				       providers ? "alias \"%.200s\" belongs to the provider"
						 : "alias \"%.200s\" belongs to the tenant",
				       now->alias);
	}
	return keystore_edit_match(e, now, err);
}

/* ---- closing and opening ---- */

bool keystore_edit_close(struct keystore_edit *e, int64_t version, struct err *err)
{
	struct query q = {
		.sql = "UPDATE entry_life SET to_gen = $3 WHERE keystore = $1"
		       " AND version = $2 AND to_gen = " KEYSTORE_NOW,
		.params = {QUERY_INT(e->id), QUERY_INT(version), QUERY_INT(e->generation)},
		.n_params = 3};

	return query_run(e->db, &q, NULL, err);
}

static void bind_facts(struct stmt *st, const struct keystore_draft *d)
{
	const struct keystore_entry *v = &d->entry;

	stmt_text(st, 11, str_of(v->key_type));
	stmt_text(st, 12, str_of(v->curve));
	stmt_text(st, 13, str_of(v->signature));
	stmt_text(st, 14, str_of(v->serial));
	stmt_int(st, 15, v->key_size);
	stmt_int(st, 16, v->x509_version);
	stmt_int(st, 17, v->not_before);
	stmt_int(st, 18, v->not_after);
	stmt_text(st, 19, v->subject);
	stmt_text(st, 20, v->issuer);
	stmt_blob(st, 21, str_make(d->prints, sizeof(d->prints)));
	stmt_int(st, 22, v->chain_length);
	stmt_int(st, 23, v->bytes);
	stmt_blob(st, 24, str_make(d->chain_sha256, sizeof(d->chain_sha256)));
}

static bool insert_version(struct keystore_edit *e, struct keystore_draft *d, struct err *err)
{
	const struct keystore_entry *v = &d->entry;
	struct stmt *st;

	if (!db_prepare(e->db,
			"INSERT INTO entry_version (id, keystore, alias, owner, kind, flags,"
			" created_by, modified_by, created, modified, key_type, curve, signature,"
			" serial, key_size, x509_version, not_before, not_after, subject, issuer,"
			" prints, chain_length, bytes, chain_sha256) VALUES ($1, $2, $3, $4, $5,"
			" $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,"
			" $21, $22, $23, $24)",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, v->version);
	stmt_int(st, 2, e->id);
	stmt_text(st, 3, str_of(v->alias));
	stmt_int(st, 4, v->owner);
	stmt_int(st, 5, v->kind);
	stmt_int(st, 6, v->flags);
	stmt_text(st, 7, str_of(v->created_by));
	stmt_text(st, 8, str_of(v->modified_by));
	stmt_int(st, 9, v->created);
	stmt_int(st, 10, v->modified);
	bind_facts(st, d);
	return stmt_run(st, NULL, err);
}

bool keystore_edit_open(struct keystore_edit *e, struct keystore_draft *d,
			const struct keystore_current *was, struct err *err)
{
	struct keystore_entry *v = &d->entry;
	struct query life = {
		.sql = "INSERT INTO entry_life (keystore, version, alias_fold, owner, not_after,"
		       " bytes, from_gen, to_gen) VALUES ($1, $2, $3, $4, $5, $6, $7, " KEYSTORE_NOW
		       ")",
		.params = {QUERY_INT(e->id), QUERY_INT(v->version), QUERY_BLOB(buf_str(&d->fold)),
			   QUERY_INT(v->owner), QUERY_INT(v->not_after), QUERY_INT(v->bytes),
			   QUERY_INT(e->generation)},
		.n_params = 7};

	(void)snprintf(d->modified_by, sizeof(d->modified_by), "%.*s", STR_ARGS(e->c->actor.who));
	(void)snprintf(d->created_by, sizeof(d->created_by), "%s",
		       was != NULL ? was->created_by : d->modified_by);
	v->modified = e->c->now;
	v->created = was != NULL ? was->created : e->c->now;
	d->is_used = true;
	return insert_version(e, d, err) && query_run(e->db, &life, NULL, err);
}

struct keystore_touch *keystore_edit_touch(struct keystore_edit *e, enum keystore_did did,
					   struct str alias, enum keys_owner owner,
					   enum keys_entry_kind kind, int64_t version)
{
	if ((e->n_touches & (e->n_touches - 1)) == 0) { /* 0 or a power of two: full */
		size_t room = e->n_touches == 0 ? 1 : e->n_touches * 2;
		e->touches = must_realloc(e->touches, room * sizeof(*e->touches));
	}
	struct keystore_touch *t = &e->touches[e->n_touches++];
	*t = (struct keystore_touch){.did = did, .owner = owner, .kind = kind, .version = version};
	(void)snprintf(t->alias, sizeof(t->alias), "%.*s", STR_ARGS(alias));
	return t;
}

/* ---- audit ---- */

static void audit_facts(struct buf *out, enum keys_entry_kind kind, struct str alias,
			struct str subject, struct str issuer, const char *serial,
			const char *sha256)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_text(&w, "type", kind == KEYS_ENTRY_KEY_PAIR ? "Key Pair" : "Certificate");
	jsonw_key_str(&w, "alias", alias);
	jsonw_key_str(&w, "subject", str_first(subject, 500));
	jsonw_key_str(&w, "issuer", str_first(issuer, 500));
	jsonw_key_text(&w, "serial", serial);
	jsonw_key_text(&w, "sha256", sha256);
	jsonw_object_end(&w);
}

void keystore_audit_current(struct buf *out, const struct keystore_current *now)
{
	audit_facts(out, now->kind, str_of(now->alias), str_of(now->subject), str_of(now->issuer),
		    now->serial, now->sha256);
}

void keystore_audit_draft(struct buf *out, const struct keystore_draft *d)
{
	const struct keystore_entry *v = &d->entry;
	char print[KEYSTORE_PRINT_TEXT];

	audit_facts(out, v->kind, str_of(v->alias), v->subject, v->issuer, v->serial,
		    keystore_print(v, KEYSTORE_SHA256, print));
}

static void record(struct keystore_edit *e, struct change *change)
{
	char what[48];

	(void)snprintf(what, sizeof(what), "keystore.%s", e->what);
	const struct change_audit audit = {.who = e->c->actor.who,
					   .from = e->c->actor.from,
					   .tenant = e->c->tenant,
					   .what = str_of(what),
					   .object = e->object,
					   .before = buf_str(&e->before),
					   .after = buf_str(&e->after)};
	change_record(change, &audit);
}

/* ---- the transaction ---- */

struct run {
	struct keystore_edit edit;
	const struct keystore_plan *plan;
};

static void edit_fini(struct keystore_edit *e)
{
	buf_fini(&e->before);
	buf_fini(&e->after);
	free(TAKE(e->touches));
	e->n_touches = 0;
}

static void edit_start(struct run *r, struct db *db)
{
	struct keystore_edit *e = &r->edit;

	edit_fini(e); /* of a try before */
	*e = (struct keystore_edit){.k = e->k,
				    .c = e->c,
				    .db = db,
				    .what = r->plan->what,
				    .object = r->plan->object,
				    .report = e->report,
				    .repairs = r->plan->repairs,
				    .is_forced = r->plan->is_forced,
				    .makes_no_generation = r->plan->makes_no_generation,
				    .before = BUF(AUDIT_TEXT_MAX),
				    .after = BUF(AUDIT_TEXT_MAX)};
}

struct locked {
	int64_t id, generation, settings;
};

static void read_locked(struct stmt *st, void *row)
{
	struct locked *l = row;

	l->id = stmt_col_int(st, 0);
	l->generation = stmt_col_int(st, 1);
	l->settings = stmt_col_int(st, 2);
}

/* The row's lock is what orders two writers. */
static bool lock(struct keystore_edit *e, struct err *err)
{
	struct query make = {.sql = "INSERT INTO keystore (tenant, name, generation, settings)"
				    " VALUES ($1, '" KEYSTORE_SYSTEM "', 0, 0)"
				    " ON CONFLICT (tenant, name) DO NOTHING",
			     .params = {QUERY_TEXT(e->c->tenant)},
			     .n_params = 1};
	struct query q = {.sql = "UPDATE keystore SET generation = generation + $2"
				 " WHERE tenant = $1 AND name = '" KEYSTORE_SYSTEM "'"
				 " RETURNING id, generation, settings",
			  .params = {QUERY_TEXT(e->c->tenant), QUERY_INT(!e->makes_no_generation)},
			  .n_params = 2,
			  .read = read_locked,
			  .row_bytes = sizeof(struct locked)};
	struct locked row = {0};
	bool found;

	if (!query_run(e->db, &make, NULL, err) || !query_row(e->db, &q, &row, &found, err)) {
		return false;
	}
	e->id = row.id;
	e->generation = row.generation;
	e->settings = e->settings_before = row.settings;
	return true;
}

static bool edit_tx(struct db *db, struct change *change, void *user, struct err *err)
{
	struct run *r = user;
	struct keystore_edit *e = &r->edit;

	edit_start(r, db);
	bool ok = lock(e, err) && (e->makes_no_generation || keystore_check_future(e, err)) &&
		  r->plan->fn(e, r->plan->user, err);
	if (ok) {
		CRASH_POINT("keystore.change.written");
	}
	ok = ok && (e->makes_no_generation || keystore_make_generation(e, err));
	if (ok && keystore_report_make(e, err)) {
		CRASH_POINT("keystore.change.authenticated");
		record(e, change);
		return true;
	}
	/* What an import that changes nothing, or is refused as a whole, says of its entries. */
	if (!ok && (e->outcome == KEYSTORE_SAME || e->outcome == KEYSTORE_BAD)) {
		struct err ignored;
		(void)!keystore_report_make(e, &ignored);
	}
	return false;
}

static enum keystore_outcome outcome_of(const struct keystore_edit *e, const struct err *err)
{
	if (e->outcome != KEYSTORE_DONE) {
		return e->outcome;
	}
	bool locked = err->kind == ERR_STORE && (str_contains(str_of(err->text), STR("busy")) ||
						 str_contains(str_of(err->text), STR("lock")));
	return locked ? KEYSTORE_BUSY : KEYSTORE_FAILED;
}

enum keystore_outcome keystore_edit_run(struct keystore *k, const struct keystore_change *c,
					const struct keystore_plan *plan,
					struct keystore_report *report, struct err *err)
{
	struct run r = {.edit = {.k = k, .c = c, .report = report}, .plan = plan};
	int64_t head = 0;

	bool ok = store_change(k->store, edit_tx, &r, &head, err);
	enum keystore_outcome outcome = ok ? KEYSTORE_DONE : outcome_of(&r.edit, err);
	if (report != NULL) {
		report->generation = r.edit.generation - (outcome == KEYSTORE_SAME);
		report->head = head;
	}
	edit_fini(&r.edit);
	if (ok && k->changed != NULL) {
		k->changed(k->user, head);
		CRASH_POINT("keystore.change.published"); /* and not answered */
	}
	return outcome;
}
