#pragma once
/*
 * A client that looks closely at a server: what it shows, why that is not trusted, whether it asks
 * for a certificate and what it thinks of ours. For tests of connections.
 *
 * A probe is for one handshake: put it into tls_settings.probe with peer = TLS_PEER_PROBE, and read
 * what it saw after. Trust comes by look-up, as in crypto/tls_hello.h: any anchor ends a chain. No
 * certificate of ours leaves before the server was verified, unless `validate` is off.
 */
#include "base/buf.h"
#include "crypto/cert.h"
#include "crypto/key.h"
#include "crypto/tls_hello.h"

enum tls_problem {
	TLS_FINE,
	TLS_UNTRUSTED_ROOT, /* the server sent its root, and it is no anchor */
	TLS_UNKNOWN_ISSUER, /* what it sent does not lead to an anchor */
	TLS_EXPIRED,        /* one of the chain */
	TLS_NOT_YET_VALID,
	TLS_OTHER_NAME,
	TLS_OTHER_PURPOSE, /* the certificate is not one for servers */
	TLS_WEAK,          /* key or signature is */
	TLS_BAD_CHAIN,     /* anything else: see the text */
};

struct tls_asked; /* a server's request for a certificate; lent during `choose` */

/* How a certificate (DERs, leaf first) suits the request. */
struct tls_fit {
	bool issuer;      /* of an acceptable CA; or the server names none */
	bool signature;   /* it takes signatures of such a key */
	bool client_auth; /* the leaf may be used so (RFC 5280, 4.2.1.12): no EKU, or clientAuth */
};
struct tls_fit tls_asked_judge(const struct tls_asked *a, const struct str *chain, size_t n);

struct tls_identity {
	const struct str *chain; /* DERs, leaf first; lent until `choose` has returned */
	size_t n;
	struct key *key; /* lent until the engine is freed */
};

enum {
	TLS_PROBE_CHAIN_MAX = KIB(64), /* of what the server shows; DERs, each with its length */
	TLS_PROBE_TEXT = 256,
};

struct tls_probe {
	/* ---- the caller's ---- */
	bool validate; /* chain, time and name; else only noted */
	/* As tls_trust.find. NULL: nothing is trusted. */
	void (*find)(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to);
	/* The server asks. False: it gets none. May block. */
	bool (*choose)(void *user, const struct tls_asked *asked, struct tls_identity *out);
	void *user;
	/* ---- what was seen ---- */
	enum tls_problem problem;
	char problem_text[TLS_PROBE_TEXT];
	struct buf chain; /* as sent: u32 length (big endian) and DER of each; tls_probe_fini() */
	bool asked, sent; /* for a certificate; and got ours */
	size_t n_acceptable; /* CA names in its request */
	bool ticket;         /* it sent one: the handshake was accepted */
	int alert;           /* a fatal one of the server (RFC 8446, 6); -1: none */
};

void tls_probe_init(struct tls_probe *p); /* then the caller's fields */
void tls_probe_fini(struct tls_probe *p);
