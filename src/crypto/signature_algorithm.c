#include "crypto/ossl.h"
#include "crypto/tenant_key.h"

/* "SHA-256", "SHA256", "SHA1" … to "SHA256". */
static bool read_digest(struct str text, char into[static 8])
{
	static const char *const digests[] = {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};

	if (!str_starts_nocase(text, STR("SHA"))) {
		return false;
	}
	text = str_skip(text, 3);
	if (str_starts(text, STR("-"))) {
		text = str_skip(text, 1);
	}
	for (size_t i = 0; i < COUNT(digests); i++) {
		if (str_eq(text, str_of(digests[i] + 3))) {
			return str_copy(str_of(digests[i]), into, 8);
		}
	}
	return false;
}

static bool read_key(struct str text, char into[static 12])
{
	static const struct {
		const char *spelling, *type;
	} rows[] = {{"RSA", "RSA"}, {"DSA", "DSA"}, {"ECDSA", "EC"}, {"EC", "EC"}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (str_eq_nocase(text, str_of(rows[i].spelling))) {
			return str_copy(str_of(rows[i].type), into, 12);
		}
	}
	return false;
}

static size_t find_with(struct str text)
{
	for (size_t at = 0; at + 4 <= text.len; at++) {
		if (str_eq_nocase(str_first(str_skip(text, at), 4), STR("with"))) {
			return at;
		}
	}
	return text.len;
}

static bool read_spelling(struct str text, struct signature_algorithm *out)
{
	size_t slash = str_find(text, '/'), with = find_with(text);

	if (str_eq_nocase(text, STR("Ed25519")) || str_eq_nocase(text, STR("Ed448"))) {
		out->digest[0] = '\0';
		return str_copy(text.len == 5 ? STR("Ed448") : STR("Ed25519"), out->key,
				sizeof out->key);
	}
	if (slash < text.len) {
		return read_digest(str_first(text, slash), out->digest) &&
		       read_key(str_skip(text, slash + 1), out->key);
	}
	return with < text.len && read_digest(str_first(text, with), out->digest) &&
	       read_key(str_skip(text, with + 4), out->key);
}

static bool is_eddsa(const char *type)
{
	return strcmp(type, "Ed25519") == 0 || strcmp(type, "Ed448") == 0;
}

static void usual(const char *type, struct signature_algorithm *out)
{
	const char *digest = is_eddsa(type)                 ? ""
			     : strncmp(type, "RSA", 3) == 0 ? "SHA512"
							    : "SHA256";

	(void)!str_copy(str_of(type), out->key, sizeof out->key);
	(void)!str_copy(str_of(digest), out->digest, sizeof out->digest);
}

bool signature_algorithm_read(const char *spelling, const char *key_type,
			      struct signature_algorithm *out, struct err *err)
{
	struct signature_algorithm read = {0};

	if (spelling == NULL || spelling[0] == '\0') {
		usual(key_type, out);
		return true;
	}
	if (!read_spelling(str_of(spelling), &read)) {
		return err_set(err, ERR_CONFIG,
			       "the signature algorithm \"%.40s\" is not offered: SHA-1, SHA-224, "
			       "SHA-256, SHA-384 or SHA-512 with /RSA, /DSA or /ECDSA",
			       spelling);
	}
	bool fits = strcmp(read.key, key_type) == 0 ||
		    (strcmp(read.key, "RSA") == 0 && strcmp(key_type, "RSASSA-PSS") == 0);
	if (!fits) {
		return err_set(err, ERR_CONFIG,
			       "the signature algorithm %.40s does not fit a key of type %s",
			       spelling, key_type);
	}
	*out = read;
	return true;
}
