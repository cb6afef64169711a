#include "crypto/csr.h"

#include "crypto/ossl.h"
#include "crypto/seal.h"

/*
 * The signature algorithm is set and the signature placed by hand, because the key's owner signs
 * messages: X509_REQ_sign would want a context that hashes here.
 */
static bool sign(X509_REQ *req, struct key *k, struct err *err)
{
	AUTO(X509_ALGOR_free) X509_ALGOR *algorithm = X509_ALGOR_new();
	AUTO(ASN1_BIT_STRING_free) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	unsigned char *tbs = NULL;
	bool rsa = key_is_rsa(k);

	if (algorithm == NULL || bits == NULL) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	X509_ALGOR_set0(algorithm,
			OBJ_nid2obj(rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256),
			rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL);
	int len = i2d_re_X509_REQ_tbs(req, &tbs);
	if (len <= 0 || X509_REQ_set1_signature_algo(req, algorithm) != 1) {
		OPENSSL_free(tbs);
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	bool good = key_sign(k, rsa ? KEY_RSA_PKCS1_SHA256 : KEY_ECDSA_SHA256,
			     str_make(tbs, (size_t)len), &signature, err);
	OPENSSL_free(tbs);
	if (!good) {
		return false;
	}
	if (ASN1_BIT_STRING_set(bits, (unsigned char *)signature.at, (int)signature.len) != 1) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
	bits->flags |= ASN1_STRING_FLAG_BITS_LEFT; /* whole bytes, whatever they end with */
	X509_REQ_set0_signature(req, TAKE(bits));
	return true;
}

bool csr_make(struct key *k, const char *subject, struct buf *der, struct err *err)
{
	AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
	AUTO(X509_NAME_free) X509_NAME *name = ossl_name(subject, err);
	AUTO(EVP_PKEY_free) EVP_PKEY *pub = name != NULL ? ossl_public_key(key_spki(k), err) : NULL;
	unsigned char *bytes = NULL;

	if (pub == NULL) {
		return false;
	}
	if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_subject_name(req, name) != 1 || X509_REQ_set_pubkey(req, pub) != 1) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	if (!sign(req, k, err)) {
		return err_wrap(err, "CSR");
	}
	int len = i2d_X509_REQ(req, &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "no room for the CSR");
}

static void read_common_name(const X509_NAME *name, char into[static 65])
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;

	into[0] = '\0';
	if (at < 0) {
		return;
	}
	int len =
		ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len > 0 && memchr(text, '\0', (size_t)len) == NULL &&
	    !str_copy(str_make(text, (size_t)len), into, 65)) {
		into[0] = '\0';
	}
	OPENSSL_free(text);
}

bool csr_read(struct str der, struct csr_facts *out, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;
	struct csr_facts facts = {0};
	unsigned char *spki = NULL;

	if (der.len == 0 || der.len > CSR_DER_MAX) {
		return err_set(err, ERR_CONFIG, "the CSR is empty or longer than %d bytes",
			       CSR_DER_MAX);
	}
	AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (req == NULL || (const char *)at != der.at + der.len) {
		return err_ossl(err, ERR_CONFIG, "the CSR is malformed");
	}
	EVP_PKEY *pub = X509_REQ_get0_pubkey(req);
	if (pub == NULL) {
		return err_ossl(err, ERR_CONFIG, "the CSR's public key is malformed");
	}
	if (!ossl_key_is_accepted(pub, err)) {
		return false;
	}
	if (X509_REQ_verify(req, pub) != 1) {
		return err_ossl(err, ERR_CONFIG,
				"the CSR is not signed by its own key (proof of possession)");
	}
	int len = i2d_PUBKEY(pub, &spki);
	if (len <= 0) {
		return err_ossl(err, ERR_CONFIG, "the CSR's public key is malformed");
	}
	digest_sha256(str_make(spki, (size_t)len), facts.spki_sha256);
	facts.spki_len = (size_t)len < sizeof facts.spki ? (size_t)len : 0;
	memcpy(facts.spki, spki, facts.spki_len);
	OPENSSL_free(spki);
	ossl_name_text(X509_REQ_get_subject_name(req), facts.subject, sizeof facts.subject);
	read_common_name(X509_REQ_get_subject_name(req), facts.common_name);
	ossl_key_type(pub, facts.key_type);
	*out = facts;
	return true;
}
