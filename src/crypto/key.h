#pragma once
/*
 * A private key that lives elsewhere, and what is signed with it.
 *
 * struct key is a public key plus a way to have bytes signed: the signer is a callback (the key
 * process's client in production, a local key in tests). A provider of ours inside OpenSSL
 * (OSSL_PROVIDER_add_builtin) turns it into an EVP_PKEY for TLS and for CSR signatures, without any
 * private bits in this process. See spec/libraries.md, "a TLS key that lives in another process".
 *
 * Threads: a struct key may be used from several threads at once; the signer must allow that.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	KEY_SPKI_MAX = KIB(4),    /* DER of a public key; a tenant's RSA 16384 needs 2,086 */
	KEY_SIGNATURE_MAX = 2048, /* RSA 16384 */
	KEY_TBS_MAX = KIB(64),    /* what may be asked to be signed in one call */
};

/* The scheme of a signature over a message; numbers of TLS (RFC 8446, 4.2.3). */
enum key_scheme {
	KEY_RSA_PKCS1_SHA256 = 0x0401,
	KEY_RSA_PKCS1_SHA384 = 0x0501,
	KEY_RSA_PKCS1_SHA512 = 0x0601,
	KEY_ECDSA_SHA256 = 0x0403,
	KEY_ECDSA_SHA384 = 0x0503,
	KEY_ECDSA_SHA512 = 0x0603,
	KEY_RSA_PSS_SHA256 = 0x0804, /* salt as long as the digest */
	KEY_RSA_PSS_SHA384 = 0x0805,
	KEY_RSA_PSS_SHA512 = 0x0806,
	KEY_ED25519 = 0x0807, /* tenants' keys only, as KEY_ED448 */
	KEY_ED448 = 0x0808,
	KEY_DSA_SHA256 = 0x0402, /* TLS 1.2's; here only for tenants' CSRs */
};

struct key;

/* Signs `message` (not a digest: the signer hashes) and appends the signature (DER for ECDSA). */
typedef bool key_sign_fn(void *user, enum key_scheme scheme, struct str message,
			 struct buf *signature, struct err *err);

/*
 * `spki` is the DER of the public key, also of a tenant (wider than our own keys, see
 * crypto/tenant_key.h); `user` is lent and must outlive the key. Any may sign; TLS takes RSA and
 * EC.
 */
NODISCARD bool key_new(struct str spki, key_sign_fn *sign, void *user, struct key **out,
		       struct err *err);
/* Keys are counted: a tls_config keeps its own. key_free() lets go; the last one frees. Any thread.
 */
struct key *key_ref(struct key *k);
void key_free(struct key *k); /* takes NULL */
/* `fn(user)` once, when the last one let go: for a `user` that nobody else owns. */
void key_on_free(struct key *k, void (*fn)(void *user));
DEFINE_AUTO(key_free, struct key *)
struct str key_spki(const struct key *k);
NODISCARD bool key_sign(struct key *k, enum key_scheme scheme, struct str message,
			struct buf *signature, struct err *err);
bool key_is_rsa(const struct key *k);
/* Whether `signature` is one of the key `spki` (ECDSA and RSA) over `message`. */
bool key_verify(struct str spki, enum key_scheme scheme, struct str message, struct str signature);

/* ---- for the key process and for tests only: keys with private bits in this process ---- */
enum key_kind {
	KEY_KIND_P256,
	KEY_KIND_P384,
	KEY_KIND_RSA_2048,
	KEY_KIND_RSA_3072,
	KEY_KIND_RSA_4096,
};

struct local_key;

NODISCARD bool local_key_generate(enum key_kind kind, struct local_key **out, struct err *err);
/* PKCS#8 PrivateKeyInfo, unencrypted; `der` must be a wiping buffer. */
NODISCARD bool local_key_read(struct str der, struct local_key **out, struct err *err);
NODISCARD bool local_key_write(const struct local_key *k, struct buf *der, struct err *err);
void local_key_free(struct local_key *k); /* wipes */
DEFINE_AUTO(local_key_free, struct local_key *)
NODISCARD bool local_key_spki(const struct local_key *k, struct buf *der, struct err *err);
NODISCARD bool local_key_sign(const struct local_key *k, enum key_scheme scheme, struct str message,
			      struct buf *signature, struct err *err);
/* A key_sign_fn over a local key (user = the local_key). */
bool local_key_signer(void *user, enum key_scheme scheme, struct str message, struct buf *signature,
		      struct err *err);
