#include "base/crash.h"
#include "crypto/cert.h"
#include "crypto/tenant_key.h"
#include "keyd/data_key.h"
#include "keyd/dispatch_parts.h"
#include "keyd/stage.h"
#include "keyd/worker.h"

static bool may_stage(const struct dispatch *d, struct err *err)
{
	return d->stage != NULL || err_set(err, ERR_DENIED, "nothing is staged here");
}

enum keys_status dispatch_stage_begin(const struct dispatch *d, struct rd *in,
				      struct buf *out UNUSED, struct err *err)
{
	uint32_t total = rd_u32(in);
	uint8_t lone_keys = rd_u8(in);
	struct str password = rd_blob(in, KEYS_STAGE_PASSWORD_MAX);

	if (!rd_done(in) || lone_keys > 1) {
		return dispatch_malformed(err);
	}
	return may_stage(d, err) && stage_begin(d->stage, total, lone_keys != 0, password, err)
		       ? KEYS_OK
		       : KEYS_REFUSED;
}

enum keys_status dispatch_stage_data(const struct dispatch *d, struct rd *in,
				     struct buf *out UNUSED, struct err *err)
{
	struct str bytes = rd_blob(in, KEYS_STAGE_PART_MAX);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	return may_stage(d, err) && stage_add(d->stage, bytes, err) ? KEYS_OK : KEYS_REFUSED;
}

/* `err` tells why a result is not good: it is part of the answer then, beside the format. */
static enum keys_status answer_result(const struct dispatch *d, bool ok,
				      const struct stage_result *result, struct buf *out,
				      struct err *err)
{
	if (!ok) {
		return KEYS_REFUSED;
	}
	wr_u8(out, result->good ? 0 : 1 + (uint8_t)dispatch_reaction(err));
	wr_u32(out, result->format);
	if (result->good) {
		wr_u32(out, (uint32_t)stage_count(d->stage));
		wr_u32(out, (uint32_t)stage_facts(d->stage).len);
	} else {
		wr_blob(out, str_first(str_of(err->text), KEYS_REASON_MAX));
	}
	return KEYS_OK;
}

enum keys_status dispatch_stage_open(const struct dispatch *d, struct rd *in, struct buf *out,
				     struct err *err)
{
	struct stage_result result;

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	bool ok = may_stage(d, err) && stage_open(d->stage, &result, err);
	CRASH_POINT("keyd.entry.staged");
	return answer_result(d, ok, &result, out, err);
}

enum keys_status dispatch_stage_generate(const struct dispatch *d, struct rd *in, struct buf *out,
					 struct err *err)
{
	struct stage_result result;
	struct str type = rd_blob(in, WORKER_TYPE_MAX);
	uint32_t bits = rd_u32(in);
	struct str curve = rd_blob(in, WORKER_CURVE_MAX);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	bool ok = may_stage(d, err) && stage_generate(d->stage, type, bits, curve, &result, err);
	return answer_result(d, ok, &result, out, err);
}

enum keys_status dispatch_stage_facts(const struct dispatch *d, struct rd *in, struct buf *out,
				      struct err *err)
{
	uint32_t offset = rd_u32(in);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (!may_stage(d, err)) {
		return KEYS_REFUSED;
	}
	struct str facts = stage_facts(d->stage);
	if (offset >= facts.len) {
		(void)err_set(err, ERR_SYSTEM,
			      "what was uploaded is not there any more: start over");
		return KEYS_REFUSED;
	}
	wr_blob(out, str_first(str_skip(facts, offset), KEYS_STAGE_PART_MAX));
	return KEYS_OK;
}

static bool sign_itself(const struct dispatch *d, uint32_t i, const struct issue_facts *facts,
			struct buf *out, struct err *err)
{
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX), der = BUF(CERT_DER_MAX);
	enum keys_entry_kind kind;
	struct str pkcs8;

	if (!stage_item(d->stage, i, &kind, &pkcs8, err)) {
		return false;
	}
	if (kind != KEYS_ENTRY_KEY_PAIR) {
		return err_set(err, ERR_DENIED, "a certificate has no key that could sign");
	}
	if (!local_key_read_tenant(pkcs8, &k, err) || !local_key_spki(k, &spki, err) ||
	    !issue_certificate(facts, buf_str(&spki), STR_NONE, k, &der, err)) {
		return false;
	}
	wr_blob(out, buf_str(&der));
	return true;
}

