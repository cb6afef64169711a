#pragma once
/*
 * Certificates put in order, leaf to root, with their signatures checked. For certificate replies
 * and uploads: any order is taken, strangers may be among them, the root or everything above the
 * leaf may be missing (spec/keystore.md 1.6). The clock is not judged: callers look at the facts.
 */
#include "base/err.h"
#include "base/str.h"

enum {
	CHAIN_MAX = 20,       /* certificates in an arranged chain */
	CHAIN_INPUT_MAX = 64, /* certificates that are looked at */
};

enum chain_outcome {
	CHAIN_COMPLETE,  /* ends with a self-signed certificate */
	CHAIN_OPEN,      /* valid as far as it goes; the top one's issuer is not there */
	CHAIN_OTHER_KEY, /* no certificate is for the given public key */
	CHAIN_NO_LEAF,   /* without a given key: more than one could be the leaf */
	CHAIN_BROKEN,    /* an issuer by name whose signature does not verify, or that is no CA */
	CHAIN_TOO_LONG,  /* more than CHAIN_MAX, or more than CHAIN_INPUT_MAX given */
	CHAIN_MALFORMED, /* a certificate cannot be read */
};

struct chain {
	size_t index[CHAIN_MAX]; /* into the input, leaf first */
	size_t n;
	size_t strangers; /* certificates that are not part of it; copies do not count */
};

/*
 * `spki`: the DER of the leaf's public key; empty: the leaf is the one that issued no other. *out
 * is filled for CHAIN_COMPLETE and CHAIN_OPEN, err for the others.
 */
NODISCARD enum chain_outcome chain_arrange(struct str spki, const struct str *ders, size_t n,
					   struct chain *out, struct err *err);
