#pragma once
/*
 * Serves the streams of tunnels: each request is checked against the current snapshot of access
 * control, goes to its back end over HTTP/1.1, and its answer goes back.
 *
 * Both directions are streamed and bounded: the cloud side gets credit for what the back end's
 * kernel took, and the back end is not read while more than H2_STREAM_QUEUE_HIGH bytes wait in the
 * stream. A client that goes away closes the back end's connection; a back end that fails before
 * its answer gives 502, 503 or 504 with the reason as text, later a reset of the stream. A request
 * that met a stale pooled connection is repeated once on a fresh one where peers.md c20 allows it.
 *
 * One object per request, from a free list; in steady state no allocation. One loop (a data
 * worker); the flush callback must not call back into this module.
 */
#include "connector/backend.h"
#include "http/h2_engine.h"

struct serve;

enum {
	SERVE_ANSWER_MS = 120000, /* without a byte from the back end, or any other progress */
	SERVE_LINGER_MS = 250,    /* an upload goes on after the whole answer left: then reset */
	SERVE_REPLAY_MAX = 64 * 1024, /* bytes of a body kept for a repeat (peers.md c20) */
	SERVE_INTERIM_MAX = 16, /* 1xx answers to one request; more: the back end plays games */
	SERVE_SPARE_MAX = 256,  /* request objects kept for the next requests */
};

struct serve_denial {
	struct str subaccount, method, authority, path, client;
	unsigned status;
	const char *reason;
};

struct serve_settings {
	struct backend_settings backend;
	struct snapshot_cell *access; /* of struct access */
	msec_t answer_timeout, linger;
	/* Each refusal (400, 403), for the audit; may be NULL. Must not block. */
	void (*on_denied)(void *user, const struct serve_denial *denial);
	void *user;
};
/* With the defaults above. */
struct serve_settings serve_settings_of(struct loop *loop, struct jobs *jobs,
					struct snapshot_cell *access);

struct serve *serve_new(const struct serve_settings *settings);
/* Closes every back-end connection; streams that are still open are forgotten. Takes NULL. */
void serve_free(struct serve *s);

/* Where an event of a stream comes from; used during the call, but for `flush` and `user`, which
 * must be good until the stream's H2_CLOSED. */
struct serve_source {
	struct str subaccount;     /* the key of access_add_subaccount() */
	void (*flush)(void *user); /* frames are ready to leave: tunnel_flush() */
	void *user;
};
/* Every event of every stream of a tunnel; h2_user() of the streams is this module's. */
void serve_on_stream(struct serve *s, const struct h2_notice *notice,
		     const struct serve_source *from);

struct serve_counters {
	uint64_t requests, denied, bad_requests, answered, failed_502, failed_503, failed_504;
	uint64_t broken; /* answers cut short, by the back end or by a time-out */
	uint64_t cancelled, repeated;
	size_t running;
	struct backend_counters backend;
};
struct serve_counters serve_count(const struct serve *s);
