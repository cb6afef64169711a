#pragma once
/*
 * The retention of denied attempts (store_denied() of change.h): the oldest rows of a node's chain
 * go, and the chain begins behind them. denied_head keeps number and hash of the last row that
 * went; store_verify_audit() starts there.
 *
 * Whoever may write into the database could move that beginning, too, and hide rows. So each step
 * is anchored outside of it first (keys/anchor.h, the chain "pruned:{node}"), and rows go only
 *   - when the database's beginning is the one that was anchored last, or one before it,
 *   - when all rows from there to the last anchored head are whole and lead to its hash,
 *   - up to that anchored head at most.
 * What was cut or changed past us ends the pruning, with ERR_CONFLICT or ERR_STORE.
 *
 * The chains of changes and of exports are never pruned.
 */
#include "store/change.h"

enum {
	DENIED_NODES_MAX = 1000,
	DENIED_PRUNE_BATCH = 500, /* rows of one transaction */
};

/* One node's chain, also that of its exports (store_is_exports()); its rows are those from behind
 * `pruned` to `head`. */
struct denied_chain {
	char node[256];
	struct store_tip head, pruned; /* n 0: none */
	int64_t oldest_ms;             /* Unix time of the first row; INT64_MAX: there is none */
};
/* *out is for free(). */
NODISCARD bool store_denied_chains(struct store *s, struct denied_chain **out, size_t *n,
				   struct err *err);

struct denied_rule {
	int64_t before_ms; /* Unix time: older rows go; INT64_MIN: none for their age */
	int64_t rows_max;  /* so many of the newest stay */
};
/* What the anchor says of the chain; n 0: nothing. */
struct denied_known {
	struct store_tip head, pruned;
};

/*
 * Reads the whole chain and checks it. *to is the last row that may go; its number is that of
 * chain->pruned when none may: of exports always. Blocks; a page at a time.
 */
NODISCARD bool store_denied_judge(struct store *s, const struct denied_chain *chain,
				  const struct denied_known *known, const struct denied_rule *rule,
				  struct store_tip *to, struct err *err);
/* Deletes up to `n`, which must have been anchored, in small transactions; *rows counts them. */
NODISCARD bool store_denied_prune(struct store *s, const struct denied_chain *chain, int64_t n,
				  int64_t *rows, struct err *err);
