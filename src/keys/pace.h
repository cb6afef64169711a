#pragma once
/*
 * When a child that died may be started again: at once, unless it was started PACE_BURST times
 * within PACE_WINDOW_MS, then at the end of that window. Pure; the caller has the clock.
 */
#include "base/defs.h"

enum {
	PACE_BURST = 5,
	PACE_WINDOW_MS = 1000,
};

struct pace {
	msec_t starts[PACE_BURST]; /* the latest ones, a ring */
	uint64_t n;
};

void pace_started(struct pace *p, msec_t now);
msec_t pace_next(const struct pace *p, msec_t now); /* a point in time, not before `now` */
