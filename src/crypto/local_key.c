#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "crypto/key.h"
#include "crypto/ossl.h"
#include "crypto/seal.h"

struct local_key {
	EVP_PKEY *pkey;
};

static void take(EVP_PKEY *pkey, struct local_key **out)
{
	*out = NEW(struct local_key);
	(*out)->pkey = pkey;
}

bool local_key_generate(enum key_kind kind, struct local_key **out, struct err *err)
{
	EVP_PKEY *pkey = NULL;

	switch (kind) {
	case KEY_KIND_P256:
		pkey = EVP_EC_gen("P-256");
		break;
	case KEY_KIND_P384:
		pkey = EVP_EC_gen("P-384");
		break;
	case KEY_KIND_RSA_2048:
		pkey = EVP_RSA_gen(2048);
		break;
	case KEY_KIND_RSA_3072:
		pkey = EVP_RSA_gen(3072);
		break;
	case KEY_KIND_RSA_4096:
		pkey = EVP_RSA_gen(4096);
		break;
	default:
		return err_set(err, ERR_CONFIG, "unknown kind of key");
	}
	if (pkey == NULL) {
		return err_ossl(err, ERR_SYSTEM, "key generation");
	}
	take(pkey, out);
	return true;
}

EVP_PKEY *ossl_private_key(struct str der, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;

	if (der.len == 0 || der.len > KIB(16)) {
		(void)err_set(err, ERR_CONFIG, "the private key is empty or too long");
		return NULL;
	}
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	if (pkey == NULL || (const char *)at != der.at + der.len) {
		(void)err_ossl(err, ERR_CONFIG, "the private key is malformed");
		return NULL;
	}
	return TAKE(pkey);
}

bool local_key_read(struct str der, struct local_key **out, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_private_key(der, err);

	if (pkey == NULL || !ossl_key_is_accepted(pkey, err)) {
		return false;
	}
	take(TAKE(pkey), out);
	return true;
}

bool ossl_write_pkcs8(const EVP_PKEY *pkey, struct buf *der, struct err *err)
{
	unsigned char *bytes = NULL;
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(pkey);
	int len = p8 != NULL ? i2d_PKCS8_PRIV_KEY_INFO(p8, &bytes) : -1;

	PKCS8_PRIV_KEY_INFO_free(p8); /* clears the octets */
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "the private key cannot be written");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_clear_free(bytes, (size_t)len);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "no room for the private key");
}

bool local_key_write(const struct local_key *k, struct buf *der, struct err *err)
{
	return ossl_write_pkcs8(k->pkey, der, err);
}

void local_key_free(struct local_key *k)
{
	if (k != NULL) {
		EVP_PKEY_free(k->pkey);
		free(k);
	}
}

bool local_key_spki(const struct local_key *k, struct buf *der, struct err *err)
{
	unsigned char *bytes = NULL;
	int len = i2d_PUBKEY(k->pkey, &bytes);

	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "the public key cannot be written");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "no room for the public key");
}

struct local_key *ossl_local_key_take(EVP_PKEY *pkey)
{
	struct local_key *k = NULL;

	take(pkey, &k);
	return k;
}

EVP_PKEY *ossl_local_key(const struct local_key *k)
{
	return k->pkey;
}

static const struct scheme {
	enum key_scheme scheme;
	const char *digest;
	bool rsa, pss;
} schemes[] = {
	{KEY_RSA_PKCS1_SHA256, "SHA256", true, false},
	{KEY_RSA_PKCS1_SHA384, "SHA384", true, false},
	{KEY_RSA_PKCS1_SHA512, "SHA512", true, false},
	{KEY_ECDSA_SHA256, "SHA256", false, false},
	{KEY_ECDSA_SHA384, "SHA384", false, false},
	{KEY_ECDSA_SHA512, "SHA512", false, false},
	{KEY_RSA_PSS_SHA256, "SHA256", true, true},
	{KEY_RSA_PSS_SHA384, "SHA384", true, true},
	{KEY_RSA_PSS_SHA512, "SHA512", true, true},
	{KEY_ED25519, NULL, false, false},
	{KEY_ED448, NULL, false, false},
	{KEY_DSA_SHA256, "SHA256", false, false},
};

static bool fits(const struct scheme *s, EVP_PKEY *pkey)
{
	if (s->digest == NULL) {
		return EVP_PKEY_is_a(pkey, s->scheme == KEY_ED448 ? "ED448" : "ED25519") == 1;
	}
	if (s->scheme == KEY_DSA_SHA256) {
		return EVP_PKEY_is_a(pkey, "DSA") == 1;
	}
	return EVP_PKEY_is_a(pkey, s->rsa ? "RSA" : "EC") == 1;
}

static const struct scheme *find_scheme(enum key_scheme scheme)
{
	for (size_t i = 0; i < COUNT(schemes); i++) {
		if (schemes[i].scheme == scheme) {
			return &schemes[i];
		}
	}
	return NULL;
}

static bool pads(const struct scheme *s, EVP_PKEY_CTX *pctx)
{
	return !s->pss || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			   EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool start(EVP_MD_CTX *ctx, const struct scheme *s, EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *pctx = NULL;

	return EVP_DigestSignInit_ex(ctx, &pctx, s->digest, NULL, NULL, pkey, NULL) == 1 &&
	       pads(s, pctx);
}

bool local_key_sign(const struct local_key *k, enum key_scheme scheme, struct str message,
		    struct buf *signature, struct err *err)
{
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char bytes[KEY_SIGNATURE_MAX];
	size_t len = sizeof bytes;
	const struct scheme *s = find_scheme(scheme);

	if (s == NULL || !fits(s, k->pkey)) {
		return err_set(err, ERR_CONFIG, "the key cannot sign with scheme 0x%04x",
			       (unsigned)scheme);
	}
	if (ctx == NULL || !start(ctx, s, k->pkey) ||
	    EVP_DigestSign(ctx, bytes, &len, (const unsigned char *)(message.len ? message.at : ""),
			   message.len) != 1) {
		return err_ossl(err, ERR_SYSTEM, "signature");
	}
	buf_add(signature, bytes, len);
	return !buf_failed(signature) || err_set(err, ERR_LIMIT, "no room for the signature");
}

bool key_verify(struct str spki, enum key_scheme scheme, struct str message, struct str signature)
{
	struct err ignored;
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_public_key(spki, &ignored);
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const struct scheme *s = find_scheme(scheme);
	EVP_PKEY_CTX *pctx = NULL;

	bool ok = pkey != NULL && ctx != NULL && s != NULL && s->digest != NULL && fits(s, pkey) &&
		  EVP_DigestVerifyInit_ex(ctx, &pctx, s->digest, NULL, NULL, pkey, NULL) == 1 &&
		  pads(s, pctx) &&
		  EVP_DigestVerify(ctx, (const unsigned char *)(signature.len ? signature.at : ""),
				   signature.len,
				   (const unsigned char *)(message.len ? message.at : ""),
				   message.len) == 1;
	ossl_forget();
	return ok;
}

bool local_key_signer(void *user, enum key_scheme scheme, struct str message, struct buf *signature,
		      struct err *err)
{
	return local_key_sign(user, scheme, message, signature, err);
}
