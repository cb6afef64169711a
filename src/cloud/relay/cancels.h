#pragma once
/*
 * How many requests the applications of a subaccount may give up.
 *
 * Each costs a RST_STREAM in the tunnel, and a connector ends a tunnel that brings too many of
 * these: one application could take the tunnel from the others. A bucket per subaccount; one
 * thread, times of its loop.
 */
#include "base/clock.h"
#include "base/str.h"

enum {
	CANCELS_BURST = 2000,
	CANCELS_COST_MS = 5, /* one is forgotten in this time: 200 a second */
	CANCELS_FULL_MS = CANCELS_BURST * CANCELS_COST_MS,
};

struct cancels;

struct cancels *cancels_new(void);
void cancels_free(struct cancels *c);
/* A stream was reset. Also beyond the burst: what is in flight already can be given up. */
void cancels_note(struct cancels *c, struct str subaccount, msec_t now);
/* How long the subaccount has to wait with its next request; 0: go on. */
msec_t cancels_wait(const struct cancels *c, struct str subaccount, msec_t now);
size_t cancels_count(const struct cancels *c); /* subaccounts that are remembered */
