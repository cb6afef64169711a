#include "keyd/data_key.h"

#include "base/random.h"

enum {
	FORM = 1,
	BOUND_MAX = 1 + 1 + KEYS_DATA_KEY_ID + KEYS_BINDING_MAX,
};
_Static_assert(1 + (int)KEYS_DATA_KEY_ID + (int)SEAL_KEY_BYTES + (int)SEAL_OVERHEAD <=
		       (int)KEYS_WRAPPED_MAX,
	       "room for a wrapped key");

void data_key_wipe(struct data_key *k)
{
	seal_wipe(k->secret, sizeof(k->secret));
}

static bool tenant_is_fair(struct str tenant, struct err *err)
{
	return (tenant.len > 0 && tenant.len <= KEYS_TENANT_MAX) ||
	       err_set(err, ERR_DENIED, "a tenant's id of %zu bytes", tenant.len);
}

/* kind, form, id, tenant: the lengths before it are fixed, so it needs none of its own. */
static void write_bound(struct buf *bound, const uint8_t *id, struct str tenant)
{
	wr_u8(bound, VAULT_DATA_KEY);
	wr_u8(bound, FORM);
	buf_add(bound, id, KEYS_DATA_KEY_ID);
	buf_add_str(bound, tenant);
}

static bool wrap(const struct vault *v, const struct data_key *k, struct buf *wrapped,
		 struct err *err)
{
	AUTO_BUF struct buf bound = BUF(BOUND_MAX);

	write_bound(&bound, k->id, k->tenant);
	wr_u8(wrapped, FORM);
	buf_add(wrapped, k->id, sizeof(k->id));
	return vault_seal_bound(v, buf_str(&bound), str_make(k->secret, sizeof(k->secret)), wrapped,
				err);
}

bool data_key_new(const struct vault *v, struct str tenant, struct buf *wrapped, struct err *err)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = tenant};

	if (!tenant_is_fair(tenant, err)) {
		return false;
	}
	random_bytes(k.id, sizeof(k.id));
	random_bytes(k.secret, sizeof(k.secret));
	return wrap(v, &k, wrapped, err);
}

static bool open_wrapped(const struct vault *v, struct str tenant, struct str wrapped,
			 struct data_key *out, bool *again, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(SEAL_KEY_BYTES + 1);
	AUTO_BUF struct buf bound = BUF(BOUND_MAX);
	struct rd in = rd_over(wrapped);
	uint8_t form = rd_u8(&in);
	struct str id = rd_bytes(&in, KEYS_DATA_KEY_ID);

	if (in.failed || form != FORM) {
		return err_set(err, ERR_DENIED, "these bytes are no data key of a known form");
	}
	if (!tenant_is_fair(tenant, err)) {
		return false;
	}
	write_bound(&bound, (const uint8_t *)id.at, tenant);
	if (!vault_unseal_bound(v, buf_str(&bound), in.rest, &plain, again, err)) {
		return err_set(
			err, ERR_DENIED,
			"the data key does not open: it is another tenant's, was changed, or "
			"needs a master key that is not here");
	}
	if (plain.len != SEAL_KEY_BYTES) {
		return err_set(err, ERR_DENIED, "these bytes are no data key of a known form");
	}
	memcpy(out->id, id.at, sizeof(out->id));
	memcpy(out->secret, plain.at, sizeof(out->secret));
	out->tenant = tenant;
	return true;
}

bool data_key_open(const struct vault *v, struct str tenant, struct str wrapped,
		   struct data_key *out, struct err *err)
{
	bool again;

	return open_wrapped(v, tenant, wrapped, out, &again, err);
}

bool data_key_rewrap(const struct vault *v, struct str tenant, struct str wrapped, struct buf *out,
		     bool *again, struct err *err)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};

	if (!open_wrapped(v, tenant, wrapped, &k, again, err)) {
		return false;
	}
	return !*again || wrap(v, &k, out, err);
}

static void derive(const struct data_key *k, struct str text, uint8_t out[static SEAL_KEY_BYTES])
{
	hmac_sha256(str_make(k->secret, sizeof(k->secret)), text, out);
}

static void write_entry_bound(struct buf *bound, const struct data_key *k,
			      const struct keys_binding *binding)
{
	wr_u8(bound, FORM);
	buf_add(bound, k->id, sizeof(k->id));
	keys_write_binding(bound, binding);
}

static bool is_own(const struct data_key *k, const struct keys_binding *binding, struct err *err)
{
	return str_eq(k->tenant, binding->tenant) ||
	       err_set(err, ERR_DENIED, "the entry is another tenant's");
}

bool data_key_seal(const struct data_key *k, const struct keys_binding *binding, struct str plain,
		   struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf bound = BUF(BOUND_MAX);
	uint8_t derived[SEAL_KEY_BYTES];

	if (!is_own(k, binding, err)) {
		return false;
	}
	write_entry_bound(&bound, k, binding);
	wr_u8(sealed, FORM);
	wr_u8(sealed, (uint8_t)binding->kind);
	derive(k, STR("drawbridge entry 1"), derived);
	bool ok = seal(derived, plain, buf_str(&bound), sealed, err);
	seal_wipe(derived, sizeof(derived));
	return ok;
}

bool data_key_unseal(const struct data_key *k, const struct keys_binding *binding,
		     struct str sealed, struct buf *plain, struct err *err)
{
	AUTO_BUF struct buf bound = BUF(BOUND_MAX);
	uint8_t derived[SEAL_KEY_BYTES];
	struct rd in = rd_over(sealed);
	uint8_t form = rd_u8(&in);
	uint8_t kind = rd_u8(&in);

	if (in.failed || form != FORM || kind != (uint8_t)binding->kind) {
		return err_set(err, ERR_DENIED, "these bytes are no sealed entry of this kind");
	}
	if (!is_own(k, binding, err)) {
		return false;
	}
	write_entry_bound(&bound, k, binding);
	derive(k, STR("drawbridge entry 1"), derived);
	bool ok = unseal(derived, in.rest, buf_str(&bound), plain, err);
	seal_wipe(derived, sizeof(derived));
	if (!ok) {
		return err_set(err, ERR_DENIED,
			       "the entry does not open: it, its chain or what it is bound to was "
			       "changed");
	}
	return true;
}

void data_key_mac(const struct data_key *k, struct str label, struct str message,
		  uint8_t mac[static KEYS_MAC])
{
	AUTO_BUF struct buf text = BUF(KEYS_LABEL_MAX + 32);
	uint8_t derived[SEAL_KEY_BYTES];

	buf_add_str(&text, STR("drawbridge mac 1:"));
	buf_add_str(&text, label);
	derive(k, buf_str(&text), derived);
	hmac_sha256(str_make(derived, sizeof(derived)), message, mac);
	seal_wipe(derived, sizeof(derived));
}
