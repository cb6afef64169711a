#pragma once
/* Anchors for one handshake, looked up by name. Only included inside src/crypto. */
#include "crypto/ossl.h"
#include "crypto/tls_anchors_priv.h"
#include "crypto/tls_hello.h"

typedef void tls_find_fn(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn,
			 void *to);

/* Where anchors are: `read` when it knows all of them, else `find`. Either may be NULL. */
struct tls_source {
	const struct tls_anchors *read;
	tls_find_fn *find;
	void *user;
};

/*
 * Adds to `trusted` what could have issued a certificate of the chain, or is one of it; at most
 * TLS_CANDIDATES_MAX. No source: nothing is trusted.
 */
void tls_gather(STACK_OF(X509) * trusted, const struct tls_source *from, X509 *leaf,
		STACK_OF(X509) * sent);
/* Verifies the context's chain to these alone, now; any of them ends a chain. */
NODISCARD bool tls_verify_with(X509_STORE_CTX *ctx, STACK_OF(X509) * trusted);