enum keys_status dispatch_stage_self_sign(const struct dispatch *d, struct rd *in, struct buf *out,
					  struct err *err)
{
	AUTO_FREE struct keys_name *name = NEW(struct keys_name);
	char digest[KEYS_DIGEST_MAX + 1];
	struct issue_facts facts = {.profile = ISSUE_SELF, .name = &name->name, .digest = digest};
	uint32_t i = rd_u32(in);
	bool texts = keys_read_name(in, name) && keys_read_text(in, digest, sizeof(digest));

	facts.not_before = (int64_t)rd_u64(in);
	facts.not_after = (int64_t)rd_u64(in);
	struct str serial = rd_bytes(in, sizeof(facts.serial));
	if (!texts || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	memcpy(facts.serial, serial.at, sizeof(facts.serial));
	return may_stage(d, err) && sign_itself(d, i, &facts, out, err) ? KEYS_OK : KEYS_REFUSED;
}

static bool seal_staged(const struct dispatch *d, uint32_t i, struct str wrapped,
			const struct keys_binding *binding, struct buf *out, struct err *err)
{
	AUTO_DATA_KEY struct data_key key = {.tenant = STR_NONE};
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	enum keys_entry_kind kind;
	struct str pkcs8;

	if (!stage_item(d->stage, i, &kind, &pkcs8, err)) {
		return false;
	}
	if (kind != binding->kind) {
		return err_set(err, ERR_DENIED, "the item is of another kind than its binding");
	}
	/* Read and written again: what is sealed opens later, whatever the worker said. */
	if (kind == KEYS_ENTRY_KEY_PAIR &&
	    (!local_key_read_tenant(pkcs8, &k, err) || !local_key_write(k, &plain, err))) {
		return false;
	}
	if (!data_key_open(d->vault, binding->tenant, wrapped, &key, err) ||
	    !data_key_seal(&key, binding, buf_str(&plain), &sealed, err)) {
		return false;
	}
	CRASH_POINT("keyd.entry.sealed");
	wr_blob(out, buf_str(&sealed));
	return true;
}

enum keys_status dispatch_stage_seal(const struct dispatch *d, struct rd *in, struct buf *out,
				     struct err *err)
{
	uint32_t i = rd_u32(in);
	struct str wrapped = rd_blob(in, KEYS_WRAPPED_MAX);
	struct keys_binding binding;

	if (!keys_read_binding(in, &binding) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	return may_stage(d, err) && dispatch_serves_tenants(d, err) &&
			       seal_staged(d, i, wrapped, &binding, out, err)
		       ? KEYS_OK
		       : KEYS_REFUSED;
}

static bool seal_class(const struct dispatch *d, uint32_t i, enum keys_class class_,
		       struct buf *out, struct err *err)
{
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	enum keys_entry_kind kind;
	struct str pkcs8;

	if (!dispatch_makes_class(d, class_, err) || !stage_item(d->stage, i, &kind, &pkcs8, err)) {
		return false;
	}
	/* The CA's key is made here and never brought along: its certificates stand in a list. */
	if (kind != KEYS_ENTRY_KEY_PAIR || class_ == KEYS_CLASS_CA) {
		return err_set(err, ERR_DENIED, "this item is not sealed as a key of class %s",
			       keys_class_name(class_));
	}
	if (!local_key_read(pkcs8, &k, err) || !vault_seal_key(d->vault, class_, k, &sealed, err)) {
		return false;
	}
	wr_blob(out, buf_str(&sealed));
	return true;
}

enum keys_status dispatch_stage_seal_class(const struct dispatch *d, struct rd *in, struct buf *out,
					   struct err *err)
{
	uint32_t i = rd_u32(in);
	enum keys_class class_ = (enum keys_class)rd_u8(in);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	return may_stage(d, err) && seal_class(d, i, class_, out, err) ? KEYS_OK : KEYS_REFUSED;
}

enum keys_status dispatch_stage_end(const struct dispatch *d, struct rd *in, struct buf *out UNUSED,
				    struct err *err)
{
	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (d->stage != NULL) {
		stage_clear(d->stage);
	}
	return KEYS_OK;
}
