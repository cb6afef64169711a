/* Changes of entries that are there: rename, flags, reply, delete; and a key's signing request. */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/csr.h"
#include "crypto/formats/chain.h"
#include "crypto/formats/container.h"
#include "crypto/names.h"

/* ---- the same key under another binding ---- */

struct moving {
	struct keystore_draft *draft;
	int64_t base; /* the version that was sealed again */
	struct keystore_current was;
	enum keystore_did did;
	bool is_renamed, moved_on;
};

static bool check_move(struct keystore_edit *e, struct moving *m, struct str old_fold,
		       struct err *err)
{
	struct keystore_current other;
	bool found;

	if (!keystore_edit_find(e, old_fold, &m->was, &found, err)) {
		return false;
	}
	if (!found) {
		return keystore_refuse(e, KEYSTORE_MISSING, err,
				       "there is no alias \"%.*s\" in keystore \"system\"",
				       STR_ARGS(old_fold));
	}
	if (!keystore_edit_may(e, &m->was, err)) {
		return false;
	}
	if (m->was.version != m->base) {
		m->moved_on = true;
		return keystore_refuse(e, KEYSTORE_STALE, err,
				       "alias \"%.200s\" was changed meanwhile", m->was.alias);
	}
	if (!m->is_renamed || str_eq(old_fold, buf_str(&m->draft->fold))) {
		return true;
	}
	if (!keystore_edit_find(e, buf_str(&m->draft->fold), &other, &found, err)) {
		return false;
	}
	return !found || keystore_refuse(e, KEYSTORE_TAKEN, err,
					 "alias \"%.200s\" is already in use in keystore "
					 "\"system\"",
					 other.alias);
}

static bool move(struct keystore_edit *e, void *user, struct err *err)
{
	AUTO_BUF struct buf fold = BUF(KEYSTORE_ALIAS_MAX);
	struct moving *m = user;
	const struct keystore_entry *v = &m->draft->entry;

	m->moved_on = false;
	keystore_alias_fold(e->object, &fold);
	if (!check_move(e, m, buf_str(&fold), err)) {
		return false;
	}
	keystore_audit_current(&e->before, &m->was);
	keystore_audit_draft(&e->after, m->draft);
	keystore_edit_touch(e, m->did, str_of(v->alias), v->owner, v->kind, v->version);
	return keystore_edit_close(e, m->was.version, err) &&
	       keystore_edit_open(e, m->draft, &m->was, err);
}

/* How the new version differs from the content at hand. */
struct rebinding {
	const char *what;
	struct str alias, to; /* to: the new alias, or the old one */
	const uint8_t *flags; /* NULL: as they are */
	const struct str *chain;
	size_t n_chain; /* 0: as it is */
};

static bool make_draft(struct keystore *k, const struct keystore_change *c,
		       const struct rebinding *r, const struct keystore_content *content,
		       struct keystore_draft *d, struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	const struct keystore_entry *old = content->list->entries;
	struct str ders[KEYSTORE_CHAIN_MAX];
	size_t n = keystore_chain_split(buf_str(&content->chain), ders, KEYSTORE_CHAIN_MAX);

	if (!keystore_draft_make(d, r->to.len > 0 ? r->to : str_of(old->alias), old->kind,
				 old->owner, r->n_chain > 0 ? r->chain : ders,
				 r->n_chain > 0 ? r->n_chain : n, err)) {
		return false;
	}
	d->entry.flags = r->flags != NULL ? *r->flags : old->flags;
	buf_add_str(&d->spki, buf_str(&content->spki));
	/* Judged over the chain as it is stored: that is what the new version would vouch for. */
	const struct keys_entry entry = keystore_sealed_entry(c->tenant, content);
	const struct keys_binding to = keystore_binding(c->tenant, &d->entry, d->chain_sha256);
	if (!keystore_data_key(k, c->tenant, c->now, &wrapped, err)) {
		return false;
	}
	if (!k->keys.rebind(k->keys.user, &entry, buf_str(&wrapped), &to, &d->sealed, err)) {
		return keystore_not_opened(old->alias, err);
	}
	return keystore_draft_sealed(d, buf_str(&wrapped), err);
}

static enum keystore_outcome rebind_once(struct keystore *k, const struct keystore_change *c,
					 const struct rebinding *r,
					 const struct keystore_content *content,
					 struct keystore_report *report, bool *again,
					 struct err *err)
{
	AUTO_DRAFTS struct keystore_drafts ds = {0};
	struct moving m = {.draft = keystore_drafts_add(&ds),
			   .base = content->list->entries[0].version,
			   .did = KEYSTORE_CHANGED,
			   .is_renamed = r->to.len > 0};
	const struct keystore_plan plan = {
		.what = r->what, .object = r->alias, .fn = move, .user = &m};

