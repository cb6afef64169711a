/*
 * PEM (RFC 7468, and the encryption of RFC 1421 that OpenSSL keeps): blocks in any order, with text
 * around them. Cut apart here, not by OpenSSL, so that a key's block need not be decoded to be
 * seen.
 */
#include <openssl/pem.h>

#include "crypto/formats/format.h"
#include "crypto/seal.h"

static const struct gather_name nameless;

struct block {
	struct str label;   /* "CERTIFICATE" */
	struct str headers; /* "Proc-Type: …" of RFC 1421, or empty */
	struct str base64;
};

static bool find_text(struct str in, struct str what, size_t *at)
{
	const char *p = in.len > 0 ? memmem(in.at, in.len, what.at, what.len) : NULL;

	*at = p != NULL ? (size_t)(p - in.at) : in.len;
	return p != NULL;
}

/* Headers end with an empty line; without a colon in the first line there are none. */
static void split_headers(struct str inside, struct block *out)
{
	struct str rest = inside, line;
	bool any = false;
	size_t start = 0; /* OpenSSL wants the first header at the very start */

	while (str_next(&rest, '\n', &line)) {
		line = str_trim(str_ends(line, STR("\r")) ? str_first(line, line.len - 1) : line);
		if (line.len == 0 && !any) {
			start = inside.len - rest.len;
			continue;
		}
		if (!any && str_find(line, ':') == line.len) {
			break;
		}
		any = true;
		if (line.len == 0) {
			out->headers = str_skip(str_first(inside, inside.len - rest.len), start);
			out->base64 = rest;
			return;
		}
	}
	out->headers = STR_NONE;
	out->base64 = inside;
}

/* The next block of *rest; false at the end, with *broken when one does not end. */
static bool next_block(struct str *rest, struct block *out, bool *broken)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----";
	char end[96];
	size_t at;

	*broken = false;
	if (!find_text(*rest, str_of(begin), &at)) {
		return false;
	}
	struct str text = str_skip(*rest, at + sizeof begin - 1);
	*broken = true;
	if (!find_text(str_first(text, 64), str_of(dashes), &at)) {
		return false;
	}
	out->label = str_first(text, at);
	text = str_skip(text, at + sizeof dashes - 1);
	snprintf(end, sizeof end, "-----END %.*s-----", STR_ARGS(out->label));
	if (!find_text(text, str_of(end), &at)) {
		return false;
	}
	split_headers(str_first(text, at), out);
	*rest = str_skip(text, at + strlen(end));
	*broken = false;
	return true;
}

static int give_password(char *into, int size, UNUSED int rwflag, void *user)
{
	const struct str *p = user;

	if (p == NULL || p->len == 0 || p->len > (size_t)size) {
		return -1;
	}
	memcpy(into, p->at, p->len);
	return (int)p->len;
}

static enum container_outcome skipped(struct gather *g, enum container_reason reason,
				      const char *why, struct err *err)
{
	ossl_forget();
	return gather_skip(g, nameless, reason, why, err) ? CONTAINER_OPENED
							  : outcome_of(err, CONTAINER_MALFORMED);
}

/* "DEK-Info: DES-EDE3-CBC,…": one MD5 per block of key; weak, but written until 2010. */
static enum container_outcome read_old_encrypted(const struct block *b, struct buf *der,
						 struct gather *g, struct err *err)
{
	EVP_CIPHER_INFO cipher = {0};
	AUTO_BUF struct buf text = BUF(KIB(1));
	long len = (long)der->len;
	void *password = (void *)(uintptr_t)g->password; /* only read */

	buf_add_str(&text, b->headers);
	buf_add_c(&text, '\0');
	if (buf_failed(&text) || PEM_get_EVP_CIPHER_INFO(text.at, &cipher) != 1 ||
	    cipher.cipher == NULL) {
		return skipped(g, CONTAINER_UNSUPPORTED, "the key's encryption is not supported",
			       err);
	}
	if (PEM_do_header(&cipher, (unsigned char *)der->at, &len, give_password, password) != 1) {
		g->locked++;
		return skipped(g, CONTAINER_OTHER_PASSWORD, "the key opens with another password",
			       err);
	}
	g->unlocked++;
	g->weak_cipher = true;
	return read_key_der(str_make(der->at, (size_t)len), g, err);
}

static enum container_outcome read_trusted(struct str der, struct gather *g, struct err *err)
{
	/* TRUSTED CERTIFICATE: a certificate with OpenSSL's own notes behind it. */
	struct der_head head;

	if (!der_head(der, &head) || !head.whole) {
		err_set(err, ERR_CONFIG, "a certificate is cut short");
		return CONTAINER_MALFORMED;
	}
	return read_certificate_der(str_first(der, der.len - head.rest.len), g, err);
}

