/* Key pairs that are made here, and private keys without a certificate: both get a self-signed
 * one (spec/keystore.md 1.2 and 1.3). */
#include "base/random.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/issue.h"
#include "crypto/tenant_key.h"

enum {
	CREATED_YEARS = 3,
	PUT_KEY_YEARS = 10,
	SUBJECT_PARTS = 7,
	PART_MAX = 256,
	YEARS_MAX = 100,
};
static const int64_t year_ms = (int64_t)365 * 86400 * 1000;

/* The parts as texts that end in NUL. */
struct subject {
	char texts[SUBJECT_PARTS][PART_MAX];
	struct issue_name name;
};

static bool take_part(const char *what, struct str value, size_t max, char *into, struct err *err)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.at[i] < 0x20) {
			return err_set(err, ERR_CONFIG, "%s has a control character", what);
		}
	}
	return (value.len <= max && str_is_utf8(value) && str_copy(value, into, PART_MAX)) ||
	       err_set(err, ERR_CONFIG, "%s is longer than %zu bytes, or not UTF-8", what, max);
}

static bool make_subject(const struct keystore_request *r, struct subject *out, struct err *err)
{
	/* Longest by RFC 5280, A.1. */
	const struct {
		const char *what;
		struct str value;
		size_t max;
		const char **into;
	} parts[SUBJECT_PARTS] = {
		{"the common name (CN)", r->common_name, 64, &out->name.common_name},
		{"the unit (OU)", r->unit, 64, &out->name.organizational_unit},
		{"the organization (O)", r->organization, 64, &out->name.organization},
		{"the locality (L)", r->locality, 128, &out->name.locality},
		{"the state (ST)", r->state, 128, &out->name.state},
		{"the country (C)", r->country, 2, &out->name.country},
		{"the e-mail address", r->email, 128, &out->name.email}};

	if (r->common_name.len == 0) {
		return err_set(err, ERR_CONFIG, "the common name (CN) is missing");
	}
	if (r->country.len == 1) {
		return err_set(err, ERR_CONFIG, "the country (C) has two letters");
	}
	for (size_t i = 0; i < SUBJECT_PARTS; i++) {
		if (!take_part(parts[i].what, parts[i].value, parts[i].max, out->texts[i], err)) {
			return false;
		}
		*parts[i].into = out->texts[i];
	}
	return true;
}

static bool make_times(const struct keystore_request *r, int64_t now, int years,
		       struct keys_self *facts, struct err *err)
{
	int64_t from = r->not_before != 0 ? r->not_before : now;
	int64_t to = r->not_after != 0 ? r->not_after : from + years * year_ms;

	if (to <= from || to - from > YEARS_MAX * year_ms || from < 0) {
		return err_set(err, ERR_CONFIG,
			       "the validity must end after it begins, within %d years",
			       (int)YEARS_MAX);
	}
	facts->not_before = from / 1000;
	facts->not_after = to / 1000;
	return true;
}

struct making {
	struct keystore *k;
	const struct keystore_change *c;
	const struct keystore_request *request;
	struct keystore_report *report;
	const char *what;
	int years;
	bool update;
};

static bool self_sign(const struct making *m, struct keys_stage *stage, size_t item,
		      const char *digest, struct buf *der, struct err *err)
{
	struct keys_self facts = {.digest = digest};
	struct subject subject;

	if (!make_subject(m->request, &subject, err) ||
	    !make_times(m->request, m->c->now, m->years, &facts, err)) {
		return false;
	}
	facts.name = &subject.name;
	random_bytes(facts.serial, sizeof(facts.serial));
	return m->k->keys.stage_self_sign(stage, item, &facts, der, err);
}

static enum keystore_outcome put_made(const struct making *m, struct keys_stage *stage, size_t item,
				      const char *digest, struct err *err)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX), wrapped = BUF(KEYS_WRAPPED_MAX);
	AUTO_DRAFTS struct keystore_drafts ds = {0};
	struct keystore *k = m->k;
	char kept[KEYSTORE_ALIAS_MAX];
	struct str alias = m->update ? keystore_alias_as_kept(k, m->c, m->request->alias, kept)
				     : m->request->alias;

	if (!self_sign(m, stage, item, digest, &der, err)) {
		return err->kind == ERR_CONFIG ? KEYSTORE_BAD : KEYSTORE_FAILED;
	}
	struct str chain = buf_str(&der);
	struct keystore_draft *d = keystore_drafts_add(&ds);
	if (!keystore_draft_make(d, alias, KEYS_ENTRY_KEY_PAIR, keystore_owner_of(m->c), &chain, 1,
				 err)) {
		return KEYSTORE_BAD;
	}
	buf_add_str(&d->spki, k->keys.stage_item(stage, item)->spki);
	if (!keystore_data_key(k, m->c->tenant, m->c->now, &wrapped, err) ||
	    !keystore_draft_seal(k, m->c->tenant, buf_str(&wrapped), d, stage, item, err)) {
		return KEYSTORE_FAILED;
	}
	return keystore_put_draft(k, m->c, &ds, m->what, m->update, NULL, m->report, err);
}

/* Cheap refusals first: an RSA key takes a second to make. */
static enum keystore_outcome judge(const struct making *m, struct err *err)
{
	struct subject subject;
	const struct keystore_place place = {.tenant = m->c->tenant, .name = KEYSTORE_SYSTEM};
	struct keys_self facts;
	struct keystore_list *found;
	struct err missing;