	if (!make_draft(k, c, r, content, m.draft, err)) {
		return KEYSTORE_FAILED;
	}
	if (!keystore_store_contents(k, &ds, c->now, err)) {
		return KEYSTORE_FAILED;
	}
	enum keystore_outcome outcome = keystore_edit_run(k, c, &plan, report, err);
	m.draft->is_used = outcome == KEYSTORE_DONE;
	keystore_drop_contents(k, &ds);
	*again = m.moved_on;
	return outcome;
}

/* What the caller may change, with its content. */
static enum keystore_outcome read_own(struct keystore *k, const struct keystore_change *c,
				      struct str alias, struct keystore_content *content,
				      struct err *err)
{
	bool found;

	if (!keystore_read_content(k, c->tenant, alias, content, &found, err)) {
		return KEYSTORE_FAILED;
	}
	if (!found) {
		(void)err_set(err, ERR_MISSING, "there is no alias \"%.*s\" in keystore \"system\"",
			      (int)(alias.len < 250 ? alias.len : 250), alias.at ? alias.at : "");
		return KEYSTORE_MISSING;
	}
	const struct keystore_entry *e = content->list->entries;
	if (e->owner != keystore_owner_of(c)) {
		(void)err_set(err, ERR_DENIED, "alias \"%.200s\" belongs to the %s", e->alias,
			      c->provider ? "tenant" : "provider");
		return KEYSTORE_RESERVED;
	}
	if (c->if_match != DIRECTORY_ANY_VERSION && c->if_match != e->version) {
		(void)err_set(err, ERR_CONFLICT,
			      "alias \"%.100s\" is at version %lld and no longer at %lld", e->alias,
			      (long long)e->version, (long long)c->if_match);
		return KEYSTORE_STALE;
	}
	return KEYSTORE_DONE;
}

/* ---- rename and flags ---- */

static enum keystore_outcome rebind(struct keystore *k, const struct keystore_change *c,
				    const struct rebinding *r, struct keystore_report *report,
				    struct err *err)
{
	enum keystore_outcome outcome = KEYSTORE_FAILED;
	bool again = true;

	for (int i = 0; i < KEYSTORE_TRIES && again; i++) {
		AUTO_CONTENT struct keystore_content content = {0};
		again = false;
		outcome = read_own(k, c, r->alias, &content, err);
		if (outcome != KEYSTORE_DONE) {
			return outcome;
		}
		const struct keystore_entry *e = content.list->entries;
		if (r->flags != NULL &&
		    (e->kind != KEYS_ENTRY_CERTIFICATE || e->flags == *r->flags)) {
			(void)err_set(err, ERR_CONFIG,
				      "alias \"%.200s\" is a key pair: only certificates are "
				      "trusted for inbound connections",
				      e->alias);
			return e->kind == KEYS_ENTRY_CERTIFICATE ? KEYSTORE_SAME : KEYSTORE_BAD;
		}
		if (r->to.len > 0 && str_eq(r->to, str_of(e->alias))) {
			return KEYSTORE_SAME;
		}
		outcome = rebind_once(k, c, r, &content, report, &again, err);
	}
	return outcome;
}

enum keystore_outcome keystore_rename(struct keystore *k, const struct keystore_change *c,
				      struct str alias, struct str to,
				      struct keystore_report *report, struct err *err)
{
	const struct rebinding r = {.what = "rename", .alias = alias, .to = to};

	enum keystore_outcome outcome = keystore_check_alias(k, c, to, err);
	return outcome == KEYSTORE_DONE ? rebind(k, c, &r, report, err) : outcome;
}

enum keystore_outcome keystore_set_flags(struct keystore *k, const struct keystore_change *c,
					 struct str alias, uint8_t flags,
					 struct keystore_report *report, struct err *err)
{
	const struct rebinding r = {.what = "flags", .alias = alias, .flags = &flags};

	if ((flags & ~KEYS_FLAG_INBOUND) != 0) {
		(void)err_set(err, ERR_CONFIG, "there is no such flag");
		return KEYSTORE_BAD;
	}
	return rebind(k, c, &r, report, err);
}

/* ---- a CA's reply ---- */

