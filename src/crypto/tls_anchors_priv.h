#pragma once
/* What tls_hello.c takes of the prepared anchors. Only included inside src/crypto. */
#include "crypto/ossl.h"
#include "crypto/tls_anchors.h"

/* A list of its own whose names are lent; NULL when they would be too many, or there is no `a`. */
STACK_OF(X509_NAME) * tls_anchors_names(const struct tls_anchors *a);
/* Whether tls_anchors_find() knows all of them. */
bool tls_anchors_are_read(const struct tls_anchors *a);
/* Adds those of that subject to `trusted`, which owns a count of each; at most TLS_CANDIDATES_MAX
 * are in it then. */
void tls_anchors_find(const struct tls_anchors *a, const uint8_t subject_sha256[static 32],
		      STACK_OF(X509) * trusted);
