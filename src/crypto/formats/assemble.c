/*
 * The end of a gather: each key finds its certificate, chains are built from what the file holds,
 * aliases are given. A module with gather.h.
 */
#include <stdlib.h>

#include "base/map.h"
#include "crypto/formats/gather.h"
#include "crypto/seal.h"

enum {
	/* A file full of certificates of one name, or with costly keys, is answered in time: */
	ISSUERS_TRIED_MAX = 32,    /* certificates of one name that are asked whether they signed */
	SIGNATURES_MAX = 5000,     /* verified in all; beyond it chains end */
	PAIRS_COMPARED_MAX = 4000, /* keys and certificates compared by value */
	NONE = -1,
	NOT_ASKED = -2,
};

typedef char folded_alias[CONTAINER_ALIAS_MAX + 1];

struct assembly {
	struct gather *g;
	size_t *by_subject; /* indexes of different certificates, sorted by subject */
	size_t n_subjects;
	long *issuer; /* of each certificate: index, NONE or NOT_ASKED */
	size_t signatures, pairs;
	bool lost_keys;
	struct container *out;
	struct map *aliases; /* of the items so far, folded */
	folded_alias *folded;
	size_t n_folded;
};

/* ---- who issued whom ---- */

static int compare_subjects(const void *a, const void *b, void *user)
{
	const struct gather *g = user;
	const size_t *one = a, *two = b;
	int order = X509_NAME_cmp(X509_get_subject_name(g->certs[*one].cert),
				  X509_get_subject_name(g->certs[*two].cert));

	return order != 0 ? order : (*one > *two) - (*one < *two);
}

static void index_subjects(struct assembly *a)
{
	struct gather *g = a->g;

	a->by_subject = NEW_ARRAY(size_t, g->n_certs + 1);
	a->issuer = NEW_ARRAY(long, g->n_certs + 1);
	for (size_t i = 0; i < g->n_certs; i++) {
		a->issuer[i] = NOT_ASKED;
		if (g->certs[i].same == i) {
			a->by_subject[a->n_subjects++] = i;
		}
	}
	qsort_r(a->by_subject, a->n_subjects, sizeof *a->by_subject, compare_subjects, g);
}

