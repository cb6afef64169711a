/* PkiPath (X.509, 7.7; RFC 6066, section 10.1): SEQUENCE OF Certificate, top CA first. */
#include "crypto/formats/format.h"

static bool looks(struct str bytes)
{
	return der_looks(bytes, "0(0(0(a2") || der_looks(bytes, "0(0(0(2000");
}

static enum container_outcome read_path(struct str bytes, struct gather *g, struct err *err)
{
	struct der_head path;

	if (!der_head(bytes, &path) || !path.whole || path.rest.len > 0) {
		err_set(err, ERR_CONFIG, "it is cut short, or something follows it");
		return CONTAINER_MALFORMED;
	}
	return format_certificate.read(path.content, g, err);
}

const struct format format_pki_path = {CONTAINER_PKI_PATH, looks, read_path};
