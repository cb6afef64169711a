#pragma once
/* Rows of the hash chains, for those who write them and those who verify them. */
#include "store/change.h"

/* One row of a chain; the texts are in the order in which they are hashed and stored. */
enum row_text {
	ROW_WHO,
	ROW_ORIGIN,
	ROW_TENANT,
	ROW_WHAT,
	ROW_OBJECT,
	ROW_WAS,
	ROW_BECAME,
	ROW_TEXTS,
};

struct row {
	int64_t n, at_ms;
	struct str texts[ROW_TEXTS];
};

/* SHA-256 over the previous row's hash, the number, the time and the texts, each with its length.
 */
bool change_hash_row(struct str previous, const struct row *row, uint8_t hash[static 32],
		     struct err *err);
