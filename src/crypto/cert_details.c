#include "crypto/cert_details.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <time.h>

#include "crypto/formats/ssh_line.h"
#include "crypto/ossl.h"
#include "crypto/seal.h"

DEFINE_AUTO(EXTENDED_KEY_USAGE_free, EXTENDED_KEY_USAGE *)

static const char *kept(struct arena *a, struct str text)
{
	return arena_text(a, text);
}

static const char *name_text(struct arena *a, const X509_NAME *name)
{
	AUTO(BIO_free_all) BIO *out = BIO_new(BIO_s_mem());
	char *at = NULL;

	if (out == NULL ||
	    X509_NAME_print_ex(out, name, 0,
			       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
		ossl_forget();
		return kept(a, STR("(unreadable)"));
	}
	long len = BIO_get_mem_data(out, &at);
	return kept(a, str_make(at, len > 0 ? (size_t)len : 0));
}

static const char *common_name(struct arena *a, const X509_NAME *name)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *utf8 = NULL;

	if (at < 0) {
		return "";
	}
	int len =
		ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	struct str text = str_make(utf8, len > 0 ? (size_t)len : 0);
	bool good = text.len > 0 && memchr(text.at, '\0', text.len) == NULL && str_is_utf8(text);
	const char *out = good ? kept(a, text) : "";
	OPENSSL_free(utf8);
	ossl_forget();
	return out;
}

static const char *serial_text(struct arena *a, const X509 *cert)
{
	AUTO(BN_free) BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = n != NULL ? BN_bn2hex(n) : NULL;
	bool minus = hex != NULL && hex[0] == '-';
	const char *out =
		hex == NULL ? "" : arena_printf(a, "%s0x%s", minus ? "-" : "", hex + minus);

	OPENSSL_free(hex);
	ossl_forget();
	return out;
}

static bool unix_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm = {0};

	if (ASN1_TIME_to_tm(t, &tm) != 1) {
		return false;
	}
	*out = (int64_t)timegm(&tm);
	return true;
}

static const char *fingerprint(struct arena *a, struct str der, const char *digest)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char md[EVP_MAX_MD_SIZE];
	char text[EVP_MAX_MD_SIZE * 3];
	size_t len = 0;

	if (EVP_Q_digest(NULL, digest, NULL, der.at, der.len, md, &len) != 1) {
		ossl_forget();
		return "";
	}
	for (size_t i = 0; i < len; i++) {
		text[i * 3] = digits[md[i] >> 4];
		text[i * 3 + 1] = digits[md[i] & 15];
		text[i * 3 + 2] = ':';
	}
	return kept(a, str_make(text, len * 3 - 1));
}

/* The name that the world knows a curve by, where OpenSSL's own differs. */
static const char *curve_text(struct arena *a, EVP_PKEY *pkey)
{
	static const struct {
		const char *openssl, *shown;
	} rows[] = {{"prime256v1", "secp256r1"}, {"prime192v1", "secp192r1"}};
	char group[64] = "";

	if (!EVP_PKEY_is_a(pkey, "EC") ||
	    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					   NULL) != 1) {
		ossl_forget();
		return "";
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(group, rows[i].openssl) == 0) {
			return rows[i].shown;
		}
	}
	return kept(a, str_of(group));
}

static bool is_weak_digest(int md)
{
	return md == NID_md2 || md == NID_md4 || md == NID_md5 || md == NID_sha1 || md == NID_sha;
}

static void read_signature(const X509 *cert, struct arena *a, struct cert_details *out)
{
	static const struct {
		int nid;
		const char *text;
	} fixed[] = {{NID_rsassaPss, "RSASSA-PSS"}, {NID_ED25519, "Ed25519"}, {NID_ED448, "Ed448"}};
	static const struct {
		int nid;
		const char *text;
	} keys[] = {{NID_rsaEncryption, "RSA"},
		    {NID_X9_62_id_ecPublicKey, "ECDSA"},
		    {NID_dsa, "DSA"},
		    {NID_dsaWithSHA, "DSA"}};
	int nid = X509_get_signature_nid(cert), md = NID_undef, pk = NID_undef;

	for (size_t i = 0; i < COUNT(fixed); i++) {
		if (fixed[i].nid == nid) {
			out->signature_algorithm = fixed[i].text;
			return;
		}
	}
	bool known = OBJ_find_sigid_algs(nid, &md, &pk) == 1;
	out->weak_signature = known && is_weak_digest(md);
	for (size_t i = 0; known && i < COUNT(keys); i++) {
		if (keys[i].nid == pk) {
			out->signature_algorithm = arena_printf(a,
								"%s"
								"with%s",
								OBJ_nid2sn(md), keys[i].text);
			return;
		}
	}
	char oid[80] = "unknown";
	const X509_ALGOR *algorithm = X509_get0_tbs_sigalg(cert);
	(void)OBJ_obj2txt(oid, sizeof oid, algorithm->algorithm, 1);
	out->signature_algorithm = kept(a, str_of(oid));
}

