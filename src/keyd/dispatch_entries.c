#include "base/crash.h"
#include "crypto/seal.h"
#include "crypto/tenant_key.h"
#include "keyd/data_key.h"
#include "keyd/dispatch_parts.h"

bool dispatch_serves_tenants(const struct dispatch *d, struct err *err)
{
	return vault_has_class(d->vault, KEYS_CLASS_TENANT) ||
	       err_set(err, ERR_DENIED, "entries of tenants are not kept here");
}

/* ---- data keys, and what is sealed again ---- */

enum keys_status dispatch_data_key_new(const struct dispatch *d, struct rd *in, struct buf *out,
				       struct err *err)
{
	struct str tenant = rd_blob(in, KEYS_TENANT_MAX);
	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (!dispatch_serves_tenants(d, err) || !data_key_new(d->vault, tenant, &wrapped, err)) {
		return KEYS_REFUSED;
	}
	CRASH_POINT("keyd.entry.datakey");
	wr_blob(out, buf_str(&wrapped));
	return KEYS_OK;
}

static enum keys_status answer_again(bool ok, bool again, const struct buf *sealed, struct buf *out)
{
	if (!ok) {
		return KEYS_REFUSED;
	}
	CRASH_POINT("keyd.entry.resealed");
	wr_u8(out, again);
	wr_blob(out, buf_str(sealed));
	return KEYS_OK;
}

enum keys_status dispatch_data_key_rewrap(const struct dispatch *d, struct rd *in, struct buf *out,
					  struct err *err)
{
	struct str tenant = rd_blob(in, KEYS_TENANT_MAX);
	struct str wrapped = rd_blob(in, KEYS_WRAPPED_MAX);
	AUTO_BUF struct buf anew = BUF(KEYS_WRAPPED_MAX);
	bool again = false;

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	bool ok = dispatch_serves_tenants(d, err) &&
		  data_key_rewrap(d->vault, tenant, wrapped, &anew, &again, err);
	return answer_again(ok, again, &anew, out);
}

enum keys_status dispatch_reseal_key(const struct dispatch *d, struct rd *in, struct buf *out,
				     struct err *err)
{
	struct str sealed = rd_blob(in, KEYS_SEALED_MAX);
	AUTO_BUF struct buf anew = BUF(KEYS_SEALED_MAX);
	bool again = false;

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	bool ok = vault_reseal_key(d->vault, sealed, &anew, &again, err);
	return answer_again(ok, again, &anew, out);
}

enum keys_status dispatch_reseal_secret(const struct dispatch *d, struct rd *in, struct buf *out,
					struct err *err)
{
	struct str label = rd_blob(in, KEYS_LABEL_MAX);
	struct str sealed = rd_blob(in, KEYS_PLAIN_MAX + SEAL_OVERHEAD);
	AUTO_BUF struct buf anew = BUF(KEYS_PLAIN_MAX + SEAL_OVERHEAD);
	bool again = false;

	if (!rd_done(in) || label.len == 0) {
		return dispatch_malformed(err);
	}
	bool ok = vault_reseal(d->vault, label, sealed, &anew, &again, err);
	return answer_again(ok, again, &anew, out);
}

/* ---- entries ---- */

/* Appends the PKCS#8 form, nothing for a certificate. */
static bool open_entry(const struct dispatch *d, const struct keys_entry *entry, struct buf *plain,
		       struct err *err)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};

	return dispatch_serves_tenants(d, err) &&
	       data_key_open(d->vault, entry->binding.tenant, entry->wrapped, &k, err) &&
	       data_key_unseal(&k, &entry->binding, entry->sealed, plain, err);
}

static bool seal_entry(const struct dispatch *d, struct str wrapped,
		       const struct keys_binding *binding, struct str plain, struct buf *out,
		       struct err *err)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);

	if (!data_key_open(d->vault, binding->tenant, wrapped, &k, err) ||
	    !data_key_seal(&k, binding, plain, &sealed, err)) {
		return false;
	}
	CRASH_POINT("keyd.entry.bound");
	wr_blob(out, buf_str(&sealed));
	return true;
}

static bool open_pair(const struct dispatch *d, const struct keys_entry *entry,
		      struct local_key **out, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);

	return open_entry(d, entry, &plain, err) &&
	       local_key_read_tenant(buf_str(&plain), out, err);
}

enum keys_status dispatch_entry_load(const struct dispatch *d, struct rd *in, struct buf *out,
				     struct err *err)
{
	struct keys_entry entry;
	struct local_key *k;
	uint8_t id[KEYS_ID];

	if (!keys_read_entry(in, &entry) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (entry.binding.kind != KEYS_ENTRY_KEY_PAIR) {
		return dispatch_refuse(err, "a certificate has no key that could sign");
	}
	if (!open_pair(d, &entry, &k, err)) {
		return KEYS_REFUSED;
	}
	keys_entry_id(&entry, id);
	keyring_add(d->keys, id, KEYS_CLASS_TENANT, k);
	wr_blob(out, str_make(id, sizeof(id)));
	return KEYS_OK;
}

enum keys_status dispatch_entry_tag(const struct dispatch *d, struct rd *in, struct buf *out,
				    struct err *err)
{
	struct str wrapped = rd_blob(in, KEYS_WRAPPED_MAX);
	struct keys_binding binding;

