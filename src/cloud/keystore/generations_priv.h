#pragma once
/* What generations_store.c and generations_make_store.c share. */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

enum {
	KEYSTORE_CHANGES_MAX = 64 * 1024 * 1024, /* ids of one change: 8 bytes each */
};

int keystore_by_number(const void *a, const void *b); /* of int64_t, for qsort() */
void keystore_add_ids(struct buf *out, const int64_t *ids, size_t n);
/* What the MAC of that row must be; *found false when its data key is not there. */
NODISCARD bool keystore_generation_mac(struct keystore *k, struct db *db, struct str tenant,
				       const struct keystore_generation_row *g,
				       uint8_t mac[static 32], bool *found, struct err *err);
/* Is `state` the one that was authenticated for that generation? */
NODISCARD bool keystore_hash_is_good(struct keystore *k, struct db *db, struct str tenant,
				     int64_t keystore, int64_t generation,
				     const uint8_t state[static 32], bool *good, struct err *err);
