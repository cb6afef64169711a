#pragma once
/* Subject alternative names (RFC 5280, 4.2.1.6), as they are put into and read from certificates.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	NAMES_MAX = 64, /* read from one certificate; further ones are passed over */
};

/* "DNS", "IP", "URI" or "RFC822", as the REST API has them; other kinds are passed over. */
typedef void cert_name_fn(const char *type, struct str value, void *user);
/* ERR_CONFIG: no certificate. Values are good for the call. */
NODISCARD bool cert_each_name(struct str der, cert_name_fn *fn, void *user, struct err *err);
/* Whether a text can be a host's name or an address in a certificate. */
bool cert_is_host(struct str host);
