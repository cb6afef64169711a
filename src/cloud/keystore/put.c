/* Single entries into the keystore: certificates, key pairs out of containers, made ones. */
#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/formats/chain.h"
#include "crypto/formats/container.h"

/* ---- what all have in common ---- */

enum keystore_outcome keystore_check_alias(struct keystore *k, const struct keystore_change *c,
					   struct str alias, struct err *err)
{
	if (!keystore_alias_check(alias, err)) {
		return KEYSTORE_BAD;
	}
	if (keystore_alias_is_reserved(k, alias) != c->provider) {
		(void)err_set(err, ERR_DENIED,
			      c->provider ? "alias \"%.*s\" is not reserved: it is the tenant's"
					  : "alias \"%.*s\" is reserved for the provider",
			      (int)(alias.len < 250 ? alias.len : 250), alias.at);
		return KEYSTORE_RESERVED;
	}
	return KEYSTORE_DONE;
}

enum keystore_outcome keystore_stage_outcome(unsigned format, const struct err *err)
{
	(void)format;
	if (err->kind == ERR_DENIED) {
		return KEYSTORE_BAD; /* the password */
	}
	if (err->kind == ERR_LIMIT) {
		return KEYSTORE_LIMIT;
	}
	return err->kind == ERR_CONFIG ? KEYSTORE_UNREADABLE : KEYSTORE_FAILED;
}

enum keys_owner keystore_owner_of(const struct keystore_change *c)
{
	return c->provider ? KEYS_OWNER_PROVIDER : KEYS_OWNER_TENANT;
}

struct str keystore_alias_as_kept(struct keystore *k, const struct keystore_change *c,
				  struct str alias, char into[static KEYSTORE_ALIAS_MAX])
{
	const struct keystore_place place = {.tenant = c->tenant, .name = KEYSTORE_SYSTEM};
	struct keystore_list *found;
	struct err ignored;

	if (!keystore_find(k, &place, alias, &found, &ignored)) {
		return alias;
	}
	(void)!str_copy(str_of(found->entries[0].alias), into, KEYSTORE_ALIAS_MAX);
	keystore_list_free(found);
	return str_of(into);
}

bool keystore_moved_on(const struct keystore_change *c, enum keystore_outcome outcome, int *tries)
{
	return outcome == KEYSTORE_STALE && c->if_match == DIRECTORY_ANY_VERSION &&
	       ++*tries < KEYSTORE_TRIES;
}

struct putting {
	struct keystore_draft *draft;
	bool update;
	const char *note; /* for the report; or NULL */
};

static bool may_put(struct keystore_edit *e, const struct putting *p,
		    const struct keystore_current *now, bool found, struct err *err)
{
	const struct keystore_entry *v = &p->draft->entry;

	if (!found) {
		return !p->update || keystore_refuse(e, KEYSTORE_BAD, err,
						     "alias \"%.200s\" does not exist: there is "
						     "nothing to update",
						     v->alias);
	}
	if (!p->update) {
		return keystore_refuse(e, KEYSTORE_TAKEN, err,
				       "alias \"%.200s\" is already in use in keystore \"system\"",
				       v->alias);
	}
	if (!keystore_edit_may(e, now, err)) {
		return false;
	}
	if (strcmp(now->alias, v->alias) != 0) {
		return keystore_refuse(e, KEYSTORE_STALE, err,
				       "alias \"%.200s\" was changed meanwhile", v->alias);
	}
	if (now->kind == KEYS_ENTRY_KEY_PAIR && v->kind == KEYS_ENTRY_CERTIFICATE) {
		return keystore_refuse(e, KEYSTORE_BAD, err,
				       "alias \"%.200s\" is a key pair, which may not be "
				       "overwritten by a certificate",
				       v->alias);
	}
	return now->kind != v->kind || memcmp(now->chain_sha256, p->draft->chain_sha256, 32) != 0 ||
	       keystore_refuse(e, KEYSTORE_SAME, err, "alias \"%.200s\" holds just that already",
			       v->alias);
}

static bool put(struct keystore_edit *e, void *user, struct err *err)
{
	struct putting *p = user;
	const struct keystore_entry *v = &p->draft->entry;
	struct keystore_current now;
	bool found;

	if (!keystore_edit_find(e, buf_str(&p->draft->fold), &now, &found, err) ||
	    !may_put(e, p, &now, found, err)) {
		return false;
	}
	if (found) {
		keystore_audit_current(&e->before, &now);
	}
	keystore_audit_draft(&e->after, p->draft);
	struct keystore_touch *t =
		keystore_edit_touch(e, found ? KEYSTORE_CHANGED : KEYSTORE_NEW, str_of(v->alias),
				    v->owner, v->kind, v->version);
	if (p->note != NULL) {
		(void)snprintf(t->reason, sizeof(t->reason), "%s", p->note);
	}
	return (!found || keystore_edit_close(e, now.version, err)) &&
	       keystore_edit_open(e, p->draft, found ? &now : NULL, err);
}

