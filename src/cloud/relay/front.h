#pragma once
/*
 * A connection of an application to the HTTP proxy, and the request on it.
 *
 * HTTP/1.1 in absolute form, one request at a time; pipelined ones stay unread. A request goes into
 * a tunnel's stream as it comes, its answer comes back as it is; credit goes back to the connector
 * when the application's socket took the bytes (spec/peers.md c1). The request's bytes stay in the
 * stream's buffer until the answer begins or they pass FRONT_REPLAY_MAX, so a request that was
 * never processed can be sent again by reading it again (peers.md c20).
 */
#include "cloud/relay/worker.h"

enum {
	FRONT_HANDSHAKE_MS = 10000, /* for a whole TLS handshake */
	FRONT_HEAD_MS = 10000,      /* default of relay_limits.head */
	FRONT_IDLE_MS = 75000,      /* default of relay_limits.idle */
	FRONT_ANSWER_MS = 360000,   /* default of relay_limits.answer */
	FRONT_STALL_MS =
		60000, /* no progress of a body in either direction by the client's fault */
	FRONT_CLOSE_MS = 10000,       /* for the last bytes of an answer before a close */
	FRONT_GATHER_FROM = 8 * 1024, /* bytes of an answer that wait for more of the same read */
	FRONT_READ_LIMIT = 80 * 1024, /* unread bytes kept; more than HTTP_HEAD_MAX, to refuse it */
	FRONT_REPLAY_MAX = 32 * 1024, /* bytes of head and body that can be sent again */
	/* Answers that a client does not read: with more the next pipelined request stays unread.
	 */
	FRONT_ANSWERS_MAX = 64 * 1024,
	FRONT_INTERIM_MAX = 32, /* 1xx of one request; they have no flow control: more is 502 */
	FRONT_HOPS_MAX = 2,     /* moves between workers for one request */
	FRONT_TRIES_MAX = 3,    /* of one request, the first included */
};

void front_accept(struct worker *w, int take_fd);
/* On the TLS port; the handshake runs in jobs. */
void front_accept_tls(struct worker *w, int take_fd, struct tls_engine *take);
/* A connection that comes from another worker; its request is read again. */
void front_attach(struct worker *w, struct stream_parts *take, unsigned hops);
/* Events of a stream whose user is this front. */
void front_on_h2(struct front *f, const struct h2_notice *notice);
/* Writes what was gathered: before anything else is written, and when the loan of the bytes ends.
 */
void front_settle(struct front_gathered *g);
/* The last call is over: closed if it waits for a request, refused if it waits for a tunnel, else
 * closed after its answer. */
void front_drain(struct front *f);
void front_close(struct front *f);
struct front *front_next(const struct front *f); /* of the worker's list */
