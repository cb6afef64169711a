#pragma once
/*
 * A connection for code that may wait: resolve, connect, TLS, send, receive, each until a deadline.
 * For jobs only; a loop uses net/stream. Made for checks, such as the connector's doctor and the
 * keystore's connection test, that go one step at a time and tell about each.
 *
 * Deadlines are times of clock_now(). When one has passed the error is ERR_NETWORK and says so.
 * Ownership: a connection belongs to one thread at a time.
 */
#include "base/buf.h"
#include "crypto/tls.h"
#include "net/address.h"

struct blocking;

enum {
	/* Names being resolved at once. getaddrinfo cannot be called off, so one that was given up
	 * still holds its thread; more of them are refused with ERR_LIMIT. */
	BLOCKING_RESOLVES_MAX = 16,
};

/* As address_resolve() (room for ADDRESSES_MAX), with a deadline. */
NODISCARD bool blocking_resolve(const char *host, uint16_t port, msec_t deadline,
				struct address *out, size_t *n, struct err *err);

NODISCARD bool blocking_connect(const struct address *to, msec_t deadline, struct blocking **out,
				struct err *err);
/* Makes a connection of a connected socket, which is taken. */
struct blocking *blocking_adopt(int take_fd);
void blocking_free(struct blocking *b); /* closes; takes NULL */
DEFINE_AUTO(blocking_free, struct blocking *)

/*
 * The TLS handshake, at the start or after a proxy's answer to CONNECT. `peer_name` as in
 * tls_engine_new(). The engine stays with the connection, also when the handshake failed: what the
 * peer showed (tls_peer(), tls_peer_chain_pem()) can still be asked then. In TLS 1.3 a server that
 * refuses the client's certificate says so in the first blocking_receive().
 */
NODISCARD bool blocking_start_tls(struct blocking *b, struct tls_config *config,
				  const char *peer_name, msec_t deadline, struct err *err);
const struct tls_engine *blocking_tls(const struct blocking *b); /* lent; NULL: plain */

NODISCARD bool blocking_send(struct blocking *b, struct str bytes, msec_t deadline,
			     struct err *err);

enum blocking_outcome {
	BLOCKING_DATA, /* *n > 0 */
	BLOCKING_END,  /* the peer will send no more: FIN, under TLS close_notify */
	BLOCKING_FAILED,
};
enum blocking_outcome blocking_receive(struct blocking *b, void *into, size_t cap, size_t *n,
				       msec_t deadline, struct err *err);
