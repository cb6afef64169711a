#include "programs/daemon_anchor.h"

#include "base/clock.h"
#include "keys/anchor.h"

enum {
	PAUSE_MS = 1000,
};

static bool note_one(struct daemon_anchor *a, bool denied, const char *chain, struct err *err)
{
	struct store_tip tip;

	if (!store_tip(a->store, denied, &tip, err)) {
		return false;
	}
	if (tip.n == 0 || tip.n == a->noted[denied]) {
		return true;
	}
	if (!keys_anchor(a->keys, str_of(chain), tip.n, tip.hash, err)) {
		return false;
	}
	a->noted[denied] = tip.n;
	if (denied) {
		anchor_pace_noted(&a->pace, clock_now());
	}
	return true;
}

static bool run(void *user, struct err *err)
{
	struct daemon_anchor *a = user;
	char denied[ANCHOR_CHAIN_MAX + 1];

	anchor_chain_of(ANCHOR_DENIED, store_node(a->store), denied);
	return note_one(a, false, "audit", err) &&
	       (!anchor_pace_may(&a->pace, clock_now()) || note_one(a, true, denied, err));
}

void daemon_anchor_start(struct daemon_anchor *a, struct store *store, struct keys_client *keys,
			 struct loop *loop, struct jobs *jobs)
{
	const struct rounds_settings rounds = {.loop = loop,
					       .jobs = jobs,
					       .first = PAUSE_MS,
					       .pause = PAUSE_MS,
					       .run = run,
					       .failed = "the audit's head could not be anchored",
					       .user = a};

	*a = (struct daemon_anchor){.store = store, .keys = keys};
	rounds_start(&a->rounds, &rounds);
}
