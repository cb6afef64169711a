#pragma once
/*
 * The tunnels of all subaccounts: for each that shall be connected, as many dialers as the relay's
 * 101 asked for (Drawbridge-Tunnels), spread over the data workers.
 *
 * Each worker's loop has its own part and its own dialers; the control loop adds up what they
 * report and publishes it as an immutable snapshot. links_apply() compares the newest set of
 * subaccounts with what runs: new ones are dialled, removed or disconnected ones drain, a new
 * certificate, location ID or proxy means a new tunnel beside the old one.
 */
#include "connector/subaccounts.h"
#include "tunnel/dialer.h"

struct links;

enum link_status_state { /* spec 3.5 */
	LINK_STATUS_DISCONNECTED,
	LINK_STATUS_CONNECTING, /* dialling, and nothing has failed yet */
	LINK_STATUS_CONNECTED,
	LINK_STATUS_FAILURE,
};
/*
 * For clients of the original, who know three: "Connected", "ConnectFailure", "Disconnected". No
 * failure before one happened: who only dials is not connected yet.
 */
const char *link_status_name(enum link_status_state state);
/* For our own API, which says "Connecting" too. */
const char *link_status_own_name(enum link_status_state state);

struct link_status {
	char key[STATE_HOST + STATE_UUID]; /* of the subaccount */
	enum link_status_state state;
	int64_t connected_since_ms; /* 0 when not connected */
	unsigned tunnels;           /* open now */
	unsigned wanted;            /* by the relay */
	unsigned refused;           /* HTTP status of the last refusal, or 0 */
	char refusal[24]; /* the relay's word for it: "expired", "superseded", "revoked" …; "" */
	char reason[400]; /* why there is no tunnel, or one less; "" */
	char owners[400]; /* as the relay last named them */
	int64_t skew_s;   /* our clock minus the relay's */
};

struct link_status_set {
	struct snapshot snapshot; /* first */
	size_t n;
	struct link_status *rows;
};

/* Which subaccount and worker a request came for. */
struct links_source {
	void *worker;           /* links_settings.worker_users[i] */
	const char *subaccount; /* subaccount.key */
	const char *location_id;
};

struct links_settings {
	struct loop *control;
	struct loop *const *workers; /* lent */
	void *const *worker_users;   /* one for each, handed to on_stream; may be NULL */
	size_t n_workers;
	struct jobs *jobs;
	struct subaccounts *subaccounts; /* lent */
	msec_t ping_after, dial_timeout; /* of tunnel/dialer.h; 0: its defaults */
	/* On the worker's loop. `t` is lent: good until H2_CLOSED of the notice's stream. */
	void (*on_stream)(struct tunnel *t, const struct h2_notice *notice,
			  const struct links_source *from);
	/* On the control loop: another links_status() is there. May be NULL. */
	void (*on_status)(void *user);
	void *user; /* of on_status */
};

/* On the control loop's thread, before the workers run or while they do. */
struct links *links_new(const struct links_settings *settings);
void links_apply(struct links *l);                     /* any thread: something changed */
void links_hurry(struct links *l);                     /* any thread: network change, "retry now" */
struct link_status_set *links_status(struct links *l); /* any thread; owned; never NULL */
void link_status_set_unref(struct link_status_set *set);
const struct link_status *link_status_find(const struct link_status_set *set, const char *key);
/* Shutdown: all tunnels drain; `done` is called on the control loop when the last is closed. */
void links_drain(struct links *l, msec_t limit, void (*done)(void *user), void *user);
/* After the loops have stopped and before they are freed; messages on their way do no harm. Takes
 * NULL. */
void links_free(struct links *l);
