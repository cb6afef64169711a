#include <openssl/pem.h>
#include <time.h>

#include "crypto/ossl.h"
#include "crypto/seal.h"

X509 *ossl_cert(struct str der, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;

	if (der.len == 0 || der.len > CERT_DER_MAX) {
		err_set(err, ERR_CONFIG, "the certificate is empty or longer than %zu bytes",
			(size_t)CERT_DER_MAX);
		return NULL;
	}
	AUTO(X509_free) X509 *cert = d2i_X509(NULL, &at, (long)der.len);
	if (cert == NULL || (const char *)at != der.at + der.len) {
		err_ossl(err, ERR_CONFIG, "the certificate is malformed");
		return NULL;
	}
	return TAKE(cert);
}

STACK_OF(X509) * ossl_certs(struct str pem, int max, struct err *err)
{
	AUTO(BIO_free_all) BIO *in = ossl_reader(pem, err);
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = sk_X509_new_null();
	X509 *cert;

	if (in == NULL || certs == NULL) {
		return NULL;
	}
	while ((cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_num(certs) >= max || sk_X509_push(certs, cert) <= 0) {
			X509_free(cert);
			err_set(err, ERR_LIMIT, "more than %d certificates", max);
			return NULL;
		}
	}
	bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (!ended) {
		err_ossl(err, ERR_CONFIG, "the certificate text is malformed");
		return NULL;
	}
	ossl_forget();
	if (sk_X509_num(certs) == 0) {
		err_set(err, ERR_CONFIG, "there is no certificate in the text");
		return NULL;
	}
	return TAKE(certs);
}

enum {
	ANCHORS_MAX = 1000, /* certificates in a trust list; filling a store is quadratic */
};

X509_STORE *ossl_store(struct str anchors_pem, bool system_anchors, struct err *err)
{
	AUTO(X509_STORE_free) X509_STORE *store = X509_STORE_new();

	if (store == NULL || (system_anchors && X509_STORE_set_default_paths(store) != 1)) {
		err_ossl(err, ERR_SYSTEM, "trust store");
		return NULL;
	}
	if (anchors_pem.len == 0) {
		return TAKE(store);
	}
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = ossl_certs(anchors_pem, ANCHORS_MAX, err);
	if (certs == NULL) {
		return NULL;
	}
	for (int i = 0; i < sk_X509_num(certs); i++) {
		if (X509_STORE_add_cert(store, sk_X509_value(certs, i)) != 1) {
			err_ossl(err, ERR_SYSTEM, "trust store");
			return NULL;
		}
	}
	return TAKE(store);
}

static bool unix_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm = {0};

	if (ASN1_TIME_to_tm(t, &tm) != 1) {
		return false;
	}
	*out = (int64_t)timegm(&tm);
	return true;
}

static void write_serial(const X509 *cert, char into[static CERT_SERIAL_MAX * 3 + 1])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);
	size_t used = 0;

	into[0] = '\0';
	for (int i = 0; i < len && i < CERT_SERIAL_MAX; i++) {
		used += (size_t)snprintf(into + used, 4, "%s%02x", i ? ":" : "", bytes[i]);
	}
}

/* The URI SAN if there is exactly one; two would make the identity ambiguous (SPIFFE X.509-SVID,
 * section 2). */
static void read_uri(X509 *cert, char into[static CERT_URI_MAX])
{
	AUTO(GENERAL_NAMES_free)
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const ASN1_IA5STRING *uri = NULL;
	int n = 0;

	into[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type = 0;
		const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type == GEN_URI) {
			uri = value;
			n++;
		}
	}
	ossl_forget();
	if (n != 1) {
		return;
	}
	struct str text = str_make(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
	if (memchr(text.at, '\0', text.len) != NULL || !str_copy(text, into, CERT_URI_MAX)) {
		into[0] = '\0';
	}
}

static bool write_digests(X509 *cert, struct cert_facts *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0) {
		return false;
	}
	digest_sha256(str_make(der, (size_t)len), out->sha256);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0) {
		return false;
	}
	digest_sha256(str_make(der, (size_t)len), out->spki_sha256);
	OPENSSL_free(der);
	return true;
}

bool ossl_cert_facts(X509 *cert, struct cert_facts *out, struct err *err)
{
	struct cert_facts facts = {0};
	EVP_PKEY *pkey = X509_get0_pubkey(cert);

	if (pkey == NULL || !write_digests(cert, &facts)) {
		return err_ossl(err, ERR_CONFIG, "the certificate's public key is malformed");
	}
	if (!unix_time(X509_get0_notBefore(cert), &facts.not_before) ||
	    !unix_time(X509_get0_notAfter(cert), &facts.not_after)) {
		return err_ossl(err, ERR_CONFIG, "the certificate's validity is malformed");
	}
	ossl_name_text(X509_get_subject_name(cert), facts.subject, sizeof facts.subject);
	ossl_name_text(X509_get_issuer_name(cert), facts.issuer, sizeof facts.issuer);
	write_serial(cert, facts.serial);
	read_uri(cert, facts.uri);
	ossl_key_type(pkey, facts.key_type);
	facts.is_ca = X509_check_ca(cert) == 1;
	ossl_forget();
	*out = facts;
	return true;
}

bool ossl_cert_pem(X509 *cert, struct buf *pem)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0) {
		ossl_forget();
		return false;
	}
	cert_add_pem(pem, str_make(der, (size_t)len));
	OPENSSL_free(der);
	return true;
}

bool ossl_verify(X509_STORE *store, X509 *leaf, STACK_OF(X509) * untrusted, int64_t at,
		 const char *purpose, struct err *err)
{
	AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, leaf, untrusted) != 1 ||
	    (purpose != NULL && X509_STORE_CTX_set_default(ctx, purpose) != 1)) {
		return err_ossl(err, ERR_SYSTEM, "verification context");
	}
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	/* An anchor that is no root (a pinned issuing CA) is an anchor too. */
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	if (at == 0) {
		flags |= X509_V_FLAG_NO_CHECK_TIME;
	} else {
		X509_VERIFY_PARAM_set_time(param, (time_t)at);
	}
	X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_depth(param, CERT_CHAIN_MAX);
	int good = X509_verify_cert(ctx);
	int why = X509_STORE_CTX_get_error(ctx);
	ossl_forget();
	if (good != 1 || why != X509_V_OK) {
		return err_set(err, ERR_DENIED, "the certificate does not verify: %s",
			       X509_verify_cert_error_string(why));
	}
	return true;
}
