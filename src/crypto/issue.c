#include "crypto/issue.h"

#include <arpa/inet.h>
#include <time.h>

#include "crypto/ossl.h"

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
	};
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	return add_ext(cert, &ctx, NID_basic_constraints, rows[profile].basic, err) &&
	       add_ext(cert, &ctx, NID_key_usage, rows[profile].usage, err) &&
	       (rows[profile].extended == NULL ||
		add_ext(cert, &ctx, NID_ext_key_usage, rows[profile].extended, err)) &&
	       add_ext(cert, &ctx, NID_subject_key_identifier, "hash", err) &&
	       add_ext(cert, &ctx, NID_authority_key_identifier, "keyid:always", err);
}

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

static bool is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~') {
			return false;
		}
	}
	return text[0] != '\0';
}

static bool add_host(GENERAL_NAMES *names, const char *host)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, host, address) == 1) {
		return add_name(names, GEN_IPADD, address, 4);
	}
	if (inet_pton(AF_INET6, host, address) == 1) {
		return add_name(names, GEN_IPADD, address, 16);
	}
	return add_name(names, GEN_DNS, host, strlen(host));
}

static bool add_sans(X509 *cert, const struct issue_facts *facts, struct err *err)
{
	AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names != NULL;

	if (facts->profile == ISSUE_CONNECTOR) {
		good = good && add_name(names, GEN_URI, facts->uri, strlen(facts->uri));
	}
	for (size_t i = 0; facts->profile == ISSUE_SERVER && i < facts->n_sans; i++) {
		good = good && add_host(names, facts->sans[i]);
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

	if ((unsigned)facts->profile > ISSUE_SERVER || facts->subject == NULL) {
		return err_set(err, ERR_CONFIG, "unknown profile, or no subject");
	}
	if (facts->not_after <= facts->not_before) {
		return err_set(err, ERR_CONFIG, "the validity would end before it begins");
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
	AUTO(X509_NAME_free) X509_NAME *name = ossl_name(facts->subject, err);

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
	if (self ? facts->profile != ISSUE_ROOT && facts->profile != ISSUE_SERVER
		 : facts->profile == ISSUE_ROOT) {
		return err_set(err, ERR_CONFIG, "only a root or a server signs itself");
	}
	AUTO(X509_free) X509 *cert = X509_new();
	AUTO(X509_free) X509 *issuer = self ? NULL : ossl_cert(issuer_der, err);
	AUTO(EVP_PKEY_free) EVP_PKEY *pub = ossl_public_key(spki, err);
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
	if (X509_sign(cert, signer, EVP_sha256()) <= 0) {
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
