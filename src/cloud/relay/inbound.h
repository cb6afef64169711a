#pragma once
/*
 * Whose trust a client of the TLS port (20443) meets: `{subdomain or id}.{relay host}` names the
 * tenant, and the published keystores (cloud/directory/runtime.h) say which certificates count.
 *
 * The relay's host itself, any other name, an address, and no name at all are nobody: no
 * certificate is asked for then. A name under the relay's host that is no tenant's is refused, so
 * that a typing error does not silently cost the protection. The session id context is made of
 * tenant, generation and rule: a session lives as long as the trust that it was made under.
 *
 * Any thread.
 */
#include "base/snapshot.h"
#include "crypto/tls_hello.h"

struct inbound;

/* The cells are lent: struct directory_snapshot, struct runtime_snapshot. `host`: the relay's. */
struct inbound *inbound_new(struct snapshot_cell *directory, struct snapshot_cell *runtime,
			    const char *host);
void inbound_free(struct inbound *in); /* takes NULL */
/* A tls_hello_fn; `user` is the struct inbound. The owner is the subaccount's id. */
bool inbound_hello(struct str name, void *user, struct tls_trust *out);
