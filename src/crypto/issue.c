#include "crypto/issue.h"

#include <time.h>

#include "crypto/ossl.h"

#define YEAR_9999_END INT64_C(253402300799) /* RFC 5280, 4.1.2.5 */

static bool add_ext(X509 *cert, X509V3_CTX *ctx, int nid, const char *value, struct err *err)
{
	AUTO(X509_EXTENSION_free) X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1) {
		return err_ossl(err, ERR_SYSTEM, "certificate extension");
	}
	return true;
}

/* `value` is of constants only: the text form of extensions is a little language of its own. */
static bool add_profile(X509 *cert, X509 *issuer, enum issue_profile profile, struct err *err)
{
	static const struct {
		const char *basic, *usage, *extended;
	} rows[] = {
		[ISSUE_ROOT] = {"critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign", NULL},
		[ISSUE_INTERMEDIATE] = {"critical,CA:TRUE,pathlen:0",
					"critical,keyCertSign,cRLSign", NULL},
		[ISSUE_CONNECTOR] = {"critical,CA:FALSE", "critical,digitalSignature",
				     "clientAuth"},
		[ISSUE_SERVER] = {"critical,CA:FALSE", "critical,digitalSignature", "serverAuth"},
		/* No key usage, as keytool has it: the pair signs, decrypts and serves TLS. */
		[ISSUE_SELF] = {"critical,CA:FALSE", NULL, NULL},
	};
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	return add_ext(cert, &ctx, NID_basic_constraints, rows[profile].basic, err) &&
	       (rows[profile].usage == NULL ||
		add_ext(cert, &ctx, NID_key_usage, rows[profile].usage, err)) &&
	       (rows[profile].extended == NULL ||
		add_ext(cert, &ctx, NID_ext_key_usage, rows[profile].extended, err)) &&
	       add_ext(cert, &ctx, NID_subject_key_identifier, "hash", err) &&
	       add_ext(cert, &ctx, NID_authority_key_identifier, "keyid:always", err);
}

static bool is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~') {
			return false;
		}
	}
	return text[0] != '\0';
}

static bool add_sans(X509 *cert, const struct issue_facts *facts, struct err *err)
{
	AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names != NULL;

	if (facts->profile == ISSUE_CONNECTOR) {
		good = good && ossl_add_san(names, facts->uri);
	}
	for (size_t i = 0; facts->profile == ISSUE_SERVER && i < facts->n_sans; i++) {
		good = good && ossl_add_san(names, facts->sans[i]);
	}
	if (!good) {
		return err_ossl(err, ERR_SYSTEM, "subject alternative names");
	}
	if (sk_GENERAL_NAME_num(names) > 0 &&
	    X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) != 1) {
		return err_ossl(err, ERR_SYSTEM, "subject alternative names");
	}
	return true;
}

static bool check_facts(const struct issue_facts *facts, struct err *err)
{
	bool leaf = facts->profile == ISSUE_CONNECTOR || facts->profile == ISSUE_SERVER;

	bool named = facts->profile == ISSUE_SELF ? facts->name != NULL : facts->subject != NULL;

	if ((unsigned)facts->profile > ISSUE_SELF || !named) {
		return err_set(err, ERR_CONFIG, "unknown profile, or no subject");
	}
	if (facts->not_after <= facts->not_before) {
		return err_set(err, ERR_CONFIG, "the validity would end before it begins");
	}
	if (facts->profile == ISSUE_SELF &&
	    (facts->not_before < 0 || facts->not_after > YEAR_9999_END)) {
		return err_set(err, ERR_CONFIG, "a validity before 1970 or after 9999");
	}
	if (leaf && facts->not_after - facts->not_before > ISSUE_LEAF_SECONDS_MAX) {
		return err_set(err, ERR_CONFIG, "a validity of more than 825 days");
	}
	if (facts->profile == ISSUE_CONNECTOR &&
	    (facts->uri == NULL || !is_plain(facts->uri) || strlen(facts->uri) >= CERT_URI_MAX ||
	     !str_starts(str_of(facts->uri), STR("spiffe://")))) {
		return err_set(err, ERR_CONFIG, "a connector's certificate needs a SPIFFE id");
	}
	if (facts->profile == ISSUE_SERVER &&
	    (facts->n_sans == 0 || facts->n_sans > ISSUE_SANS_MAX)) {
		return err_set(err, ERR_CONFIG, "a server's certificate needs 1 to %d names",
			       ISSUE_SANS_MAX);
	}
	for (size_t i = 0; facts->profile == ISSUE_SERVER && i < facts->n_sans; i++) {
		if (!is_plain(facts->sans[i]) || strlen(facts->sans[i]) > 253) {
			return err_set(err, ERR_CONFIG, "a name of the server is malformed");
		}
	}
	return true;
}

