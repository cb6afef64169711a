#include "crypto/formats/chain.h"

#include "crypto/ossl.h"

enum {
	NONE = -1
};

struct bundle {
	X509 *certs[CHAIN_INPUT_MAX];
	size_t same[CHAIN_INPUT_MAX]; /* the first one with these bytes */
	size_t n;
};

static void bundle_fini(struct bundle *b)
{
	for (size_t i = 0; i < b->n; i++) {
		X509_free(b->certs[i]);
	}
}

static bool load(struct bundle *b, const struct str *ders, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		X509 *cert = ossl_cert(ders[i], err);
		if (cert == NULL || X509_get0_pubkey(cert) == NULL) {
			X509_free(cert);
			return cert != NULL &&
			       err_ossl(err, ERR_CONFIG, "a certificate's key is malformed");
		}
		b->certs[i] = cert;
		b->same[i] = i;
		for (size_t k = i; k-- > 0;) {
			if (str_eq(ders[k], ders[i])) {
				b->same[i] = k;
			}
		}
		b->n = i + 1;
	}
	return true;
}

static bool is_top(X509 *cert)
{
	return X509_self_signed(cert, 0) == 1;
}

static bool names_fit(X509 *issuer, X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(cert)) == 0;
}

static bool signed_by(X509 *cert, X509 *issuer)
{
	return X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

static bool is_later(const X509 *one, const X509 *two)
{
	return ASN1_TIME_compare(X509_get0_notAfter(one), X509_get0_notAfter(two)) > 0;
}

static size_t leaf_of_key(const struct bundle *b, struct str spki, struct err *err)
{
	const unsigned char *at = (const unsigned char *)spki.at;
	AUTO(EVP_PKEY_free) EVP_PKEY *pub = d2i_PUBKEY(NULL, &at, (long)spki.len);
	size_t best = b->n;

	for (size_t i = 0; pub != NULL && i < b->n; i++) {
		bool better = best == b->n || is_later(b->certs[i], b->certs[best]);
		if (better && EVP_PKEY_eq(X509_get0_pubkey(b->certs[i]), pub) == 1) {
			best = i;
		}
	}
	ossl_forget();
	if (best == b->n) {
		err_set(err, ERR_CONFIG, "no certificate in the reply is for the entry's key");
	}
	return best;
}

/* The one that issued no other; b->n when that is not one. */
static size_t leaf_of_all(const struct bundle *b, struct err *err)
{
	size_t leaf = b->n, leaves = 0;

	for (size_t i = 0; i < b->n; i++) {
		bool issued = false;
		for (size_t k = 0; k < b->n; k++) {
			issued |= b->same[k] != b->same[i] && names_fit(b->certs[i], b->certs[k]) &&
				  signed_by(b->certs[k], b->certs[i]);
		}
		if (!issued && b->same[i] == i) {
			leaf = i;
			leaves++;
		}
	}
	ossl_forget();
	if (leaves != 1) {
		err_set(err, ERR_CONFIG, "%s",
			b->n == 0 ? "there is no certificate"
				  : "the certificates are not one chain");
		return b->n;
	}
	return leaf;
}

static bool holds(const struct chain *chain, size_t at)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (chain->index[i] == at) {
			return true;
		}
	}
	return false;
}

/*
 * The next one up: of those that signed the one that lives longest. NONE when nobody has the name;
 * *bad when somebody has, but did not sign, or must not.
 */
static long find_issuer(const struct bundle *b, const struct chain *chain, size_t of, bool *bad,
			struct err *err)
{
	long best = NONE;
	struct err why = {0};

	for (size_t i = 0; i < b->n; i++) {
		X509 *issuer = b->certs[i];
		if (b->same[i] != i || holds(chain, i) || !names_fit(issuer, b->certs[of]) ||
		    (best != NONE && !is_later(issuer, b->certs[best]))) {
			continue;
		}
		if (X509_check_ca(issuer) == 0) {
			err_set(&why, ERR_CONFIG, "an issuer in the chain is no CA");
		} else if (!signed_by(b->certs[of], issuer)) {
			err_set(&why, ERR_CONFIG,
				"a certificate is not signed by the issuer that it names");
		} else {
			best = (long)i;
		}
	}
	ossl_forget();
	*bad = best == NONE && why.kind != ERR_NONE;
	if (*bad) {
		*err = why;
	}
	return best;
}

static enum chain_outcome climb(const struct bundle *b, size_t leaf, struct chain *chain,
				struct err *err)
{
	size_t at = b->same[leaf];

	for (;;) {
		chain->index[chain->n++] = at;
		if (is_top(b->certs[at])) {
			if (signed_by(b->certs[at], b->certs[at])) {
				return CHAIN_COMPLETE;
			}
			ossl_forget();
			err_set(err, ERR_CONFIG, "the signature of the top certificate is wrong");
			return CHAIN_BROKEN;
		}
		bool bad;
		long up = find_issuer(b, chain, at, &bad, err);
		if (up == NONE) {
			return bad ? CHAIN_BROKEN : CHAIN_OPEN;
		}
		if (chain->n >= CHAIN_MAX) {
			err_set(err, ERR_LIMIT, "the chain has more than %d certificates",
				CHAIN_MAX);
			return CHAIN_TOO_LONG;
		}
		at = (size_t)up;
	}
}

enum chain_outcome chain_arrange(struct str spki, const struct str *ders, size_t n,
				 struct chain *out, struct err *err)
{
	__attribute__((cleanup(bundle_fini))) struct bundle b = {.n = 0};
	struct chain chain = {.n = 0};

	if (n > CHAIN_INPUT_MAX) {
		err_set(err, ERR_LIMIT, "more than %d certificates", CHAIN_INPUT_MAX);
		return CHAIN_TOO_LONG;
	}
	if (!load(&b, ders, n, err)) {
		return CHAIN_MALFORMED;
	}
	size_t leaf = spki.len > 0 ? leaf_of_key(&b, spki, err) : leaf_of_all(&b, err);
	if (leaf == b.n) {
		return spki.len > 0 ? CHAIN_OTHER_KEY : CHAIN_NO_LEAF;
	}
	enum chain_outcome outcome = climb(&b, leaf, &chain, err);
	if (outcome != CHAIN_COMPLETE && outcome != CHAIN_OPEN) {
		return outcome;
	}
	for (size_t i = 0; i < b.n; i++) {
		chain.strangers += b.same[i] == i && !holds(&chain, i);
	}
	*out = chain;
	return outcome;
}
