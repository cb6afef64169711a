#pragma once
/*
 * Denied attempts and exports on their way into the audit (store_denied_all), batched, each into
 * its chain: whoever refuses notes it without blocking, and a job writes what has gathered, once a
 * second, in one transaction a chain.
 *
 * A flood of attempts is bounded (DENIALS_MAX between two writes); what is left out is counted and
 * said in the next row. So it hides no export, which has a batch and a chain of its own. Notes
 * from any thread.
 */
#include "store/change.h"

struct denials;

enum {
	DENIALS_MAX = 64,       /* rows of a chain between two writes; more attempts are counted */
	DENIALS_TEXT_MAX = 512, /* bytes of a text; the rest is cut off */
};

struct denial {
	struct str who;    /* "user:alice", "connector:…", "application" */
	struct str from;   /* address, or "" */
	struct str tenant; /* subaccount, or "" */
	struct str what;   /* "denied request", "denied tunnel", "denied login" … */
	struct str object; /* what was wanted */
	const char *reason;
	unsigned status; /* of the answer */
};

struct denials *denials_new(struct store *s); /* lent */
void denials_free(struct denials *d);         /* writes nothing; takes NULL */
/* Copied; bytes that are no UTF-8 and control characters become '?'. Takes d == NULL. */
void denials_note(struct denials *d, const struct denial *denial);
/* What was granted, an export: a full batch is written first. Blocks. */
void denials_note_granted(struct denials *d, const struct denial *denial);
bool denials_waiting(struct denials *d);
/* Blocks. What could not be written is lost, and counted as left out. */
NODISCARD bool denials_flush(struct denials *d, struct err *err);
