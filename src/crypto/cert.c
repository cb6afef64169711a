#include "crypto/cert.h"

#include <openssl/pem.h>

#include "base/rd.h"
#include "crypto/ossl.h"

enum {
	CERTS_MAX = 1000, /* certificates in one PEM text */
};

bool cert_read_der(struct str der, struct cert_facts *out, struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(der, err);

	return cert != NULL && ossl_cert_facts(cert, out, err);
}

bool cert_spki(struct str der, struct buf *spki, struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(der, err);
	unsigned char *bytes = NULL;

	if (cert == NULL) {
		return false;
	}
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_CONFIG, "the certificate's public key cannot be read");
	}
	buf_add(spki, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(spki) || err_set(err, ERR_LIMIT, "the public key is too large");
}

bool cert_read_pem(struct str pem, struct cert_facts *out, struct err *err)
{
	AUTO(BIO_free_all) BIO *in = ossl_reader(pem, err);

	if (in == NULL) {
		return false;
	}
	AUTO(X509_free) X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	if (cert == NULL) {
		return err_ossl(err, ERR_CONFIG, "there is no certificate in the text");
	}
	return ossl_cert_facts(cert, out, err);
}

bool cert_each_pem(struct str pem, cert_each_fn *fn, void *user, struct err *err)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = ossl_certs(pem, CERTS_MAX, err);

	for (int i = 0; i < sk_X509_num(certs); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(certs, i), &der);
		if (len <= 0) {
			return err_ossl(err, ERR_CONFIG, "the certificate cannot be written");
		}
		bool on = fn(str_make(der, (size_t)len), user, err);
		OPENSSL_free(der);
		if (!on) {
			return false;
		}
	}
	return certs != NULL;
}

enum {
	DER_INTEGER = 0x02,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0, /* [0] of TBSCertificate (RFC 5280, 4.1) */
};

/* One element with this tag: its content, and all of it. */
static struct str der_element(struct rd *r, uint8_t tag, struct str *whole)
{
	const char *from = r->rest.at;
	bool fits = rd_u8(r) == tag;
	size_t len = rd_u8(r);

	if (len > 0x80) { /* the long form (X.690, 8.1.3.5) */
		size_t n = len - 0x80;
		for (len = 0; n <= 3 && n > 0; n--) {
			len = len << 8 | rd_u8(r);
		}
		fits = fits && n == 0;
	} else if (len == 0x80) {
		fits = false;
	}
	struct str content = rd_bytes(r, fits ? len : 0);
	r->failed = r->failed || !fits;
	*whole = r->failed ? STR_NONE : str_make(from, (size_t)(r->rest.at - from));
	return r->failed ? STR_NONE : content;
}

bool cert_subject(struct str der, struct str *name)
{
	static const uint8_t before[] = {DER_INTEGER, DER_SEQUENCE, DER_SEQUENCE, DER_SEQUENCE};
	struct str whole;
	struct rd r = rd_over(der);
	struct rd tbs = rd_over(der_element(&r, DER_SEQUENCE, &whole));
	struct rd fields = rd_over(der_element(&tbs, DER_SEQUENCE, &whole));

	if (fields.rest.len > 0 && (uint8_t)fields.rest.at[0] == DER_VERSION) {
		(void)der_element(&fields, DER_VERSION, &whole);
	}
	for (size_t i = 0; i < COUNT(before); i++) { /* serial, algorithm, issuer, validity */
		(void)der_element(&fields, before[i], &whole);
	}
	(void)der_element(&fields, DER_SEQUENCE, &whole);
	*name = whole;
	return !r.failed && !tbs.failed && !fields.failed;
}

void cert_add_pem(struct buf *out, struct str der)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
	static const char end[] = "-----END CERTIFICATE-----\n";

	buf_add_str(out, str_of(begin));
	for (size_t at = 0; at < der.len; at += 48) { /* 64 characters a line, RFC 7468 */
		struct str line = str_first(str_skip(der, at), 48);
		buf_add_base64(out, line.at, line.len);
		buf_add_c(out, '\n');
	}
	buf_add_str(out, str_of(end));
}

bool cert_pem_to_pkcs7(struct str pem, struct buf *der, struct err *err)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = ossl_certs(pem, CERTS_MAX, err);
	AUTO(PKCS7_free) PKCS7 *p7 = PKCS7_new();

	if (certs == NULL) {
		return false;
	}
	if (p7 == NULL || PKCS7_set_type(p7, NID_pkcs7_signed) != 1) {
		return err_ossl(err, ERR_SYSTEM, "PKCS#7");
	}
	/* Degenerate: no signer, and content of type data that is absent (RFC 5652, 5.2). */
	p7->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	for (int i = 0; i < sk_X509_num(certs); i++) {
		if (PKCS7_add_certificate(p7, sk_X509_value(certs, i)) != 1) {
			return err_ossl(err, ERR_SYSTEM, "PKCS#7");
		}
	}
	unsigned char *bytes = NULL;
	int len = i2d_PKCS7(p7, &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "PKCS#7");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "the PKCS#7 is too long");
}

bool cert_pkcs7_to_pem(struct str der, struct buf *pem, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;

	if (der.len == 0 || der.len > MIB(1)) {
		return err_set(err, ERR_CONFIG, "the PKCS#7 is empty or too long");
	}
	AUTO(PKCS7_free) PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der.len);
	if (p7 == NULL || (const char *)at != der.at + der.len) {
		return err_ossl(err, ERR_CONFIG, "the PKCS#7 is malformed");
	}
	if (!PKCS7_type_is_signed(p7) || p7->d.sign == NULL || sk_X509_num(p7->d.sign->cert) <= 0) {
		return err_set(err, ERR_CONFIG, "the PKCS#7 holds no certificates");
	}
	if (sk_X509_num(p7->d.sign->cert) > CERTS_MAX) {
		return err_set(err, ERR_LIMIT, "the PKCS#7 holds too many certificates");
	}
	for (int i = 0; i < sk_X509_num(p7->d.sign->cert); i++) {
		if (!ossl_cert_pem(sk_X509_value(p7->d.sign->cert, i), pem)) {
			return err_set(err, ERR_CONFIG, "a certificate cannot be written");
		}
	}
	return !buf_failed(pem) || err_set(err, ERR_LIMIT, "the certificates are too long");
}

bool cert_verify_chain(struct str leaf_pem, struct str anchors_pem, int64_t at, struct err *err)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = ossl_certs(leaf_pem, CERT_CHAIN_MAX, err);

	if (certs == NULL) {
		return false;
	}
	AUTO(X509_STORE_free) X509_STORE *store = ossl_store(anchors_pem, false, err);
	if (store == NULL) {
		return false;
	}
	return ossl_verify(store, sk_X509_value(certs, 0), certs, at, NULL, err);
}

int64_t cert_renewal_time(int64_t received, int64_t not_after, uint32_t spread)
{
	int64_t rest = not_after > received ? not_after - received : 0;
	int64_t sooner = (int64_t)((double)rest / 100.0 * ((double)spread / (double)UINT32_MAX));

	return received + rest / 3 * 2 - sooner;
}
