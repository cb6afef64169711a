#pragma once
/*
 * What a tenant's entry is bound to, and the entry itself, as bytes (base/rd.h forms).
 *
 *   binding   blob tenant, blob keystore, blob alias, u8 owner, u8 kind, u8 flags, u64 version,
 *             32 bytes SHA-256 of the chain
 *   entry     blob wrapped data key, binding, blob sealed form
 *
 * The encoding is canonical: each value has one form, and each form is read back to one value. It
 * is the associated data of the sealed form (behind the data key's id, see keyd/data_key.h), so it
 * never changes: another one would be another form of seal.
 */
#include "keys/entries.h"

enum {
	KEYS_BINDING_MIN = 3 * (4 + 1) + 3 + 8 + 32, /* bytes of the shortest */
	KEYS_BINDING_MAX =
		3 * 4 + KEYS_TENANT_MAX + KEYS_KEYSTORE_MAX + KEYS_ALIAS_MAX + 3 + 8 + 32,
	KEYS_ENTRY_MAX = 4 + KEYS_WRAPPED_MAX + KEYS_BINDING_MAX + 4 + KEYS_SEALED_MAX,
	KEYS_DATA_KEY_ID = 16, /* bytes of a data key's name */
};

void keys_write_binding(struct buf *out, const struct keys_binding *binding);
/* False when malformed: an empty or too long text, an unknown owner or kind. Texts are lent. */
NODISCARD bool keys_read_binding(struct rd *in, struct keys_binding *out);
void keys_write_entry(struct buf *out, const struct keys_entry *entry);
NODISCARD bool keys_read_entry(struct rd *in, struct keys_entry *out);
/* The name of a loaded entry: SHA-256 over its bytes, the sealed form and the binding included. */
void keys_entry_id(const struct keys_entry *entry, uint8_t id[static KEYS_ID]);
