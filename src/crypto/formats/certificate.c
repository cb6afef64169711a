/* One X.509 certificate in DER (RFC 5280), or several one after another. */
#include "crypto/formats/format.h"

static bool looks(struct str bytes)
{
	/* version 3 (or 2) has its number in [0]; version 1 starts with the serial. */
	return der_looks(bytes, "0(0(a2") || der_looks(bytes, "0(0(2000");
}

enum container_outcome read_certificate_der(struct str der, struct gather *g, struct err *err)
{
	const struct gather_name nameless = {0};

	if (der.len > CERT_DER_MAX) {
		return gather_skip(g, nameless, CONTAINER_CERTIFICATE_LONG,
				   "the certificate has more than 64 KiB", err)
			       ? CONTAINER_OPENED
			       : outcome_of(err, CONTAINER_MALFORMED);
	}
	X509 *cert = ossl_cert(der, err);
	if (cert == NULL) {
		return outcome_of(err, CONTAINER_MALFORMED);
	}
	return gather_cert(g, cert, nameless, STR_NONE, false, err)
		       ? CONTAINER_OPENED
		       : outcome_of(err, CONTAINER_MALFORMED);
}

static enum container_outcome read_all(struct str bytes, struct gather *g, struct err *err)
{
	while (bytes.len > 0) {
		struct der_head head;
		if (!der_head(bytes, &head) || !head.whole) {
			err_set(err, ERR_CONFIG, "a certificate is cut short");
			return CONTAINER_MALFORMED;
		}
		struct str one = str_first(bytes, bytes.len - head.rest.len);
		enum container_outcome outcome = read_certificate_der(one, g, err);
		if (outcome != CONTAINER_OPENED) {
			return outcome;
		}
		bytes = head.rest;
	}
	return CONTAINER_OPENED;
}

const struct format format_certificate = {CONTAINER_CERTIFICATE_DER, looks, read_all};
