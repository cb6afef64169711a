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

msec_t pace_failed(struct pace *p, msec_t now)
{
	bool good = p->n > 0 && now - p->starts[(p->n - 1) % PACE_BURST] >= PACE_GOOD_MS;

	if (good || p->pause == 0) {
		p->pause = PACE_PAUSE_MS;
	} else if (p->pause < PACE_PAUSE_MAX_MS) {
		p->pause *= 2;
	}
	return now + p->pause;
}
