#include "keys/pace.h"

void pace_started(struct pace *p, msec_t now)
{
	p->starts[p->n++ % PACE_BURST] = now;
}

msec_t pace_next(const struct pace *p, msec_t now)
{
	if (p->n < PACE_BURST) {
		return now;
	}
	msec_t oldest = p->starts[p->n % PACE_BURST];
	return now - oldest < PACE_WINDOW_MS ? oldest + PACE_WINDOW_MS : now;
}
