#pragma once
/*
 * What handshakes need again and again of a tenant's anchors, made once when they are published:
 * the acceptable CA names (65,000 instructions each to read, a full handshake ten million), and of
 * a tenant with few anchors the certificates themselves (1.5 million each).
 *
 * Immutable and counted; any thread. Holds no reference to the DER that it was made of.
 */
#include "base/str.h"

enum {
	/* Anchors of one tenant that are kept as X509 objects (some 6 KiB each). Who has more has
	 * those that fit a chain read for each handshake. */
	TLS_ANCHORS_READ_MAX = 64,
};

struct tls_anchors;

/* One that cannot be read is left out. */
struct tls_anchors *tls_anchors_new(const struct str *ders, size_t n);
struct tls_anchors *tls_anchors_ref(struct tls_anchors *a); /* takes NULL */
void tls_anchors_unref(struct tls_anchors *a);              /* takes NULL */
