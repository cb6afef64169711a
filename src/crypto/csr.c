#include "crypto/csr.h"

#include "crypto/names.h"
#include "crypto/ossl.h"
#include "crypto/seal.h"

/* How a key of each kind signs a CSR. The first row of a kind is the usual one. */
static const struct manner {
	const char *kind;
	int md;     /* of the certificate that the CSR is for; NID_undef: any */
	int nid;    /* of the signature */
	int params; /* of the algorithm: NULL or none (RFC 4055, RFC 5758, RFC 8410) */
	enum key_scheme scheme;
} manners[] = {
	{"RSA", NID_sha256, NID_sha256WithRSAEncryption, V_ASN1_NULL, KEY_RSA_PKCS1_SHA256},
	{"RSA", NID_sha384, NID_sha384WithRSAEncryption, V_ASN1_NULL, KEY_RSA_PKCS1_SHA384},
	{"RSA", NID_sha512, NID_sha512WithRSAEncryption, V_ASN1_NULL, KEY_RSA_PKCS1_SHA512},
	{"EC", NID_sha256, NID_ecdsa_with_SHA256, V_ASN1_UNDEF, KEY_ECDSA_SHA256},
	{"EC", NID_sha384, NID_ecdsa_with_SHA384, V_ASN1_UNDEF, KEY_ECDSA_SHA384},
	{"EC", NID_sha512, NID_ecdsa_with_SHA512, V_ASN1_UNDEF, KEY_ECDSA_SHA512},
	{"DSA", NID_undef, NID_dsa_with_SHA256, V_ASN1_UNDEF, KEY_DSA_SHA256},
	{"Ed25519", NID_undef, NID_ED25519, V_ASN1_UNDEF, KEY_ED25519},
	{"Ed448", NID_undef, NID_ED448, V_ASN1_UNDEF, KEY_ED448},
};

/* With the digest of the certificate's own signature, as the original does (spec 1.6). */
static const struct manner *find_manner(const char *kind, const X509 *like)
{
	const struct manner *usual = NULL;
	int md = NID_undef;

	if (like != NULL) {
		(void)OBJ_find_sigid_algs(X509_get_signature_nid(like), &md, NULL);
	}
	for (size_t i = 0; i < COUNT(manners); i++) {
		if (strcmp(manners[i].kind, kind) != 0) {
			continue;
		}
		if (manners[i].md == md) {
			return &manners[i];
		}
		usual = usual != NULL ? usual : &manners[i];
	}
	return usual;
}

/*
 * The signature algorithm is set and the signature placed by hand, because the key's owner signs
 * messages: X509_REQ_sign would want a context that hashes here.
 */
static bool sign(X509_REQ *req, struct key *k, const struct manner *how, struct err *err)
{
	AUTO(X509_ALGOR_free) X509_ALGOR *algorithm = X509_ALGOR_new();
	AUTO(ASN1_BIT_STRING_free) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	unsigned char *tbs = NULL;

	if (algorithm == NULL || bits == NULL) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	X509_ALGOR_set0(algorithm, OBJ_nid2obj(how->nid), how->params, NULL);
	int len = i2d_re_X509_REQ_tbs(req, &tbs);
	if (len <= 0 || X509_REQ_set1_signature_algo(req, algorithm) != 1) {
		OPENSSL_free(tbs);
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	bool good = key_sign(k, how->scheme, str_make(tbs, (size_t)len), &signature, err);
	OPENSSL_free(tbs);
	if (!good) {
		return false;
	}
	if (ASN1_BIT_STRING_set(bits, (unsigned char *)signature.at, (int)signature.len) != 1) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
	bits->flags |= ASN1_STRING_FLAG_BITS_LEFT; /* whole bytes, whatever they end with */
	X509_REQ_set0_signature(req, TAKE(bits));
	return true;
}

static bool add_hosts(X509_REQ *req, const char *const *hosts, size_t n, struct err *err)
{
	AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names != NULL;

	for (size_t i = 0; good && i < n; i++) {
		good = cert_is_host(str_of(hosts[i])) && ossl_add_san(names, hosts[i]);
	}
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	good = good &&
	       X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) ==
		       1 &&
	       X509_REQ_add_extensions(req, extensions) == 1;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return good || err_ossl(err, ERR_CONFIG, "the names of a CSR");
}