/* UTF8String as it comes: OpenSSL's table would cut at RFC 5280's 64 characters. */
static bool add_tenant_part(X509_NAME *name, int nid, int type, const char *value, struct err *err)
{
	size_t len = value != NULL ? strlen(value) : 0;

	if (len == 0) {
		return true;
	}
	if (len > ISSUE_NAME_PART_MAX || !str_is_utf8(str_of(value))) {
		return err_set(err, ERR_CONFIG,
			       "the %s of the subject is longer than %d bytes, or no text",
			       OBJ_nid2ln(nid), ISSUE_NAME_PART_MAX);
	}
	if (X509_NAME_add_entry_by_NID(name, nid, type, (const unsigned char *)value, (int)len, -1,
				       0) != 1) {
		return err_ossl(err, ERR_SYSTEM, "subject");
	}
	return true;
}

static bool is_ascii(const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (*text < ' ' || *text > '~') {
			return false;
		}
	}
	return true;
}

static bool is_country(const char *c)
{
	return strlen(c) == 2 &&
	       strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == 2;
}

/* The most specific part last, so that the text form starts with it (RFC 4514, 2.1). */
static X509_NAME *tenant_name(const struct issue_name *parts, struct err *err)
{
	AUTO(X509_NAME_free) X509_NAME *name = X509_NAME_new();

	if (name == NULL || parts->common_name == NULL || parts->common_name[0] == '\0') {
		err_set(err, ERR_CONFIG, "the common name is missing");
		return NULL;
	}
	if (parts->country != NULL && parts->country[0] != '\0' && !is_country(parts->country)) {
		err_set(err, ERR_CONFIG, "the country has exactly two letters");
		return NULL;
	}
	if (!is_ascii(parts->email)) {
		err_set(err, ERR_CONFIG, "the e-mail address has other characters than ASCII");
		return NULL;
	}
	const struct {
		int nid, type;
		const char *value;
	} rows[] = {
		{NID_countryName, V_ASN1_PRINTABLESTRING, parts->country},
		{NID_stateOrProvinceName, V_ASN1_UTF8STRING, parts->state},
		{NID_localityName, V_ASN1_UTF8STRING, parts->locality},
		{NID_organizationName, V_ASN1_UTF8STRING, parts->organization},
		{NID_organizationalUnitName, V_ASN1_UTF8STRING, parts->organizational_unit},
		{NID_commonName, V_ASN1_UTF8STRING, parts->common_name},
		{NID_pkcs9_emailAddress, V_ASN1_IA5STRING, parts->email},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!add_tenant_part(name, rows[i].nid, rows[i].type, rows[i].value, err)) {
			return NULL;
		}
	}
	return TAKE(name);
}

static bool set_serial(X509 *cert, const uint8_t serial[static 16])
{
	uint8_t bytes[16];

	memcpy(bytes, serial, sizeof bytes);
	bytes[0] &= 0x7f; /* positive, RFC 5280, 4.1.2.2 */
	AUTO(BN_free) BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	if (number == NULL || BN_is_zero(number)) {
		return false;
	}
	AUTO(ASN1_INTEGER_free) ASN1_INTEGER *value = BN_to_ASN1_INTEGER(number, NULL);
	return value != NULL && X509_set_serialNumber(cert, value) == 1;
}

