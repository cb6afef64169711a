/*
 * PKCS#12 (RFC 7292), bag by bag: PKCS12_parse() gives one key and one pile of the rest, and
 * neither aliases nor what it left out.
 */
#include <openssl/pkcs12.h>

#include "crypto/formats/format.h"
#include "crypto/formats/pbe.h"
#include "crypto/formats/pkcs12_mac.h"

/* Marks what Java trusts; other certificates of its files belong to chains. */
#define TRUSTED_KEY_USAGE "2.16.840.1.113894.746875.1.1"

DEFINE_AUTO(PKCS12_free, PKCS12 *)
DEFINE_AUTO(PKCS8_PRIV_KEY_INFO_free, PKCS8_PRIV_KEY_INFO *)

typedef STACK_OF(PKCS12_SAFEBAG) safebags;
typedef STACK_OF(PKCS7) safes;

static void free_bags(safebags *bags)
{
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

static void free_safes(safes *list)
{
	sk_PKCS7_pop_free(list, PKCS7_free);
}

DEFINE_AUTO(free_bags, safebags *)
DEFINE_AUTO(free_safes, safes *)

struct walk {
	struct gather *g;
	const struct pkcs12_password *password;
};

/* ---- attributes ---- */

/* BMPString (UTF-16BE) to UTF-8; false for what is no text. */
static bool read_bmp(const ASN1_BMPSTRING *s, struct buf *out)
{
	const unsigned char *at = ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s);

	if (len % 2 != 0) {
		return false;
	}
	for (int i = 0; i < len; i += 2) {
		uint32_t c = (uint32_t)at[i] << 8 | at[i + 1];
		if (c >= 0xd800 && c < 0xdc00 && i + 3 < len) {
			uint32_t low = (uint32_t)at[i + 2] << 8 | at[i + 3];
			if (low < 0xdc00 || low > 0xdfff) {
				return false;
			}
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		if (c == 0 || (c >= 0xd800 && c <= 0xdfff)) {
			return false;
		}
		if (c < 0x80) {
			buf_add_c(out, (char)c);
			continue;
		}
		if (c >= 0x10000) {
			buf_add_c(out, (char)(0xf0 | c >> 18));
			buf_add_c(out, (char)(0x80 | (c >> 12 & 0x3f)));
		} else if (c >= 0x800) {
			buf_add_c(out, (char)(0xe0 | c >> 12));
		}
		buf_add_c(out, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
		buf_add_c(out, (char)(0x80 | (c & 0x3f)));
	}
	return !buf_failed(out);
}

static struct gather_name bag_name(const PKCS12_SAFEBAG *bag, struct buf *text)
{
	const ASN1_TYPE *value = PKCS12_SAFEBAG_get0_attr(bag, NID_friendlyName);
	struct gather_name name = {0};

	if (value == NULL) {
		return name;
	}
	if (value->type != V_ASN1_BMPSTRING || !read_bmp(value->value.bmpstring, text)) {
		name.bad = true;
	} else if (text->len > 0) {
		name.text = buf_str(text);
	}
	return name;
}

static struct str bag_id(const PKCS12_SAFEBAG *bag)
{
	const ASN1_TYPE *value = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);

	if (value == NULL || value->type != V_ASN1_OCTET_STRING) {
		return STR_NONE;
	}
	const ASN1_OCTET_STRING *id = value->value.octet_string;
	return str_make(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id));
}

static bool is_trusted(const PKCS12_SAFEBAG *bag)
{
	const STACK_OF(X509_ATTRIBUTE) *attributes = PKCS12_SAFEBAG_get0_attrs(bag);

	for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); i++) {
		X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(attributes, i);
		char oid[64];
		if (OBJ_obj2txt(oid, sizeof oid, X509_ATTRIBUTE_get0_object(attribute), 1) > 0 &&
		    strcmp(oid, TRUSTED_KEY_USAGE) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- bags ---- */

static bool take_key(struct walk *w, const PKCS12_SAFEBAG *bag, const PKCS8_PRIV_KEY_INFO *p8,
		     struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(64));
	struct gather_name name = bag_name(bag, &text);
	EVP_PKEY *pkey = EVP_PKCS82PKEY(p8);

	ossl_forget();
	if (pkey == NULL) {
		return gather_skip(w->g, name, CONTAINER_UNSUPPORTED,
				   "the private key is malformed or of a kind that is not "
				   "supported",
				   err);
	}
	return gather_key(w->g, pkey, name, bag_id(bag), err);
}

static bool take_shrouded(struct walk *w, const PKCS12_SAFEBAG *bag, struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(64));
	struct gather_name name = bag_name(bag, &text);
	const X509_ALGOR *algorithm = NULL;
	char scheme[40], why[120];

	X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
	enum pbe_outcome outcome = pbe_check(w->g, algorithm, scheme, err);
	if (outcome == PBE_REFUSED) {
		return false;
	}
	if (outcome == PBE_UNSUPPORTED) {
		snprintf(why, sizeof why, "encrypted with %s, which is not supported", scheme);
		return gather_skip(w->g, name, CONTAINER_UNSUPPORTED, why, err);
	}
	struct str pass = pkcs12_password_for(w->password, algorithm);
	AUTO(PKCS8_PRIV_KEY_INFO_free)
	PKCS8_PRIV_KEY_INFO *p8 = PKCS12_decrypt_skey(bag, pass.at, (int)pass.len);
	ossl_forget();
	if (p8 == NULL) {
		w->g->locked++;
		return gather_skip(w->g, name, CONTAINER_OTHER_PASSWORD,
				   "the key opens with another password than the file", err);
	}
	w->g->unlocked++;
	return take_key(w, bag, p8, err);
}

