#include "crypto/seal.h"

#include <sodium.h>

enum {
	SEAL_VERSION = 1,
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
};
_Static_assert(1 + (int)NONCE + (int)TAG == (int)SEAL_OVERHEAD, "the format of the header");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == (int)SEAL_KEY_BYTES, "key");

/* Idempotent and safe from several threads; the process cannot go on without it. */
static void ready(void)
{
	if (sodium_init() < 0) {
		abort();
	}
}

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.len ? s.at : "");
}

bool seal(const uint8_t key[static SEAL_KEY_BYTES], struct str plain, struct str aad,
	  struct buf *out, struct err *err)
{
	ready();
	if (plain.len > SIZE_MAX - SEAL_OVERHEAD) {
		return err_set(err, ERR_LIMIT, "too long to be sealed");
	}
	unsigned char *at = (unsigned char *)buf_reserve(out, plain.len + SEAL_OVERHEAD);
	if (at == NULL) {
		return err_set(err, ERR_LIMIT, "no room for the sealed form");
	}
	at[0] = SEAL_VERSION;
	randombytes_buf(at + 1, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(at + 1 + NONCE, NULL, bytes_of(plain), plain.len,
						   bytes_of(aad), aad.len, NULL, at + 1, key);
	buf_commit(out, plain.len + SEAL_OVERHEAD);
	return true;
}

bool unseal(const uint8_t key[static SEAL_KEY_BYTES], struct str sealed, struct str aad,
	    struct buf *out, struct err *err)
{
	ready();
	const unsigned char *in = bytes_of(sealed);
	if (sealed.len < SEAL_OVERHEAD || in[0] != SEAL_VERSION) {
		return err_set(err, ERR_DENIED, "not a sealed form that this version knows");
	}
	size_t len = sealed.len - SEAL_OVERHEAD;
	/* One byte more: an empty plain text needs a place too. */
	unsigned char *at = (unsigned char *)buf_reserve(out, len + 1);
	if (at == NULL) {
		return err_set(err, ERR_LIMIT, "no room for the opened form");
	}
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, in + 1 + NONCE,
						       sealed.len - 1 - NONCE, bytes_of(aad),
						       aad.len, in + 1, key) != 0) {
		return err_set(err, ERR_DENIED, "the sealed form does not open");
	}
	buf_commit(out, len);
	return true;
}

void seal_wipe(void *bytes, size_t len)
{
	sodium_memzero(bytes, len);
}

bool password_hash(struct str password, char into[static 128], struct err *err)
{
	_Static_assert(crypto_pwhash_STRBYTES <= 128, "room for the PHC form");
	ready();
	if (crypto_pwhash_str_alg(into, (const char *)bytes_of(password), password.len,
				  crypto_pwhash_OPSLIMIT_INTERACTIVE,
				  crypto_pwhash_MEMLIMIT_INTERACTIVE,
				  crypto_pwhash_ALG_ARGON2ID13) != 0) {
		return err_set(err, ERR_SYSTEM, "no memory for Argon2id");
	}
	return true;
}

bool password_verify(const char *hash, struct str password)
{
	ready();
	return crypto_pwhash_str_verify(hash, (const char *)bytes_of(password), password.len) == 0;
}

void digest_sha256(struct str bytes, uint8_t out[static 32])
{
	crypto_hash_sha256(out, bytes_of(bytes), bytes.len);
}

void hmac_sha256(struct str key, struct str bytes, uint8_t out[static 32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, bytes_of(key), key.len);
	crypto_auth_hmacsha256_update(&state, bytes_of(bytes), bytes.len);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof state);
}

bool equal_secret(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}
