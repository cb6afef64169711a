#pragma once
/* Whether a chain leads to something that is trusted. The clock is not judged (callers look at the
 * facts); neither is the purpose. */
#include "base/err.h"
#include "base/str.h"

enum {
	TRUST_ANCHORS_MAX = 1000, /* anchors of one call: filling a store is quadratic */
};

/*
 * `chain`: DER, leaf first. It is anchored when it leads to one of `anchors` (DER; any certificate
 * there ends a chain, the leaf itself too) or, with `system`, to the host's trust store. What
 * cannot be read among the anchors is left out. ERR_CONFIG when the chain cannot be read.
 */
NODISCARD bool trust_is_anchored(const struct str *chain, size_t n, const struct str *anchors,
				 size_t n_anchors, bool system, bool *anchored, struct err *err);
/* SHA-256 of the DER of the subject's name: what anchors are looked up by (crypto/tls_hello.h). */
NODISCARD bool trust_subject_hash(struct str der, uint8_t hash[static 32], struct err *err);
