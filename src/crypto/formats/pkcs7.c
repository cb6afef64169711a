/* The certificates of a PKCS#7 SignedData (RFC 2315, 9.1); signers and content are not looked at.
 */
#include "crypto/formats/format.h"

static bool looks(struct str bytes)
{
	static const char signed_data[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
	struct der_head outer, oid;

	return der_looks(bytes, "0(6") && der_head(bytes, &outer) &&
	       der_head(outer.content, &oid) &&
	       str_eq(oid.content, str_make(signed_data, sizeof signed_data - 1));
}

static bool take_all(STACK_OF(X509) * certs, struct gather *g, struct err *err)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);
		if (X509_up_ref(cert) != 1) {
			return err_ossl(err, ERR_SYSTEM, "certificate");
		}
		if (!gather_cert(g, cert, (struct gather_name){0}, STR_NONE, false, err)) {
			return false;
		}
	}
	return true;
}

enum container_outcome read_pkcs7_der(struct str der, struct gather *g, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;
	AUTO(PKCS7_free) PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der.len);

	if (p7 == NULL || (const char *)at != der.at + der.len) {
		err_ossl(err, ERR_CONFIG, "it is cut short or malformed");
		return CONTAINER_MALFORMED;
	}
	if (!PKCS7_type_is_signed(p7) || p7->d.sign == NULL || p7->d.sign->cert == NULL) {
		err_set(err, ERR_CONFIG, "it holds no certificates");
		return CONTAINER_MALFORMED;
	}
	return take_all(p7->d.sign->cert, g, err) ? CONTAINER_OPENED
						  : outcome_of(err, CONTAINER_MALFORMED);
}

const struct format format_pkcs7 = {CONTAINER_PKCS7, looks, read_pkcs7_der};