static enum keystore_outcome reply_to(struct keystore *k, const struct keystore_change *c,
				      const struct keystore_content *content, struct str bytes,
				      struct rebinding *r, struct keystore_report *report,
				      bool *again, struct err *err)
{
	AUTO(container_free) struct container *box = NULL;
	const struct keystore_entry *e = content->list->entries;
	struct str chain[CHAIN_MAX];
	struct keystore_drafts facts = {0};

	if (e->kind != KEYS_ENTRY_KEY_PAIR) {
		(void)err_set(err, ERR_CONFIG,
			      "alias \"%.200s\" is a certificate: only a key pair takes a signing "
			      "response",
			      e->alias);
		return KEYSTORE_BAD;
	}
	enum keystore_outcome outcome =
		keystore_read_chain(buf_str(&content->spki), bytes, &box, chain, &r->n_chain, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	r->chain = chain;
	struct keystore_draft *d = keystore_drafts_add(&facts);
	if (!keystore_draft_make(d, str_of(e->alias), e->kind, e->owner, chain, r->n_chain, err)) {
		outcome = KEYSTORE_BAD;
	} else if (memcmp(d->chain_sha256, content->chain_sha256, 32) == 0) {
		outcome = KEYSTORE_SAME;
	} else {
		outcome = keystore_judge_trust(k, c, chain, r->n_chain, d, report, err);
	}
	keystore_drafts_fini(&facts);
	return outcome == KEYSTORE_DONE ? rebind_once(k, c, r, content, report, again, err)
					: outcome;
}

enum keystore_outcome keystore_reply(struct keystore *k, const struct keystore_change *c,
				     struct str alias, struct str bytes,
				     struct keystore_report *report, struct err *err)
{
	enum keystore_outcome outcome = KEYSTORE_FAILED;
	bool again = true;

	if (!keystore_within("keystore.reply.max", bytes.len, keystore_limits_of(k).reply_bytes,
			     err)) {
		return KEYSTORE_LIMIT;
	}
	for (int i = 0; i < KEYSTORE_TRIES && again; i++) {
		AUTO_CONTENT struct keystore_content content = {0};
		struct rebinding r = {.what = "reply", .alias = alias};
		again = false;
		outcome = read_own(k, c, alias, &content, err);
		if (outcome == KEYSTORE_DONE) {
			outcome = reply_to(k, c, &content, bytes, &r, report, &again, err);
		}
	}
	return outcome;
}

/* ---- a signing request ---- */

/* `sans`: the comma list taken apart. */
static bool make_csr(struct key *key, struct str leaf, struct str sans, struct buf *der,
		     struct err *err)
{
	char texts[CSR_SANS_MAX][256];
	const char *hosts[CSR_SANS_MAX];
	struct str name;
	size_t n = 0;

	while (str_next_listed(&sans, &name)) {
		if (n == CSR_SANS_MAX || !str_copy(name, texts[n], sizeof(texts[n])) ||
		    !cert_is_host(name)) {
			return err_set(
				err, ERR_CONFIG,
				"\"%.*s\" is neither a DNS name nor an IP address, or one too "
				"many",
				(int)(name.len < 200 ? name.len : 200), name.at);
		}
		hosts[n] = texts[n];
		n++;
	}
	return csr_make_like(key, leaf, hosts, n, der, err);
}

enum keystore_outcome keystore_csr(struct keystore *k, const struct keystore_change *c,
				   struct str alias, struct str sans, struct buf *der,
				   struct err *err)
{
	AUTO_CONTENT struct keystore_content content = {0};
	AUTO(key_free) struct key *key = NULL;

	enum keystore_outcome outcome = read_own(k, c, alias, &content, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	const struct keystore_entry *e = content.list->entries;
	if (e->kind != KEYS_ENTRY_KEY_PAIR) {
		(void)err_set(err, ERR_CONFIG,
			      "alias \"%.200s\" is a certificate: only a key pair makes a signing "
			      "request",
			      e->alias);
		return KEYSTORE_BAD;
	}
	const struct keys_entry entry = keystore_sealed_entry(c->tenant, &content);
	if (!k->keys.open(k->keys.user, &entry, buf_str(&content.spki), KEYS_FOR_CSR, &key, err)) {
		(void)!keystore_not_opened(e->alias, err);
		return KEYSTORE_FAILED;
	}
	struct str leaf[1];
	if (keystore_chain_split(buf_str(&content.chain), leaf, 1) != 1) {
		(void)err_set(err, ERR_STORE, "entry %.100s: the chain is damaged", e->alias);
		return KEYSTORE_FAILED;
	}
	if (!make_csr(key, leaf[0], sans, der, err)) {
		if (err->kind == ERR_CONFIG) {
			return KEYSTORE_BAD;
		}
		(void)!keystore_not_opened(e->alias, err); /* it is opened when it signs */
		return KEYSTORE_FAILED;
	}
	return KEYSTORE_DONE;
}

/* ---- delete ---- */

struct deleting {
	const struct str *aliases;
	size_t n;
	int64_t deleted;
};

static bool delete_one(struct keystore_edit *e, struct deleting *d, struct str alias,
		       struct err *err)
{
	AUTO_BUF struct buf fold = BUF(KIB(4));
	struct keystore_current now;
	bool found;

	keystore_alias_fold(alias, &fold);
	if (!keystore_edit_find(e, fold.len == 0 ? STR("") : buf_str(&fold), &now, &found, err)) {
		return false;
	}
	if (!found) {
		return d->n > 1 ||
		       keystore_refuse(e, KEYSTORE_MISSING, err,
				       "there is no alias \"%.*s\" in keystore \"system\"",
				       (int)(alias.len < 250 ? alias.len : 250),
				       alias.at ? alias.at : "");
	}
	if (!keystore_edit_may(e, &now, err) || !keystore_edit_close(e, now.version, err)) {
		return false;
	}
	if (d->n == 1) {
		keystore_audit_current(&e->before, &now);
	}
	keystore_edit_touch(e, KEYSTORE_REMOVED, str_of(now.alias), now.owner, now.kind,
			    now.version);
	d->deleted++;
	return true;
}

static void audit_many(struct keystore_edit *e)
{
	struct jsonw w = jsonw_to(&e->before);

	jsonw_object(&w);
	jsonw_key_int(&w, "deleted", (int64_t)e->n_touches);
	jsonw_key(&w, "aliases");
	jsonw_array(&w);
	for (size_t i = 0; i < e->n_touches && i < KEYSTORE_AUDIT_LISTED; i++) {
		jsonw_str(&w, str_first(str_of(e->touches[i].alias), 200));
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

static bool delete(struct keystore_edit *e, void *user, struct err *err)
{
	struct deleting *d = user;

	d->deleted = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (!keystore_alias_is_reserved(e->k, d->aliases[i]) || e->c->provider) {
			continue;
		}
		return keystore_refuse(
			e, KEYSTORE_RESERVED, err, "alias \"%.*s\" is reserved for the provider",
			(int)(d->aliases[i].len < 250 ? d->aliases[i].len : 250), d->aliases[i].at);
	}
	for (size_t i = 0; i < d->n; i++) {
		if (!delete_one(e, d, d->aliases[i], err)) {
			return false;
		}
	}
	if (d->n > 1) {
		audit_many(e);
	}
	return true;
}

enum keystore_outcome keystore_delete(struct keystore *k, const struct keystore_change *c,
				      const struct str *aliases, size_t n,
				      struct keystore_report *report, struct err *err)
{
	struct deleting d = {.aliases = aliases, .n = n};
	const struct keystore_plan plan = {.what = "delete",
					   .object = n == 1 ? aliases[0] : STR(KEYSTORE_SYSTEM),
					   .fn = delete,
					   .user = &d};

	if (n == 0) {
		(void)err_set(err, ERR_CONFIG, "no alias was named");
		return KEYSTORE_BAD;
	}
	for (size_t i = 0; i < n; i++) {
		if (!str_is_utf8(aliases[i]) || memchr(aliases[i].at, '\0', aliases[i].len)) {
			return keystore_check_alias(k, c, aliases[i], err);
		}
	}
	return keystore_edit_run(k, c, &plan, report, err);
}

/* ---- the tenant's requirement ---- */

static bool require(struct keystore_edit *e, void *user, struct err *err)
{
	const bool *required = user;
	int64_t wanted = *required ? e->settings | KEYSTORE_REQUIRES_CERTIFICATE
				   : e->settings & ~(int64_t)KEYSTORE_REQUIRES_CERTIFICATE;
	struct query q = {.sql = "UPDATE keystore SET settings = $2 WHERE id = $1",
			  .params = {QUERY_INT(e->id), QUERY_INT(wanted)},
			  .n_params = 2};
	struct jsonw w = jsonw_to(&e->after);

	if (!keystore_edit_match_generation(e, err)) {
		return false;
	}
	if (wanted == e->settings) {
		return keystore_refuse(e, KEYSTORE_SAME, err, "it is so already");
	}
	e->settings = wanted;
	jsonw_object(&w);
	jsonw_key_bool(&w, "requiresCertificate", *required);
	jsonw_object_end(&w);
	return query_run(e->db, &q, NULL, err);
}

enum keystore_outcome keystore_require_certificate(struct keystore *k,
						   const struct keystore_change *c, bool required,
						   struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	const struct keystore_plan plan = {.what = "require",
					   .object = STR(KEYSTORE_SYSTEM),
					   .fn = require,
					   .user = &required,
					   .is_forced = true};

	if (!keystore_data_key(k, c->tenant, c->now, &wrapped, err)) {
		return KEYSTORE_FAILED; /* the generation's MAC needs it */
	}
	return keystore_edit_run(k, c, &plan, NULL, err);
}