static bool set_time(ASN1_TIME *into, int64_t unix_s)
{
	/* ASN1_TIME_set chooses UTCTime until 2049 as RFC 5280, 4.1.2.5 wants. */
	return ASN1_TIME_set(into, (time_t)unix_s) != NULL;
}

/* Cut to the issuer's end: a certificate that outlives its issuer only looks valid. */
static bool cap(int64_t *not_after, X509 *issuer, struct err *err)
{
	struct cert_facts facts;

	if (!ossl_cert_facts(issuer, &facts, err)) {
		return err_wrap(err, "issuer");
	}
	if (!facts.is_ca) {
		return err_set(err, ERR_CONFIG, "the issuer is no CA");
	}
	if (*not_after > facts.not_after) {
		*not_after = facts.not_after;
	}
	return true;
}

static bool fill(X509 *cert, const struct issue_facts *facts, EVP_PKEY *pub, X509 *issuer,
		 int64_t not_after, struct err *err)
{
	AUTO(X509_NAME_free)
	X509_NAME *name = facts->profile == ISSUE_SELF ? tenant_name(facts->name, err)
						       : ossl_name(facts->subject, err);

	if (name == NULL) {
		return false;
	}
	if (!set_serial(cert, facts->serial)) {
		return err_set(err, ERR_CONFIG, "the serial number is zero");
	}
	if (X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_subject_name(cert, name) != 1 ||
	    X509_set_issuer_name(cert, issuer == cert ? name : X509_get_subject_name(issuer)) !=
		    1 ||
	    !set_time(X509_getm_notBefore(cert), facts->not_before) ||
	    !set_time(X509_getm_notAfter(cert), not_after) || X509_set_pubkey(cert, pub) != 1) {
		return err_ossl(err, ERR_SYSTEM, "certificate");
	}
	return add_profile(cert, issuer, facts->profile, err) && add_sans(cert, facts, err);
}

bool issue_certificate(const struct issue_facts *facts, struct str spki, struct str issuer_der,
		       const struct local_key *issuer_key, struct buf *der, struct err *err)
{
	bool self = issuer_der.len == 0;
	int64_t not_after = facts->not_after;
	unsigned char *bytes = NULL;
	EVP_PKEY *signer = ossl_local_key(issuer_key);

	if (!check_facts(facts, err)) {
		return false;
	}
	bool tenant = facts->profile == ISSUE_SELF;
	if (self ? facts->profile != ISSUE_ROOT && facts->profile != ISSUE_SERVER && !tenant
		 : facts->profile == ISSUE_ROOT || tenant) {
		return err_set(err, ERR_CONFIG, "only a root, a server or a tenant signs itself");
	}
	AUTO(X509_free) X509 *cert = X509_new();
	AUTO(X509_free) X509 *issuer = self ? NULL : ossl_cert(issuer_der, err);
	AUTO(EVP_PKEY_free)
	EVP_PKEY *pub = tenant ? ossl_tenant_public_key(spki, err) : ossl_public_key(spki, err);
	if (cert == NULL || pub == NULL || (!self && issuer == NULL)) {
		return false;
	}
	/* Signing under a name whose key this is not would make what nobody can verify. */
	EVP_PKEY *shown = self ? pub : X509_get0_pubkey(issuer);
	if (shown == NULL || EVP_PKEY_eq(shown, signer) != 1) {
		ossl_forget();
		return err_set(err, ERR_CONFIG, "the issuer's key and certificate do not match");
	}
	if (!self && !cap(&not_after, issuer, err)) {
		return false;
	}
	if (not_after <= facts->not_before) {
		return err_set(err, ERR_CONFIG, "the issuer ends before the validity begins");
	}
	if (!fill(cert, facts, pub, self ? cert : issuer, not_after, err)) {
		return false;
	}
	const EVP_MD *digest = EVP_sha256();
	if (tenant && !ossl_sign_digest(signer, facts->digest, &digest, err)) {
		return false;
	}
	if (X509_sign(cert, signer, digest) <= 0) {
		return err_ossl(err, ERR_SYSTEM, "certificate");
	}
	int len = i2d_X509(cert, &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "certificate");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "no room for the certificate");
}
