#include "tunnel/link.h"

#include "base/random.h"

static const struct transition {
	enum link_state from;
	enum link_event event;
	enum link_state to;
	enum link_command command;
} transitions[] = {
	/* clang-format off */
	{LINK_IDLE,     LINK_EV_START,     LINK_DIALING,  LINK_DO_DIAL},
	{LINK_IDLE,     LINK_EV_FOLLOW,    LINK_WAITING,  LINK_DO_CLOSE},

	{LINK_DIALING,  LINK_EV_CONNECTED, LINK_GREETING, LINK_DO_GREET},
	{LINK_DIALING,  LINK_EV_LOST,      LINK_WAITING,  LINK_DO_CLOSE},
	{LINK_DIALING,  LINK_EV_DRAIN,     LINK_IDLE,     LINK_DO_CLOSE},
	{LINK_DIALING,  LINK_EV_STOP,      LINK_IDLE,     LINK_DO_CLOSE},

	{LINK_GREETING, LINK_EV_WELCOME,   LINK_UP,       LINK_DO_OPEN},
	{LINK_GREETING, LINK_EV_LOST,      LINK_WAITING,  LINK_DO_CLOSE},
	{LINK_GREETING, LINK_EV_DRAIN,     LINK_IDLE,     LINK_DO_CLOSE},
	{LINK_GREETING, LINK_EV_STOP,      LINK_IDLE,     LINK_DO_CLOSE},

	{LINK_UP,       LINK_EV_LOST,      LINK_WAITING,  LINK_DO_CLOSE},
	{LINK_UP,       LINK_EV_GOAWAY,    LINK_DRAINING, LINK_DO_REPLACE},
	{LINK_UP,       LINK_EV_DRAIN,     LINK_DRAINING, LINK_DO_DRAIN},
	{LINK_UP,       LINK_EV_STOP,      LINK_IDLE,     LINK_DO_CLOSE},

	{LINK_DRAINING, LINK_EV_DRAIN,     LINK_DRAINING, LINK_DO_DRAIN},
	{LINK_DRAINING, LINK_EV_LOST,      LINK_IDLE,     LINK_DO_CLOSE},
	{LINK_DRAINING, LINK_EV_STOP,      LINK_IDLE,     LINK_DO_CLOSE},

	{LINK_WAITING,  LINK_EV_TIMER,     LINK_DIALING,  LINK_DO_DIAL},
	{LINK_WAITING,  LINK_EV_HURRY,     LINK_DIALING,  LINK_DO_DIAL},
	{LINK_WAITING,  LINK_EV_DRAIN,     LINK_IDLE,     LINK_DO_CLOSE},
	{LINK_WAITING,  LINK_EV_STOP,      LINK_IDLE,     LINK_DO_CLOSE},
	/* clang-format on */
};

static const struct transition *find(enum link_state state, enum link_event event)
{
	for (size_t i = 0; i < COUNT(transitions); i++) {
		if (transitions[i].from == state && transitions[i].event == event) {
			return &transitions[i];
		}
	}
	return NULL;
}

msec_t link_backoff(unsigned failures, uint64_t random)
{
	msec_t cap = LINK_BACKOFF_MIN_MS;

	for (unsigned i = 0; i < failures && cap < LINK_BACKOFF_MAX_MS; i++) {
		cap *= 2;
	}
	if (cap > LINK_BACKOFF_MAX_MS) {
		cap = LINK_BACKOFF_MAX_MS;
	}
	return (msec_t)(random % (uint64_t)(cap + 1));
}

/* The pause before the next try. A peer's wish counts from now and gets jitter on top, since it
 * gave the same number to everybody. */
static msec_t pause_of(struct link *l, bool quick)
{
	uint64_t random = random_jitter(&l->seed);
	unsigned failures = l->failures;
	msec_t wish = l->retry_after;

	if (quick && failures > LINK_QUICK_FAILURES) {
		failures = LINK_QUICK_FAILURES;
	}

	l->retry_after = 0;
	if (wish <= 0) {
		return link_backoff(failures, random);
	}
	if (wish > LINK_RETRY_AFTER_MAX_MS) {
		wish = LINK_RETRY_AFTER_MAX_MS;
	}
	return wish + (msec_t)(random % (uint64_t)(LINK_BACKOFF_MIN_MS + wish / 4));
}

enum link_command link_step(struct link *l, enum link_event event, msec_t now)
{
	const struct transition *t = find(l->state, event);

	if (t == NULL || (event == LINK_EV_TIMER && now < l->retry_at)) {
		return LINK_DO_NOTHING; /* a late event of a former state, or an early timer */
	}
	bool was_stable = l->state == LINK_UP && now - l->up_since >= LINK_STABLE_MS;
	if (was_stable || event == LINK_EV_STOP) {
		l->failures = 0;
	}
	bool was_up = l->state == LINK_UP;
	if (was_up && (was_stable || l->quick_until == 0 ||
		       now - l->quick_until >= LINK_QUICK_EVERY_MS - LINK_QUICK_MS)) {
		l->quick_until = now + LINK_QUICK_MS;
	}
	l->state = t->to;
	if (t->to == LINK_UP) {
		l->up_since = now;
	}
	if (t->to == LINK_WAITING) {
		bool quick = now < l->quick_until;
		l->retry_at = now + pause_of(l, quick);
		l->failures += quick && l->failures >= LINK_QUICK_FAILURES ? 0 : 1;
	}
	return t->command;
}