enum keystore_outcome keystore_put_draft(struct keystore *k, const struct keystore_change *c,
					 struct keystore_drafts *ds, const char *what, bool update,
					 const char *note, struct keystore_report *report,
					 struct err *err)
{
	struct putting p = {.draft = ds->all[0], .update = update, .note = note};
	const struct keystore_plan plan = {
		.what = what, .object = str_of(p.draft->entry.alias), .fn = put, .user = &p};

	if (!keystore_store_contents(k, ds, c->now, err)) {
		return KEYSTORE_FAILED;
	}
	enum keystore_outcome outcome = keystore_edit_run(k, c, &plan, report, err);
	p.draft->is_used = outcome == KEYSTORE_DONE;
	keystore_drop_contents(k, ds);
	return outcome;
}

enum keystore_outcome keystore_judge_trust(struct keystore *k, const struct keystore_change *c,
					   const struct str *chain, size_t n,
					   const struct keystore_draft *d,
					   struct keystore_report *report, struct err *err)
{
	bool trusted = c->confirmed;

	if (!trusted && !keystore_is_trusted(k, c->tenant, chain, n, &trusted, err)) {
		return KEYSTORE_FAILED;
	}
	if (trusted) {
		return KEYSTORE_DONE;
	}
	char print[KEYSTORE_PRINT_TEXT];

	keystore_report_draft(report, d, "not trusted");
	(void)err_set(err, ERR_CONFLICT,
		      "the certificate of alias \"%.100s\" leads to no trusted one: compare its "
		      "SHA-256 fingerprint %s and confirm it",
		      d->entry.alias, keystore_print(&d->entry, KEYSTORE_SHA256, print));
	return KEYSTORE_UNTRUSTED;
}

/* ---- certificates ---- */

static enum keystore_outcome container_outcome_of(enum container_outcome o)
{
	switch (o) {
	case CONTAINER_OPENED:
		return KEYSTORE_DONE;
	case CONTAINER_WRONG_PASSWORD:
		return KEYSTORE_BAD;
	case CONTAINER_NOT_READ:
	case CONTAINER_UNRECOGNISED:
	case CONTAINER_MALFORMED:
		return KEYSTORE_UNREADABLE;
	case CONTAINER_OVER_LIMIT:
		return KEYSTORE_LIMIT;
	case CONTAINER_FAILED:
		return KEYSTORE_FAILED;
	}
	return KEYSTORE_FAILED;
}

/* The certificates of a file, the leaf first. */
enum keystore_outcome keystore_read_chain(struct str spki, struct str bytes, struct container **box,
					  struct str *chain, size_t *n, struct err *err)
{
	struct str ders[CHAIN_INPUT_MAX];
	size_t given = 0;
	struct chain order;

	enum keystore_outcome outcome =
		container_outcome_of(container_read_certificates(bytes, NULL, box, err));
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	for (size_t i = 0; i < (*box)->n && given < CHAIN_INPUT_MAX; i++) {
		if ((*box)->items[i].kind == CONTAINER_CERTIFICATE) {
			ders[given++] = (*box)->items[i].chain[0];
		}
	}
	if (given == 0) {
		(void)err_set(err, ERR_CONFIG, "there is no certificate in the file");
		return KEYSTORE_BAD;
	}
	enum chain_outcome arranged = chain_arrange(spki, ders, given, &order, err);
	if (arranged != CHAIN_COMPLETE && arranged != CHAIN_OPEN) {
		return KEYSTORE_BAD;
	}
	*n = order.n;
	for (size_t i = 0; i < order.n; i++) {
		chain[i] = ders[order.index[i]];
	}
	return KEYSTORE_DONE;
}

