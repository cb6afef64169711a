#include "crypto/formats/pkcs7_writer.h"

#include "crypto/ossl.h"

enum {
	PKCS7_CERTIFICATES_MAX = 1000,
};

bool pkcs7_write_der(const struct str *ders, size_t n, struct buf *out, struct err *err)
{
	AUTO(PKCS7_free) PKCS7 *p7 = PKCS7_new();
	unsigned char *bytes = NULL;

	if (n > PKCS7_CERTIFICATES_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d certificates", PKCS7_CERTIFICATES_MAX);
	}
	if (p7 == NULL || PKCS7_set_type(p7, NID_pkcs7_signed) != 1) {
		return err_ossl(err, ERR_SYSTEM, "PKCS#7");
	}
	/* Degenerate: content of type data that is absent (RFC 2315, 9.1; RFC 5652, 5.2). */
	p7->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	for (size_t i = 0; i < n; i++) {
		AUTO(X509_free) X509 *cert = ossl_cert(ders[i], err);
		if (cert == NULL) {
			return false;
		}
		if (PKCS7_add_certificate(p7, cert) != 1) {
			return err_ossl(err, ERR_SYSTEM, "PKCS#7");
		}
	}
	int len = i2d_PKCS7(p7, &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "PKCS#7");
	}
	buf_add(out, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(out) || err_set(err, ERR_LIMIT, "no room for the PKCS#7");
}

bool pkcs7_write_pem(const struct str *ders, size_t n, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf der = BUF(MIB(8));

	if (!pkcs7_write_der(ders, n, &der, err)) {
		return false;
	}
	buf_add_str(out, STR("-----BEGIN PKCS7-----\n"));
	for (size_t at = 0; at < der.len; at += 48) { /* 64 characters a line, RFC 7468 */
		struct str line = str_first(str_skip(buf_str(&der), at), 48);
		buf_add_base64(out, line.at, line.len);
		buf_add_c(out, '\n');
	}
	buf_add_str(out, STR("-----END PKCS7-----\n"));
	return !buf_failed(out) || err_set(err, ERR_LIMIT, "no room for the PKCS#7");
}