	if (!keys_read_binding(in, &binding) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (binding.kind != KEYS_ENTRY_CERTIFICATE) {
		return dispatch_refuse(err, "only certificates are tagged: a key pair is sealed");
	}
	return dispatch_serves_tenants(d, err) &&
			       seal_entry(d, wrapped, &binding, STR_NONE, out, err)
		       ? KEYS_OK
		       : KEYS_REFUSED;
}

/* What decides who may change an entry is fixed when it is made. */
static bool stays(const struct keys_binding *a, const struct keys_binding *b)
{
	return str_eq(a->tenant, b->tenant) && str_eq(a->keystore, b->keystore) &&
	       a->owner == b->owner && a->kind == b->kind;
}

enum keys_status dispatch_entry_rebind(const struct dispatch *d, struct rd *in, struct buf *out,
				       struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);
	struct keys_entry entry;
	struct keys_binding binding;
	bool read = keys_read_entry(in, &entry);
	struct str wrapped = rd_blob(in, KEYS_WRAPPED_MAX);

	if (!read || !keys_read_binding(in, &binding) || !rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (!stays(&entry.binding, &binding)) {
		return dispatch_refuse(err, "an entry keeps its tenant, keystore, owner and kind");
	}
	return open_entry(d, &entry, &plain, err) &&
			       seal_entry(d, wrapped, &binding, buf_str(&plain), out, err)
		       ? KEYS_OK
		       : KEYS_REFUSED;
}

/* Whether the sealed key's public part is `spki`. */
static bool pair_fits(struct str pkcs8, struct str spki)
{
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf own = BUF(KEY_SPKI_MAX);
	struct err ignored;

	return local_key_read_tenant(pkcs8, &k, &ignored) && local_key_spki(k, &own, &ignored) &&
	       str_eq(buf_str(&own), spki);
}

static bool entry_is_good(const struct dispatch *d, const struct keys_entry *entry, struct str spki)
{
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);
	struct err ignored;

	if (!open_entry(d, entry, &plain, &ignored)) {
		return false;
	}
	return entry->binding.kind == KEYS_ENTRY_KEY_PAIR ? pair_fits(buf_str(&plain), spki)
							  : plain.len == 0 && spki.len == 0;
}

enum keys_status dispatch_entries_check(const struct dispatch *d, struct rd *in, struct buf *out,
					struct err *err)
{
	uint16_t n = rd_u16(in);

	if (n == 0 || n > KEYS_CHECK_MAX) {
		return dispatch_malformed(err);
	}
	CRASH_POINT("keyd.entry.checked");
	for (uint16_t i = 0; i < n; i++) {
		struct keys_entry entry;
		bool read = keys_read_entry(in, &entry);
		struct str spki = rd_blob(in, KEY_SPKI_MAX);

		if (!read || in->failed) {
			return dispatch_malformed(err);
		}
		wr_u8(out, entry_is_good(d, &entry, spki));
	}
	return rd_done(in) ? KEYS_OK : dispatch_malformed(err);
}

/* ---- MACs, and the anchor ---- */

enum keys_status dispatch_mac(const struct dispatch *d, struct rd *in, struct buf *out,
			      struct err *err)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};
	struct str tenant = rd_blob(in, KEYS_TENANT_MAX);
	struct str wrapped = rd_blob(in, KEYS_WRAPPED_MAX);
	struct str label = rd_blob(in, KEYS_LABEL_MAX);
	struct str message = rd_blob(in, KEYS_MESSAGE_MAX);
	uint8_t mac[KEYS_MAC];

	if (!rd_done(in) || label.len == 0) {
		return dispatch_malformed(err);
	}
	if (!dispatch_serves_tenants(d, err) ||
	    !data_key_open(d->vault, tenant, wrapped, &k, err)) {
		return KEYS_REFUSED;
	}
	data_key_mac(&k, label, message, mac);
	CRASH_POINT("keyd.entry.authenticated");
	buf_add(out, mac, sizeof(mac));
	return KEYS_OK;
}

enum keys_status dispatch_anchor(const struct dispatch *d, struct rd *in, struct buf *out UNUSED,
				 struct err *err)
{
	struct str chain = rd_blob(in, ANCHOR_CHAIN_MAX);
	int64_t n = (int64_t)rd_u64(in);
	struct str hash = rd_bytes(in, ANCHOR_HASH);

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (d->book == NULL) {
		return dispatch_refuse(err, "no anchor is kept here");
	}
	return log_book_add(d->book, d->now(), chain, n, (const uint8_t *)hash.at, err)
		       ? KEYS_OK
		       : KEYS_REFUSED;
}

enum keys_status dispatch_anchor_last(const struct dispatch *d, struct rd *in, struct buf *out,
				      struct err *err)
{
	struct str chain = rd_blob(in, ANCHOR_CHAIN_MAX);
	struct anchor_last last;

	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	if (d->book == NULL) {
		return dispatch_refuse(err, "no anchor is kept here");
	}
	if (!log_book_last(d->book, chain, &last, err)) {
		return KEYS_REFUSED;
	}
	wr_u64(out, (uint64_t)last.n);
	buf_add(out, last.hash, ANCHOR_HASH);
	return KEYS_OK;
}
