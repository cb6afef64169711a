#include "crypto/formats/pkcs12_mac.h"

#include <openssl/hmac.h>

#include "crypto/formats/format.h"
#include "crypto/seal.h"

DEFINE_AUTO(PBE2PARAM_free, PBE2PARAM *)
DEFINE_AUTO(PBKDF2PARAM_free, PBKDF2PARAM *)

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

/* Every byte as a character: UTF-8 of UTF-8. */
static char *as_latin(struct str s)
{
	char *text = must_alloc(s.len * 2 + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c >= 0x80) {
			text[n++] = (char)(0xc0 | c >> 6);
			c = (unsigned char)(0x80 | (c & 0x3f));
		}
		text[n++] = (char)c;
	}
	text[n] = '\0';
	return text;
}

void pkcs12_passwords_init(struct pkcs12_passwords *all, const struct str *password)
{
	*all = (struct pkcs12_passwords){0};
	if (password == NULL || password->len == 0) {
		all->tries[all->n++] = (struct pkcs12_password){STR_NONE, STR_NONE};
		all->tries[all->n++] = (struct pkcs12_password){STR(""), STR("")};
		return;
	}
	all->tries[all->n++] = (struct pkcs12_password){*password, *password};
	if (!is_ascii(*password)) {
		all->latin = as_latin(*password);
		all->tries[all->n++] = (struct pkcs12_password){*password, str_of(all->latin)};
	}
}

void pkcs12_passwords_fini(struct pkcs12_passwords *all)
{
	if (all->latin != NULL) {
		seal_wipe(all->latin, strlen(all->latin));
		free(all->latin);
	}
	*all = (struct pkcs12_passwords){0};
}

struct str pkcs12_password_for(const struct pkcs12_password *p, const X509_ALGOR *algorithm)
{
	return OBJ_obj2nid(algorithm->algorithm) == NID_pbes2 ? p->utf8 : p->old;
}

static enum pkcs12_mac refused(struct err *err)
{
	ossl_forget();
	err_set(err, ERR_CONFIG, "its MAC is malformed");
	return PKCS12_MAC_REFUSED;
}

/* The bytes that are authenticated: the content of the first OCTET STRING (DER only). */
static bool mac_content(struct str bytes, struct str *out)
{
	struct der_head pfx, version, info, type, wrapped, octets;

	if (!der_head(bytes, &pfx) || !der_head(pfx.content, &version) ||
	    !der_head(version.rest, &info) || !der_head(info.content, &type) ||
	    !der_head(type.rest, &wrapped) || !der_head(wrapped.content, &octets) ||
	    octets.tag != 0x04 || !octets.whole) {
		return false;
	}
	*out = octets.content;
	return true;
}

static const EVP_MD *md_of_prf(const X509_ALGOR *prf)
{
	int md = NID_undef;

	if (prf == NULL) {
		return EVP_sha1(); /* the default of RFC 8018, A.2 */
	}
	if (EVP_PBE_find(EVP_PBE_TYPE_PRF, OBJ_obj2nid(prf->algorithm), NULL, &md, NULL) != 1) {
		return NULL;
	}
	return EVP_get_digestbynid(md);
}

static enum pkcs12_mac check_pbmac1(const X509_ALGOR *algorithm, const ASN1_OCTET_STRING *mac,
				    struct str bytes, const struct pkcs12_password *password,
				    struct gather *g, struct err *err)
{
	/* PBMAC1-params (RFC 8018, A.5) have the shape of PBES2-params. */
	AUTO(PBE2PARAM_free)
	PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
	AUTO(PBKDF2PARAM_free)
	PBKDF2PARAM *q = p != NULL && OBJ_obj2nid(p->keyfunc->algorithm) == NID_id_pbkdf2
				 ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM),
							     p->keyfunc->parameter)
				 : NULL;
	uint64_t iterations = UINT64_MAX, key_len = 0;
	unsigned char key[64], value[EVP_MAX_MD_SIZE];
	unsigned value_len = 0;
	struct str content;

	if (q == NULL || q->salt->type != V_ASN1_OCTET_STRING || q->keylength == NULL ||
	    ASN1_INTEGER_get_uint64(&key_len, q->keylength) != 1 || key_len < 20 ||
	    key_len > sizeof key || !mac_content(bytes, &content)) {
		return refused(err);
	}
	const EVP_MD *prf = md_of_prf(q->prf), *md = md_of_prf(p->encryption);
	(void)ASN1_INTEGER_get_uint64(&iterations, q->iter);
	if (prf == NULL || md == NULL || iterations == 0) {
		return refused(err);
	}
	if (!gather_spend(g, iterations, err)) {
		return PKCS12_MAC_REFUSED;
	}
	const ASN1_OCTET_STRING *salt = q->salt->value.octet_string;
	struct str pass = password->utf8;
	bool good = PKCS5_PBKDF2_HMAC(pass.at != NULL ? pass.at : "", (int)pass.len,
				      ASN1_STRING_get0_data(salt), ASN1_STRING_length(salt),
				      (int)iterations, prf, (int)key_len, key) == 1 &&
		    HMAC(md, key, (int)key_len, (const unsigned char *)content.at, content.len,
			 value, &value_len) != NULL &&
		    ASN1_STRING_length(mac) == (int)value_len &&
		    equal_secret(value, ASN1_STRING_get0_data(mac), value_len);
	seal_wipe(key, sizeof key);
	ossl_forget();
	return good ? PKCS12_MAC_GOOD : PKCS12_MAC_BAD;
}

enum pkcs12_mac pkcs12_mac_check(const PKCS12 *p12, struct str bytes,
				 const struct pkcs12_password *password, struct gather *g,
				 struct err *err)
{
	const ASN1_OCTET_STRING *mac = NULL;
	const X509_ALGOR *algorithm = NULL;
	const ASN1_INTEGER *iter = NULL;
	uint64_t iterations = UINT64_MAX;

	PKCS12_get0_mac(&mac, &algorithm, NULL, &iter, p12);
	if (mac == NULL || algorithm == NULL) {
		return refused(err);
	}
	if (OBJ_obj2nid(algorithm->algorithm) == NID_pbmac1) {
		return check_pbmac1(algorithm, mac, bytes, password, g, err);
	}
	if (iter == NULL) {
		iterations = 1;
	} else if ((ASN1_STRING_type(iter) & V_ASN1_NEG) != 0) {
		return refused(err);
	} else {
		(void)ASN1_INTEGER_get_uint64(&iterations, iter);
	}
	if (!gather_spend(g, iterations, err)) {
		ossl_forget();
		return PKCS12_MAC_REFUSED;
	}
	/* OpenSSL's parameter is not const, and the MAC is not changed. */
	PKCS12 *open = (PKCS12 *)(uintptr_t)p12;
	bool good = PKCS12_verify_mac(open, password->old.at, (int)password->old.len) == 1;
	ossl_forget();
	return good ? PKCS12_MAC_GOOD : PKCS12_MAC_BAD;
}
