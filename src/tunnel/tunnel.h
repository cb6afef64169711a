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
 * One loop. Events of streams go to `fn` of h2_engine's form; TUNNEL_* tell about the tunnel
 * itself.
 */
#include "http/h2_engine.h"
#include "net/stream.h"

struct tunnel;

enum tunnel_event {
	TUNNEL_UP,       /* the peer's SETTINGS arrived */
	TUNNEL_DRAINING, /* the peer sent GOAWAY: no new streams here */
	TUNNEL_LOST,     /* the last event; every stream got H2_CLOSED before; tunnel_failure() */
};

struct tunnel_settings {
	bool server;          /* the connector's end */
	msec_t ping_after;    /* 5 s; 0: never (relay) */
	msec_t dead_after;    /* 10 s */
	msec_t suspect_after; /* 2 s */
	size_t turn_out_max;  /* 64 KiB of frames per turn beyond what the socket took */
	h2_fn *on_stream;
	void (*on_tunnel)(struct tunnel *t, enum tunnel_event event, void *user);
	void *user;
};

NODISCARD bool tunnel_new(struct stream *take, const struct tunnel_settings *settings,
			  struct tunnel **out, struct err *err);
void tunnel_close(
	struct tunnel *t); /* at once; TUNNEL_LOST is not delivered; freed in phase FREE */
struct h2_engine *tunnel_h2(struct tunnel *t);
void tunnel_flush(struct tunnel *t); /* something was queued: send this turn */
bool tunnel_is_usable(
	struct tunnel *t); /* up, not draining, not suspect; probes when it was quiet */
/* Server: notice, one PING, GOAWAY with the real id; client: GOAWAY(0). Ends with TUNNEL_LOST when
 * the streams are done, or after `limit`. */
void tunnel_drain(struct tunnel *t, msec_t limit);
const struct err *tunnel_failure(const struct tunnel *t);
msec_t tunnel_up_since(const struct tunnel *t); /* loop time; 0: not yet */
size_t tunnel_streams(const struct tunnel *t);
void *tunnel_user(const struct tunnel *t);
