#pragma once
/*
 * Our provider inside OpenSSL: an EVP_PKEY whose signatures come from a struct key's callback.
 * Only included inside src/crypto. See spec, "a TLS key that lives in another process".
 *
 * The provider sits in a library context of its own beside `default`. It offers KEYMGMT and
 * SIGNATURE as EC/ECDSA and RSA. libcrypto first tries to export the key to the default provider;
 * that must fail for private parts, and only then it comes back here to sign.
 */
#include <openssl/types.h>

#include "crypto/key.h"

/* The context for SSL_CTX_new_ex, with the property query below. Made once per process; NULL with
 * err when that failed. */
OSSL_LIB_CTX *key_library(struct err *err);
#define KEY_LIBRARY_QUERY "?provider=default"

/* `k` is lent and must outlive the result. `pub` is the same public key, of the default provider.
 */
EVP_PKEY *key_provider_wrap(struct key *k, EVP_PKEY *pub, struct err *err);
EVP_PKEY *key_evp(struct key *k); /* lent; NULL for a kind that TLS does not get here */
/* `k`'s scheme for a digest of "SHA256"…; false when there is none. */
bool key_scheme_of(bool rsa, bool pss, const char *digest, enum key_scheme *out);
