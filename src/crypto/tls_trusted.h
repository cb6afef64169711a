#pragma once
/* Anchors for one handshake, looked up by name. Only included inside src/crypto. */
#include "crypto/ossl.h"
#include "crypto/tls_hello.h"

typedef void tls_find_fn(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn,
			 void *to);

/*
 * Adds to `trusted` what could have issued a certificate of the chain, or is one of it; at most
 * TLS_CANDIDATES_MAX. `find` NULL: nothing is trusted.
 */
void tls_gather(STACK_OF(X509) * trusted, tls_find_fn *find, void *user, X509 *leaf,
		STACK_OF(X509) * sent);
/* Verifies the context's chain to these alone, now; any of them ends a chain. */
NODISCARD bool tls_verify_with(X509_STORE_CTX *ctx, STACK_OF(X509) * trusted);
