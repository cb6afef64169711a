#pragma once
/*
 * What the data path needs of the tenants' keystores, as one immutable snapshot: built by
 * cloud/keystore, read by cloud/relay, which never meet otherwise.
 *
 * Of each tenant: the generation, the anchors that are marked as trusted for inbound client
 * certificates, and whether a client certificate is required. No X509_STORE: an index sorted by the
 * SHA-256 of the subject name and the DER (spec/libraries.md: 10,000 entries in 2 ms), and what
 * handshakes would otherwise read out of it each time (crypto/tls_anchors.h, bounded per tenant).
 */
#include "base/snapshot.h"
#include "cloud/directory/actor.h"
#include "crypto/tls_anchors.h"

struct runtime_anchor {
	uint8_t subject_sha256[32]; /* of the subject name's DER */
	struct str der;             /* lent by the snapshot */
};

struct runtime_tenant {
	char subaccount[DIRECTORY_UUID];
	int64_t generation; /* with the tenant it is the TLS session id context */
	bool requires_certificate;
	size_t n_anchors;
	struct runtime_anchor *anchors; /* sorted by subject_sha256 */
	struct tls_anchors *prepared;   /* of them, for handshakes; NULL: nothing */
};

struct runtime_snapshot {
	struct snapshot snapshot; /* first */
	int64_t head;             /* the audit's number that it was read at */
	size_t n;
	struct runtime_tenant *tenants; /* sorted by subaccount */
};

/* NULL: the tenant has no keystore yet. */
const struct runtime_tenant *runtime_find(const struct runtime_snapshot *snap,
					  struct str subaccount);
/* Calls back each anchor with that subject, in the order of their DER. */
typedef bool runtime_anchor_fn(struct str der, void *user);
void runtime_each_anchor(const struct runtime_tenant *t, const uint8_t subject_sha256[static 32],
			 runtime_anchor_fn *fn, void *user);
