#pragma once
/* What tls.c needs to know of a configuration. Only included inside src/crypto. */
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "crypto/tls.h"

struct tls_config {
	atomic_uint refs;
	struct key *key; /* own reference; NULL: none */
	SSL_CTX *ctx;
	BIO_METHOD *bio;    /* reads and writes the engine's buffers */
	X509_STORE *judges; /* TLS_PEER_OPTIONAL: the anchors; else NULL */
	enum tls_peer_policy peer;
	tls_hello_fn *hello;
	void *hello_user;
	struct tls_probe *probe; /* lent */
	bool server;
	bool has_alpn;
	unsigned char alpn[1 + 255 + 1]; /* length byte and name, as on the wire; NUL */
};

BIO_METHOD *tls_bio_method(void); /* in tls.c: its methods know the engine */
