#pragma once
/* Between tls_config.c, tls.c and tls_probe.c. Only included inside src/crypto. */
#include "crypto/tls_config.h"

NODISCARD bool tls_probe_set_up(struct tls_config *c, struct err *err);
void tls_probe_tie(SSL *ssl, struct tls_probe *p);
