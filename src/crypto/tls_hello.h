#pragma once
/*
 * A TLS server of many tenants: whom it asks for a certificate, and whom it trusts, is found out at
 * the start of each handshake by the name that the client calls (SNI; RFC 6066, 3).
 *
 * The hook runs in the ClientHello callback, before a session is resumed. Its session id context
 * decides which sessions may be: they must have been made under the same one. So a context of
 * tenant and generation of its trust makes a resumed session end with the trust it was made under;
 * a full handshake follows then. A session whose certificate has expired meanwhile, or without one
 * where it is required by now, is not resumed either.
 *
 * What is kept per tenant is made when its anchors are published (crypto/tls_anchors.h): the names
 * that are sent to clients and, of a tenant with few anchors, the certificates. Of one with many,
 * those that could have issued the chain at hand are asked for by the SHA-256 of their subject
 * name, and become X509 objects for this handshake only. Any anchor ends a chain, an intermediate
 * or a client's own certificate too.
 *
 * A certificate that is presented must verify (chain, time, purpose clientAuth), else the handshake
 * fails with the alert that fits; none is fine unless required.
 */
#include "crypto/tls_anchors.h"

enum {
	TLS_CONTEXT = 32, /* bytes of a session id context; OpenSSL's most */
	TLS_OWNER_MAX = 64,
	/* Bytes of acceptable CA names in a CertificateRequest; with more the list is empty, which
	 * means any (RFC 8446, 4.2.4). 77 KB broke every handshake. */
	TLS_CA_NAMES_MAX = 16 * 1024,
	/* Anchors with a fitting name that are looked at in one handshake; a tenant who has more of
	 * the same name pays for it himself. */
	TLS_CANDIDATES_MAX = 64,
};

/* False: enough. */
typedef bool tls_der_fn(struct str der, void *to);

/* What the hook says of a name; zeroed before. Its functions are called during the handshake, on
 * the handshake's thread. */
struct tls_trust {
	char owner[TLS_OWNER_MAX];    /* whose trust it is: tls_owner() gives it back */
	uint8_t context[TLS_CONTEXT]; /* session id context */
	bool asks;                    /* for a client certificate */
	bool
		requires; /* one; implies `asks` */
	/* What was prepared of the anchors, lent until `release`; NULL: nothing was. */
	const struct tls_anchors *anchors;
	/* Calls back the DER of each anchor whose subject name's DER has this SHA-256; not called
	 * when all of them are in `anchors`; NULL: there are none. */
	void (*find)(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to);
	void (*release)(
		void *user); /* when the handshake has ended, one way or the other; or NULL */
	void *user;
};

/* `name` is as it came, unfolded; empty when the client sent none. False refuses the handshake with
 * unrecognized_name, and holds nothing. Any thread. */
typedef bool tls_hello_fn(struct str name, void *user, struct tls_trust *out);