/* Place in by_subject of the first certificate of that name. */
static size_t first_of_name(const struct assembly *a, const X509_NAME *name)
{
	size_t low = 0, high = a->n_subjects;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		X509 *cert = a->g->certs[a->by_subject[mid]].cert;
		if (X509_NAME_cmp(X509_get_subject_name(cert), name) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static bool is_later(const X509 *one, const X509 *two)
{
	return ASN1_TIME_compare(X509_get0_notAfter(one), X509_get0_notAfter(two)) > 0;
}

static bool signed_by(struct assembly *a, X509 *cert, X509 *issuer)
{
	if (a->signatures >= SIGNATURES_MAX || X509_check_issued(issuer, cert) != X509_V_OK) {
		return false;
	}
	a->signatures++;
	EVP_PKEY *pkey = X509_get0_pubkey(issuer);
	return pkey != NULL && X509_verify(cert, pkey) == 1;
}

/* Of several that signed (a renewed CA, a cross-signed one) the one that lives longest. */
static long find_issuer(struct assembly *a, size_t of)
{
	X509 *cert = a->g->certs[of].cert;
	const X509_NAME *name = X509_get_issuer_name(cert);
	long best = NONE;

	if (X509_self_signed(cert, 0) == 1) {
		return NONE;
	}
	size_t at = first_of_name(a, name);
	for (size_t n = 0; n < ISSUERS_TRIED_MAX && at < a->n_subjects; n++, at++) {
		size_t i = a->by_subject[at];
		X509 *issuer = a->g->certs[i].cert;
		if (X509_NAME_cmp(X509_get_subject_name(issuer), name) != 0) {
			break;
		}
		if (i != of && (best == NONE || is_later(issuer, a->g->certs[best].cert)) &&
		    signed_by(a, cert, issuer)) {
			best = (long)i;
		}
	}
	ossl_forget();
	return best;
}

/* ---- key pairs ---- */

static bool key_digest(EVP_PKEY *pkey, uint8_t out[static 32])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	if (len <= 0) {
		return false;
	}
	digest_sha256(str_make(der, (size_t)len), out);
	OPENSSL_free(der);
	return true;
}

static bool same_id(const struct gather_key *k, const struct gather_cert *c)
{
	return k->id.at != NULL && c->id.at != NULL && str_eq(k->id, c->id);
}

/* Equal keys may be written differently (compressed points, explicit parameters). */
static bool fits(struct assembly *a, const struct gather_key *k, const struct gather_cert *c,
		 const uint8_t spki[static 32])
{
	if (memcmp(c->spki, spki, 32) == 0) {
		return true;
	}
	if (!same_id(k, c) && a->pairs++ >= PAIRS_COMPARED_MAX) {
		return false;
	}
	EVP_PKEY *pub = X509_get0_pubkey(c->cert);
	return pub != NULL && EVP_PKEY_get_base_id(pub) == EVP_PKEY_get_base_id(k->pkey) &&
	       EVP_PKEY_eq(pub, k->pkey) == 1;
}

static long find_leaf(struct assembly *a, const struct gather_key *k)
{
	struct gather *g = a->g;
	uint8_t spki[32];
	long best = NONE;

	if (!key_digest(k->pkey, spki)) {
		return NONE;
	}
	for (size_t i = 0; i < g->n_certs; i++) {
		struct gather_cert *c = &g->certs[i];
		bool better = best == NONE || (same_id(k, c) && !same_id(k, &g->certs[best])) ||
			      (same_id(k, c) == same_id(k, &g->certs[best]) &&
			       is_later(c->cert, g->certs[best].cert));
		if (better && fits(a, k, c, spki)) {
			best = (long)i;
		}
	}
	ossl_forget();
	return best;
}

static void skip_item(struct container_item *item, enum container_reason reason, const char *why)
{
	item->kind = CONTAINER_SKIPPED;
	item->reason = reason;
	item->n_chain = 0;
	buf_fini(&item->key);
	(void)!str_copy(str_first(str_of(why), sizeof item->why - 1), item->why, sizeof item->why);
}

static bool chain_holds(const struct container_item *item, const char *der)
{
	for (size_t i = 0; i < item->n_chain; i++) {
		if (item->chain[i].at == der) {
			return true;
		}
	}
	return false;
}

static void build_chain(struct assembly *a, size_t leaf, struct container_item *item)
{
	struct gather *g = a->g;

	for (long at = (long)g->certs[leaf].same; at >= 0;) {
		struct gather_cert *c = &g->certs[at];
		if (chain_holds(item, c->der.at)) {
			return; /* a loop of cross-signed certificates */
		}
		if (item->n_chain >= CONTAINER_CHAIN_MAX) {
			skip_item(item, CONTAINER_CHAIN_LONG,
				  "the chain has more than 20 certificates");
			return;
		}
		c->in_chain = true;
		item->chain[item->n_chain++] = c->der;
		if (a->issuer[at] == NOT_ASKED) {
			a->issuer[at] = find_issuer(a, (size_t)at);
		}
		at = a->issuer[at];
	}
}

/* ---- aliases ---- */

static void fold(const char *alias, char into[static CONTAINER_ALIAS_MAX + 1])
{
	size_t i = 0;

	for (; alias[i] != '\0'; i++) {
		into[i] = (char)(alias[i] >= 'A' && alias[i] <= 'Z' ? alias[i] + 32 : alias[i]);
	}
	into[i] = '\0';
}

/* False when an item has it already. */
static bool claim(struct assembly *a, struct container_item *item)
{
	char *folded = a->folded[a->n_folded];

	fold(item->alias, folded);
	if (map_get(a->aliases, str_of(folded)) != NULL) {
		return false;
	}
	(void)map_put(a->aliases, str_of(folded), item);
	a->n_folded++;
	return true;
}

/* Keeps as much as fits of a name that is shown only. */
static void show_name(struct container_item *item, const char *name)
{
	struct str text = str_of(name);
	size_t used = 0;

	for (size_t n; (n = str_utf8_length(str_skip(text, used))) > 0;) {
		if (used + n > CONTAINER_ALIAS_MAX) {
			break;
		}
		used += n;
	}
	(void)!str_copy(str_first(text, used), item->alias, sizeof item->alias);
}

static void name_item(struct assembly *a, struct container_item *item, const char *name, bool bad)
{
	if (name != NULL) {
		show_name(item, name);
	}
	if (item->kind == CONTAINER_SKIPPED || (name == NULL && !bad)) {
		return;
	}
	if (bad || strlen(name) > CONTAINER_ALIAS_MAX) {
		skip_item(item, CONTAINER_ALIAS_BAD,
			  bad ? "the alias is not valid text"
			      : "the alias has more than 250 bytes");
	} else if (!claim(a, item)) {
		skip_item(item, CONTAINER_ALIAS_TWICE, CONTAINER_TWICE);
	}
}

static bool common_name(struct str der, char into[static CONTAINER_ALIAS_MAX + 1])
{
	struct err ignored;
	AUTO(X509_free) X509 *cert = ossl_cert(der, &ignored);
	const X509_NAME *name = cert != NULL ? X509_get_subject_name(cert) : NULL;
	int at = name != NULL ? X509_NAME_get_index_by_NID(name, NID_commonName, -1) : -1;
	unsigned char *text = NULL;

	if (at < 0) {
		return false;
	}
	int len =
		ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	struct str cn = str_make(text, len > 0 ? (size_t)len : 0);
	bool good = cn.len > 0 && memchr(cn.at, '\0', cn.len) == NULL && str_is_utf8(cn) &&
		    str_copy(cn, into, CONTAINER_ALIAS_MAX + 1);
	OPENSSL_free(text);
	ossl_forget();
	return good;
}

/* The CN, with "_1", "_2" … where it is taken. */
static void make_alias(struct assembly *a, struct container_item *item)
{
	char cn[CONTAINER_ALIAS_MAX + 1];

	if (item->kind == CONTAINER_SKIPPED || item->alias[0] != '\0' || item->n_chain == 0 ||
	    !common_name(item->chain[0], cn)) {
		return;
	}
	item->alias_is_made = true;
	for (size_t n = 0; n <= a->out->n; n++) {
		int len = n == 0 ? snprintf(item->alias, sizeof item->alias, "%s", cn)
				 : snprintf(item->alias, sizeof item->alias, "%s_%zu", cn, n);
		if (len < (int)sizeof item->alias && claim(a, item)) {
			return;
		}
	}
	item->alias[0] = '\0';
}

/* ---- items ---- */

static struct container_item *next_item(struct assembly *a)
{
	return &a->out->items[a->out->n++];
}

static void add_key(struct assembly *a, struct gather_key *k)
{
	struct container_item *item = next_item(a);
	long leaf = find_leaf(a, k);
	const char *name = k->name;
	bool bad = k->bad_name;
	struct err err = {0};

	item->kind = CONTAINER_KEY_PAIR;
	item->key = BUF_SECRET(KIB(16));
	if (leaf == NONE && !a->g->limits.lone_keys) {
		skip_item(item, CONTAINER_NO_CERTIFICATE, "a private key without a certificate");
	} else if (!ossl_write_pkcs8(k->pkey, &item->key, &err)) {
		skip_item(item, CONTAINER_KEY_REFUSED, err.text);
	} else if (leaf != NONE) {
		build_chain(a, (size_t)leaf, item);
	}
	if (leaf != NONE && name == NULL && !bad) {
		name = a->g->certs[leaf].name;
		bad = a->g->certs[leaf].bad_name;
	}
	name_item(a, item, name, bad);
}

static void add_certificate(struct assembly *a, size_t at)
{
	struct gather *g = a->g;
	struct gather_cert *c = &g->certs[at];
	bool left_over = !c->trusted;
	bool copy = c->same != at && c->name == NULL && !c->bad_name;

	if (left_over && (g->certs[c->same].in_chain || copy)) {
		return;
	}
	struct container_item *item = next_item(a);
	item->kind = CONTAINER_CERTIFICATE;
	item->chain[item->n_chain++] = g->certs[c->same].der;
	if (left_over && g->marks_trust) {
		skip_item(item, CONTAINER_STRAY_CERTIFICATE,
			  "the certificate is not marked as trusted and belongs to no key");
	} else if (left_over && a->lost_keys && c->id.at != NULL) {
		skip_item(item, CONTAINER_STRAY_CERTIFICATE,
			  "the certificate belongs to a key that cannot be taken");
	}
	name_item(a, item, c->name, c->bad_name);
}

static void add_skips(struct assembly *a)
{
	for (size_t i = 0; i < a->g->n_skips; i++) {
		const struct gather_skip *s = &a->g->skips[i];
		struct container_item *item = next_item(a);
		skip_item(item, s->reason, s->why);
		name_item(a, item, s->name, false);
		a->lost_keys |= s->reason != CONTAINER_SECRET_KEY && s->reason != CONTAINER_OTHER;
	}
}

/* The bytes of different certificates move to the container. */
static void hand_over(struct gather *g, struct container *out)
{
	out->ders = NEW_ARRAY(struct str, g->n_certs + 1);
	for (size_t i = 0; i < g->n_certs; i++) {
		if (g->certs[i].same == i) {
			out->ders[out->n_ders++] = g->certs[i].der;
			g->certs[i].der = STR_NONE;
		}
	}
}

struct container *gather_finish(struct gather *g, enum container_format format)
{
	struct container *out = NEW(struct container);
	size_t most = g->n_certs + g->n_keys + g->n_skips;
	struct assembly a = {.g = g, .out = out, .aliases = map_new()};

	out->format = format;
	out->no_mac = g->no_mac;
	out->weak_cipher = g->weak_cipher;
	out->items = NEW_ARRAY(struct container_item, most + 1);
	a.folded = NEW_ARRAY(folded_alias, most + 1);
	index_subjects(&a);
	for (size_t i = 0; i < g->n_keys; i++) {
		add_key(&a, &g->keys[i]);
	}
	size_t keys = out->n;
	add_skips(&a);
	for (size_t i = 0; i < keys; i++) {
		a.lost_keys |= out->items[i].kind == CONTAINER_SKIPPED;
	}
	for (size_t i = 0; i < g->n_certs; i++) {
		add_certificate(&a, i);
	}
	for (size_t i = 0; i < out->n; i++) {
		make_alias(&a, &out->items[i]);
	}
	hand_over(g, out);
	free(a.by_subject);
	free(a.issuer);
	free(a.folded);
	map_free(a.aliases);
	return out;
}
