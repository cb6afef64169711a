#pragma once
/* Reading the audit log that change.h writes. */
#include "store/change.h"

struct audit_entry {
	int64_t n, at_ms;
	struct change_audit audit; /* lent for the call */
	struct str node; /* of a denied attempt or an export (store_is_exports()); else "" */
};

typedef void audit_fn(const struct audit_entry *entry, void *user);
/* Newest first, from the entry before number `before` on, at most `limit`. */
NODISCARD bool store_audit_each(struct store *s, int64_t before, size_t limit, audit_fn *fn,
				void *user, struct err *err);
/* Of a denied attempt or an export in the list of all nodes' ones. */
struct audit_place {
	int64_t at_ms;
	struct str node;
	int64_t n;
};
/* Denied attempts and exports of all nodes, newest first, from behind `after` on; NULL: from the
 * newest. */
NODISCARD bool store_denied_each(struct store *s, const struct audit_place *after, size_t limit,
				 audit_fn *fn, void *user, struct err *err);
/*
 * The stored hash of row `n` of the chain of changes (`node` with at == NULL), or of the chain of
 * `node` as it stands in the tables, to be compared with an anchor outside of the database
 * (keys/anchor.h). *found false: there is no such row. It says nothing about the rows before:
 * store_verify_audit() does.
 */
NODISCARD bool store_audit_hash(struct store *s, struct str node, int64_t n,
				uint8_t hash[static 32], bool *found, struct err *err);
