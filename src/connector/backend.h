#pragma once
/*
 * Connections to internal systems: one pool per worker, kept per mapping (access_mapping.pool_key),
 * so that a changed mapping or trust store never reuses an old connection.
 *
 * A request takes a lease. Idle connections are given newest first and looked at before: unread
 * bytes or an end of file discard them. Otherwise one is made (name resolved in a job and kept for
 * BACKEND_DNS_MS, TCP, TLS with the name verified), up to a cap per mapping; beyond it leases wait
 * in order, up to a cap and for a time.
 *
 * Principals: Basic, Bearer and cookies are sent with each request and leave nothing on a
 * connection, so such connections are shared. NTLM and Negotiate authenticate the connection: one
 * that saw them (backend_bind) is given to the same client only, and to nobody when the client is
 * not known.
 *
 * Events come through the lease's callback in the form of net/stream.h; STREAM_OPEN means that
 * lease->stream can be used. Nobody is called back inside backend_acquire(). One loop.
 */
#include "connector/access.h"
#include "net/jobs.h"
#include "net/stream.h"

struct backend_pool;
struct backend_target; /* what a mapping's pool key names */
struct backend_conn;

enum {
	BACKEND_CONNECTIONS_MAX = 256, /* per mapping and worker: a back end is not flooded */
	BACKEND_WAITING_MAX = 1000,    /* leases that wait for one of them; more get 503 */
	BACKEND_IDLE_MS = 30000,       /* kept unused, unless Keep-Alive: timeout says less */
	BACKEND_CONNECT_MS = 10000,    /* each address, and the TLS handshake */
	BACKEND_WAIT_MS = 10000,       /* in the queue */
	BACKEND_DNS_MS = 30000,        /* an answer is used this long */
	BACKEND_READ_LIMIT =
		80 * 1024, /* unread bytes of a connection: more than a head's maximum */
};

struct backend_settings {
	struct loop *loop;
	struct jobs *jobs; /* names and TLS handshakes */
	size_t connections_max, waiting_max;
	msec_t idle, connect_timeout, wait_timeout, dns_ttl;
};
/* The defaults above. */
struct backend_settings backend_settings_of(struct loop *loop, struct jobs *jobs);

enum backend_outcome {
	BACKEND_HELD,    /* lease->stream is open: write */
	BACKEND_WAITS,   /* STREAM_OPEN or STREAM_FAILED follows */
	BACKEND_REFUSED, /* lease->failure tells why */
};

struct backend_lease {
	stream_fn *fn;
	void *user;
	struct stream *stream; /* lent while held; NULL before */
	bool reused;           /* it served another request before */
	bool timed_out;        /* the failure was a time-out: 504 rather than 502 */
	bool overload;         /* the failure was the queue: 503 */
	struct err failure;
	/* ---- the pool's ---- */
	struct backend_target *target;
	struct backend_conn *conn;
	struct backend_lease *next, *prev;
	bool waiting, fresh;
	uint64_t client;
	msec_t since;
};

struct backend_pool *backend_pool_new(const struct backend_settings *settings);
/* Leases must have been given back. Connections close; jobs on their way end by themselves. */
void backend_pool_free(struct backend_pool *p);

/* Found or made; keep it as long as the snapshot that `m` is of, then backend_target_unref(). */
struct backend_target *backend_target_ref(struct backend_pool *p, const struct access_mapping *m,
					  struct tls_config *tls);
void backend_target_unref(struct backend_target *t);
bool backend_target_known(const struct backend_pool *p, const struct access_mapping *m);

/*
 * `lease` is zeroed and has fn and user. `client` tells the cloud side's connections apart (0: not
 * known). `fresh`: no connection that was used before (the repeat of a request that met a stale
 * one).
 */
enum backend_outcome backend_acquire(struct backend_target *t, struct backend_lease *lease,
				     uint64_t client, bool fresh);
/* The connection saw NTLM or Negotiate: from now on it belongs to the lease's client. */
void backend_bind(struct backend_lease *lease);
/* Gives it back for others; only after a complete exchange. `keep_alive`: the peer's timeout, -1:
 * it named none. */
void backend_release(struct backend_lease *lease, msec_t keep_alive);
/* Closes it, or leaves the queue; also after BACKEND_REFUSED and STREAM_FAILED. */
void backend_abort(struct backend_lease *lease);

struct backend_counters {
	uint64_t opened, reused, stale, failed, overload;
	size_t open, idle, waiting;
};
struct backend_counters backend_count(const struct backend_pool *p);
