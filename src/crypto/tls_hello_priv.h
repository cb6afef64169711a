#pragma once
/* Between tls_config.c (sets the callbacks), tls.c (owns one state per engine) and tls_hello.c.
 * Only included inside src/crypto. */
#include "crypto/tls_config.h"

struct tls_hello;

/* The callbacks of a configuration with a hook. */
NODISCARD bool tls_hello_set_up(struct tls_config *c, struct err *err);
/* The state of one handshake, tied to `ssl`. */
struct tls_hello *tls_hello_new(SSL *ssl, const struct tls_config *c);
void tls_hello_free(struct tls_hello *h); /* takes NULL */
/* The handshake has ended: the trust is let go. */
void tls_hello_end(struct tls_hello *h);
const char *tls_hello_owner(const struct tls_hello *h);
/* Why the client's certificate was refused, or the name; false: it was neither. */
bool tls_hello_explain(const struct tls_hello *h, struct err *err);