enum block_kind {
	BLOCK_OTHER,
	BLOCK_CERTIFICATE,
	BLOCK_TRUSTED,
	BLOCK_PKCS7,
	BLOCK_KEY,
	BLOCK_ENCRYPTED_KEY,
	BLOCK_FOREIGN_KEY,
	BLOCK_IGNORED,
};

static enum block_kind kind_of(struct str label)
{
	static const struct {
		const char *label;
		enum block_kind kind;
	} rows[] = {
		{"CERTIFICATE", BLOCK_CERTIFICATE},
		{"X509 CERTIFICATE", BLOCK_CERTIFICATE},
		{"TRUSTED CERTIFICATE", BLOCK_TRUSTED},
		{"PKCS7", BLOCK_PKCS7},
		{"CMS", BLOCK_PKCS7},
		{"PKCS #7 SIGNED DATA", BLOCK_PKCS7},
		{"PRIVATE KEY", BLOCK_KEY},
		{"RSA PRIVATE KEY", BLOCK_KEY},
		{"EC PRIVATE KEY", BLOCK_KEY},
		{"DSA PRIVATE KEY", BLOCK_KEY},
		{"ENCRYPTED PRIVATE KEY", BLOCK_ENCRYPTED_KEY},
		{"OPENSSH PRIVATE KEY", BLOCK_FOREIGN_KEY},
		{"EC PARAMETERS", BLOCK_IGNORED},
		{"DSA PARAMETERS", BLOCK_IGNORED},
		{"DH PARAMETERS", BLOCK_IGNORED},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (str_eq(label, str_of(rows[i].label))) {
			return rows[i].kind;
		}
	}
	return BLOCK_OTHER;
}

static enum container_outcome read_decoded(const struct block *b, enum block_kind kind,
					   struct buf *der, struct gather *g, struct err *err)
{
	switch (kind) {
	case BLOCK_CERTIFICATE:
		return read_certificate_der(buf_str(der), g, err);
	case BLOCK_TRUSTED:
		return read_trusted(buf_str(der), g, err);
	case BLOCK_PKCS7:
		return read_pkcs7_der(buf_str(der), g, err);
	case BLOCK_ENCRYPTED_KEY:
		return read_pkcs8_encrypted(buf_str(der), g, err);
	case BLOCK_KEY:
		return str_contains(b->headers, STR("ENCRYPTED"))
			       ? read_old_encrypted(b, der, g, err)
			       : read_key_der(buf_str(der), g, err);
	case BLOCK_FOREIGN_KEY:
	case BLOCK_IGNORED:
	case BLOCK_OTHER:
	default:
		return CONTAINER_FAILED;
	}
}

static bool is_key(enum block_kind kind)
{
	return kind == BLOCK_KEY || kind == BLOCK_ENCRYPTED_KEY || kind == BLOCK_FOREIGN_KEY;
}

static enum container_outcome read_block(const struct block *b, struct gather *g, struct err *err)
{
	enum block_kind kind = kind_of(b->label);
	AUTO_BUF struct buf der = BUF_SECRET(CONTAINER_FILE_MAX);
	char why[120];

	if (is_key(kind) && g->certificates_only) {
		err_set(err, ERR_CONFIG, "a private key has no place here: upload a key pair");
		return CONTAINER_NOT_READ;
	}
	if (kind == BLOCK_IGNORED) {
		return CONTAINER_OPENED;
	}
	if (kind == BLOCK_OTHER || kind == BLOCK_FOREIGN_KEY) {
		bool text = str_is_utf8(b->label);
		snprintf(why, sizeof why, "a block \"%.*s\": not supported",
			 STR_ARGS(text ? b->label : STR("?")));
		return skipped(g, CONTAINER_OTHER, why, err);
	}
	if (!buf_add_decoded_base64(&der, b->base64) || der.len == 0) {
		err_set(err, ERR_CONFIG, "a block is no base64");
		return CONTAINER_MALFORMED;
	}
	return read_decoded(b, kind, &der, g, err);
}

static enum container_outcome read_text(struct str bytes, struct gather *g, struct err *err)
{
	struct block b = {0};
	bool broken;

	while (next_block(&bytes, &b, &broken)) {
		enum container_outcome outcome = read_block(&b, g, err);
		if (outcome != CONTAINER_OPENED) {
			return outcome;
		}
	}
	if (broken) {
		err_set(err, ERR_CONFIG, "a block does not end: the file is cut short");
		return CONTAINER_MALFORMED;
	}
	return CONTAINER_OPENED;
}

/* A label with a known block behind some text, such as what `openssl s_client` prints. */
static bool looks(struct str bytes)
{
	size_t at;

	return find_text(bytes, STR("-----BEGIN "), &at) &&
	       memchr(bytes.at, '\0', bytes.len) == NULL;
}

const struct format format_pem = {CONTAINER_PEM, looks, read_text};