static bool take_certificate(struct walk *w, const PKCS12_SAFEBAG *bag, struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(64));
	struct gather_name name = bag_name(bag, &text);

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) {
		return gather_skip(w->g, name, CONTAINER_OTHER, "the certificate is none of X.509",
				   err);
	}
	X509 *cert = PKCS12_SAFEBAG_get1_cert(bag);
	ossl_forget();
	if (cert == NULL) {
		return gather_skip(w->g, name, CONTAINER_DAMAGED, "the certificate is malformed",
				   err);
	}
	return gather_cert(w->g, cert, name, bag_id(bag), is_trusted(bag), err);
}

static bool skip_bag(struct walk *w, const PKCS12_SAFEBAG *bag, enum container_reason reason,
		     const char *why, struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(64));

	return gather_skip(w->g, bag_name(bag, &text), reason, why, err);
}

static bool walk_bags(struct walk *w, const safebags *bags, unsigned depth, struct err *err);

static bool walk_bag(struct walk *w, const PKCS12_SAFEBAG *bag, unsigned depth, struct err *err)
{
	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		return take_key(w, bag, PKCS12_SAFEBAG_get0_p8inf(bag), err);
	case NID_pkcs8ShroudedKeyBag:
		return take_shrouded(w, bag, err);
	case NID_certBag:
		return take_certificate(w, bag, err);
	case NID_safeContentsBag:
		if (depth >= w->g->limits.depth) {
			return err_set(err, ERR_LIMIT,
				       "safe contents are nested more than %u deep (depth)",
				       w->g->limits.depth);
		}
		return walk_bags(w, PKCS12_SAFEBAG_get0_safes(bag), depth + 1, err);
	case NID_secretBag:
		return skip_bag(w, bag, CONTAINER_SECRET_KEY, "a secret key: not supported", err);
	case NID_crlBag:
		return skip_bag(w, bag, CONTAINER_OTHER, "a revocation list: not supported", err);
	default:
		return skip_bag(w, bag, CONTAINER_OTHER, "an entry of unknown kind", err);
	}
}

static bool walk_bags(struct walk *w, const safebags *bags, unsigned depth, struct err *err)
{
	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++) {
		if (!walk_bag(w, sk_PKCS12_SAFEBAG_value(bags, i), depth, err)) {
			return false;
		}
	}
	return true;
}

/* ---- safes ---- */

static bool walk_plain(struct walk *w, PKCS7 *safe, struct err *err)
{
	AUTO(free_bags) safebags *bags = PKCS12_unpack_p7data(safe);

	if (bags == NULL) {
		return err_ossl(err, ERR_CONFIG, "its content is malformed");
	}
	return walk_bags(w, bags, 0, err);
}

static bool walk_encrypted(struct walk *w, PKCS7 *safe, struct err *err)
{
	const struct gather_name nameless = {0};
	const PKCS7_ENCRYPT *encrypted = safe->d.encrypted;
	char scheme[40], why[120];

	if (encrypted == NULL || encrypted->enc_data == NULL ||
	    encrypted->enc_data->algorithm == NULL) {
		return err_set(err, ERR_CONFIG, "its content is malformed");
	}
	const X509_ALGOR *algorithm = encrypted->enc_data->algorithm;
	enum pbe_outcome outcome = pbe_check(w->g, algorithm, scheme, err);
	if (outcome == PBE_REFUSED) {
		return false;
	}
	if (outcome == PBE_UNSUPPORTED) {
		snprintf(why, sizeof why, "entries encrypted with %s, which is not supported",
			 scheme);
		return gather_skip(w->g, nameless, CONTAINER_UNSUPPORTED, why, err);
	}
	struct str pass = pkcs12_password_for(w->password, algorithm);
	AUTO(free_bags) safebags *bags = PKCS12_unpack_p7encdata(safe, pass.at, (int)pass.len);
	ossl_forget();
	if (bags == NULL) {
		w->g->locked++;
		return gather_skip(w->g, nameless, CONTAINER_OTHER_PASSWORD,
				   "entries that open with another password than the file", err);
	}
	w->g->unlocked++;
	return walk_bags(w, bags, 0, err);
}

