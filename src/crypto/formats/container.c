#include "crypto/formats/container.h"

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "crypto/formats/format.h"

/* The order matters: a PKCS#12 is also "some DER". */
static const struct format *const formats[] = {
	&format_pem,      &format_pkcs12,      &format_pkcs7,
	&format_pki_path, &format_certificate, &format_private_key,
};

static const char *const names[CONTAINER_FORMATS] = {
	[CONTAINER_UNKNOWN] = "unknown",
	[CONTAINER_CERTIFICATE_DER] = "X.509 certificate (DER)",
	[CONTAINER_PEM] = "PEM",
	[CONTAINER_PKCS7] = "PKCS#7",
	[CONTAINER_PKI_PATH] = "PKI path",
	[CONTAINER_PKCS12] = "PKCS#12",
	[CONTAINER_PRIVATE_KEY_DER] = "private key (DER)",
	[CONTAINER_JKS] = "JKS",
	[CONTAINER_JCEKS] = "JCEKS",
	[CONTAINER_BKS] = "BKS",
	[CONTAINER_PPK] = "PuTTY private key",
	[CONTAINER_OPENSSH_KEY] = "OpenSSH private key",
	[CONTAINER_SSH_PUBLIC_KEY] = "SSH public key",
	[CONTAINER_PGP] = "OpenPGP",
	[CONTAINER_CSR] = "certificate signing request",
	[CONTAINER_PUBLIC_KEY] = "public key",
	[CONTAINER_CRL] = "certificate revocation list",
	[CONTAINER_JWK] = "JWK",
	[CONTAINER_ZIP] = "ZIP archive",
};

const char *container_format_name(enum container_format format)
{
	return (unsigned)format < CONTAINER_FORMATS ? names[format] : names[CONTAINER_UNKNOWN];
}

bool container_prepare(struct err *err)
{
	unsigned char byte;

	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
					OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS,
				NULL) != 1 ||
	    OSSL_PROVIDER_load(NULL, "default") == NULL || RAND_bytes(&byte, 1) != 1) {
		return err_ossl(err, ERR_SYSTEM, "the cryptographic library does not start");
	}
	/* Both stay until the process ends; where the module is missing RC2 and RC4 are reported.
	 */
	(void)OSSL_PROVIDER_try_load(NULL, "legacy", 1);
	ossl_forget();
	return true;
}

static const struct format *find_format(struct str bytes)
{
	for (size_t i = 0; i < COUNT(formats); i++) {
		if (formats[i]->detect(bytes)) {
			return formats[i];
		}
	}
	return NULL;
}

/* Base64 and white space only: the alphabet of RFC 4648, section 4. */
static bool is_base64(struct str bytes)
{
	size_t digits = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.at[i];
		bool digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
		if (!digit && c != '\n' && c != '\r' && c != ' ' && c != '\t') {
			return false;
		}
		digits += digit;
	}
	return digits >= 16;
}

/* What the bytes are, with bare base64 taken off into `plain`. */
static struct str look_through(struct str bytes, struct buf *plain)
{
	if (is_base64(bytes) && buf_add_decoded_base64(plain, bytes) && plain->len > 0) {
		return buf_str(plain);
	}
	return bytes;
}

static enum container_format detect(struct str bytes)
{
	enum container_format foreign = foreign_detect(bytes);
	const struct format *format = foreign == CONTAINER_UNKNOWN ? find_format(bytes) : NULL;

	return format != NULL ? format->id : foreign;
}

enum container_format container_detect(struct str bytes)
{
	AUTO_BUF struct buf plain = BUF_SECRET(CONTAINER_FILE_MAX);

	if (bytes.len > CONTAINER_FILE_MAX) {
		return CONTAINER_UNKNOWN;
	}
	return detect(look_through(bytes, &plain));
}

enum container_outcome outcome_of(const struct err *err, enum container_outcome other)
{
	if (err->kind == ERR_LIMIT) {
		return CONTAINER_OVER_LIMIT;
	}
	return err->kind == ERR_SYSTEM ? CONTAINER_FAILED : other;
}

static enum container_outcome not_read(enum container_format format, struct err *err)
{
	if (format == CONTAINER_UNKNOWN) {
		err_set(err, ERR_CONFIG,
			"the file is of no known format: upload PKCS#12, PEM, DER or PKCS#7");
		return CONTAINER_UNRECOGNISED;
	}
	err_set(err, ERR_CONFIG, "a file of the format %s is not read: convert it to PKCS#12",
		container_format_name(format));
	return CONTAINER_NOT_READ;
}

static enum container_outcome wrong_password(struct err *err)
{
	err_set(err, ERR_DENIED, "the password is wrong, or the file is damaged");
	return CONTAINER_WRONG_PASSWORD;
}

static enum container_outcome read_into(struct str bytes, struct gather *g, struct container **out,
					struct err *err)
{
	enum container_format id = detect(bytes);
	const struct format *format = find_format(bytes);

	if (format == NULL || format->id != id) {
		return not_read(id, err);
	}
	enum container_outcome outcome = format->read(bytes, g, err);
	ossl_forget();
	if (outcome == CONTAINER_WRONG_PASSWORD) {
		return wrong_password(err);
	}
	if (outcome != CONTAINER_OPENED) {
		(void)err_wrap(err, "%s", container_format_name(id));
		return outcome;
	}
	if (g->locked > 0 && g->unlocked == 0) {
		return wrong_password(err);
	}
	*out = gather_finish(g, id);
	return CONTAINER_OPENED;
}

static void auto_gather(struct gather *g)
{
	gather_fini(g);
}

static enum container_outcome read_file(struct str bytes, struct gather *g, struct container **out,
					struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(CONTAINER_FILE_MAX);

	if (bytes.len > g->limits.file_bytes) {
		err_set(err, ERR_LIMIT, "the file has more than %zu bytes (file_bytes)",
			g->limits.file_bytes);
		return CONTAINER_OVER_LIMIT;
	}
	return read_into(look_through(bytes, &plain), g, out, err);
}

enum container_outcome container_open(struct str bytes, const struct str *password,
				      const struct container_limits *limits, struct container **out,
				      struct err *err)
{
	__attribute__((cleanup(auto_gather))) struct gather g;

	gather_init(&g, limits, password);
	if (password != NULL && password->len > CONTAINER_PASSWORD_MAX) {
		return wrong_password(err);
	}
	return read_file(bytes, &g, out, err);
}

enum container_outcome container_read_certificates(struct str bytes,
						   const struct container_limits *limits,
						   struct container **out, struct err *err)
{
	__attribute__((cleanup(auto_gather))) struct gather g;

	gather_init(&g, limits, NULL);
	g.certificates_only = true;
	return read_file(bytes, &g, out, err);
}

void container_free(struct container *c)
{
	if (c == NULL) {
		return;
	}
	for (size_t i = 0; i < c->n; i++) {
		buf_fini(&c->items[i].key);
	}
	for (size_t i = 0; i < c->n_ders; i++) {
		OPENSSL_free((void *)(uintptr_t)c->ders[i].at);
	}
	free(c->items);
	free(c->ders);
	free(c);
}
