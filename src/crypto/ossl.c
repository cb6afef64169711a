#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/core_names.h>

bool err_ossl(struct err *err, enum err_kind kind, const char *what)
{
	const char *data = NULL;
	int flags = 0;
	unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
	bool told = data != NULL && (flags & ERR_TXT_STRING) != 0 && data[0] != '\0';
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (reason == NULL) {
		err_set(err, kind, "%s%s%s", what, told ? ": " : "", told ? data : "");
	} else {
		err_set(err, kind, "%s: %s%s%s", what, reason, told ? ": " : "", told ? data : "");
	}
	ERR_clear_error();
	return false;
}

void ossl_forget(void)
{
	ERR_clear_error();
}

void ossl_free_certs(STACK_OF(X509) * certs)
{
	sk_X509_pop_free(certs, X509_free);
}

BIO *ossl_reader(struct str text, struct err *err)
{
	if (text.len > INT_MAX) {
		err_set(err, ERR_LIMIT, "the text is too long");
		return NULL;
	}
	BIO *bio = BIO_new_mem_buf(text.len ? text.at : "", (int)text.len);
	if (bio == NULL) {
		err_ossl(err, ERR_SYSTEM, "memory BIO");
	}
	return bio;
}

bool ossl_key_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	char group[32] = "";

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(pkey);
		if (bits < 2048 || bits > 8192) {
			return err_set(err, ERR_CONFIG,
				       "an RSA key of %d bits is not accepted (2048 to 8192)",
				       bits);
		}
		return true;
	}
	if (EVP_PKEY_is_a(pkey, "EC") &&
	    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					   NULL) == 1 &&
	    (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0)) {
		return true;
	}
	ossl_forget();
	return err_set(err, ERR_CONFIG, "the key is neither RSA nor P-256 nor P-384");
}

static EVP_PKEY *read_public_key(struct str spki, struct err *err)
{
	const unsigned char *at = (const unsigned char *)spki.at;

	if (spki.len == 0 || spki.len > KEY_SPKI_MAX) {
		err_set(err, ERR_CONFIG, "the public key is empty or too long");
		return NULL;
	}
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
	if (pkey == NULL || (const char *)at != spki.at + spki.len) {
		err_ossl(err, ERR_CONFIG, "the public key is malformed");
		return NULL;
	}
	return TAKE(pkey);
}

EVP_PKEY *ossl_public_key(struct str spki, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = read_public_key(spki, err);

	if (pkey == NULL || !ossl_key_is_accepted(pkey, err)) {
		return NULL;
	}
	return TAKE(pkey);
}

EVP_PKEY *ossl_tenant_public_key(struct str spki, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = read_public_key(spki, err);

	if (pkey == NULL || !ossl_tenant_public_key_is_accepted(pkey, err)) {
		return NULL;
	}
	return TAKE(pkey);
}

void ossl_key_type(EVP_PKEY *pkey, char into[static 16])
{
	char group[32] = "";
	int bits = EVP_PKEY_get_bits(pkey);

	if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS")) {
		snprintf(into, 16, "RSA %d", bits);
		return;
	}
	if (!EVP_PKEY_is_a(pkey, "EC")) {
		const char *name = EVP_PKEY_get0_type_name(pkey);
		snprintf(into, 16, "%s", name != NULL ? name : "unknown");
		return;
	}
	(void)EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					     NULL);
	ossl_forget();
	bool nist = strcmp(group, "prime256v1") == 0 || strncmp(group, "secp", 4) == 0;
	if (nist && group[strlen(group) - 1] == '1') {
		snprintf(into, 16, "EC P-%d", bits);
	} else {
		snprintf(into, 16, "EC %.12s", group);
	}
}