static enum keystore_outcome put_certificate(struct keystore *k, const struct keystore_change *c,
					     struct str alias, struct str bytes, bool update,
					     struct keystore_report *report, struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	AUTO(container_free) struct container *box = NULL;
	AUTO_DRAFTS struct keystore_drafts ds = {0};
	struct str chain[CHAIN_MAX];
	size_t n = 0;

	enum keystore_outcome outcome = keystore_read_chain(STR_NONE, bytes, &box, chain, &n, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	struct keystore_draft *d = keystore_drafts_add(&ds);
	if (!keystore_draft_make(d, alias, KEYS_ENTRY_CERTIFICATE, keystore_owner_of(c), chain, 1,
				 err)) {
		return KEYSTORE_BAD;
	}
	outcome = keystore_judge_trust(k, c, chain, n, d, report, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!keystore_data_key(k, c->tenant, c->now, &wrapped, err) ||
	    !keystore_draft_seal(k, c->tenant, buf_str(&wrapped), d, NULL, 0, err)) {
		return KEYSTORE_FAILED;
	}
	return keystore_put_draft(k, c, &ds, update ? "update" : "add", update, NULL, report, err);
}

enum keystore_outcome keystore_put_certificate(struct keystore *k, const struct keystore_change *c,
					       struct str alias, struct str bytes, bool update,
					       struct keystore_report *report, struct err *err)
{
	char kept[KEYSTORE_ALIAS_MAX];

	enum keystore_outcome outcome = keystore_check_alias(k, c, alias, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!keystore_within("keystore.certificate.max", bytes.len,
			     keystore_limits_of(k).certificate_bytes, err)) {
		return KEYSTORE_LIMIT;
	}
	int tries = 0;
	do {
		outcome = put_certificate(
			k, c, update ? keystore_alias_as_kept(k, c, alias, kept) : alias, bytes,
			update, report, err);
	} while (keystore_moved_on(c, outcome, &tries));
	return outcome;
}

/* ---- key pairs ---- */

/* The first key pair that can be taken; `note` says what was left. */
static bool choose(struct keystore *k, struct keys_stage *stage, size_t *item,
		   char note[static 256], struct err *err)
{
	size_t n = k->keys.stage_count(stage), pairs = 0;
	const char *problem = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct keys_staged *s = k->keys.stage_item(stage, i);
		if (!s->is_taken || s->kind != KEYS_ENTRY_KEY_PAIR || s->n_chain == 0) {
			problem = problem == NULL ? s->problem : problem;
			continue;
		}
		if (pairs++ == 0) {
			*item = i;
		}
	}
	if (pairs == 0) {
		return err_set(err, ERR_CONFIG, "there is no key pair in the file%s%s",
			       problem != NULL ? ": " : "", problem != NULL ? problem : "");
	}
	if (pairs > 1) {
		struct str alias = k->keys.stage_item(stage, *item)->alias;
		(void)snprintf(note, 256,
			       "the file holds %zu key pairs: only \"%.*s\" was taken, import it "
			       "as a keystore for all",
			       pairs, (int)(alias.len < 100 ? alias.len : 100),
			       alias.at ? alias.at : "");
	}
	return true;
}

struct pairing {
	struct keystore *k;
	const struct keystore_change *c;
	struct keystore_report *report;
	struct str alias;
	bool update;
};

static enum keystore_outcome put_staged_pair(const struct pairing *p, struct keys_stage *stage,
					     struct err *err)
{
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);
	AUTO_DRAFTS struct keystore_drafts ds = {0};
	struct keystore *k = p->k;
	char note[256] = "";
	size_t item = 0;

	if (!choose(k, stage, &item, note, err)) {
		return KEYSTORE_BAD;
	}
	const struct keys_staged *s = k->keys.stage_item(stage, item);
	struct keystore_draft *d = keystore_drafts_add(&ds);
	if (!keystore_draft_make(d, p->alias, KEYS_ENTRY_KEY_PAIR, keystore_owner_of(p->c),
				 s->chain, s->n_chain, err)) {
		return err->kind == ERR_LIMIT ? KEYSTORE_LIMIT : KEYSTORE_BAD;
	}
	buf_add_str(&d->spki, s->spki);
	enum keystore_outcome outcome =
		keystore_judge_trust(k, p->c, s->chain, s->n_chain, d, p->report, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!keystore_data_key(k, p->c->tenant, p->c->now, &wrapped, err) ||
	    !keystore_draft_seal(k, p->c->tenant, buf_str(&wrapped), d, stage, item, err)) {
		return KEYSTORE_FAILED;
	}
	return keystore_put_draft(k, p->c, &ds, p->update ? "update" : "add", p->update,
				  note[0] != '\0' ? note : NULL, p->report, err);
}

enum keystore_outcome keystore_put_key_pair(struct keystore *k, const struct keystore_change *c,
					    struct str alias, struct str bytes, struct str password,
					    bool update, struct keystore_report *report,
					    struct err *err)
{
	struct keys_stage *stage = NULL;
	char kept[KEYSTORE_ALIAS_MAX];
	unsigned format = 0;

	enum keystore_outcome outcome = keystore_check_alias(k, c, alias, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!keystore_within("keystore.keypair.max", bytes.len,
			     keystore_limits_of(k).key_pair_bytes, err)) {
		return KEYSTORE_LIMIT;
	}
	if (!k->keys.stage_open(k->keys.user, bytes, password, &format, &stage, err)) {
		return keystore_stage_outcome(format, err);
	}
	CRASH_POINT("keystore.pair.staged");
	int tries = 0;
	do {
		const struct pairing p = {
			k, c, report, update ? keystore_alias_as_kept(k, c, alias, kept) : alias,
			update};
		outcome = put_staged_pair(&p, stage, err);
	} while (keystore_moved_on(c, outcome, &tries));
	k->keys.stage_end(stage);
	return outcome;
}
