/*
 * Private keys in DER: PKCS#8 plain and encrypted (RFC 5958), PKCS#1 (RFC 8017, A.1.2), SEC 1 (RFC
 * 5915), DSA as OpenSSL wrote it.
 */
#include <openssl/pkcs12.h>

#include "crypto/formats/format.h"
#include "crypto/formats/pbe.h"

DEFINE_AUTO(X509_SIG_free, X509_SIG *)
DEFINE_AUTO(PKCS8_PRIV_KEY_INFO_free, PKCS8_PRIV_KEY_INFO *)

static const struct gather_name nameless;

static enum container_outcome skip(struct gather *g, enum container_reason reason, const char *why,
				   struct err *err)
{
	ossl_forget();
	return gather_skip(g, nameless, reason, why, err) ? CONTAINER_OPENED
							  : outcome_of(err, CONTAINER_MALFORMED);
}

static bool is_encrypted(struct str bytes)
{
	return der_looks(bytes, "0(04") && der_looks(bytes, "0(0(6");
}

static bool looks(struct str bytes)
{
	return is_encrypted(bytes) || der_looks(bytes, "0(204") || der_looks(bytes, "0(2222") ||
	       der_looks(bytes, "0(24");
}

enum container_outcome read_key_der(struct str der, struct gather *g, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;

	if (der.len > KIB(16)) {
		return skip(g, CONTAINER_KEY_REFUSED, "the private key has more than 16 KiB", err);
	}
	EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	if (pkey == NULL || (const char *)at != der.at + der.len) {
		EVP_PKEY_free(pkey);
		return skip(g, CONTAINER_UNSUPPORTED,
			    "the private key is malformed or of a kind that is not supported", err);
	}
	ossl_forget();
	return gather_key(g, pkey, nameless, STR_NONE, err) ? CONTAINER_OPENED
							    : outcome_of(err, CONTAINER_MALFORMED);
}

/* Without a password the empty one is tried. */
static PKCS8_PRIV_KEY_INFO *open_with(const X509_SIG *sig, const struct gather *g)
{
	const struct str *p = g->password;
	bool some = p != NULL && p->len > 0;

	return PKCS8_decrypt(sig, some ? p->at : "", some ? (int)p->len : 0);
}

enum container_outcome read_pkcs8_encrypted(struct str der, struct gather *g, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;
	AUTO(X509_SIG_free) X509_SIG *sig = d2i_X509_SIG(NULL, &at, (long)der.len);
	const X509_ALGOR *algorithm = NULL;
	const ASN1_OCTET_STRING *octets = NULL;
	char name[40], why[120];

	if (sig == NULL || (const char *)at != der.at + der.len) {
		err_ossl(err, ERR_CONFIG, "the encrypted private key is malformed");
		return CONTAINER_MALFORMED;
	}
	X509_SIG_get0(sig, &algorithm, &octets);
	switch (pbe_check(g, algorithm, name, err)) {
	case PBE_READY:
		break;
	case PBE_UNSUPPORTED:
		snprintf(why, sizeof why, "encrypted with %s, which is not supported", name);
		return skip(g, CONTAINER_UNSUPPORTED, why, err);
	case PBE_REFUSED:
		return outcome_of(err, CONTAINER_MALFORMED);
	default:
		return CONTAINER_FAILED;
	}
	AUTO(PKCS8_PRIV_KEY_INFO_free) PKCS8_PRIV_KEY_INFO *p8 = open_with(sig, g);
	if (p8 == NULL) {
		g->locked++;
		return skip(g, CONTAINER_OTHER_PASSWORD, "the key opens with another password",
			    err);
	}
	g->unlocked++;
	EVP_PKEY *pkey = EVP_PKCS82PKEY(p8);
	if (pkey == NULL) {
		return skip(g, CONTAINER_UNSUPPORTED,
			    "the private key is of a kind that is not supported", err);
	}
	return gather_key(g, pkey, nameless, STR_NONE, err) ? CONTAINER_OPENED
							    : outcome_of(err, CONTAINER_MALFORMED);
}

static enum container_outcome read_file(struct str bytes, struct gather *g, struct err *err)
{
	if (g->certificates_only) {
		err_set(err, ERR_CONFIG, "a private key has no place here: upload a key pair");
		return CONTAINER_NOT_READ;
	}
	return is_encrypted(bytes) ? read_pkcs8_encrypted(bytes, g, err)
				   : read_key_der(bytes, g, err);
}

const struct format format_private_key = {CONTAINER_PRIVATE_KEY_DER, looks, read_file};