	enum keystore_outcome outcome = keystore_check_alias(m->k, m->c, m->request->alias, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!make_subject(m->request, &subject, err) ||
	    !make_times(m->request, m->c->now, m->years, &facts, err)) {
		return KEYSTORE_BAD;
	}
	if (!m->update && keystore_find(m->k, &place, m->request->alias, &found, &missing)) {
		keystore_list_free(found);
		(void)err_set(err, ERR_CONFLICT,
			      "alias \"%.*s\" is already in use in keystore \"system\"",
			      (int)(m->request->alias.len < 250 ? m->request->alias.len : 250),
			      m->request->alias.at);
		return KEYSTORE_TAKEN;
	}
	return KEYSTORE_DONE;
}

static bool copy_text(struct str value, const char *what, char *into, size_t size, struct err *err)
{
	return str_copy(value, into, size) || err_set(err, ERR_CONFIG, "the %s is not known", what);
}

static enum keystore_outcome stage_and_put(const struct making *m, const char *type,
					   const char *curve, const char *digest, struct err *err)
{
	struct keystore *k = m->k;
	struct keys_stage *stage = NULL;

	if (!k->keys.stage_generate(k->keys.user, type, m->request->key_size, curve, &stage, err)) {
		return err->kind == ERR_CONFIG ? KEYSTORE_BAD : KEYSTORE_FAILED;
	}
	enum keystore_outcome outcome = put_made(m, stage, 0, digest, err);
	k->keys.stage_end(stage);
	return outcome;
}

enum keystore_outcome keystore_create(struct keystore *k, const struct keystore_change *c,
				      const struct keystore_request *request,
				      struct keystore_report *report, struct err *err)
{
	const struct making m = {k, c, request, report, "create", CREATED_YEARS, false};
	char type[16], curve[64], signature[64];
	struct signature_algorithm algorithm;

	enum keystore_outcome outcome = judge(&m, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	struct str wanted = request->key_type.len > 0 ? request->key_type : STR("RSA");
	if (!copy_text(wanted, "key type", type, sizeof(type), err) ||
	    !copy_text(request->curve, "curve", curve, sizeof(curve), err) ||
	    !copy_text(request->signature, "signature algorithm", signature, sizeof(signature),
		       err) ||
	    !signature_algorithm_read(signature, type, &algorithm, err)) {
		return KEYSTORE_BAD;
	}
	if (!str_eq_nocase(str_of(algorithm.key), wanted)) {
		(void)err_set(err, ERR_CONFIG,
			      "the signature algorithm %s does not fit a key of "
			      "type %s",
			      signature, type);
		return KEYSTORE_BAD;
	}
	return stage_and_put(&m, type, curve, algorithm.digest, err);
}

/* ---- a private key without a certificate ---- */

static const struct keys_staged *find_lone_key(struct keystore *k, struct keys_stage *stage,
					       size_t *item, struct err *err)
{
	const char *problem = NULL;

	for (size_t i = 0; i < k->keys.stage_count(stage); i++) {
		const struct keys_staged *s = k->keys.stage_item(stage, i);
		if (s->is_taken && s->kind == KEYS_ENTRY_KEY_PAIR) {
			*item = i;
			return s;
		}
		problem = problem == NULL ? s->problem : problem;
	}
	(void)err_set(err, ERR_CONFIG, "there is no private key in the file%s%s",
		      problem != NULL ? ": " : "", problem != NULL ? problem : "");
	return NULL;
}

/* The default for RSA is SHA-256 here (spec/keystore.md 1.3), and not that of created ones. */
static bool choose_algorithm(const struct making *m, struct str spki,
			     struct signature_algorithm *out, struct err *err)
{
	const char *type;
	char signature[64];

	if (!tenant_key_type(spki, &type, err) ||
	    !copy_text(m->request->signature, "signature algorithm", signature, sizeof(signature),
		       err)) {
		return false;
	}
	bool rsa = strncmp(type, "RSA", 3) == 0;
	return signature_algorithm_read(signature[0] == '\0' && rsa ? "SHA256/RSA" : signature,
					type, out, err);
}

static enum keystore_outcome put_staged_key(const struct making *m, struct keys_stage *stage,
					    struct err *err)
{
	struct signature_algorithm algorithm;
	size_t item = 0;

	const struct keys_staged *key = find_lone_key(m->k, stage, &item, err);
	if (key == NULL || !choose_algorithm(m, key->spki, &algorithm, err)) {
		return KEYSTORE_BAD;
	}
	return put_made(m, stage, item, algorithm.digest, err);
}

enum keystore_outcome keystore_put_key(struct keystore *k, const struct keystore_change *c,
				       const struct keystore_request *request, struct str bytes,
				       struct str password, bool update,
				       struct keystore_report *report, struct err *err)
{
	const struct making m = {
		k, c, request, report, update ? "update" : "add", PUT_KEY_YEARS, update};
	struct keys_stage *stage = NULL;
	unsigned format = 0;

	enum keystore_outcome outcome = judge(&m, err);
	if (outcome != KEYSTORE_DONE) {
		return outcome;
	}
	if (!keystore_within("keystore.keypair.max", bytes.len,
			     keystore_limits_of(k).key_pair_bytes, err)) {
		return KEYSTORE_LIMIT;
	}
	if (!k->keys.stage_open_keys(k->keys.user, bytes, password, &format, &stage, err)) {
		return keystore_stage_outcome(format, err);
	}
	outcome = put_staged_key(&m, stage, err);
	k->keys.stage_end(stage);
	return outcome;
}
