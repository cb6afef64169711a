#pragma once
/*
 * An open tunnel: a stream under TLS with HTTP/2 in transposed roles, and its liveness.
 *
 * The relay's end is the HTTP/2 client, the connector's the server; made after the 101, in the
 * final role (bytes behind the 101's head are in the stream and are fed first). tunnel.c has the
 * pump: the one function that shows the whole way of a byte.
 *
 * Liveness (peers.md c13): any byte is life. The connector pings after `ping_after` of silence and
 * gives up after as much again; the relay holds a tunnel for dead after `dead_after` of silence,
 * and suspects it when a ping sent with a request has no answer within `suspect_after`.
 *
 * One loop. Events of streams go to `on_stream`, of h2_engine's form, with `user`; TUNNEL_* tell
 * about the tunnel itself, and are never delivered inside a call that the owner made.
 *
 * Death: after TUNNEL_LOST the owner calls tunnel_close() to give the memory back.
 */
#include "http/h2_engine.h"
#include "net/stream.h"

struct tunnel;

enum tunnel_event {
	TUNNEL_UP,       /* the peer's SETTINGS arrived */
	TUNNEL_SERVING,  /* server: the peer has ours, too: it counts on this tunnel from now on */
	TUNNEL_DRAINING, /* the peer sent GOAWAY: no new streams here */
	TUNNEL_LOST,     /* the last event; every stream got H2_CLOSED before; tunnel_failure() */
};

struct tunnel_settings {
	bool server;          /* the connector's end */
	msec_t ping_after;    /* 5 s; 0: never (relay) */
	msec_t dead_after;    /* 10 s; the relay probes after 6/10 of it, see tunnel_is_usable() */
	msec_t suspect_after; /* 2 s; relay */
	size_t turn_out_max;  /* 64 KiB of frames per turn beyond what the socket took */
	h2_fn *on_stream;
	/* Ends the loan of H2_DATA's bytes: they stay where they are until then, so that several
	 * pieces can leave in one write. NULL: not needed. */
	void (*on_fed)(void *user);
	void (*on_tunnel)(struct tunnel *t, enum tunnel_event event, void *user);
	void *user;
};

enum {
	TUNNEL_NOTSENT_LOWAT = 128 * 1024, /* bytes that may wait in the kernel (peers.md c8) */
	TUNNEL_LAST_WORDS_MS = 1000,       /* for a GOAWAY that tells why, to a peer that is cut */
};

/* The stream must be open. */
NODISCARD bool tunnel_new(struct stream *take, const struct tunnel_settings *settings,
			  struct tunnel **out, struct err *err);
/*
 * At once; TUNNEL_LOST is not delivered. Open streams get H2_CLOSED inside this call; when it is
 * called from inside a stream's event, in phase FREE. Takes NULL.
 */
void tunnel_close(struct tunnel *t);
struct h2_engine *tunnel_h2(struct tunnel *t);
void tunnel_flush(struct tunnel *t); /* something was queued: send this turn */
bool tunnel_is_open(
	const struct tunnel *t); /* false from its loss on, before TUNNEL_LOST is told */
bool tunnel_is_usable(
	struct tunnel *t); /* up, not draining, not suspect; probes when it was quiet */
/* Server: notice, one PING, GOAWAY with the real id; client: GOAWAY(0). Ends with TUNNEL_LOST
 * and ERR_NONE when the streams are done, or after `limit`; the client's end waits for the peer to
 * go first, because its GOAWAY(0) only says "dial elsewhere, then close". From
 * then on it opens no streams on it: the library holds a session that said or heard GOAWAY and has
 * no stream for over, opens and accepts none and answers no PING. */
void tunnel_drain(struct tunnel *t, msec_t limit);
const struct err *tunnel_failure(const struct tunnel *t);
msec_t tunnel_last_heard(const struct tunnel *t); /* loop time of the last byte */
size_t tunnel_streams(const struct tunnel *t);
