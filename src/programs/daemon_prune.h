#pragma once
/*
 * The retention of denied attempts (store/denied_prune.h): at the start and each
 * DAEMON_PRUNE_MS, in a job, the rows that are too old or too many go, of each chain whose head
 * keyd has anchored (this node's, and those of its former names); not before the limit is passed by
 * one part in DAEMON_PRUNE_SLACK, so that each time is worth its line in the anchor. What will go
 * is anchored at keyd first, as the chain "pruned:{node}". A chain that was cut or changed past us
 * is not pruned any more, which is said once, as an error in the log.
 */
#include "keys/entries.h"
#include "net/rounds.h"
#include "programs/denied_options.h"
#include "store/change.h"

enum {
	DAEMON_PRUNE_MS = 15 * 60 * 1000,
	DAEMON_PRUNE_SLACK = 32,
};

struct daemon_prune {
	struct store *store;
	struct keys_client *keys;
	const struct denied_options *options; /* looked at on the loop's thread */
	struct denied_options now;            /* of this round */
	struct rounds rounds;
};

/* All lent; until the jobs end. */
void daemon_prune_start(struct daemon_prune *d, struct store *store, struct keys_client *keys,
			struct loop *loop, struct jobs *jobs, const struct denied_options *options);
