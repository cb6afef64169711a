#pragma once
/*
 * When a subaccount certificate is renewed: one plan for each, without clock, SQL and network.
 *
 * Due at two thirds of the time from receipt to not-after, a little sooner by `spread`
 * (cert_renewal_time()), so that a fleet that enrolled together does not renew together. Then tried
 * until it succeeds: pauses with full jitter, growing up to the smaller of an hour and a tenth of
 * the time to its end; after the end a tenth of the time since, again up to an hour. A cloud side
 * that says no (forbidden, superseded, revoked, expired too long) is asked at a slow pace, up to
 * twelve hours; one that says when (Retry-After) is obeyed. A sign of life of the cloud side (a
 * tunnel came up, or was refused by an answer) brings the next try forward.
 *
 * No loop: between two tries lies at least a thousandth of the certificate's life (a second to a
 * minute), and a certificate that is over when it arrives (a wrong clock) waits for an hour.
 *
 * All times are Unix milliseconds, of one clock: the caller corrects a wrong one.
 */
#include "base/defs.h"

enum {
	RENEWAL_FLOOR_MS = 1000,             /* between two tries, at least … */
	RENEWAL_FLOOR_MOST_MS = 60000,       /* … and for certificates of more than 17 h */
	RENEWAL_PAUSE_MS = 3600 * 1000,      /* at most, after a failure */
	RENEWAL_SLOW_MS = 12 * 3600 * 1000,  /* at most, after a refusal */
	RENEWAL_LATER_MS = 24 * 3600 * 1000, /* a Retry-After is obeyed up to this */
	RENEWAL_LIFE_LEAST_MS = 3000,        /* less at receipt: it came too late to be of use */
};

enum renewal_state {
	RENEWAL_OFF,      /* switched off on our side, or there is no certificate */
	RENEWAL_PLANNED,  /* next_at is when it becomes due */
	RENEWAL_TRYING,   /* between renewal_begin() and renewal_end() */
	RENEWAL_RETRYING, /* a try failed; next_at is the next one */
	RENEWAL_REFUSED,  /* the cloud side said no; next_at is the next try, at a slow pace */
};
const char *renewal_state_name(enum renewal_state state); /* "planned" … */

enum renewal_outcome {
	RENEWAL_DONE,
	RENEWAL_FAILED, /* not reached, or it broke: tried again */
	RENEWAL_DENIED, /* an answer that says no */
};

struct renewal_plan {
	enum renewal_state state;
	bool on;                     /* switched on, on our side */
	int64_t received, not_after; /* of the certificate; 0, 0: there is none */
	uint32_t spread;             /* from its bytes: the same after a restart */
	unsigned failures;           /* in a row */
	int64_t tried_at;            /* the last try; 0: none */
	int64_t next_at;             /* when RENEWAL_OFF or _TRYING: without meaning */
	int64_t not_before_at;       /* the cloud side said so; 0: it did not */
	uint64_t seed;               /* of the jitter */
};

/* A plan without a certificate, switched on. */
void renewal_init(struct renewal_plan *p, uint64_t seed);
/* Another certificate than before, by renewal or by hand: failures are forgotten. */
void renewal_certificate(struct renewal_plan *p, int64_t received, int64_t not_after,
			 uint32_t spread, int64_t now);
/* After a restart, behind renewal_certificate(): what its last try came to. */
void renewal_restore(struct renewal_plan *p, int64_t tried_at, enum renewal_outcome last,
		     unsigned failures, int64_t now);
void renewal_switch(struct renewal_plan *p, bool on, int64_t now);
/* Milliseconds to the next try, 0: now; -1: none is planned. */
int64_t renewal_wait(struct renewal_plan *p, int64_t now);
/* True when a try is due: the caller makes it and says how it ended. */
NODISCARD bool renewal_begin(struct renewal_plan *p, int64_t now);
/* `later`: milliseconds of a Retry-After, or -1. After RENEWAL_DONE renewal_certificate() follows.
 */
void renewal_end(struct renewal_plan *p, enum renewal_outcome outcome, int64_t later, int64_t now);
/* The cloud side was heard again: a tunnel came up, or it answered a dial with a refusal. */
void renewal_heard(struct renewal_plan *p, int64_t now);
