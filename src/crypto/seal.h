#pragma once
/*
 * Sealing: XChaCha20-Poly1305 with associated data (libsodium). Format: version byte 1, nonce 24,
 * ciphertext and tag. And password hashes (Argon2id), digests, MACs.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	SEAL_KEY_BYTES = 32,
	SEAL_OVERHEAD = 1 + 24 + 16,
};

/* Appends the sealed form of `plain`. */
NODISCARD bool seal(const uint8_t key[static SEAL_KEY_BYTES], struct str plain, struct str aad,
		    struct buf *out, struct err *err);
/* Appends the plain bytes to a wiping buffer; ERR_DENIED when key, bytes or aad do not match. */
NODISCARD bool unseal(const uint8_t key[static SEAL_KEY_BYTES], struct str sealed, struct str aad,
		      struct buf *out, struct err *err);
void seal_wipe(void *bytes, size_t len); /* sodium_memzero */

/* Argon2id in the PHC string form; takes tens of milliseconds: only in jobs. */
NODISCARD bool password_hash(struct str password, char into[static 128], struct err *err);
bool password_verify(const char *hash, struct str password);

void digest_sha256(struct str bytes, uint8_t out[static 32]);
void hmac_sha256(struct str key, struct str bytes, uint8_t out[static 32]); /* RFC 2104 */
bool equal_secret(const void *a, const void *b, size_t len);                /* constant time */
