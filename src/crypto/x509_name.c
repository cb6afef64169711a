#include "crypto/ossl.h"

enum {
	NAME_PART_MAX = 256, /* bytes of one attribute's value, ub-name and room for UTF-8 */
};

/* The next "type=value" up to an unescaped comma; false with err when malformed. */
static bool next_part(const char **at, char part[static NAME_PART_MAX], struct err *err)
{
	size_t len = 0;
	const char *p = *at;

	while (*p != '\0' && *p != ',') {
		if (*p == '\\' && p[1] != '\0') {
			p++;
		}
		if (len + 1 >= NAME_PART_MAX) {
			return err_set(err, ERR_CONFIG, "a part of the subject is too long");
		}
		part[len++] = *p++;
	}
	part[len] = '\0';
	*at = *p == ',' ? p + 1 : p;
	return true;
}

static bool add_part(X509_NAME *name, char *part, struct err *err)
{
	char *equals = strchr(part, '=');
	const char *type = part + strspn(part, " ");

	if (equals == NULL || equals[1] == '\0' || !str_is_utf8(str_of(equals + 1))) {
		return err_set(err, ERR_CONFIG, "a part of the subject is not like CN=value");
	}
	*equals = '\0';
	/* At the front: the text starts with the most specific part, the DER ends with it. */
	if (X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)equals + 1,
				       -1, 0, 0) != 1) {
		return err_ossl(err, ERR_CONFIG, "a part of the subject is not valid");
	}
	return true;
}

X509_NAME *ossl_name(const char *text, struct err *err)
{
	AUTO(X509_NAME_free) X509_NAME *name = X509_NAME_new();
	char part[NAME_PART_MAX];

	if (name == NULL) {
		err_ossl(err, ERR_SYSTEM, "name");
		return NULL;
	}
	while (*text != '\0') {
		if (!next_part(&text, part, err) || !add_part(name, part, err)) {
			return NULL;
		}
	}
	if (X509_NAME_entry_count(name) == 0) {
		err_set(err, ERR_CONFIG, "the subject is empty");
		return NULL;
	}
	return TAKE(name);
}

void ossl_name_text(const X509_NAME *name, char *into, size_t size)
{
	AUTO(BIO_free_all) BIO *out = BIO_new(BIO_s_mem());
	char *at = NULL;

	into[0] = '\0';
	if (out == NULL ||
	    X509_NAME_print_ex(out, name, 0,
			       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
		ossl_forget();
		return;
	}
	long len = BIO_get_mem_data(out, &at);
	struct str text = str_make(at, len > 0 ? (size_t)len : 0);
	if (str_copy(text, into, size)) {
		return;
	}
	/* Cut before a UTF-8 sequence that would be halved; "…" takes three bytes. */
	size_t keep = size - 4;
	while (keep > 0 && ((unsigned char)text.at[keep] & 0xc0) == 0x80) {
		keep--;
	}
	memcpy(into, text.at, keep);
	memcpy(into + keep, "\xe2\x80\xa6", 4);
}
