/*
 * Alternative names (RFC 5280, 4.2.1.6) and the digest of a signature: what issue.c and csr.c
 * share.
 */
#include <arpa/inet.h>

#include "crypto/ossl.h"

static bool add_name(GENERAL_NAMES *names, int type, const void *bytes, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value =
		ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	if (name == NULL || value == NULL || ASN1_STRING_set(value, bytes, (int)len) != 1 ||
	    sk_GENERAL_NAME_push(names, name) <= 0) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	return true;
}

bool ossl_add_san(GENERAL_NAMES *names, const char *text)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) == 1) {
		return add_name(names, GEN_IPADD, address, 4);
	}
	if (inet_pton(AF_INET6, text, address) == 1) {
		return add_name(names, GEN_IPADD, address, 16);
	}
	int type = strstr(text, "://") != NULL || strncmp(text, "urn:", 4) == 0 ? GEN_URI
		   : strchr(text, '@') != NULL                                  ? GEN_EMAIL
										: GEN_DNS;
	return add_name(names, type, text, strlen(text));
}

bool ossl_sign_digest(EVP_PKEY *pkey, const char *name, const EVP_MD **out, struct err *err)
{
	static const char *const offered[] = {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};

	if (EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_is_a(pkey, "ED448")) {
		*out = NULL;
		return true;
	}
	if (name == NULL || name[0] == '\0') {
		*out = EVP_sha256();
		return true;
	}
	for (size_t i = 0; i < COUNT(offered); i++) {
		if (str_eq_nocase(str_of(name), str_of(offered[i]))) {
			*out = EVP_get_digestbyname(offered[i]);
			return true;
		}
	}
	return err_set(err, ERR_CONFIG, "the digest \"%.20s\" is not offered", name);
}
