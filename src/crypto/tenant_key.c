#include "crypto/tenant_key.h"

#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "crypto/ossl.h"

enum {
	DSA_BITS_MIN = 512, /* old SSH and WS-Security keys have 1024 */
};

/* ---- which keys are accepted ---- */

static bool bits_between(EVP_PKEY *pkey, const char *type, int min, int max, struct err *err)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (bits < min || bits > max) {
		return err_set(err, ERR_CONFIG, "an %s key of %d bits is not accepted (%d to %d)",
			       type, bits, min, max);
	}
	return true;
}

static bool kind_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	char group[64] = "";

	if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS")) {
		return bits_between(pkey, "RSA", TENANT_RSA_BITS_MIN, TENANT_RSA_BITS_MAX, err);
	}
	if (EVP_PKEY_is_a(pkey, "DSA")) {
		return bits_between(pkey, "DSA", DSA_BITS_MIN, TENANT_DSA_BITS_MAX, err);
	}
	if (EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_is_a(pkey, "ED448")) {
		return true;
	}
	if (!EVP_PKEY_is_a(pkey, "EC")) {
		const char *name = EVP_PKEY_get0_type_name(pkey);
		return err_set(err, ERR_CONFIG, "a key of the kind %s is not accepted",
			       name != NULL ? name : "unknown");
	}
	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					   NULL) != 1 ||
	    group[0] == '\0') {
		ossl_forget();
		return err_set(err, ERR_CONFIG,
			       "an EC key with parameters of its own is not accepted: use a "
			       "named curve");
	}
	return true;
}

/* One signature with the key's default digest, verified: a private part that does not fit would
 * only show up in a handshake. */
