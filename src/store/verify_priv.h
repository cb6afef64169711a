#pragma once
/* The walk over a chain, for verify.c and denied_prune.c. */
#include "store/change_priv.h"

enum {
	WALK_PAGE = 500, /* rows of one query: bounds the memory on PostgreSQL */
};

/* Where the walk of one chain is. */
struct walk {
	const char *chain; /* for errors: "audit", "denied on {node}", "exports on {node}" */
	struct str node;   /* at == NULL: the chain of changes */
	int64_t n;         /* last number seen; at first the last one before the chain */
	uint8_t hash[32];
	size_t hash_len; /* 0 before the very first row */
	int64_t rows;
	/* Each row that verified; false ends the walk with its err. NULL: nobody looks. */
	bool (*seen)(void *user, const struct walk *w, int64_t at_ms, struct err *err);
	void *user;
};

/*
 * Whether the database knows of pruning: one that the version before left behind, a copy say, is
 * only read here, so no migration comes, and nothing of it was pruned.
 */
NODISCARD bool walk_knows_pruning(struct db *db, bool *knows, struct err *err);
/* The chain's name for errors, by its node as it stands in the tables. */
void walk_name(struct str node, char *out, size_t size);
/* The next WALK_PAGE rows; *n is how many there were. ERR_STORE names the first that is wrong. */
NODISCARD bool walk_page(struct db *db, struct walk *w, int64_t *n, struct err *err);
