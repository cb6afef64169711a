/*
 * A whole container into the keystore (spec/keystore.md 1.4). Everything that can be taken is
 * sealed first; what becomes of it is decided in the transaction, against the state of that moment.
 */
#include "base/crash.h"
#include "base/map.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/cert_details.h"
#include "crypto/formats/container.h"

struct item {
	struct keystore_draft *draft; /* NULL: cannot be taken, see reason */
	size_t staged;                /* index in the stage; of a root, of its key pair */
	bool is_root;                 /* of a key pair's chain: an entry of its own */
	enum keys_entry_kind kind;
	char reason[256];
	char alias[KEYSTORE_ALIAS_MAX];
	struct buf fold;
};

struct import {
	struct keystore *k;
	const struct keystore_change *c;
	enum keystore_import_mode mode;
	bool partial;
	unsigned format;
	struct keys_stage *stage;
	struct item *items;
	size_t n, room;
	struct map *folds; /* of all items */
	struct keystore_drafts drafts;
	int64_t counts[KEYSTORE_NOT_IMPORTED + 1];
};

static void import_fini(struct import *in)
{
	for (size_t i = 0; i < in->n; i++) {
		buf_fini(&in->items[i].fold);
	}
	free(in->items);
	map_free(in->folds);
	keystore_drafts_fini(&in->drafts);
	in->k->keys.stage_end(in->stage);
}

/* ---- what is in the file ---- */

static bool refuse_item(struct item *item, const char *reason)
{
	(void)snprintf(item->reason, sizeof(item->reason), "%.*s", (int)sizeof(item->reason) - 1,
		       reason);
	return false;
}

static bool check_alias(struct import *in, struct item *item)
{
	struct str alias = str_of(item->alias);
	struct err err;

	if (alias.len == 0) {
		return refuse_item(item, "the file gives it no alias");
	}
	if (!keystore_alias_check(alias, &err)) {
		return refuse_item(item, err.text);
	}
	if (keystore_alias_is_reserved(in->k, alias) != in->c->provider) {
		return refuse_item(item, in->c->provider
						 ? "the alias is the tenant's: it is not reserved"
						 : "the alias is reserved for the provider");
	}
	return map_get(in->folds, buf_str(&item->fold)) == NULL ||
	       refuse_item(item, CONTAINER_TWICE);
}

static bool check_content(struct import *in, const struct keys_staged *s, struct item *item)
{
	uint32_t most = keystore_limits_of(in->k).certificate_bytes;
	struct err err;

	if (!s->is_taken) {
		return refuse_item(item, s->problem != NULL ? s->problem : "it cannot be read");
	}
	if (s->n_chain == 0) {
		return refuse_item(item, "there is no certificate for the private key");
	}
	return s->kind == KEYS_ENTRY_KEY_PAIR ||
	       keystore_within("keystore.certificate.max", s->chain[0].len, most, &err) ||
	       refuse_item(item, err.text);
}

static struct item *add_item(struct import *in, struct str alias, enum keys_entry_kind kind,
			     size_t staged)
{
	struct item *item = &in->items[in->n++];

	*item = (struct item){.kind = kind, .staged = staged, .fold = BUF(KEYSTORE_ALIAS_MAX)};
	(void)snprintf(item->alias, sizeof(item->alias), "%.*s", STR_ARGS(alias));
	keystore_alias_fold(str_of(item->alias), &item->fold);
	return item;
}

static void make_draft(struct import *in, struct item *item, const struct str *chain, size_t n)
{
	struct keystore_draft *d = keystore_drafts_add(&in->drafts);
	struct err err;

	if (keystore_draft_make(d, str_of(item->alias), item->kind, keystore_owner_of(in->c), chain,
				n, &err)) {
		item->draft = d;
		return;
	}
	(void)refuse_item(item, err.text);
	keystore_drafts_drop_last(&in->drafts);
}

static void read_item(struct import *in, size_t i)
{
	const struct keys_staged *s = in->k->keys.stage_item(in->stage, i);
	struct item *item = add_item(in, s->alias, s->kind, i);

	if (check_content(in, s, item) && check_alias(in, item)) {
		make_draft(in, item, s->chain, s->n_chain);
		if (item->draft != NULL && s->kind == KEYS_ENTRY_KEY_PAIR) {
			buf_add_str(&item->draft->spki, s->spki);
		}
	}
	if (item->fold.len > 0 && map_get(in->folds, buf_str(&item->fold)) == NULL) {
		(void)map_put(in->folds, buf_str(&item->fold), item);
	}
}

/* ---- roots (spec 1.4: those of a PKCS#12's keys become entries of their own) ---- */

