#pragma once
/* Inside of backend: the pool (backend.c) and how connections are made (backend_connect.c). */
#include "base/map.h"
#include "connector/backend.h"

struct backend_conn {
	struct backend_target *target;
	struct stream *stream;
	struct backend_lease *lease;      /* NULL: idle */
	struct backend_conn *next, *prev; /* in the target's list: idle, or being made */
	uint64_t client;                  /* the principal it belongs to, with `bound` */
	bool bound, open, used, tls_started;
	msec_t idle_until;
};

struct backend_target {
	struct backend_pool *pool;
	unsigned refs; /* snapshots in use that know it */
	char *key;
	char *host;
	uint16_t port;
	bool https;
	struct tls_config *tls;
	struct loop_task deliver;
	struct backend_conn *idle, *oldest; /* newest first */
	struct backend_conn *making;
	struct backend_lease *first, *last; /* waiting for a connection */
	size_t n_conns, n_idle, n_waiting, n_bound, n_connecting;
	/* ---- its addresses ---- */
	struct address addresses[ADDRESSES_MAX];
	size_t n_addresses;
	msec_t addresses_until;
	bool resolving;
};

struct backend_pool {
	struct backend_settings settings;
	struct map *targets;
	struct loop_timer sweep;
	bool dying;
	size_t n_jobs;
	struct backend_counters counters;
};

/* Matches idle connections and leases that wait. */
void backend_deliver(struct backend_target *t);
/* Starts connections for leases that wait, as far as the cap allows; resolves first if needed. */
NODISCARD bool backend_start(struct backend_target *t, struct err *err);
/* A connection that is open and free: keeps it idle; backend_deliver() gives it to a lease. */
void backend_park(struct backend_conn *c, msec_t idle);
/* Ends the first of those that wait, or all. */
void backend_fail_first(struct backend_target *t, const struct err *err, bool timed_out);
void backend_fail_all(struct backend_target *t, const struct err *err);
void backend_conn_free(struct backend_conn *c); /* closes */
void backend_made(struct backend_conn *c);      /* leaves the list of those being made */
void backend_sweep_soon(struct backend_pool *p);
stream_fn backend_idle_event;
void backend_target_check(struct backend_target *t); /* frees it when nothing needs it */
