#pragma once
/*
 * When a child that died may be started again: at once, unless it was started PACE_BURST times
 * within PACE_WINDOW_MS, then at the end of that window. One that ended by itself, with an error,
 * would do so again: it waits longer each time. Pure; the caller has the clock.
 */
#include "base/defs.h"

enum {
	PACE_BURST = 5,
	PACE_WINDOW_MS = 1000,
	PACE_PAUSE_MS = 250, /* after the first failure; twice as long after each further one */
	PACE_PAUSE_MAX_MS = 8000,
	PACE_GOOD_MS = 10000, /* a life of this length makes up for all failures before it */
};

struct pace {
	msec_t starts[PACE_BURST]; /* the latest ones, a ring */
	uint64_t n;
	msec_t pause; /* of the last failure; 0: none since the last good life */
};

void pace_started(struct pace *p, msec_t now);
msec_t pace_next(const struct pace *p, msec_t now); /* a point in time, not before `now` */
msec_t pace_failed(struct pace *p, msec_t now);     /* the same, after an end with an error */
