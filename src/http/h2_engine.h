#pragma once
/*
 * HTTP/2 (RFC 9113) as an engine behind which nghttp2 works; its headers are seen nowhere else.
 *
 * Roles are given at birth and never flipped. Flow control: automatic updates are off. The
 * connection window is raised to 2^31-1 and refilled on receipt; a stream's window only by
 * h2_consume(), for what the other side's kernel took (spec/peers.md c1, c2). The engine counts
 * open streams and refuses to queue beyond the peer's MAX_CONCURRENT_STREAMS.
 *
 * Sending: body bytes are queued per stream with h2_send() and leave through h2_drain() in our own
 * order: deficit round-robin of H2_QUANTUM bytes, streams that sent less than it first; so the
 * library's order, which changed between versions, does not matter (peers.md b1).
 *
 * Events are delivered from inside h2_feed() and h2_drain(); inside them any call of this module is
 * allowed except h2_feed, h2_drain and h2_free.
 */
#include "base/buf.h"
#include "http/message.h"

struct h2_engine;
struct h2_stream;

enum {
	H2_QUANTUM = 16 * 1024,
	H2_FRAME_PAYLOAD = 16384 - 9, /* DATA payload, so that frame and TLS record end together */
	H2_WINDOW_START = 256 * 1024, /* per stream */
	H2_STREAMS_MAX = 1000,        /* what the connector announces */
	H2_STREAMS_ASSUMED = 100,     /* before the peer's SETTINGS are known */
	H2_HEAD_MAX = 64 * 1024,      /* bytes of a decoded header block; more: stream reset */
	H2_FIELDS_MAX = 128, /* fields of one; more: stream reset (HTTP/1's 100 and ours) */
	H2_STREAM_QUEUE_MAX = 16 * 1024 * 1024, /* bytes queued by h2_send; more: stream reset */
	H2_CONTROL_OUT_MAX = 64 * 1024, /* unsent acks and the like; more: the peer floods, close */
	H2_RESETS_BURST = 20000,        /* cancelled requests arrive as resets; at the library's
					   default 1,001 of them would end the tunnel */
	H2_STREAM_QUEUE_HIGH = 64 * 1024, /* h2_queued() above which a caller stops feeding */
};

enum h2_event {
	H2_HEAD,     /* request (server) or response, also 1xx (client): h2_head() */
	H2_DATA,     /* event->data, lent; give it back later with h2_consume() */
	H2_TRAILERS, /* h2_head() has the fields */
	H2_END,      /* the peer's side ended: once per stream, also behind an H2_HEAD with `end` */
	H2_SENT,     /* queued bytes left: h2_queued() shrank */
	H2_CLOSED, /* the stream is gone; event->code is the error (0 fine, 7 refused …). Last. */
	H2_REFUSED,  /* instead of H2_CLOSED: not processed, may be repeated (RFC 9113, 8.7) */
	H2_PONG,     /* connection: answer to h2_ping() */
	H2_GOAWAY,   /* connection: event->code, event->last_id */
	H2_SETTINGS, /* connection: the peer's first SETTINGS arrived */
};

struct h2_notice {
	enum h2_event event;
	struct h2_stream *stream; /* NULL for the connection's events */
	struct str data;
	bool end; /* H2_HEAD: END_STREAM came with it */
	uint32_t code;
	int32_t last_id;
};

typedef void h2_fn(struct h2_engine *e, const struct h2_notice *notice, void *user);

NODISCARD bool h2_new(bool server, h2_fn *fn, void *user, struct h2_engine **out, struct err *err);
void h2_free(struct h2_engine *e); /* every open stream gets H2_CLOSED with code 2 first */
/*
 * All of `bytes` is taken. ERR_PROTOCOL or ERR_LIMIT: drain what is left (GOAWAY), then close.
 * What the library answers with a GOAWAY of its own shows in the next h2_drain().
 */
NODISCARD bool h2_feed(struct h2_engine *e, struct str bytes, struct err *err);
/*
 * Appends at most about `max` bytes of frames (a frame is not cut); false: a failure that ends the
 * connection, after the last bytes that the peer should get were appended.
 */
NODISCARD bool h2_drain(struct h2_engine *e, struct buf *out, size_t max, struct err *err);
bool h2_wants_drain(const struct h2_engine *e);
bool h2_is_done(const struct h2_engine *e); /* nothing more to read or write */

/*
 * Whether HTTP/2 can carry this head, checked before the tunnel: an nghttp2 at the other end would
 * drop or reset what it cannot (spec/libraries.md). ERR_PROTOCOL names the field: answer 400 (or
 * 502 for an answer); ERR_LIMIT: 431. A head from h1_read_* fails only for its size, or for fields
 * that were added since. Sent without being asked about: fields of http_is_framing(), `host` beside
 * an authority, and `te` other than "trailers" stay behind, since they concern one hop.
 */
NODISCARD bool h2_can_carry(const struct http_head *head, struct err *err);

/* ---- client role (the relay) ---- */
/* `has_body`: h2_send and h2_end follow. NULL: no stream is free (count, queue elsewhere) or
 * GOAWAY. The head's strings are copied. :path is head->path, :scheme head->scheme or "http". */
struct h2_stream *h2_request(struct h2_engine *e, const struct http_head *head, bool has_body,
			     void *user);
size_t h2_streams_free(const struct h2_engine *e); /* that may be opened now */
bool h2_peer_allows_connect_protocol(const struct h2_engine *e);
/* ---- server role (the connector) ---- */
NODISCARD bool h2_respond(struct h2_stream *s, const struct http_head *head, bool has_body,
			  struct err *err); /* 1xx: has_body ignored, may be repeated */
/* ---- both ---- */
const struct http_head *h2_head(const struct h2_stream *s); /* lent until the next event of s */
void h2_set_user(struct h2_stream *s, void *user);
void *h2_user(const struct h2_stream *s);
int32_t h2_id(const struct h2_stream *s);
void h2_send(struct h2_stream *s, struct str bytes); /* copies into the stream's queue */
size_t h2_queued(const struct h2_stream *s);
/* No more data; with trailers when n > 0. */
void h2_end(struct h2_stream *s, const struct http_field *trailers, size_t n);
void h2_consume(struct h2_stream *s, size_t len);  /* credit back to the peer */
void h2_reset(struct h2_stream *s, uint32_t code); /* RST_STREAM; H2_CLOSED follows */
void h2_ping(struct h2_engine *e, const uint8_t opaque[static 8]);
/* Server: GOAWAY 2^31-1 as a notice, then h2_goaway() with the real last id; client: code 0, last
 * 0. */
void h2_shutdown_notice(struct h2_engine *e);
void h2_goaway(struct h2_engine *e, uint32_t code);
size_t h2_streams_open(const struct h2_engine *e);
uint64_t
h2_unread(const struct h2_engine *e); /* bytes delivered and not yet consumed, all streams */