static bool parts_fit(EVP_PKEY *pkey)
{
	static const unsigned char message[] = "drawbridge";
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *sign = EVP_MD_CTX_new();
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *verify = EVP_MD_CTX_new();
	unsigned char signature[TENANT_RSA_BITS_MAX / 8];
	size_t len = sizeof signature;

	return sign != NULL && verify != NULL &&
	       EVP_DigestSignInit_ex(sign, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	       EVP_DigestSign(sign, signature, &len, message, sizeof message) == 1 &&
	       EVP_DigestVerifyInit_ex(verify, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
	       EVP_DigestVerify(verify, signature, len, message, sizeof message) == 1;
}

bool ossl_tenant_public_key_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	return kind_is_accepted(pkey, err);
}

bool ossl_tenant_key_is_accepted(EVP_PKEY *pkey, struct err *err)
{
	if (!kind_is_accepted(pkey, err)) {
		return false;
	}
	if (!parts_fit(pkey)) {
		ossl_forget();
		return err_set(err, ERR_CONFIG, "the private key does not fit its own public key");
	}
	return true;
}

bool local_key_read_tenant(struct str der, struct local_key **out, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_private_key(der, err);

	if (pkey == NULL || !kind_is_accepted(pkey, err)) {
		return false;
	}
	*out = ossl_local_key_take(TAKE(pkey));
	return true;
}

const char *ossl_key_kind(EVP_PKEY *pkey)
{
	static const struct {
		const char *openssl, *shown;
	} rows[] = {
		{"RSA", "RSA"}, {"RSA-PSS", "RSASSA-PSS"}, {"DSA", "DSA"},
		{"EC", "EC"},   {"ED25519", "Ed25519"},    {"ED448", "Ed448"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (EVP_PKEY_is_a(pkey, rows[i].openssl)) {
			return rows[i].shown;
		}
	}
	return "unknown";
}

const char *local_key_type(const struct local_key *k)
{
	return ossl_key_kind(ossl_local_key(k));
}

bool tenant_key_type(struct str spki, const char **type, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_tenant_public_key(spki, err);

	if (pkey == NULL) {
		return false;
	}
	*type = ossl_key_kind(pkey);
	return true;
}

/* ---- which keys are made ---- */

/* The names of spec/keystore.md 1.2, and those of OpenSSL where they differ. */
static const struct {
	const char *name, *openssl;
} curves[] = {
	{"secp160k1", NULL},    {"secp160r1", NULL},         {"secp160r2", NULL},
	{"secp192k1", NULL},    {"secp192r1", "prime192v1"}, {"secp224k1", NULL},
	{"secp224r1", NULL},    {"secp256k1", NULL},         {"secp256r1", "prime256v1"},
	{"secp384r1", NULL},    {"secp521r1", NULL},         {"P-192", "prime192v1"},
	{"P-224", "secp224r1"}, {"P-256", "prime256v1"},     {"P-384", "secp384r1"},
	{"P-521", "secp521r1"}, {"prime192v1", NULL},        {"prime192v2", NULL},
	{"prime192v3", NULL},   {"prime239v1", NULL},        {"prime239v2", NULL},
	{"prime239v3", NULL},   {"prime256v1", NULL},        {"sect163k1", NULL},
	{"sect163r1", NULL},    {"sect163r2", NULL},         {"sect193r1", NULL},
	{"sect193r2", NULL},    {"sect233k1", NULL},         {"sect233r1", NULL},
	{"sect239k1", NULL},    {"sect283k1", NULL},         {"sect283r1", NULL},
	{"sect409k1", NULL},    {"sect409r1", NULL},         {"sect571k1", NULL},
	{"sect571r1", NULL},    {"K-163", "sect163k1"},      {"K-233", "sect233k1"},
	{"K-283", "sect283k1"}, {"K-409", "sect409k1"},      {"K-571", "sect571k1"},
	{"B-163", "sect163r2"}, {"B-233", "sect233r1"},      {"B-283", "sect283r1"},
	{"B-409", "sect409r1"}, {"B-571", "sect571r1"},      {"c2tnb191v1", NULL},
	{"c2tnb191v2", NULL},   {"c2tnb191v3", NULL},        {"c2tnb239v1", NULL},
	{"c2tnb239v2", NULL},   {"c2tnb239v3", NULL},        {"c2tnb359v1", NULL},
	{"c2tnb431r1", NULL},
};

static bool curve_name(const char *spelling, const char **openssl_name)
{
	struct str name = str_trim(str_of(spelling));

	if (str_starts_nocase(name, STR("NIST ")) || str_starts_nocase(name, STR("X9.62 "))) {
		name = str_trim(str_skip(name, str_find(name, ' ')));
	}
	for (size_t i = 0; i < COUNT(curves); i++) {
		if (str_eq_nocase(name, str_of(curves[i].name))) {
			*openssl_name = curves[i].openssl ? curves[i].openssl : curves[i].name;
			return true;
		}
	}
	return false;
}

static const char *curve_of_size(unsigned bits)
{
	static const struct {
		unsigned up_to;
		const char *curve;
	} rows[] = {
		{192, "prime192v1"}, {224, "secp224r1"}, {256, "prime256v1"},
		{384, "secp384r1"},  {571, "secp521r1"},
	};

	if (bits != 0 && bits < 112) {
		return NULL;
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if ((bits == 0 ? 256 : bits) <= rows[i].up_to) {
			return rows[i].curve;
		}
	}
	return NULL;
}

static EVP_PKEY *make_ec(unsigned bits, const char *curve, struct err *err)
{
	const char *name = NULL;

	if (curve != NULL && curve[0] != '\0') {
		if (!curve_name(curve, &name)) {
			err_set(err, ERR_CONFIG,
				"the curve \"%.60s\" is not offered: secp256r1, secp384r1, "
				"secp521r1 and others of SEC 2 and X9.62 are",
				curve);
			return NULL;
		}
	} else if ((name = curve_of_size(bits)) == NULL) {
		err_set(err, ERR_CONFIG, "an EC key of %u bits is not offered (112 to 571)", bits);
		return NULL;
	}
	EVP_PKEY *pkey = EVP_EC_gen(name);
	if (pkey == NULL) {
		err_ossl(err, ERR_SYSTEM, "key generation");
	}
	return pkey;
}

static EVP_PKEY *make_rsa(unsigned bits, struct err *err)
{
	if (bits == 0) {
		bits = 4096;
	}
	if (bits < TENANT_RSA_BITS_MIN || bits > TENANT_RSA_MADE_MAX || bits % 8 != 0) {
		err_set(err, ERR_CONFIG, "an RSA key of %u bits is not offered (%d to %d)", bits,
			TENANT_RSA_BITS_MIN, TENANT_RSA_MADE_MAX);
		return NULL;
	}
	EVP_PKEY *pkey = EVP_RSA_gen(bits);
	if (pkey == NULL) {
		err_ossl(err, ERR_SYSTEM, "key generation");
	}
	return pkey;
}

static EVP_PKEY *make_dsa(unsigned bits, struct err *err)
{
	AUTO(EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *params = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	AUTO(EVP_PKEY_free) EVP_PKEY *domain = NULL;
	EVP_PKEY *pkey = NULL;

	if (bits == 0) {
		bits = 2048;
	}
	if (bits != 1024 && bits != 2048 && bits != TENANT_DSA_MADE_MAX) {
		err_set(err, ERR_CONFIG, "a DSA key of %u bits is not offered (1024, 2048, 3072)",
			bits);
		return NULL;
	}
	if (params == NULL || EVP_PKEY_paramgen_init(params) != 1 ||
	    EVP_PKEY_CTX_set_dsa_paramgen_bits(params, (int)bits) != 1 ||
	    EVP_PKEY_CTX_set_dsa_paramgen_q_bits(params, bits == 1024 ? 160 : 256) != 1 ||
	    EVP_PKEY_paramgen(params, &domain) != 1) {
		err_ossl(err, ERR_SYSTEM, "key generation");
		return NULL;
	}
	AUTO(EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, domain, NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &pkey) != 1) {
		err_ossl(err, ERR_SYSTEM, "key generation");
		return NULL;
	}
	return pkey;
}

static EVP_PKEY *make_eddsa(const char *name, struct err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, name);

	if (pkey == NULL) {
		err_ossl(err, ERR_SYSTEM, "key generation");
	}
	return pkey;
}

bool local_key_generate_named(const char *type, unsigned bits, const char *curve,
			      struct local_key **out, struct err *err)
{
	struct str t = str_of(type);
	EVP_PKEY *pkey = NULL;

	if (str_eq_nocase(t, STR("RSA"))) {
		pkey = make_rsa(bits, err);
	} else if (str_eq_nocase(t, STR("EC"))) {
		pkey = make_ec(bits, curve, err);
	} else if (str_eq_nocase(t, STR("DSA"))) {
		pkey = make_dsa(bits, err);
	} else if (str_eq_nocase(t, STR("Ed25519"))) {
		pkey = make_eddsa("ED25519", err);
	} else if (str_eq_nocase(t, STR("Ed448"))) {
		pkey = make_eddsa("ED448", err);
	} else {
		return err_set(err, ERR_CONFIG,
			       "the key type \"%.30s\" is not offered (RSA, DSA, EC, Ed25519, "
			       "Ed448)",
			       type != NULL ? type : "");
	}
	if (pkey == NULL) {
		return false;
	}
	*out = ossl_local_key_take(pkey);
	return true;
}
