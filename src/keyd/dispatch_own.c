#include "base/crash.h"
#include "crypto/cert.h"
#include "crypto/seal.h"
#include "keyd/dispatch_parts.h"

/* In a child that never had the master key, where there is one: it takes long, and a thread of ours
 * has signatures to make. */
static bool make_key(const struct dispatch *d, enum key_kind kind, struct local_key **out,
		     struct err *err)
{
	static const struct {
		const char *type;
		uint32_t bits;
		const char *curve;
	} kinds[] = {
		[KEY_KIND_P256] = {"EC", 0, "P-256"},    [KEY_KIND_P384] = {"EC", 0, "P-384"},
		[KEY_KIND_RSA_2048] = {"RSA", 2048, ""}, [KEY_KIND_RSA_3072] = {"RSA", 3072, ""},
		[KEY_KIND_RSA_4096] = {"RSA", 4096, ""},
	};
	enum keys_entry_kind ignored;
	struct stage_result result;
	struct str pkcs8;

	if (d->nursery == NULL) {
		return local_key_generate(kind, out, err);
	}
	AUTO(stage_free) struct stage *s = stage_new(d->nursery, -1);
	return stage_generate(s, str_of(kinds[kind].type), kinds[kind].bits,
			      str_of(kinds[kind].curve), &result, err) &&
	       result.good && stage_item(s, 0, &ignored, &pkcs8, err) &&
	       local_key_read(pkcs8, out, err);
}

enum keys_status dispatch_generate(const struct dispatch *d, struct rd *in, struct buf *out,
				   struct err *err)
{
	enum keys_class class_ = (enum keys_class)rd_u8(in);
	uint8_t kind = rd_u8(in);

	if (!rd_done(in) || kind > KEY_KIND_RSA_4096) {
		return dispatch_malformed(err);
	}
	if (!dispatch_makes_class(d, class_, err)) {
		return KEYS_REFUSED;
	}
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	uint8_t id[KEYS_ID];
	if (!make_key(d, (enum key_kind)kind, &k, err) ||
	    !vault_seal_key(d->vault, class_, k, &sealed, err) || !local_key_spki(k, &spki, err)) {
		return KEYS_REFUSED;
	}
	digest_sha256(buf_str(&sealed), id);
	keyring_add(d->keys, id, class_, TAKE(k)); /* it will be used at once */
	wr_blob(out, buf_str(&sealed));
	wr_blob(out, buf_str(&spki));
	return KEYS_OK;
}

enum keys_status dispatch_load(const struct dispatch *d, struct rd *in, struct buf *out,
			       struct err *err)
{
	struct str sealed = rd_blob(in, KEYS_SEALED_MAX);
	uint8_t id[KEYS_ID];
	struct local_key *k;
	enum keys_class class_;

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (!vault_open_key(d->vault, sealed, &k, &class_, err)) {
		return KEYS_REFUSED;
	}
	digest_sha256(sealed, id);
	keyring_add(d->keys, id, class_, k);
	wr_blob(out, str_make(id, sizeof(id)));
	return KEYS_OK;
}

static enum keys_status sign_with(const struct keyring_key *k, enum keys_purpose purpose,
				  enum key_scheme scheme, struct str message, struct buf *out,
				  struct err *err)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);

	if (!keys_allows(keyring_class(k), purpose)) {
		(void)err_set(err, ERR_DENIED, "a key of class %s does not sign for purpose %u",
			      keys_class_name(keyring_class(k)), (unsigned)purpose);
		return KEYS_REFUSED;
	}
	if (!local_key_sign(keyring_local(k), scheme, message, &signature, err)) {
		return KEYS_REFUSED;
	}
	wr_blob(out, buf_str(&signature));
	return KEYS_OK;
}

enum keys_status dispatch_sign(const struct dispatch *d, struct rd *in, struct buf *out,
			       struct err *err)
{
	uint8_t id[KEYS_ID];
	bool has_id = dispatch_read_id(in, id);
	enum keys_purpose purpose = (enum keys_purpose)rd_u8(in);
	enum key_scheme scheme = (enum key_scheme)rd_u16(in);
	struct str message = rd_blob(in, KEY_TBS_MAX);

	if (!has_id || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	struct keyring_key *k = keyring_hold(d->keys, id);
	if (!k) {
		return KEYS_NOT_LOADED;
	}
	enum keys_status status = sign_with(k, purpose, scheme, message, out, err);
	keyring_release(d->keys, k);
	return status;
}

/*
 * What signs itself is the key's own public key. That another issuer's certificate and key belong
 * together, and that it is a CA's, is seen to by issue_certificate().
 */
static bool issuer_fits(const struct keyring_key *k, const struct issue_facts *facts,
			struct str spki, struct str issuer_der, struct err *err)
{
	AUTO_BUF struct buf own = BUF(KEY_SPKI_MAX);

