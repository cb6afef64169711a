#pragma once
/*
 * A data worker: one loop, its tunnels, its connections of applications, its view of the directory.
 *
 * Everything here belongs to the worker's loop. Workers reach each other and the control loop by
 * messages only. Open struct: the files of this room are its parts; nobody else includes this.
 */
#include "cloud/relay/cancels.h"
#include "cloud/relay/counters.h"
#include "cloud/relay/limits.h"
#include "cloud/relay/registry.h"
#include "cloud/relay/tokens.h"
#include "net/listener.h"
#include "store/denials.h"
#include "tunnel/tunnel.h"

struct front;
struct worker;

enum {
	WORKER_CLIENTS_MAX = 10000, /* connections of applications; more are closed at once */
	WORKER_SWEEP_MS = 250,      /* how soon a revocation is seen by tunnels without traffic */
	WORKER_REJOIN_MS = 2000,    /* requests wait so long for a connector that was just there */
	WORKER_QUEUE_WAIT_MS = 10000, /* and so long for room in a tunnel */
	WORKER_QUEUE_MAX = 1000,      /* default of relay_limits.queue_max */
	WORKER_LAST_CALL_MS = 250,    /* drain: kept-alive clients may send one more request */
	/* What a tunnel may take to end after its replacement came: its streams end by themselves,
	 * and a dead one is found by its silence. */
	WORKER_REPLACED_MS = 24 * 3600 * 1000,
	WORKER_RETRY_COST = 5, /* a retry uses up what this many requests saved: 20 % */
	WORKER_RETRY_SAVED_MAX = 500,
};

/* Whose tunnel it is; found out when it was let in. */
struct worker_tunnel_facts {
	uint64_t id; /* the relay's, for its messages */
	char subaccount[DIRECTORY_UUID];
	char location[DIRECTORY_LOCATION_MAX];
	char instance[DIRECTORY_UUID];
	char serial[CERT_SERIAL_MAX * 3 + 1];
	int64_t since;     /* the directory's head when it was admitted */
	int64_t not_after; /* of the certificate; 0: not looked at (tests) */
	bool replaces; /* its installation has one too many with it: the oldest here is drained */
};

struct worker_tunnel {
	struct registry_entry entry;
	struct worker *worker;
	struct worker_tunnel *next, **prev;
	struct tunnel *tunnel;
	struct worker_tunnel_facts facts;
	char key[REGISTRY_KEY_MAX];
	unsigned long long judged; /* snapshot number under which it was last found admitted */
	bool up, draining;
	bool returns;        /* if it ends now another one is expected */
	const char *cut_why; /* NULL: not cut by us */
	struct loop_task room, death;
};

struct worker_settings {
	unsigned index;
	const char *proxy; /* where to listen; NULL: nowhere (tests) */
	const char *tls;   /* the same under TLS; NULL: nowhere */
	/* The TLS port's configuration, a reference for each connection; any thread. */
	struct tls_config *(*tls_config)(void *user);
	void *tls_user;
	struct jobs *handshakes; /* lent; they wait for the key process */
	const char *relay_host;  /* of the TLS port's names, for texts; NULL: none */
	const char *token_url;   /* for texts */
	struct relay_limits limits;
	struct denials *denials;         /* lent; NULL: not noted */
	struct snapshot_cell *directory; /* lent */
	struct snapshot_cell *runtime;   /* lent; struct runtime_snapshot; NULL: no keystores */
	_Atomic bool *drain_expired;     /* lent; NULL: expired certificates do not end tunnels */
	/* Called on the worker's loop. */
	void (*on_tunnel)(void *user, const struct worker_tunnel_facts *facts, bool up,
			  const char *why);
	/* It takes no more requests; always before on_tunnel() says that it is not up. */
	void (*on_leaving)(void *user, const struct worker_tunnel_facts *facts, bool was_up);
	/* Another worker with a tunnel of this place, or -1. */
	int (*elsewhere)(void *user, struct str key);
	/* Hands a connection of an application over; takes the parts. */
	void (*move)(void *user, unsigned to, struct stream_parts *take, unsigned hops);
	void *user;
};

/* Large pieces of one answer, lent by its tunnel until all that came was looked at: they leave in
 * one write. */
struct front_gathered {
	struct front *front; /* NULL: nothing */
	struct str pieces[8];
	size_t n, bytes;
};

struct worker {
	struct loop *loop;
	struct worker_settings settings;
	struct registry *registry;
	struct tokens *tokens;
	struct cancels *cancels;
	struct snapshot_view view;
	struct snapshot_view runtime;             /* its cell may be NULL */
	struct listener *listener, *tls_listener; /* NULL: none */
	struct worker_tunnel *tunnels;
	struct front *fronts;
	struct relay_counters counters;
	struct loop_timer sweep;
	unsigned long long swept; /* snapshot number under which all tunnels were looked at */
	unsigned retry_saved;
	bool draining; /* answers say Connection: close */
	bool closing;  /* after the last call: nothing more is taken */
	msec_t drain_until;
	struct loop_timer last_call;
	/* used within one call */
	struct arena *arena; /* of the head that is being read */
	struct buf room;     /* of the head that is being written; of a decoded token */
	struct front_gathered gathered;
};

NODISCARD bool worker_new(struct loop *l, const struct worker_settings *settings,
			  struct worker **out, struct err *err);
void worker_free(struct worker *w); /* closes all; the loop must run its FREE phase after */

/* A tunnel that was let in; closed at once when the directory forbids it by now. */
void worker_take_tunnel(struct worker *w, const struct worker_tunnel_facts *facts,
			struct stream_parts *take);
/* Closes the tunnels of a place that an installation lost. */
void worker_evict(struct worker *w, struct str key, struct str instance);
/*
 * In order: no new connections; each client that is there may get one more answer, which says
 * Connection: close. After WORKER_LAST_CALL_MS the idle ones are closed and the tunnels say GOAWAY:
 * before that they are needed for those requests. What is in flight then has until `limit`.
 */
void worker_drain(struct worker *w, msec_t limit);
bool worker_is_empty(const struct worker *w);
/* Sends a PING on the tunnels of that installation; false when there are none. */
NODISCARD bool worker_probe(struct worker *w, struct str key, struct str instance);
/* Whether one of them was heard since `at` (loop time). */
bool worker_heard_since(struct worker *w, struct str key, struct str instance, msec_t at);
void worker_count(const struct worker *w, struct relay_counters *into);

/* ---- for front ---- */
const struct directory_snapshot *worker_snapshot(struct worker *w);
const struct runtime_snapshot *worker_runtime(struct worker *w); /* NULL: no keystores */
/* A tunnel for a request now: as registry_pick(), of those that the directory still admits. */
enum registry_found worker_pick(struct worker *w, struct str key, struct worker_tunnel **out);
