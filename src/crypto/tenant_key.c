/*
 * Keys that tenants bring or have made: wider than what Drawbridge uses for itself (ossl.c).
 */
#include <openssl/core_names.h>

#include "crypto/ossl.h"

enum {
	RSA_BITS_MIN = 1024,
	RSA_BITS_MAX = 16384, /* OpenSSL's own end for verification */
	DSA_BITS_MIN = 512,   /* old SSH and WS-Security keys have 1024 */
	DSA_BITS_MAX = 4096,  /* a hostile file with larger parameters costs seconds a signature */
};

static bool bits_between(EVP_PKEY *pkey, const char *type, int min, int max, struct err *err)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (bits < min || bits > max) {
		return err_set(err, ERR_CONFIG, "a key %s of %d bits is not accepted (%d to %d)",
			       type, bits, min, max);
	}
	return true;
}

static bool kind_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	char group[64] = "";

	if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS")) {
		return bits_between(pkey, "RSA", RSA_BITS_MIN, RSA_BITS_MAX, err);
	}
	if (EVP_PKEY_is_a(pkey, "DSA")) {
		return bits_between(pkey, "DSA", DSA_BITS_MIN, DSA_BITS_MAX, err);
	}
	if (EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_is_a(pkey, "ED448")) {
		return true;
	}
	if (!EVP_PKEY_is_a(pkey, "EC")) {
		const char *name = EVP_PKEY_get0_type_name(pkey);
		return err_set(err, ERR_CONFIG, "a key of the kind %s is not accepted",
			       name != NULL ? name : "unknown");
	}
	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					   NULL) != 1 ||
	    group[0] == '\0') {
		ossl_forget();
		return err_set(err, ERR_CONFIG,
			       "an EC key with parameters of its own is not accepted: use a "
			       "named curve");
	}
	return true;
}

/* One signature with the key's default digest, verified: a private part that does not fit would
 * only show up in a handshake. */
static bool parts_fit(EVP_PKEY *pkey)
{
	static const unsigned char message[] = "drawbridge";
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *sign = EVP_MD_CTX_new();
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *verify = EVP_MD_CTX_new();
	unsigned char signature[RSA_BITS_MAX / 8];
	size_t len = sizeof signature;

	return sign != NULL && verify != NULL &&
	       EVP_DigestSignInit_ex(sign, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	       EVP_DigestSign(sign, signature, &len, message, sizeof message) == 1 &&
	       EVP_DigestVerifyInit_ex(verify, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	       EVP_DigestVerify(verify, signature, len, message, sizeof message) == 1;
}

bool ossl_tenant_key_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	if (!kind_is_accepted(pkey, err)) {
		return false;
	}
	if (!parts_fit(pkey)) {
		ossl_forget();
		return err_set(err, ERR_CONFIG, "the private key does not fit its own public key");
	}
	return true;
}
