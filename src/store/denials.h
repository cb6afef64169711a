#pragma once
/*
 * Denied attempts and exports on their way into the audit (store_denied_all), batched, each into
 * its chain: whoever refuses notes it without blocking, and a job writes what has gathered, once a
 * second, in one transaction a chain.
 *
 * A flood of attempts is bounded (DENIALS_MAX between two writes); what is left out is counted and
 * said in the next row. So it hides no export, which has a batch and a chain of its own; a flood of
 * exports is bounded by store/export_pace.h. Notes from any thread.
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
/*
 * What is to be granted, an export: 0, or how long the tenant has to wait, and then it is noted as
 * a denied attempt and may not be granted. A full batch is written first: blocks. While nothing can
 * be written (a read-only database) what is read is granted all the same, and counted as left out.
 */
NODISCARD msec_t denials_note_export(struct denials *d, const struct denial *denial);
bool denials_waiting(struct denials *d);
/* Blocks. What could not be written is lost, and counted as left out. */
NODISCARD bool denials_flush(struct denials *d, struct err *err);
