/* What the API says of an entry (spec/keystore.md 3.4), out of its leaf; and what is trusted. */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/cert_details.h"
#include "crypto/seal.h"
#include "crypto/trust.h"

enum {
	DETAILS_MAX = 1024 * 1024,
};

/* "AB:CD:…" back to bytes; they end where the text does. */
static size_t add_print(const char *text, uint8_t *into, size_t max)
{
	size_t n = 0;

	for (struct str rest = str_of(text), part; n < max && str_next(&rest, ':', &part); n++) {
		if (!str_to_hex_bytes(part, &into[n], 1)) {
			return n;
		}
	}
	return n;
}

bool keystore_read_prints(const struct cert_details *c, uint8_t into[static KEYSTORE_PRINTS])
{
	size_t n = add_print(c->sha1, into, KEYSTORE_SHA1);

	n += add_print(c->sha256, into + n, KEYSTORE_SHA256);
	n += add_print(c->sha512, into + n, KEYSTORE_SHA512);
	return n == KEYSTORE_PRINTS;
}

static bool copy_facts(const struct cert_details *c, struct keystore_draft *d, struct err *err)
{
	struct keystore_entry *e = &d->entry;

	if (strlen(c->subject) > KEYSTORE_DN_MAX || strlen(c->issuer) > KEYSTORE_DN_MAX) {
		return err_set(err, ERR_LIMIT, "a name in the certificate has more than %d bytes",
			       (int)KEYSTORE_DN_MAX);
	}
	(void)snprintf(d->key_type, sizeof(d->key_type), "%s", c->key_type);
	(void)snprintf(d->curve, sizeof(d->curve), "%s", c->curve);
	(void)snprintf(d->signature, sizeof(d->signature), "%s", c->signature_algorithm);
	(void)snprintf(d->serial, sizeof(d->serial), "%s", c->serial);
	e->key_size = (uint32_t)c->key_bits;
	e->x509_version = (uint32_t)c->version;
	e->not_before = c->not_before * 1000;
	e->not_after = c->not_after * 1000;
	d->subject = must_strdup(c->subject);
	d->issuer = must_strdup(c->issuer);
	e->subject = str_of(d->subject);
	e->issuer = str_of(d->issuer);
	return keystore_read_prints(c, d->prints) ||
	       err_set(err, ERR_SYSTEM, "the fingerprints are malformed");
}

bool keystore_facts(struct str der, struct keystore_draft *d, struct err *err)
{
	AUTO(arena_free) struct arena *a = arena_new(KIB(16), DETAILS_MAX);
	struct cert_details c;

	return cert_details_read(der, a, &c, err) && copy_facts(&c, d, err);
}

bool keystore_facts_fit(const struct keystore_content *c)
{
	const struct keystore_entry *e = c->list->entries;
	AUTO_DRAFTS struct keystore_drafts ds = {0};
	struct keystore_draft *d = keystore_drafts_add(&ds);
	struct str leaf[1];
	uint8_t hash[32];
	struct err ignored;

	digest_sha256(buf_str(&c->chain), hash);
	return memcmp(hash, c->chain_sha256, sizeof(hash)) == 0 &&
	       keystore_chain_split(buf_str(&c->chain), leaf, 1) == 1 &&
	       keystore_facts(leaf[0], d, &ignored) && e->prints != NULL &&
	       memcmp(d->prints, e->prints, sizeof(d->prints)) == 0 &&
	       strcmp(d->entry.serial, e->serial) == 0 && d->entry.not_before == e->not_before &&
	       d->entry.not_after == e->not_after;
}

/* ---- trust ---- */

struct anchors {
	struct str tenant;
	const char **names; /* of the chain: subjects and issuers */
	size_t n_names;
	struct keystore_content all[TRUST_ANCHORS_MAX];
	size_t n;
};

static void forget_anchors(struct anchors *a)
{
	for (size_t i = 0; i < a->n; i++) {
		keystore_content_fini(&a->all[i]);
	}
	a->n = 0;
}

static void free_anchors(struct anchors *a)
{
	forget_anchors(a);
	free(a);
}
DEFINE_AUTO(free_anchors, struct anchors *)

static bool keep_anchor(struct keystore_content *c, void *user, struct err *err UNUSED)
{
	struct anchors *a = user;

	if (a->n < TRUST_ANCHORS_MAX) {
		a->all[a->n++] = *c;
		*c = (struct keystore_content){0}; /* it is ours now */
	}
	return true;
}

/* Only what could issue the chain or be it: a trust store of 10,000 takes seconds. */
static bool read_anchors(struct db *db, void *user, struct err *err)
{
	struct anchors *a = user;

	forget_anchors(a); /* of a try before */
	for (size_t i = 0; i < a->n_names; i++) {
		bool again = false;
		for (size_t j = 0; j < i; j++) {
			again = again || strcmp(a->names[j], a->names[i]) == 0;
		}
		if (!again &&
		    !keystore_walk_named(db, a->tenant, str_of(a->names[i]), keep_anchor, a, err)) {
			return false;
		}
	}
	return true;
}

static bool read_names(const struct str *chain, size_t n, struct arena *arena, const char **names,
		       struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct cert_details c;
		if (!cert_details_read(chain[i], arena, &c, err)) {
			return false;
		}
		names[2 * i] = c.subject;
		names[2 * i + 1] = c.issuer;
	}
	return true;
}

/* The DERs of those that are what was stored: nobody puts a root of his own there. */
static bool check_anchors(struct keystore *k, const struct anchors *a, struct str *ders, size_t *n,
			  struct err *err)
{
	AUTO_FREE struct keys_entry *entries = NEW_ARRAY(struct keys_entry, a->n + 1);
	AUTO_FREE struct str *no_keys = NEW_ARRAY(struct str, a->n + 1);
	bool good[TRUST_ANCHORS_MAX];

	*n = 0;
	for (size_t i = 0; i < a->n; i++) {
		entries[i] = keystore_sealed_entry(a->tenant, &a->all[i]);
	}
	if (a->n > 0 && !k->keys.check(k->keys.user, entries, no_keys, a->n, good, err)) {
		return false;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (good[i] && keystore_chain_split(buf_str(&a->all[i].chain), &ders[*n], 1) == 1) {
			(*n)++;
		}
	}
	return true;
}

bool keystore_is_trusted(struct keystore *k, struct str tenant, const struct str *chain, size_t n,
			 bool *trusted, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(16), MIB(8));
	AUTO(free_anchors) struct anchors *a = NEW(struct anchors);
	const char *names[2 * KEYSTORE_CHAIN_MAX];
	struct str ders[TRUST_ANCHORS_MAX];
	size_t found;

	a->tenant = tenant;
	a->names = names;
	a->n_names = 2 * n;
	return n <= KEYSTORE_CHAIN_MAX && read_names(chain, n, arena, names, err) &&
	       store_read(k->store, read_anchors, a, err) &&
	       check_anchors(k, a, ders, &found, err) &&
	       trust_is_anchored(chain, n, ders, found, true, trusted, err);
}