static bool walk_safes(struct walk *w, const PKCS12 *p12, struct err *err)
{
	AUTO(free_safes) safes *list = PKCS12_unpack_authsafes(p12);

	if (list == NULL) {
		return err_ossl(err, ERR_CONFIG, "it is malformed");
	}
	for (int i = 0; i < sk_PKCS7_num(list); i++) {
		PKCS7 *safe = sk_PKCS7_value(list, i);
		int nid = OBJ_obj2nid(safe->type);
		bool good;
		if (nid == NID_pkcs7_data) {
			good = walk_plain(w, safe, err);
		} else if (nid == NID_pkcs7_encrypted) {
			good = walk_encrypted(w, safe, err);
		} else {
			good = gather_skip(w->g, (struct gather_name){0}, CONTAINER_UNSUPPORTED,
					   "entries encrypted for a public key: not supported",
					   err);
		}
		if (!good) {
			return false;
		}
	}
	return true;
}

/* Without a MAC the password that opens something is the right one. */
static enum container_outcome walk_unproven(const struct pkcs12_passwords *all, const PKCS12 *p12,
					    struct gather *g, struct err *err)
{
	g->no_mac = true;
	for (size_t i = 0; i < all->n; i++) {
		struct walk w = {.g = g, .password = &all->tries[i]};
		gather_forget(g);
		if (!walk_safes(&w, p12, err)) {
			return outcome_of(err, CONTAINER_MALFORMED);
		}
		if (g->locked == 0 || g->unlocked > 0) {
			break;
		}
	}
	return CONTAINER_OPENED;
}

static enum container_outcome walk_proven(const struct pkcs12_passwords *all, struct str bytes,
					  const PKCS12 *p12, struct gather *g, struct err *err)
{
	for (size_t i = 0; i < all->n; i++) {
		struct walk w = {.g = g, .password = &all->tries[i]};
		switch (pkcs12_mac_check(p12, bytes, w.password, g, err)) {
		case PKCS12_MAC_GOOD:
			if (!walk_safes(&w, p12, err)) {
				return outcome_of(err, CONTAINER_MALFORMED);
			}
			g->unlocked++; /* the file's password is right, whatever single entries need
					*/
			return CONTAINER_OPENED;
		case PKCS12_MAC_BAD:
			break;
		case PKCS12_MAC_REFUSED:
			return outcome_of(err, CONTAINER_MALFORMED);
		default:
			return CONTAINER_FAILED;
		}
	}
	return CONTAINER_WRONG_PASSWORD;
}

static enum container_outcome read_file(struct str bytes, struct gather *g, struct err *err)
{
	const unsigned char *at = (const unsigned char *)bytes.at;

	if (g->certificates_only) {
		err_set(err, ERR_CONFIG, "it may hold private keys: upload it as a keystore");
		return CONTAINER_NOT_READ;
	}
	AUTO(PKCS12_free) PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)bytes.len);
	if (p12 == NULL || (const char *)at != bytes.at + bytes.len) {
		err_ossl(err, ERR_CONFIG, "it is cut short or malformed");
		return CONTAINER_MALFORMED;
	}
	__attribute__((cleanup(pkcs12_passwords_fini))) struct pkcs12_passwords all;
	pkcs12_passwords_init(&all, g->password);
	return PKCS12_mac_present(p12) ? walk_proven(&all, bytes, p12, g, err)
				       : walk_unproven(&all, p12, g, err);
}

/* PFX: version 3, then a ContentInfo. PKCS#8 has versions 0 and 1, and an OCTET STRING. */
static bool looks(struct str bytes)
{
	struct der_head outer, version;

	return der_looks(bytes, "0(20(6") && der_head(bytes, &outer) &&
	       der_head(outer.content, &version) && str_eq(version.content, STR("\x03"));
}

const struct format format_pkcs12 = {CONTAINER_PKCS12, looks, read_file};
