#include <openssl/core_names.h>
#include <openssl/ec.h>

#include "base/json.h"
#include "crypto/jose.h"
#include "crypto/ossl.h"
#include "crypto/seal.h"

enum {
	P256_BYTES = 32,
	RSA_BYTES_MAX = 1024,
};

static bool add_number(struct jsonw *w, EVP_PKEY *pkey, const char *member, const char *param,
		       int width)
{
	AUTO_BUF struct buf text = BUF(KIB(2));
	unsigned char bytes[RSA_BYTES_MAX];
	BIGNUM *read = NULL;

	if (EVP_PKEY_get_bn_param(pkey, param, &read) != 1) {
		return false;
	}
	AUTO(BN_free) BIGNUM *n = read;
	int len = width != 0 ? width : BN_num_bytes(n);
	if (len > RSA_BYTES_MAX || BN_bn2binpad(n, bytes, len) != len) {
		return false;
	}
	buf_add_base64url(&text, bytes, (size_t)len);
	jsonw_key_str(w, member, buf_str(&text));
	return true;
}

/* The members that RFC 7638, 3.2 wants, in its order. */
static bool write_members(struct jsonw *w, EVP_PKEY *pkey, struct err *err)
{
	bool good;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		good = add_number(w, pkey, "e", OSSL_PKEY_PARAM_RSA_E, 0);
		jsonw_key_text(w, "kty", "RSA");
		good = good && add_number(w, pkey, "n", OSSL_PKEY_PARAM_RSA_N, 0);
	} else if (EVP_PKEY_get_bits(pkey) == 256) {
		jsonw_key_text(w, "crv", "P-256");
		jsonw_key_text(w, "kty", "EC");
		good = add_number(w, pkey, "x", OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES) &&
		       add_number(w, pkey, "y", OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES);
	} else {
		return err_set(err, ERR_CONFIG, "only RSA and P-256 keys sign tokens");
	}
	return good || err_ossl(err, ERR_SYSTEM, "JWK");
}

bool jose_thumbprint(struct str spki, char into[static 44], struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_public_key(spki, err);
	AUTO_BUF struct buf json = BUF(KIB(4));
	AUTO_BUF struct buf text = BUF(64);
	struct jsonw w = jsonw_to(&json);
	uint8_t digest[32];

	if (pkey == NULL) {
		return false;
	}
	jsonw_object(&w);
	if (!write_members(&w, pkey, err)) {
		return false;
	}
	jsonw_object_end(&w);
	digest_sha256(buf_str(&json), digest);
	buf_add_base64url(&text, digest, sizeof digest);
	return str_copy(buf_str(&text), into, 44) || err_set(err, ERR_SYSTEM, "thumbprint");
}

bool jose_add_jwk(struct buf *json, struct str spki, const char *kid, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_public_key(spki, err);
	AUTO_BUF struct buf one = BUF(KIB(4));
	struct jsonw w = jsonw_to(&one);
	char own_kid[44];

	if (pkey == NULL || !jose_thumbprint(spki, own_kid, err)) {
		return false;
	}
	jsonw_object(&w);
	if (!write_members(&w, pkey, err)) {
		return false;
	}
	jsonw_key_text(&w, "kid", kid != NULL ? kid : own_kid);
	jsonw_key_text(&w, "use", "sig");
	jsonw_key_text(&w, "alg", EVP_PKEY_is_a(pkey, "RSA") ? "RS256" : "ES256");
	jsonw_object_end(&w);
	buf_add_str(json, buf_str(&one));
	return !buf_failed(json) || err_set(err, ERR_LIMIT, "no room for the JWK");
}

/* RFC 7518, 3.4: r and s as 32 bytes each, where our signers give DER. */
static bool der_to_raw(struct str der, struct buf *raw, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;
	unsigned char bytes[2 * P256_BYTES];
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	bool good =
		sig != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(sig), bytes, P256_BYTES) == P256_BYTES &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), bytes + P256_BYTES, P256_BYTES) == P256_BYTES;

	ECDSA_SIG_free(sig);
	if (!good) {
		return err_ossl(err, ERR_SYSTEM, "the signature is malformed");
	}
	buf_add(raw, bytes, sizeof bytes);
	return true;
}

static void add_header(struct buf *token, bool rsa, const char *kid, const char *jku)
{
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct jsonw w = jsonw_to(&text);

	jsonw_object(&w);
	jsonw_key_text(&w, "alg", rsa ? "RS256" : "ES256");
	if (jku != NULL) {
		jsonw_key_text(&w, "jku", jku);
	}
	jsonw_key_text(&w, "kid", kid);
	jsonw_key_text(&w, "typ", "JWT");
	jsonw_object_end(&w);
	buf_add_base64url(token, text.at, text.len);
}

bool jose_sign(struct key *k, const char *kid, const char *jku, struct str claims,
	       struct buf *token, struct err *err)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO_BUF struct buf raw = BUF(2 * P256_BYTES);
	bool rsa = key_is_rsa(k);
	size_t start = token->len;

	add_header(token, rsa, kid, jku);
	buf_add_c(token, '.');
	buf_add_base64url(token, claims.at, claims.len);
	if (buf_failed(token)) {
		return err_set(err, ERR_LIMIT, "the token is too long");
	}
	if (!key_sign(k, rsa ? KEY_RSA_PKCS1_SHA256 : KEY_ECDSA_SHA256,
		      str_skip(buf_str(token), start), &signature, err)) {
		return err_wrap(err, "token");
	}
	if (!rsa && !der_to_raw(buf_str(&signature), &raw, err)) {
		return false;
	}
	struct str last = rsa ? buf_str(&signature) : buf_str(&raw);
	buf_add_c(token, '.');
	buf_add_base64url(token, last.at, last.len);
	return !buf_failed(token) || err_set(err, ERR_LIMIT, "the token is too long");
}