/* `like` NULL: one of our own keys, which are of fewer kinds. */
static bool make(struct key *k, const X509_NAME *name, const X509 *like, const char *const *hosts,
		 size_t n, struct buf *der, struct err *err)
{
	AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
	AUTO(EVP_PKEY_free)
	EVP_PKEY *pub = like != NULL ? ossl_tenant_public_key(key_spki(k), err)
				     : ossl_public_key(key_spki(k), err);
	unsigned char *bytes = NULL;

	if (pub == NULL) {
		return false;
	}
	const struct manner *how = find_manner(ossl_key_kind(pub), like);
	if (how == NULL) {
		return err_set(err, ERR_CONFIG, "a key of type %s does not sign a CSR here",
			       ossl_key_kind(pub));
	}
	if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_subject_name(req, name) != 1 || X509_REQ_set_pubkey(req, pub) != 1) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	if ((n > 0 && !add_hosts(req, hosts, n, err)) || !sign(req, k, how, err)) {
		return err_wrap(err, "CSR");
	}
	int len = i2d_X509_REQ(req, &bytes);
	if (len <= 0) {
		return err_ossl(err, ERR_SYSTEM, "CSR");
	}
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return !buf_failed(der) || err_set(err, ERR_LIMIT, "no room for the CSR");
}

bool csr_make(struct key *k, const char *subject, struct buf *der, struct err *err)
{
	return csr_make_for_hosts(k, subject, NULL, 0, der, err);
}

bool csr_make_for_hosts(struct key *k, const char *subject, const char *const *hosts, size_t n,
			struct buf *der, struct err *err)
{
	AUTO(X509_NAME_free) X509_NAME *name = ossl_name(subject, err);

	return name != NULL && make(k, name, NULL, hosts, n, der, err);
}

bool csr_make_like(struct key *k, struct str certificate, const char *const *hosts, size_t n,
		   struct buf *der, struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(certificate, err);

	return cert != NULL && make(k, X509_get_subject_name(cert), cert, hosts, n, der, err);
}

void csr_add_pem(struct buf *out, struct str der)
{
	AUTO_BUF struct buf text = BUF(CSR_DER_MAX * 2);

	buf_add_base64(&text, der.at, der.len);
	buf_add_str(out, STR("-----BEGIN CERTIFICATE REQUEST-----\n"));
	for (struct str rest = buf_str(&text); rest.len > 0; rest = str_skip(rest, 64)) {
		buf_add_str(out, str_first(rest, 64));
		buf_add_c(out, '\n');
	}
	buf_add_str(out, STR("-----END CERTIFICATE REQUEST-----\n"));
}

static void read_common_name(const X509_NAME *name, char into[static 65])
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;

	into[0] = '\0';
	if (at < 0) {
		return;
	}
	int len =
		ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len > 0 && memchr(text, '\0', (size_t)len) == NULL &&
	    !str_copy(str_make(text, (size_t)len), into, 65)) {
		into[0] = '\0';
	}
	OPENSSL_free(text);
}

bool csr_read(struct str der, struct csr_facts *out, struct err *err)
{
	const unsigned char *at = (const unsigned char *)der.at;
	struct csr_facts facts = {0};
	unsigned char *spki = NULL;

	if (der.len == 0 || der.len > CSR_DER_MAX) {
		return err_set(err, ERR_CONFIG, "the CSR is empty or longer than %d bytes",
			       CSR_DER_MAX);
	}
	AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (req == NULL || (const char *)at != der.at + der.len) {
		return err_ossl(err, ERR_CONFIG, "the CSR is malformed");
	}
	EVP_PKEY *pub = X509_REQ_get0_pubkey(req);
	if (pub == NULL) {
		return err_ossl(err, ERR_CONFIG, "the CSR's public key is malformed");
	}
	if (!ossl_key_is_accepted(pub, err)) {
		return false;
	}
	if (X509_REQ_verify(req, pub) != 1) {
		return err_ossl(err, ERR_CONFIG,
				"the CSR is not signed by its own key (proof of possession)");
	}
	int len = i2d_PUBKEY(pub, &spki);
	if (len <= 0) {
		return err_ossl(err, ERR_CONFIG, "the CSR's public key is malformed");
	}
	digest_sha256(str_make(spki, (size_t)len), facts.spki_sha256);
	facts.spki_len = (size_t)len < sizeof facts.spki ? (size_t)len : 0;
	memcpy(facts.spki, spki, facts.spki_len);
	OPENSSL_free(spki);
	ossl_name_text(X509_REQ_get_subject_name(req), facts.subject, sizeof facts.subject);
	read_common_name(X509_REQ_get_subject_name(req), facts.common_name);
	ossl_key_type(pub, facts.key_type);
	*out = facts;
	return true;
}
