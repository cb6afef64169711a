#pragma once
/*
 * Notes the heads of the audit at keyd (keys/anchor.h), at most once a second, after they moved: of
 * the changes as the chain "audit", of this node's denied attempts as "denied:{node}" and of its
 * exports as "exports:{node}", those two each at the pace of keys/anchor_pace.h. A database that
 * was rolled back is said once, as an error in the log.
 */
#include "keys/anchor_pace.h"
#include "keys/entries.h"
#include "net/rounds.h"
#include "store/change.h"

struct daemon_anchor {
	struct store *store;
	struct keys_client *keys;
	struct rounds rounds;
	/* The round's own. */
	int64_t noted[STORE_CHAINS]; /* numbers at keyd */
	struct anchor_pace pace[STORE_CHAINS];
};

/* All lent; until the jobs end. */
void daemon_anchor_start(struct daemon_anchor *a, struct store *store, struct keys_client *keys,
			 struct loop *loop, struct jobs *jobs);