static bool read_usages(const X509 *cert, struct arena *a, struct cert_details *out)
{
	AUTO(EXTENDED_KEY_USAGE_free)
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	int n = sk_ASN1_OBJECT_num(usages);

	ossl_forget();
	n = n > CERT_DETAILS_LIST_MAX ? CERT_DETAILS_LIST_MAX : n;
	out->usages = arena_get(a, sizeof *out->usages * (size_t)(n > 0 ? n : 1));
	if (out->usages == NULL) {
		return false;
	}
	for (int i = 0; i < n; i++) {
		const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
		int nid = OBJ_obj2nid(usage);
		char oid[80] = "";
		(void)OBJ_obj2txt(oid, sizeof oid, usage, 1);
		const char *text = kept(a, str_of(nid != NID_undef ? OBJ_nid2sn(nid) : oid));
		if (text == NULL) {
			return false;
		}
		out->usages[out->n_usages++] = text;
	}
	return true;
}

/* Control characters and what is no UTF-8 are shown as "?". */
static const char *san_text(struct arena *a, const char *kind, const ASN1_STRING *value)
{
	struct str text = str_make(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
	char *out = arena_printf(a, "%s:%.*s", kind, STR_ARGS(text));

	for (char *p = out; p != NULL && *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f ||
		    ((unsigned char)*p >= 0x80 && !str_is_utf8(text))) {
			*p = '?';
		}
	}
	return out;
}

static const char *san(struct arena *a, const GENERAL_NAME *name)
{
	int type = 0;
	const void *value = GENERAL_NAME_get0_value(name, &type);
	char address[INET6_ADDRSTRLEN] = "?";

	switch (type) {
	case GEN_DNS:
		return san_text(a, "DNS", value);
	case GEN_URI:
		return san_text(a, "URI", value);
	case GEN_EMAIL:
		return san_text(a, "email", value);
	case GEN_IPADD: {
		int len = ASN1_STRING_length(value);
		if (len == 4 || len == 16) {
			(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value),
					address, sizeof address);
		}
		return arena_printf(a, "IP:%s", address);
	}
	case GEN_DIRNAME: {
		const char *text = name_text(a, value);
		return text != NULL ? arena_printf(a, "dirName:%s", text) : NULL;
	}
	default:
		return "other";
	}
}

static bool read_names(const X509 *cert, struct arena *a, struct cert_details *out)
{
	AUTO(GENERAL_NAMES_free)
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int n = sk_GENERAL_NAME_num(names);

	ossl_forget();
	n = n > CERT_DETAILS_LIST_MAX ? CERT_DETAILS_LIST_MAX : n;
	out->names = arena_get(a, sizeof *out->names * (size_t)(n > 0 ? n : 1));
	if (out->names == NULL) {
		return false;
	}
	for (int i = 0; i < n; i++) {
		const char *text = san(a, sk_GENERAL_NAME_value(names, i));
		if (text == NULL) {
			return false;
		}
		out->names[out->n_names++] = text;
	}
	return true;
}

static void read_key(EVP_PKEY *pkey, struct arena *a, struct cert_details *out)
{
	out->key_type = pkey != NULL ? ossl_key_kind(pkey) : "unknown";
	out->key_bits = pkey != NULL ? EVP_PKEY_get_bits(pkey) : 0;
	out->curve = pkey != NULL ? curve_text(a, pkey) : "";
	bool rsa = strncmp(out->key_type, "RSA", 3) == 0;
	bool ec = strcmp(out->key_type, "EC") == 0;
	out->weak_key = (rsa && out->key_bits < 2048) || (ec && out->key_bits < 224) ||
			strcmp(out->key_type, "DSA") == 0;
}

static const char *ssh_fingerprint(struct arena *a, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	char text[SSH_FINGERPRINT_MAX] = "";
	struct err ignored;

	if (len > 0 && !ssh_line_fingerprint(str_make(der, (size_t)len), text, &ignored)) {
		text[0] = '\0';
	}
	OPENSSL_free(der);
	ossl_forget();
	return kept(a, str_of(text));
}

static bool is_complete(const struct cert_details *d)
{
	const char *const all[] = {
		d->serial, d->subject, d->issuer, d->common_name, d->curve,
		d->sha1,   d->sha256,  d->sha512, d->ssh_sha256,  d->signature_algorithm};

	for (size_t i = 0; i < COUNT(all); i++) {
		if (all[i] == NULL) {
			return false;
		}
	}
	return true;
}

bool cert_details_read(struct str der, struct arena *a, struct cert_details *out, struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(der, err);
	struct cert_details d = {0};

	if (cert == NULL) {
		return false;
	}
	if (!unix_time(X509_get0_notBefore(cert), &d.not_before) ||
	    !unix_time(X509_get0_notAfter(cert), &d.not_after)) {
		return err_ossl(err, ERR_CONFIG, "the certificate's validity is malformed");
	}
	d.version = (int)X509_get_version(cert) + 1;
	d.serial = serial_text(a, cert);
	d.subject = name_text(a, X509_get_subject_name(cert));
	d.issuer = name_text(a, X509_get_issuer_name(cert));
	d.common_name = common_name(a, X509_get_subject_name(cert));
	read_key(X509_get0_pubkey(cert), a, &d);
	read_signature(cert, a, &d);
	d.sha1 = fingerprint(a, der, "SHA1");
	d.sha256 = fingerprint(a, der, "SHA256");
	d.sha512 = fingerprint(a, der, "SHA512");
	d.ssh_sha256 = ssh_fingerprint(a, cert);
	d.is_ca = X509_check_ca(cert) >= 1;
	d.is_self_signed = X509_self_signed(cert, 1) == 1;
	ossl_forget();
	if (!read_usages(cert, a, &d) || !read_names(cert, a, &d) || !is_complete(&d)) {
		return err_set(err, ERR_LIMIT, "no room for the details of the certificate");
	}
	*out = d;
	return true;
}
