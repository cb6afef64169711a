#pragma once
/*
 * What the files of this floor share about OpenSSL: the error queue, owners, and X.509 objects.
 * Only included inside src/crypto.
 *
 * Errors: err_ossl() is the only function that turns OpenSSL's queue into an err, and it empties
 * the queue. Whoever ignores a failure calls ossl_forget().
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "crypto/key.h"

/* "what: OpenSSL's first reason". Always false. */
bool err_ossl(struct err *err, enum err_kind kind, const char *what);
void ossl_forget(void);

void ossl_free_certs(STACK_OF(X509) * certs); /* with its members */

DEFINE_AUTO(X509_free, X509 *)
DEFINE_AUTO(X509_REQ_free, X509_REQ *)
DEFINE_AUTO(X509_NAME_free, X509_NAME *)
DEFINE_AUTO(X509_STORE_free, X509_STORE *)
DEFINE_AUTO(X509_STORE_CTX_free, X509_STORE_CTX *)
DEFINE_AUTO(X509_ALGOR_free, X509_ALGOR *)
DEFINE_AUTO(X509_EXTENSION_free, X509_EXTENSION *)
DEFINE_AUTO(GENERAL_NAMES_free, GENERAL_NAMES *)
DEFINE_AUTO(ASN1_BIT_STRING_free, ASN1_BIT_STRING *)
DEFINE_AUTO(ASN1_INTEGER_free, ASN1_INTEGER *)
DEFINE_AUTO(BN_free, BIGNUM *)
DEFINE_AUTO(PKCS7_free, PKCS7 *)
DEFINE_AUTO(BIO_free_all, BIO *)
DEFINE_AUTO(EVP_PKEY_free, EVP_PKEY *)
DEFINE_AUTO(EVP_PKEY_CTX_free, EVP_PKEY_CTX *)
DEFINE_AUTO(EVP_MD_CTX_free, EVP_MD_CTX *)
DEFINE_AUTO(ossl_free_certs, STACK_OF(X509) *)

/* A BIO that reads `text`; never NULL for at most INT_MAX bytes, else NULL with err. */
BIO *ossl_reader(struct str text, struct err *err);
/* The public key in `spki`, of a kind that we use: RSA 2048 to 8192, P-256, P-384. */
EVP_PKEY *ossl_public_key(struct str spki, struct err *err);
EVP_PKEY *ossl_local_key(const struct local_key *k); /* lent */
/* A whole private key in DER, of any kind and up to 16 KiB; NULL with ERR_CONFIG. */
EVP_PKEY *ossl_private_key(struct str der, struct err *err);
NODISCARD bool ossl_key_is_accepted(EVP_PKEY *pkey, struct err *err);
/* What tenants may bring: RSA 1024 to 16384, RSA-PSS, DSA to 4096, named curves, Ed25519, Ed448.
 * The first one also signs, to see that private and public part fit. */
NODISCARD bool ossl_tenant_key_is_accepted(EVP_PKEY *pkey, struct err *err);
NODISCARD bool ossl_tenant_public_key_is_accepted(EVP_PKEY *pkey, struct err *err);
EVP_PKEY *ossl_tenant_public_key(struct str spki, struct err *err);
struct local_key *ossl_local_key_take(EVP_PKEY *pkey); /* takes */
const char *ossl_key_kind(EVP_PKEY *pkey);             /* "RSA", "RSASSA-PSS", "DSA", "EC", … */
/* "SHA256" and so on; NULL for a key that hashes itself (EdDSA), or an unknown name with err. */
NODISCARD bool ossl_sign_digest(EVP_PKEY *pkey, const char *name, const EVP_MD **out,
				struct err *err);
/* A host name, an address, a URI or a mail address, as an alternative name. */
NODISCARD bool ossl_add_san(GENERAL_NAMES *names, const char *text);
NODISCARD bool ossl_write_pkcs8(const EVP_PKEY *pkey, struct buf *der, struct err *err);
void ossl_key_type(EVP_PKEY *pkey, char into[static 16]); /* "EC P-256", "RSA 2048" */

/* A whole DER certificate, or NULL. */
X509 *ossl_cert(struct str der, struct err *err);
/* All certificates of a PEM text, at most `max`; ERR_CONFIG when there is none. */
STACK_OF(X509) * ossl_certs(struct str pem, int max, struct err *err);
X509_STORE *ossl_store(struct str anchors_pem, bool system_anchors, struct err *err);
NODISCARD bool ossl_cert_facts(X509 *cert, struct cert_facts *out, struct err *err);
NODISCARD bool ossl_cert_pem(X509 *cert, struct buf *pem);

/*
 * Chain to an anchor of `store`. `at` = 0: without the clock. `purpose`: "ssl_client",
 * "ssl_server" or NULL for any. `untrusted` may be NULL.
 */
NODISCARD bool ossl_verify(X509_STORE *store, X509 *leaf, STACK_OF(X509) * untrusted, int64_t at,
			   const char *purpose, struct err *err);

/* "CN=…,O=…" (RFC 4514 with backslash escapes of one character) and back. */
X509_NAME *ossl_name(const char *text, struct err *err);
/* Cut with "…" where it does not fit. */
void ossl_name_text(const X509_NAME *name, char *into, size_t size);
