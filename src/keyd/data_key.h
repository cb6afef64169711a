#pragma once
/*
 * A tenant's data key: what the entries of its keystores are sealed with and its MACs are made by.
 *
 *   wrapped   u8 form (1), 16 bytes id, then the vault's seal over the 32 bytes of the key, bound
 *             to form, id and tenant
 *   entry     u8 form (1), u8 kind, then crypto/seal.h over the PKCS#8 form (nothing for a
 *             certificate), bound to form, the data key's id and the binding (keys/binding.h)
 *
 * Entries and MACs use keys derived from it (HMAC-SHA-256 over a text of their own), so that
 * neither can be had by asking for the other.
 *
 * Threads: any. A struct data_key lives on a stack and is wiped by data_key_wipe().
 */
#include "crypto/seal.h"
#include "keyd/vault.h"
#include "keys/binding.h"

enum {
	DATA_KEY_PKCS8_MAX = KEYS_SEALED_MAX - SEAL_OVERHEAD - 2,
};

struct data_key {
	uint8_t id[KEYS_DATA_KEY_ID];
	uint8_t secret[SEAL_KEY_BYTES];
	struct str tenant; /* lent, as it was given to data_key_open() */
};

NODISCARD bool data_key_new(const struct vault *v, struct str tenant, struct buf *wrapped,
			    struct err *err);
NODISCARD bool data_key_open(const struct vault *v, struct str tenant, struct str wrapped,
			     struct data_key *out, struct err *err);
/* Appended to `out` only when *again (keyd/vault.h). */
NODISCARD bool data_key_rewrap(const struct vault *v, struct str tenant, struct str wrapped,
			       struct buf *out, bool *again, struct err *err);
void data_key_wipe(struct data_key *k);
#define AUTO_DATA_KEY __attribute__((cleanup(data_key_wipe)))

/* ERR_DENIED when the binding is another tenant's. `plain`: PKCS#8, empty for a certificate. */
NODISCARD bool data_key_seal(const struct data_key *k, const struct keys_binding *binding,
			     struct str plain, struct buf *sealed, struct err *err);
/* Appends to a wiping buffer of DATA_KEY_PKCS8_MAX. */
NODISCARD bool data_key_unseal(const struct data_key *k, const struct keys_binding *binding,
			       struct str sealed, struct buf *plain, struct err *err);
void data_key_mac(const struct data_key *k, struct str label, struct str message,
		  uint8_t mac[static KEYS_MAC]);
