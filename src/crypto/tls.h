#pragma once
/*
 * TLS as an engine: ciphertext in, ciphertext out, plaintext in, plaintext out; no socket.
 *
 * TLS 1.3 between our own programs, 1.2 and up to back ends; no renegotiation, no compression, no
 * early data. The engine writes through a BIO that always accepts, so that SSL_write never has to
 * be repeated; ciphertext goes to the buffer that the caller gives.
 *
 * Ownership: an engine belongs to one thread at a time. tls_handshake() may run in a worker job,
 * where a signature may block on the key process; the loop must not touch the engine meanwhile.
 */
#include "crypto/cert.h"
#include "crypto/key.h"
#include "crypto/tls_hello.h"
#include "crypto/tls_probe.h"

enum {
	TLS_RECORD_MAX = 16384, /* plaintext bytes of a record (RFC 8446, 5.1) */
};

struct tls_config; /* immutable, counted: replaced, never edited */
struct tls_engine;

enum tls_peer_policy {
	TLS_PEER_NONE,     /* server: ask for no client certificate */
	TLS_PEER_OPTIONAL, /* server: ask, let everything pass, judge with tls_peer_*() (DESIGN 6)
			    */
	TLS_PEER_BY_NAME,  /* server: as `hello` says of the name that the client calls */
	TLS_PEER_PROBE,    /* client: as `probe` says (crypto/tls_probe.h) */
	TLS_PEER_VERIFY,   /* client: verify chain, time and name by the library, else fail */
};

struct tls_settings {
	bool server;
	bool allow_tls12; /* back ends only */
	bool only_tls12;  /* a back end that fails with 1.3; needs allow_tls12 */
	enum tls_peer_policy peer;
	struct str chain_pem;   /* own certificate chain, leaf first; empty: none */
	struct key *key;        /* the config keeps a reference of its own; NULL: none */
	struct str anchors_pem; /* trust anchors; for TLS_PEER_OPTIONAL the names sent to clients */
	bool system_anchors;    /* also the system's trust store */
	const char *alpn;       /* "http/1.1", or NULL */
	bool tickets;           /* server: issue session tickets */
	tls_hello_fn *hello;    /* of TLS_PEER_BY_NAME, which needs it (crypto/tls_hello.h) */
	struct tls_probe *probe; /* of TLS_PEER_PROBE; lent, for one engine */
	void *hello_user;        /* lent until the last engine of this config is freed */
};

NODISCARD bool tls_config_new(const struct tls_settings *settings, struct tls_config **out,
			      struct err *err);
struct tls_config *tls_config_ref(struct tls_config *c);
void tls_config_unref(struct tls_config *c); /* takes NULL; any thread */
/* What its own certificate says; false when it has none. */
NODISCARD bool tls_config_certificate(const struct tls_config *c, struct cert_facts *out);
DEFINE_AUTO(tls_config_unref, struct tls_config *)

/* `peer_name`: client side: DNS name or address to verify and to send as SNI; NULL for a server. */
NODISCARD bool tls_engine_new(struct tls_config *c, const char *peer_name, struct tls_engine **out,
			      struct err *err);
void tls_engine_free(struct tls_engine *e);
DEFINE_AUTO(tls_engine_free, struct tls_engine *)

enum tls_outcome {
	TLS_OK,
	TLS_WANT_INPUT, /* feed more ciphertext */
	TLS_CLOSED,     /* the peer sent close_notify */
	TLS_FAILED,     /* see err; an alert may still be in the output */
};

/*
 * Gives ciphertext. The bytes are lent until they are used up by the next calls of tls_handshake()
 * or tls_read(): call one of them until TLS_WANT_INPUT before feeding again (what OpenSSL did not
 * take is kept by the engine then).
 */
void tls_feed(struct tls_engine *e, struct str ciphertext);
/* One step; ciphertext to send is appended to `out` (also on failure: the alert). */
enum tls_outcome tls_handshake(struct tls_engine *e, struct buf *out, struct err *err);
/* Decrypts into `into`. TLS_OK with *n > 0, else the reason. `out` gets e.g. key update answers. */
enum tls_outcome tls_read(struct tls_engine *e, void *into, size_t cap, size_t *n, struct buf *out,
			  struct err *err);
/* Encrypts all of `plain` in records of up to TLS_RECORD_MAX, appended to `out`. */
NODISCARD bool tls_write(struct tls_engine *e, struct str plain, struct buf *out, struct err *err);
/* From here on the plaintext is traffic that passes through, no password: OpenSSL need not wipe its
 * copy of each record, which costs a twelfth of a bulk transfer. */
void tls_carries_traffic(struct tls_engine *e);
void tls_close_notify(struct tls_engine *e, struct buf *out);

/*
 * What the server knows of the client after the handshake. TLS_PEER_TRUSTED means: a certificate
 * was sent and its chain verifies to an anchor *without the clock*; any other defect, also one that
 * hides behind "expired", is TLS_PEER_UNTRUSTED, which callers treat as no certificate.
 */
enum tls_peer_state {
	TLS_PEER_ABSENT,
	TLS_PEER_UNTRUSTED,
	TLS_PEER_TRUSTED,
};
enum tls_peer_state tls_peer(const struct tls_engine *e, struct cert_facts *facts);
/* Whose trust the client's name chose; "" before the ClientHello and without TLS_PEER_BY_NAME. With
 * it tls_peer() is ABSENT or TRUSTED, the clock included. */
const char *tls_owner(const struct tls_engine *e);
bool tls_resumed(const struct tls_engine *e); /* a session of before was taken up */
/* The peer's chain as PEM (for first contact, RFC-less); false when there is none. */
NODISCARD bool tls_peer_chain_pem(const struct tls_engine *e, struct buf *pem);
const char *tls_alpn(const struct tls_engine *e);    /* "" when none was chosen */
const char *tls_version(const struct tls_engine *e); /* "TLSv1.3" */
const char *tls_cipher(const struct tls_engine *e);  /* "TLS_AES_256_GCM_SHA384"; "" before */
