#include "keys/binding.h"

#include "crypto/seal.h"

void keys_write_binding(struct buf *out, const struct keys_binding *binding)
{
	wr_blob(out, binding->tenant);
	wr_blob(out, binding->keystore);
	wr_blob(out, binding->alias);
	wr_u8(out, (uint8_t)binding->owner);
	wr_u8(out, (uint8_t)binding->kind);
	wr_u8(out, binding->flags);
	wr_u64(out, (uint64_t)binding->version);
	buf_add(out, binding->chain_sha256, sizeof(binding->chain_sha256));
}

bool keys_read_binding(struct rd *in, struct keys_binding *out)
{
	struct keys_binding b = {
		.tenant = rd_blob(in, KEYS_TENANT_MAX),
		.keystore = rd_blob(in, KEYS_KEYSTORE_MAX),
		.alias = rd_blob(in, KEYS_ALIAS_MAX),
	};
	uint8_t owner = rd_u8(in);
	uint8_t kind = rd_u8(in);

	b.flags = rd_u8(in);
	b.version = (int64_t)rd_u64(in);
	struct str chain = rd_bytes(in, sizeof(b.chain_sha256));
	if (in->failed || b.tenant.len == 0 || b.keystore.len == 0 || b.alias.len == 0 ||
	    owner < KEYS_OWNER_TENANT || owner > KEYS_OWNER_PROVIDER ||
	    kind < KEYS_ENTRY_KEY_PAIR || kind > KEYS_ENTRY_CERTIFICATE) {
		return false;
	}
	b.owner = (enum keys_owner)owner;
	b.kind = (enum keys_entry_kind)kind;
	memcpy(b.chain_sha256, chain.at, sizeof(b.chain_sha256));
	*out = b;
	return true;
}

void keys_write_entry(struct buf *out, const struct keys_entry *entry)
{
	wr_blob(out, entry->wrapped);
	keys_write_binding(out, &entry->binding);
	wr_blob(out, entry->sealed);
}

bool keys_read_entry(struct rd *in, struct keys_entry *out)
{
	struct keys_entry e = {.wrapped = rd_blob(in, KEYS_WRAPPED_MAX)};

	if (!keys_read_binding(in, &e.binding)) {
		return false;
	}
	e.sealed = rd_blob(in, KEYS_SEALED_MAX);
	if (in->failed) {
		return false;
	}
	*out = e;
	return true;
}

void keys_entry_id(const struct keys_entry *entry, uint8_t id[static KEYS_ID])
{
	AUTO_BUF struct buf bytes = BUF(KEYS_ENTRY_MAX);

	keys_write_entry(&bytes, entry);
	digest_sha256(buf_str(&bytes), id);
}
