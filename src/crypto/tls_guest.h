#pragma once
/*
 * Our trust and our keys inside an SSL_CTX that another library made (libcurl's callback for it).
 *
 * The peer's chain is judged here and nowhere else: by the anchors given, or by a pin. What the
 * other library loads by itself counts for nothing. Names are that library's business.
 */
#include "crypto/cert.h"
#include "crypto/key.h"

struct tls_guest {
	struct str anchors_pem;
	bool system_anchors;
	/* SHA-256 of the SPKI of a certificate that the peer presents: then that one is the only
	 * anchor, whatever else is trusted. NULL: none. */
	const uint8_t *root_pin;
	struct str chain_pem; /* client certificate, leaf first; empty: none */
	struct key *key;      /* lent until the SSL_CTX is freed */
	/* ---- filled by the handshake ---- */
	bool untrusted;            /* it failed, because of trust */
	uint8_t peer_root_pin[32]; /* of the topmost certificate presented, when untrusted */
	struct err why;
};

/* `g` is lent and must outlive the SSL_CTX. */
NODISCARD bool tls_guest_set_up(void *ssl_ctx, struct tls_guest *g, struct err *err);
