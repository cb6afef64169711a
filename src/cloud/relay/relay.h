#pragma once
/*
 * The relay: takes tunnels of connectors and requests of applications, and brings them together.
 *
 * Threads: one control loop, which is the caller's, and `workers` data workers with a loop each.
 * Tunnels arrive on the tunnel listener's http_server (relay_routes, in a job), are handed over on
 * the control loop, and live on a worker. Applications connect to any worker (SO_REUSEPORT).
 *
 * All functions from the control loop's thread unless said otherwise.
 */
#include "base/snapshot.h"
#include "cloud/directory/rooms.h"
#include "cloud/relay/counters.h"
#include "cloud/relay/limits.h"
#include "http/server.h"
#include "store/denials.h"

struct relay;

enum {
	RELAY_WORKERS_MAX = 64,
	/* Dials that wait for a holder's sign of life at once. Each blocks a job thread meanwhile:
	 * two installations of one tenant could keep all of them from everybody's handshakes. */
	RELAY_PROBES_MAX = 2,
	RELAY_HOLDER_ANSWER_MS = 2000, /* a holder that answers no PING in this time has lost */
	RELAY_COUNT_WAIT_MS = 1000,
};

/* The texts are copied. */
struct relay_settings {
	unsigned workers;  /* 1 to RELAY_WORKERS_MAX */
	const char *proxy; /* "127.0.0.1:20003"; port 0: any */
	/* The same under TLS: where (NULL: nowhere), its configuration (a reference for each
	 * connection, any thread), and who runs the handshakes. */
	const char *tls;
	struct tls_config *(*tls_config)(void *user);
	void *tls_user;
	struct jobs *handshakes;         /* lent */
	const char *relay_host;          /* of the names on the TLS port, for texts */
	const char *node;                /* name of this relay in claims */
	const char *region_host;         /* lower case, no port */
	const char *token_url;           /* for texts: where applications get tokens; may be "" */
	struct relay_limits limits;      /* of applications */
	struct store *store;             /* lent */
	struct snapshot_cell *directory; /* lent; struct directory_snapshot */
	struct snapshot_cell *runtime;   /* lent; struct runtime_snapshot; NULL: no keystores */
	struct denials *denials;         /* lent; refused attempts. NULL: not noted */
	struct loop *control;            /* lent */
	struct jobs *jobs;               /* lent; for claims */
};

NODISCARD bool relay_new(const struct relay_settings *settings, struct relay **out,
			 struct err *err);
/* Closes everything, joins the workers, gives the claims back. After the tunnel listener's server
 * was closed, before the jobs are freed; turns the control loop until its own jobs came home. */
void relay_free(struct relay *r);
/* Settings that change while it runs; any thread. `grace_s`: how long older certificates may open
 * tunnels after a newer one did. `drain_expired`: tunnels whose certificate expired are drained,
 * not left to end by themselves. */
void relay_set_policy(struct relay *r, int64_t grace_s, bool drain_expired);
uint16_t relay_proxy_port(const struct relay *r);
uint16_t relay_tls_port(const struct relay *r); /* 0: nowhere */

/*
 * The row of the tunnel listener: GET /ptth/subaccounts/{subaccount}. `user` of the server is a
 * struct cloud_rooms (cloud/directory/rooms.h) with `relay` set.
 */
extern const struct http_route relay_routes[];

/* New tunnels are refused with 503, tunnels get GOAWAY, clients are closed when they are idle;
 * `done` when nothing is left, or after `limit`. */
void relay_drain(struct relay *r, msec_t limit, void (*done)(void *user), void *user);

/* Sums the workers' counters; waits for their loops, each answers within its turn. ERR_LIMIT when
 * one does not within RELAY_COUNT_WAIT_MS. Any thread but a worker's. */
NODISCARD bool relay_count_wait(struct relay *r, struct relay_counters *sum, struct err *err);
