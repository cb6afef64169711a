#pragma once
/* The table of cloud/token: signing keys, sealed. The newest signs, all verify. */
#include "keys/reseal.h"
#include "store/change.h"
#include "store/migrate.h"

struct token_key {
	struct buf sealed, spki;
};
void token_key_init(struct token_key *k);
void token_key_fini(struct token_key *k);

/* Calls back each public key, newest first; `newest` gets the first row. *n: how many. */
typedef bool token_key_fn(struct str spki, void *user, struct err *err);
NODISCARD bool token_store_keys(struct store *s, struct token_key *newest, token_key_fn *each,
				void *user, size_t *n, struct err *err);
/* Only when there is none yet, if `first`: several nodes may start at once. */
NODISCARD bool token_store_add_key(struct store *s, const char *kid, const struct token_key *k,
				   bool first, int64_t now, struct err *err);
/* Signing keys, to be sealed again (keys/reseal.h). */
extern const struct reseal_table token_reseal[];