static bool is_in_file(const struct import *in, struct str der)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct item *item = &in->items[i];
		struct str one;
		if (item->draft != NULL && item->kind == KEYS_ENTRY_CERTIFICATE &&
		    keystore_chain_split(buf_str(&item->draft->chain), &one, 1) == 1 &&
		    str_eq(one, der)) {
			return true;
		}
	}
	return false;
}

/* A name that neither the file nor the keystore has: the root's CN, with a number if need be. */
static bool name_root(struct import *in, struct str base, char into[static KEYSTORE_ALIAS_MAX])
{
	const struct keystore_place place = {.tenant = in->c->tenant, .name = KEYSTORE_SYSTEM};

	for (int i = 0; i < 100; i++) {
		AUTO_BUF struct buf fold = BUF(KEYSTORE_ALIAS_MAX);
		struct keystore_list *found;
		struct err err;
		int len = i == 0 ? snprintf(into, KEYSTORE_ALIAS_MAX, "%.*s", STR_ARGS(base))
				 : snprintf(into, KEYSTORE_ALIAS_MAX, "%.*s_%d", STR_ARGS(base), i);
		if (len >= KEYSTORE_ALIAS_MAX || !keystore_alias_check(str_of(into), &err) ||
		    keystore_alias_is_reserved(in->k, str_of(into)) != in->c->provider) {
			return false;
		}
		keystore_alias_fold(str_of(into), &fold);
		if (map_get(in->folds, buf_str(&fold)) != NULL) {
			continue;
		}
		if (!keystore_find(in->k, &place, str_of(into), &found, &err)) {
			return err.kind == ERR_MISSING;
		}
		keystore_list_free(found);
	}
	return false;
}

static bool is_stored(struct import *in, const struct keystore_draft *d, bool *stored,
		      struct err *err)
{
	struct query q = {
		.sql = "SELECT 1 FROM keystore s JOIN entry_life l ON l.keystore = s.id"
		       " JOIN entry_version v ON v.id = l.version WHERE s.tenant = $1"
		       " AND s.name = '" KEYSTORE_SYSTEM "' AND l.to_gen = " KEYSTORE_NOW
		       " AND v.kind = 2 AND v.chain_sha256 = $2 LIMIT 1",
		.params = {QUERY_TEXT(in->c->tenant), QUERY_BLOB(str_make(d->chain_sha256, 32))},
		.n_params = 2};

	*stored = query_find(in->k->store, &q, NULL, "not stored", err);
	return *stored || err->kind == ERR_MISSING;
}

static bool add_root(struct import *in, const struct item *pair, struct err *err)
{
	AUTO(arena_free) struct arena *a = arena_new(KIB(16), MIB(1));
	const struct keys_staged *s = in->k->keys.stage_item(in->stage, pair->staged);
	struct str der = s->chain[s->n_chain - 1];
	char alias[KEYSTORE_ALIAS_MAX];
	struct cert_details c;
	bool stored = false;

	if (!cert_details_read(der, a, &c, err)) {
		return false;
	}
	struct str base = str_of(c.common_name[0] != '\0' ? c.common_name : pair->alias);
	if (!c.is_self_signed || is_in_file(in, der) || !name_root(in, base, alias)) {
		return true;
	}
	struct item *item = add_item(in, str_of(alias), KEYS_ENTRY_CERTIFICATE, pair->staged);
	item->is_root = true;
	make_draft(in, item, &der, 1);
	if (item->draft != NULL && in->mode != KEYSTORE_REPLACE &&
	    !is_stored(in, item->draft, &stored, err)) {
		return false;
	}
	if (item->draft == NULL || stored) {
		if (item->draft != NULL) {
			keystore_drafts_drop_last(&in->drafts);
		}
		buf_fini(&item->fold);
		in->n--;
		return true;
	}
	(void)map_put(in->folds, buf_str(&item->fold), item);
	return true;
}

static bool read_file(struct import *in, struct err *err)
{
	size_t staged = in->k->keys.stage_count(in->stage);

	in->items = NEW_ARRAY(struct item, 2 * staged + 1); /* a root for each pair at most */
	in->folds = map_new();
	for (size_t i = 0; i < staged; i++) {
		read_item(in, i);
	}
	size_t n = in->n;
	for (size_t i = 0; i < n && in->format == CONTAINER_PKCS12; i++) {
		const struct item *item = &in->items[i];
		if (item->draft != NULL && item->kind == KEYS_ENTRY_KEY_PAIR &&
		    item->draft->entry.chain_length > 1 && !add_root(in, item, err)) {
			return false;
		}
	}
	return true;
}

