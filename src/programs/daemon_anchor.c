#include "programs/daemon_anchor.h"

#include "base/clock.h"
#include "keys/anchor.h"
#include "store/denied_prune.h"

enum {
	PAUSE_MS = 1000,
};

/* What is gone of the node's denied attempts; n 0: nothing. */
static bool read_pruned(struct store *s, struct store_tip *out, struct err *err)
{
	AUTO_FREE struct denied_chain *chains = NULL;
	size_t n = 0;

	*out = (struct store_tip){.n = 0};
	if (!store_denied_chains(s, &chains, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(chains[i].node, store_node(s)) == 0) {
			*out = chains[i].pruned;
		}
	}
	return true;
}

/*
 * A new anchor, begun because the one before was moved away, is first told which rows are gone
 * already: it would take them for cut off for ever, since it saw no rule take them.
 */
static bool note_beginning(const struct daemon_anchor *a, const char *denied, struct err *err)
{
	char name[ANCHOR_CHAIN_MAX + 1];
	struct anchor_last head, pruned;
	struct store_tip gone;

	anchor_chain_of(ANCHOR_PRUNED, store_node(a->store), name);
	if (!keys_anchor_last(a->keys, str_of(denied), &head, err) ||
	    !keys_anchor_last(a->keys, str_of(name), &pruned, err) ||
	    !read_pruned(a->store, &gone, err)) {
		return false;
	}
	if (head.n != 0 || pruned.n != 0 || gone.n == 0) {
		return true;
	}
	return keys_anchor(a->keys, str_of(name), gone.n, gone.hash, err);
}

static bool note_one(struct daemon_anchor *a, enum store_chain chain, const char *name,
		     struct err *err)
{
	struct store_tip tip;

	if (!store_tip(a->store, chain, &tip, err)) {
		return false;
	}
	if (tip.n == 0 || tip.n == a->noted[chain]) {
		return true;
	}
	bool first = chain == STORE_DENIED && a->noted[chain] == 0;
	if ((first && !note_beginning(a, name, err)) ||
	    !keys_anchor(a->keys, str_of(name), tip.n, tip.hash, err)) {
		return false;
	}
	a->noted[chain] = tip.n;
	anchor_pace_noted(&a->pace[chain], clock_now());
	return true;
}

/* Who reads without end, or is refused without end, drives them. */
static bool note_paced(struct daemon_anchor *a, enum store_chain chain, const char *kind,
		       struct err *err)
{
	char name[ANCHOR_CHAIN_MAX + 1];

	anchor_chain_of(kind, store_node(a->store), name);
	return !anchor_pace_may(&a->pace[chain], clock_now()) || note_one(a, chain, name, err);
}

static bool run(void *user, struct err *err)
{
	struct daemon_anchor *a = user;

	return note_one(a, STORE_CHANGES, "audit", err) &&
	       note_paced(a, STORE_EXPORTS, ANCHOR_EXPORTS, err) &&
	       note_paced(a, STORE_DENIED, ANCHOR_DENIED, err);
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
