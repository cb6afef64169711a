#pragma once
/*
 * The life of one tunnel as the connector sees it: a state machine without sockets and clocks of
 * its own. It returns commands; the driver (tunnel/dialer) obeys them.
 *
 * Reconnect for ever: after a tunnel that lived LINK_STABLE the first try comes after random 0-250
 * ms, then full jitter over 250 ms x 2^n up to 30 s; Retry-After is obeyed (peers.md c16). Mostly a
 * relay that goes is being restarted: within LINK_QUICK_MS of the loss of a tunnel that worked the
 * pauses stay below a second, so that the new process is found at once. A link that flaps gets that
 * once in LINK_QUICK_EVERY_MS.
 */
#include "base/defs.h"

enum link_state {
	LINK_IDLE,
	LINK_DIALING,  /* TCP, proxy, TLS */
	LINK_GREETING, /* PTTH sent */
	LINK_UP,
	LINK_DRAINING, /* no new streams; those that run end by themselves */
	LINK_WAITING,  /* for the next try */
};

enum link_event {
	LINK_EV_START,
	LINK_EV_FOLLOW, /* as START after the first pause: the successor of a tunnel that drains */
	LINK_EV_CONNECTED,
	LINK_EV_WELCOME, /* 101 */
	LINK_EV_LOST,
	LINK_EV_GOAWAY, /* the relay drains: dial elsewhere, then close */
	LINK_EV_DRAIN,  /* we drain (new certificate, shutdown) */
	LINK_EV_TIMER,
	LINK_EV_STOP,  /* disconnect by the administrator */
	LINK_EV_HURRY, /* network change, or the administrator's button */
};

enum link_command {
	LINK_DO_NOTHING,
	LINK_DO_DIAL,
	LINK_DO_GREET,
	LINK_DO_OPEN,
	LINK_DO_DRAIN,
	LINK_DO_CLOSE,   /* and, in LINK_WAITING, set a timer for retry_at */
	LINK_DO_REPLACE, /* drain this one and dial a new one beside it at the same time */
};

enum {
	LINK_BACKOFF_MIN_MS = 250,
	LINK_BACKOFF_MAX_MS = 30000,
	LINK_STABLE_MS = 10000,
	LINK_QUICK_MS = 30000,
	LINK_QUICK_EVERY_MS = 120000,
	LINK_QUICK_FAILURES = 2,          /* counted at most meanwhile: pauses up to a second */
	LINK_RETRY_AFTER_MAX_MS = 600000, /* a relay cannot send a connector away for longer */
};

struct link {
	enum link_state state;
	unsigned failures; /* that lengthen the pause */
	msec_t up_since, retry_at;
	msec_t quick_until; /* 0: no tunnel was lost yet; a successor takes it over */
	msec_t retry_after; /* from a refusal; used up by the next wait */
	uint64_t seed;
};

/* Every change of link->state in the program happens here. */
enum link_command link_step(struct link *l, enum link_event event, msec_t now);
msec_t link_backoff(unsigned failures, uint64_t random); /* in [0, cap]: full jitter */