/* Nobody can say which of two entries of one alias is meant (spec 5): all of the file is refused.
 */
static bool check_twice(const struct import *in, struct err *err)
{
	AUTO_BUF struct buf names = BUF(KIB(1));
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (strcmp(in->items[i].reason, CONTAINER_TWICE) == 0 && n++ < 3) {
			buf_addf(&names, "%s\"%.50s\"", n > 1 ? ", " : "", in->items[i].alias);
		}
	}
	return n == 0 ||
	       err_set(err, ERR_CONFIG, "nothing was imported: the file has the alias %.*s twice%s",
		       STR_ARGS(buf_str(&names)), n > 3 ? ", and others" : "");
}

static bool seal_all(struct import *in, struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);

	if (in->drafts.n > 0 &&
	    !keystore_data_key(in->k, in->c->tenant, in->c->now, &wrapped, err)) {
		return false;
	}
	for (size_t i = 0; i < in->n; i++) {
		struct item *item = &in->items[i];
		bool pair = item->kind == KEYS_ENTRY_KEY_PAIR;
		if (item->draft != NULL &&
		    !keystore_draft_seal(in->k, in->c->tenant, buf_str(&wrapped), item->draft,
					 pair ? in->stage : NULL, item->staged, err)) {
			return false;
		}
	}
	return keystore_store_contents(in->k, &in->drafts, in->c->now, err);
}

/* ---- in the transaction ---- */

static struct keystore_touch *touch(struct keystore_edit *e, struct import *in,
				    const struct item *item, enum keystore_did did, int64_t version)
{
	in->counts[did]++;
	return keystore_edit_touch(e, did, str_of(item->alias), keystore_owner_of(in->c),
				   item->kind, version);
}

static bool reject(struct keystore_edit *e, struct import *in, const struct item *item,
		   const char *reason)
{
	if (item->is_root) {
		return true; /* nobody asked for it by name */
	}
	struct keystore_touch *t = touch(e, in, item, KEYSTORE_NOT_IMPORTED, 0);
	(void)snprintf(t->reason, sizeof(t->reason), "%s", reason);
	return true;
}

static bool place_item(struct keystore_edit *e, struct import *in, struct item *item,
		       struct err *err)
{
	struct keystore_draft *d = item->draft;
	struct keystore_current now;
	bool found;

	if (d == NULL) {
		return reject(e, in, item, item->reason);
	}
	if (!keystore_edit_find(e, buf_str(&d->fold), &now, &found, err)) {
		return false;
	}
	if (!found) {
		touch(e, in, item, KEYSTORE_NEW, d->entry.version);
		return keystore_edit_open(e, d, NULL, err);
	}
	if (now.owner != d->entry.owner) {
		return reject(e, in, item, "the alias belongs to somebody else");
	}
	if (now.kind == d->entry.kind && memcmp(now.chain_sha256, d->chain_sha256, 32) == 0) {
		touch(e, in, item, KEYSTORE_UNCHANGED, now.version);
		return true;
	}
	if (in->mode == KEYSTORE_MERGE || item->is_root) {
		return reject(e, in, item, "the alias already exists");
	}
	if (now.kind == KEYS_ENTRY_KEY_PAIR && item->kind == KEYS_ENTRY_CERTIFICATE &&
	    in->mode != KEYSTORE_REPLACE) {
		return reject(e, in, item, "a key pair may not be overwritten by a certificate");
	}
	touch(e, in, item, KEYSTORE_CHANGED, d->entry.version);
	return keystore_edit_close(e, now.version, err) && keystore_edit_open(e, d, &now, err);
}

struct old {
	int64_t version;
	enum keys_entry_kind kind;
	char alias[KEYSTORE_ALIAS_MAX], fold[KEYSTORE_ALIAS_MAX];
};

static void read_old(struct stmt *st, void *row)
{
	struct old *o = row;

	o->version = stmt_col_int(st, 0);
	o->kind = stmt_col_int(st, 1) == KEYS_ENTRY_KEY_PAIR ? KEYS_ENTRY_KEY_PAIR
							     : KEYS_ENTRY_CERTIFICATE;
	query_copy(st, 2, o->alias, sizeof(o->alias));
	query_copy(st, 3, o->fold, sizeof(o->fold));
}

