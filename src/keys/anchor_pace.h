#pragma once
/*
 * How often a chain that strangers drive (denied attempts) gets a line in the anchor. Whoever is
 * refused each second would otherwise write a line each second, for ever. A line covers all rows
 * before it, so fewer lines only mean that the newest rows are anchored later: at once in quiet
 * times, ANCHOR_PACE_MS later under steady refusals.
 *
 * ANCHOR_PACE_BURST lines, and one more each ANCHOR_PACE_MS: at most 35,040 lines, about 10 MiB, a
 * year. Pure; the caller has the clock. Zeroed, it starts with the whole burst.
 */
#include "base/defs.h"

enum {
	ANCHOR_PACE_BURST = 60,
	ANCHOR_PACE_MS = 15 * 60 * 1000,
};

struct anchor_pace {
	unsigned used; /* lines of the burst */
	msec_t since;  /* when `used` was last lowered, or began to count */
};

bool anchor_pace_may(const struct anchor_pace *p, msec_t now);
void anchor_pace_noted(struct anchor_pace *p, msec_t now); /* a line was written */
