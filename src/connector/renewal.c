#include "connector/renewal.h"

#include "base/random.h"
#include "crypto/cert.h"

enum {
	TENTH = 10,
	THOUSANDTH = 1000,
	DOUBLINGS_MAX = 16, /* of the floor: beyond every pause */
};

const char *renewal_state_name(enum renewal_state state)
{
	static const char *const names[] = {
		[RENEWAL_OFF] = "off",         [RENEWAL_PLANNED] = "planned",
		[RENEWAL_TRYING] = "trying",   [RENEWAL_RETRYING] = "retrying",
		[RENEWAL_REFUSED] = "refused",
	};

	return names[state];
}

/* ---- pauses ---- */

static int64_t between(int64_t least, int64_t value, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static int64_t draw(struct renewal_plan *p, int64_t most)
{
	return most > 0 ? (int64_t)(random_jitter(&p->seed) % (uint64_t)(most + 1)) : 0;
}

static int64_t life_of(const struct renewal_plan *p)
{
	return p->not_after > p->received ? p->not_after - p->received : 0;
}

static int64_t floor_of(const struct renewal_plan *p)
{
	return between(RENEWAL_FLOOR_MS, life_of(p) / THOUSANDTH, RENEWAL_FLOOR_MOST_MS);
}

/* The longest pause now: a tenth of the way to its end, or since. */
static int64_t cap_of(const struct renewal_plan *p, int64_t slowest, int64_t now)
{
	int64_t way = now < p->not_after ? p->not_after - now : now - p->not_after;

	return between(floor_of(p), way / TENTH, slowest);
}

static int64_t pause_after_failure(struct renewal_plan *p, int64_t now)
{
	int64_t floor = floor_of(p);
	unsigned doublings = p->failures < DOUBLINGS_MAX ? p->failures : DOUBLINGS_MAX;
	int64_t most = between(floor, floor << doublings, cap_of(p, RENEWAL_PAUSE_MS, now));

	return floor + draw(p, most - floor);
}

static int64_t pause_after_refusal(struct renewal_plan *p, int64_t now)
{
	int64_t floor = floor_of(p);

	return floor + draw(p, cap_of(p, RENEWAL_SLOW_MS, now) - floor);
}

/* For what could be tried at once by many together: a start, a cloud side that is back. */
static int64_t scatter(struct renewal_plan *p, int64_t now)
{
	int64_t cap = cap_of(p, RENEWAL_PAUSE_MS, now), life = life_of(p);

	return draw(p, between(RENEWAL_FLOOR_MS, (cap < life ? cap : life) / TENTH, cap));
}

/* Never sooner than the floor after the last try, nor than the cloud side allows. */
static int64_t allowed(const struct renewal_plan *p, int64_t at)
{
	int64_t least = p->tried_at != 0 ? p->tried_at + floor_of(p) : at;

	at = at < least ? least : at;
	return at < p->not_before_at ? p->not_before_at : at;
}

/* ---- the plan ---- */

void renewal_init(struct renewal_plan *p, uint64_t seed)
{
	*p = (struct renewal_plan){.on = true, .seed = seed};
}

static int64_t due_of(const struct renewal_plan *p)
{
	return life_of(p) < RENEWAL_LIFE_LEAST_MS
		       ? p->received + RENEWAL_PAUSE_MS
		       : cert_renewal_time(p->received, p->not_after, p->spread);
}

static void plan(struct renewal_plan *p, int64_t now)
{
	p->failures = 0;
	if (!p->on || p->not_after == 0) {
		p->state = RENEWAL_OFF;
		return;
	}
	p->state = RENEWAL_PLANNED;
	p->next_at = due_of(p);
	if (p->next_at <= now) {
		p->next_at = now + scatter(p, now);
	}
	p->next_at = allowed(p, p->next_at);
}

void renewal_certificate(struct renewal_plan *p, int64_t received, int64_t not_after,
			 uint32_t spread, int64_t now)
{
	p->received = received;
	p->not_after = not_after;
	p->spread = spread;
	if (p->state == RENEWAL_TRYING) {
		p->failures = 0; /* refreshed by hand meanwhile: renewal_end() plans */
		return;
	}
	plan(p, now);
}

void renewal_switch(struct renewal_plan *p, bool on, int64_t now)
{
	if (p->on == on) {
		return;
	}
	p->on = on;
	if (p->state != RENEWAL_TRYING) {
		plan(p, now);
	}
}

static void wait_after(struct renewal_plan *p, enum renewal_outcome outcome, int64_t now)
{
	bool refused = outcome == RENEWAL_DENIED;

	p->state = refused ? RENEWAL_REFUSED : RENEWAL_RETRYING;
	p->next_at = now + (refused ? pause_after_refusal(p, now) : pause_after_failure(p, now));
}

void renewal_restore(struct renewal_plan *p, int64_t tried_at, enum renewal_outcome last,
		     unsigned failures, int64_t now)
{
	p->tried_at = tried_at < now ? tried_at : now;
	if (p->state == RENEWAL_OFF || last == RENEWAL_DONE || now < due_of(p)) {
		return;
	}
	p->failures = failures;
	wait_after(p, last, p->tried_at);
	p->next_at = p->next_at > now ? p->next_at : now + scatter(p, now);
}

/* A clock that was set back would leave the next try far away. */
static void mend_clock(struct renewal_plan *p, int64_t now)
{
	bool waits = p->state == RENEWAL_RETRYING || p->state == RENEWAL_REFUSED;

	/* Planned when it seemed due: within an hour then, so this is another time. */
	if (p->state == RENEWAL_PLANNED && p->next_at > due_of(p) &&
	    p->next_at > now + RENEWAL_PAUSE_MS) {
		p->tried_at = p->tried_at < now ? p->tried_at : now;
		plan(p, now);
	}
	if (p->tried_at <= now) {
		return;
	}
	p->tried_at = now;
	p->not_before_at = 0;
	if (waits) {
		p->next_at = now + pause_after_failure(p, now);
	}
}

int64_t renewal_wait(struct renewal_plan *p, int64_t now)
{
	if (p->state == RENEWAL_OFF || p->state == RENEWAL_TRYING) {
		return -1;
	}
	mend_clock(p, now);
	return p->next_at > now ? p->next_at - now : 0;
}

bool renewal_begin(struct renewal_plan *p, int64_t now)
{
	if (renewal_wait(p, now) != 0) {
		return false;
	}
	p->state = RENEWAL_TRYING;
	p->tried_at = now;
	return true;
}

void renewal_end(struct renewal_plan *p, enum renewal_outcome outcome, int64_t later, int64_t now)
{
	p->not_before_at = 0;
	p->tried_at = now;
	if (outcome == RENEWAL_DONE || !p->on || now < due_of(p)) {
		plan(p, now);
		p->next_at = due_of(p) <= now ? now + cap_of(p, RENEWAL_PAUSE_MS, now) : p->next_at;
		return; /* it is not due any more, or renewal_certificate() says so in a moment */
	}
	p->failures++;
	wait_after(p, outcome, now);
	if (later >= 0) {
		p->not_before_at = now + between(0, later, RENEWAL_LATER_MS);
		p->next_at = p->not_before_at + pause_after_failure(p, now);
	}
}

void renewal_heard(struct renewal_plan *p, int64_t now)
{
	if (p->state != RENEWAL_RETRYING) {
		return;
	}
	int64_t sooner = allowed(p, now + scatter(p, now));
	p->next_at = sooner < p->next_at ? sooner : p->next_at;
}
