#include "crypto/names.h"

#include <arpa/inet.h>

#include "crypto/ossl.h"

bool cert_is_host(struct str host)
{
	for (size_t i = 0; i < host.len; i++) {
		if (host.at[i] <= ' ' || host.at[i] > '~') {
			return false;
		}
	}
	return host.len > 0 && host.len <= 253;
}

static void tell_address(const ASN1_STRING *value, cert_name_fn *fn, void *user)
{
	char text[INET6_ADDRSTRLEN];
	int len = ASN1_STRING_length(value);
	int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;

	if (family != AF_UNSPEC &&
	    inet_ntop(family, ASN1_STRING_get0_data(value), text, sizeof(text)) != NULL) {
		fn("IP", str_of(text), user);
	}
}

static void tell(const GENERAL_NAME *name, cert_name_fn *fn, void *user)
{
	int type = 0;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	const char *word = type == GEN_DNS     ? "DNS"
			   : type == GEN_URI   ? "URI"
			   : type == GEN_EMAIL ? "RFC822"
					       : NULL;

	if (type == GEN_IPADD) {
		tell_address(value, fn, user);
	} else if (word != NULL) {
		fn(word, str_make(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)),
		   user);
	}
}

bool cert_each_name(struct str der, cert_name_fn *fn, void *user, struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(der, err);

	if (cert == NULL) {
		return false;
	}
	AUTO(GENERAL_NAMES_free)
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < NAMES_MAX; i++) {
		tell(sk_GENERAL_NAME_value(names, i), fn, user);
	}
	ossl_forget();
	return true;
}
