#pragma once
/*
 * Keys of tenants: made by the names that the keystore's API knows (spec/keystore.md 1.2), and read
 * where Drawbridge's own rules (crypto/key.h) would refuse them. In the key process only.
 */
#include "crypto/key.h"

enum {
	TENANT_RSA_BITS_MIN = 1024,  /* weak below 2048: callers warn */
	TENANT_RSA_BITS_MAX = 16384, /* read; OpenSSL verifies nothing larger */
	TENANT_RSA_MADE_MAX = 8192,  /* made: a larger one takes minutes of a core */
	TENANT_DSA_BITS_MAX = 4096,  /* read; larger parameters cost seconds a signature */
	TENANT_DSA_MADE_MAX = 3072,  /* made (FIPS 186-4) */
};

/*
 * `type`: "RSA", "DSA", "EC", "Ed25519", "Ed448", in any case. `curve`: for EC, any spelling of the
 * spec ("secp256r1", "NIST P-256", "P-256", "X9.62 prime256v1", "prime256v1"); NULL or empty: by
 * `bits` (up to 192, 224, 256, 384, above). 0 bits without a curve: 4096 for RSA, 2048 for DSA,
 * P-256. Takes seconds for large RSA and DSA: in a job. ERR_CONFIG for what is not offered.
 */
NODISCARD bool local_key_generate_named(const char *type, unsigned bits, const char *curve,
					struct local_key **out, struct err *err);
/* PKCS#8 of what container_open() gave: every kind that tenants may bring. */
NODISCARD bool local_key_read_tenant(struct str der, struct local_key **out, struct err *err);
/* "RSA", "RSASSA-PSS", "DSA", "EC", "Ed25519", "Ed448". */
const char *local_key_type(const struct local_key *k);
/* The same of a public key. ERR_CONFIG when it is none that tenants may bring. */
NODISCARD bool tenant_key_type(struct str spki, const char **type, struct err *err);

/* A signature algorithm as it is asked for: "SHA-256/RSA", "SHA256/RSA", "SHA256withRSA", … */
struct signature_algorithm {
	char digest[8]; /* "SHA256"; empty: the key's own (Ed25519, Ed448) */
	char key[12];   /* the type of key that it needs: "RSA", "DSA", "EC", "Ed25519" … */
};

/* ERR_CONFIG for an unknown spelling, or a digest that the spec does not offer. NULL and "" give
 * the default for `key_type`: SHA512 with RSA, SHA256 with the others. */
NODISCARD bool signature_algorithm_read(const char *spelling, const char *key_type,
					struct signature_algorithm *out, struct err *err);