/* Replace: what the file does not name goes. What it names and cannot give stays as it was. */
static bool remove_others(struct keystore_edit *e, struct import *in, struct err *err)
{
	struct query q = {.sql = "SELECT v.id, v.kind, v.alias, l.alias_fold FROM entry_life l"
				 " JOIN entry_version v ON v.id = l.version WHERE l.keystore = $1"
				 " AND l.owner = $2 AND l.to_gen = " KEYSTORE_NOW
				 " ORDER BY l.alias_fold",
			  .params = {QUERY_INT(e->id), QUERY_INT(keystore_owner_of(in->c))},
			  .n_params = 2,
			  .read = read_old,
			  .row_bytes = sizeof(struct old)};
	AUTO_FREE struct old *rows = NULL;
	size_t n;

	if (!query_rows(e->db, &q, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (map_get(in->folds, str_of(rows[i].fold)) != NULL) {
			continue;
		}
		in->counts[KEYSTORE_REMOVED]++;
		keystore_edit_touch(e, KEYSTORE_REMOVED, str_of(rows[i].alias),
				    keystore_owner_of(in->c), rows[i].kind, rows[i].version);
		if (!keystore_edit_close(e, rows[i].version, err)) {
			return false;
		}
	}
	return true;
}

static void audit_import(struct keystore_edit *e, const struct import *in)
{
	static const char *const names[] = {"unchanged", "changed", "new", "removed",
					    "notImported"};
	static const char *const modes[] = {"overwrite", "merge", "replace"};
	struct jsonw w = jsonw_to(&e->after);

	jsonw_object(&w);
	jsonw_key_text(&w, "mode", modes[in->mode]);
	jsonw_key_text(&w, "format", container_format_name(in->format));
	for (size_t i = 0; i < COUNT(names); i++) {
		jsonw_key_int(&w, names[i], in->counts[i]);
	}
	jsonw_key(&w, "entries");
	jsonw_array(&w);
	for (size_t i = 0; i < e->n_touches && i < KEYSTORE_AUDIT_LISTED; i++) {
		jsonw_object(&w);
		jsonw_key_str(&w, "alias", str_first(str_of(e->touches[i].alias), 100));
		jsonw_key_text(&w, "did", names[e->touches[i].did]);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

static bool judge_whole(struct keystore_edit *e, const struct import *in, struct err *err)
{
	for (size_t i = 0; i < e->n_touches && !in->partial; i++) {
		const struct keystore_touch *t = &e->touches[i];
		if (t->did == KEYSTORE_NOT_IMPORTED) {
			return keystore_refuse(e, KEYSTORE_BAD, err,
					       "nothing was imported: \"%.80s\": %.200s", t->alias,
					       t->reason);
		}
	}
	return true;
}

static bool import(struct keystore_edit *e, void *user, struct err *err)
{
	struct import *in = user;

	memset(in->counts, 0, sizeof(in->counts));
	if (!keystore_edit_match_generation(e, err)) {
		return false;
	}
	for (size_t i = 0; i < in->n; i++) {
		if (!place_item(e, in, &in->items[i], err)) {
			return false;
		}
	}
	if (in->mode == KEYSTORE_REPLACE && !remove_others(e, in, err)) {
		return false;
	}
	audit_import(e, in);
	return judge_whole(e, in, err);
}

static enum keystore_outcome import_staged(struct import *in, struct keystore_report *report,
					   struct err *err)
{
	const struct keystore_plan plan = {
		.what = "import", .object = STR(KEYSTORE_SYSTEM), .fn = import, .user = in};

	if (!read_file(in, err)) {
		return KEYSTORE_FAILED;
	}
	if (in->n == 0) {
		(void)err_set(err, ERR_CONFIG, "the file holds no entries");
		return KEYSTORE_BAD;
	}
	if (!check_twice(in, err)) {
		return KEYSTORE_BAD;
	}
	if (!seal_all(in, err)) {
		return KEYSTORE_FAILED;
	}
	enum keystore_outcome outcome = keystore_edit_run(in->k, in->c, &plan, report, err);
	keystore_drafts_settle(&in->drafts, outcome == KEYSTORE_DONE);
	keystore_drop_contents(in->k, &in->drafts);
	return outcome;
}

enum keystore_outcome keystore_import(struct keystore *k, const struct keystore_change *c,
				      struct str bytes, struct str password,
				      enum keystore_import_mode mode, bool partial,
				      struct keystore_report *report, struct err *err)
{
	struct import in = {.k = k, .c = c, .mode = mode, .partial = partial};

	if (!keystore_within("keystore.file.max", bytes.len, keystore_limits_of(k).file_bytes,
			     err)) {
		return KEYSTORE_LIMIT;
	}
	if (!k->keys.stage_open(k->keys.user, bytes, password, &in.format, &in.stage, err)) {
		return keystore_stage_outcome(in.format, err);
	}
	CRASH_POINT("keystore.file.staged");
	enum keystore_outcome outcome = import_staged(&in, report, err);
	import_fini(&in);
	return outcome;
}