	if (facts->profile != ISSUE_ROOT && keyring_class(k) != KEYS_CLASS_LISTENER) {
		return issuer_der.len > 0 || err_set(err, ERR_DENIED, "no issuer's certificate");
	}
	if (!local_key_spki(keyring_local(k), &own, err)) {
		return false;
	}
	if (issuer_der.len > 0 || !str_eq(buf_str(&own), spki)) {
		return err_set(err, ERR_DENIED,
			       "self-signed is for the key's own public key and without an issuer");
	}
	return true;
}

static bool facts_are_fair(const struct issue_facts *facts, int64_t now, struct err *err)
{
	bool is_ca = facts->profile == ISSUE_ROOT || facts->profile == ISSUE_INTERMEDIATE;
	int64_t longest = is_ca ? DISPATCH_CA_MAX_S : DISPATCH_LEAF_MAX_S;

	/* The times are a peer's: only the clock's own is calculated with. */
	if (facts->not_before < now - 2 * 86400 || facts->not_after <= facts->not_before ||
	    facts->not_after > now + longest) {
		return err_set(err, ERR_DENIED,
			       "validity: at most %lld days from now, not more than two days back",
			       (long long)longest / 86400);
	}
	if ((facts->profile == ISSUE_CONNECTOR) != (facts->uri != NULL)) {
		return err_set(err, ERR_DENIED, "a URI is for connectors, and they need one");
	}
	if (facts->uri && !str_starts(str_of(facts->uri), STR("spiffe://"))) {
		return err_set(err, ERR_DENIED, "the URI is no SPIFFE id");
	}
	if ((facts->profile == ISSUE_SERVER) != (facts->n_sans > 0)) {
		return err_set(err, ERR_DENIED, "names are for servers, and they need one");
	}
	return true;
}

static bool issue_with(const struct dispatch *d, const struct keyring_key *k,
		       const struct issue_facts *facts, struct str spki, struct str issuer_der,
		       struct buf *out, struct err *err)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);

	if (!keys_may_issue(keyring_class(k), facts->profile)) {
		return err_set(err, ERR_DENIED, "a key of class %s does not issue this profile",
			       keys_class_name(keyring_class(k)));
	}
	if (!facts_are_fair(facts, d->now(), err) ||
	    !issuer_fits(k, facts, spki, issuer_der, err) ||
	    !serials_add(d->serials, d->now(), facts, err)) {
		return false;
	}
	CRASH_POINT("keyd.serial.listed");
	if (!issue_certificate(facts, spki, issuer_der, keyring_local(k), &der, err)) {
		return false;
	}
	wr_blob(out, buf_str(&der));
	return true;
}

enum keys_status dispatch_issue(const struct dispatch *d, struct rd *in, struct buf *out,
				struct err *err)
{
	uint8_t id[KEYS_ID];
	bool has_id = dispatch_read_id(in, id);
	struct str spki = rd_blob(in, KEY_SPKI_MAX);
	struct str issuer_der = rd_blob(in, CERT_DER_MAX);
	AUTO_FREE struct keys_issue *text = NEW(struct keys_issue);

	if (!has_id || !keys_read_facts(in, text) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	struct keyring_key *k = keyring_hold(d->keys, id);
	if (!k) {
		return KEYS_NOT_LOADED;
	}
	/* As issue_certificate() will write it: a serial is positive (RFC 5280, 4.1.2.2). */
	text->facts.serial[0] &= 0x7f;
	bool ok = issue_with(d, k, &text->facts, spki, issuer_der, out, err);
	keyring_release(d->keys, k);
	return ok ? KEYS_OK : KEYS_REFUSED;
}

enum keys_status dispatch_seal(const struct dispatch *d, struct rd *in, struct buf *out,
			       struct err *err)
{
	struct str label = rd_blob(in, KEYS_LABEL_MAX);
	struct str plain = rd_blob(in, KEYS_PLAIN_MAX);
	AUTO_BUF struct buf sealed = BUF(KEYS_PLAIN_MAX + SEAL_OVERHEAD);

	if (!rd_done(in) || label.len == 0) {
		return dispatch_malformed(err);
	}
	if (!vault_seal(d->vault, label, plain, &sealed, err)) {
		return KEYS_REFUSED;
	}
	wr_blob(out, buf_str(&sealed));
	return KEYS_OK;
}

enum keys_status dispatch_unseal(const struct dispatch *d, struct rd *in, struct buf *out,
				 struct err *err)
{
	struct str label = rd_blob(in, KEYS_LABEL_MAX);
	struct str sealed = rd_blob(in, KEYS_PLAIN_MAX + SEAL_OVERHEAD);
	AUTO_BUF struct buf plain = BUF_SECRET(KEYS_PLAIN_MAX);

	if (!rd_done(in) || label.len == 0) {
		return dispatch_malformed(err);
	}
	if (!keys_may_unseal(label)) {
		return dispatch_refuse(err, "what is sealed under this label is not given out");
	}
	if (!vault_unseal(d->vault, label, sealed, &plain, err)) {
		return KEYS_REFUSED;
	}
	wr_blob(out, buf_str(&plain));
	return KEYS_OK;
}

enum keys_status dispatch_wipe(const struct dispatch *d, struct rd *in, struct buf *out UNUSED,
			       struct err *err)
{
	uint8_t id[KEYS_ID];

	if (!dispatch_read_id(in, id) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	keyring_drop(d->keys, id);
	return KEYS_OK;
}
