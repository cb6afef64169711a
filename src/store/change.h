#pragma once
/*
 * A change of state: one transaction with the state, its audit row and the advance of `head`.
 *
 * head(one, n, hash) is a single row, locked and advanced last: numbers without gaps, in commit
 * order. hash = SHA-256(previous hash, n, audit row): the audit log is a hash chain through head.
 * Other nodes read the head every 250 ms; a lower head than the one known is never accepted.
 */
#include "store/store.h"

struct change_audit {
	struct str who;           /* "user:Administrator", "connector:…", "system" */
	struct str from;          /* address of the caller, or "" */
	struct str tenant;        /* subaccount id, or "" */
	struct str what;          /* "subaccount.create", "certificate.issue" */
	struct str object;        /* what it was done to */
	struct str before, after; /* JSON, or "" ; never a secret */
};

/* Called by the tx function to say what it did; copied. Must be called exactly once per change. */
struct change;
void change_record(struct change *c, const struct change_audit *audit);
typedef bool change_fn(struct db *db, struct change *c, void *user, struct err *err);

/*
 * *n is the head's number after the commit; may be NULL. A head below one that this process has
 * seen is ERR_STORE (the database was rolled back under a running node): here and in store_head().
 */
NODISCARD bool store_change(struct store *s, change_fn *fn, void *user, int64_t *n,
			    struct err *err);
NODISCARD bool store_head(struct store *s, int64_t *n, struct err *err);
/*
 * The chains: the changes', and of each node one of denied attempts and one of exports, which lie
 * in the same tables, the second under the node's name behind STORE_EXPORTS_PREFIX. Denied attempts
 * are driven by strangers and go after a while (store/denied_prune.h); changes and exports never
 * go.
 */
enum store_chain {
	STORE_CHANGES,
	STORE_DENIED,
	STORE_EXPORTS,
	STORE_CHAINS, /* how many; the last one */
};
#define STORE_EXPORTS_PREFIX "exports:"
/* Whether `node`, as it stands in the tables, means exports; then *name is without the prefix. */
bool store_is_exports(struct str node, struct str *name);

/* The head of a chain, of this node; n 0 when there is none yet. */
struct store_tip {
	int64_t n;
	uint8_t hash[32];
};
NODISCARD bool store_tip(struct store *s, enum store_chain chain, struct store_tip *out,
			 struct err *err);
/* A denied attempt: into the chain of this node (store_set_node), batched by the caller. */
NODISCARD bool store_denied(struct store *s, const struct change_audit *audit, struct err *err);
/* Several in one transaction, of STORE_DENIED or STORE_EXPORTS: store/denials.h gathers them. */
NODISCARD bool store_denied_all(struct store *s, enum store_chain chain,
				const struct change_audit *audits, size_t n, struct err *err);
/*
 * Walks the chain of changes up to the head, and then each node's chains of denied attempts, from
 * behind what was pruned (store/denied_prune.h), and of exports; *rows counts all. ERR_STORE names
 * the first row that is changed, missing or out of order.
 */
NODISCARD bool store_verify_audit(struct store *s, int64_t *rows, struct err *err);
