#include "keys/anchor_pace.h"

/* What is used once the time since then is taken off; *since moves by whole pauses. */
static unsigned used_at(const struct anchor_pace *p, msec_t now, msec_t *since)
{
	msec_t back = p->used > 0 ? (now - p->since) / ANCHOR_PACE_MS : 0;

	if (p->used == 0 || back >= (msec_t)p->used) {
		*since = now;
		return 0;
	}
	*since = p->since + back * ANCHOR_PACE_MS;
	return p->used - (unsigned)back;
}

bool anchor_pace_may(const struct anchor_pace *p, msec_t now)
{
	msec_t since;

	return used_at(p, now, &since) < ANCHOR_PACE_BURST;
}

void anchor_pace_noted(struct anchor_pace *p, msec_t now)
{
	p->used = used_at(p, now, &p->since) + 1;
}
