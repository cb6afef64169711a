#pragma once
/*
 * How far the anchor (keys/anchor.h) was read: the end, the last line, and each chain's last number
 * and hash. It is kept in the file "anchor.index", signed by the anchor's key, so that a start
 * reads what is behind it and not the whole file:
 *
 *     drawbridge anchor index 1
 *     {bytes of the anchor up to the end of the last line}
 *     {the last line}
 *     {chain} {number} {hash, 64 hex digits}      one line per chain
 *     {signature over all before it, base64}
 *
 * The index is a convenience: one that is missing, does not verify or belongs to another file is
 * passed over, and the anchor is read from its beginning.
 *
 * Threads: none; its user has a lock.
 */
#include <sys/types.h>

#include "base/map.h"
#include "crypto/key.h"
#include "keys/anchor.h"

enum {
	LOG_TAIL_CHAINS_MAX = 1024,
	LOG_TAIL_EVERY = KIB(256), /* bytes of the anchor between two writes of the index: what a
				      start reads, and verifies, at most */
};

struct log_tail_last {
	int64_t n;
	uint8_t hash[ANCHOR_HASH];
	char chain[ANCHOR_CHAIN_MAX + 1];
};

struct log_tail {
	off_t end;        /* of the last whole line; 0: nothing was read */
	off_t indexed;    /* `end` in the index on disk */
	struct buf line;  /* the last one, without its newline */
	struct map *last; /* chain → struct log_tail_last, owned */
};

void log_tail_init(struct log_tail *t);
void log_tail_fini(struct log_tail *t);
/* NULL when the chain has no line. */
const struct log_tail_last *log_tail_find(const struct log_tail *t, struct str chain);
/*
 * The next line, without its newline; the first one is the file's head. With `spki` it must also be
 * signed by that key, over the line before it. ERR_CONFIG when it is no line or does not verify.
 */
NODISCARD bool log_tail_take(struct log_tail *t, struct str text, struct str spki, struct err *err);
/* Whether the index is LOG_TAIL_EVERY behind. */
bool log_tail_is_due(const struct log_tail *t);
/* Into the folder `dir`, whole or not at all. */
NODISCARD bool log_tail_save(struct log_tail *t, int dir, const struct local_key *key,
			     struct err *err);
/* Into a fresh `t`. False, with `t` as it was, when there is none that fits the anchor `fd`. */
NODISCARD bool log_tail_load(struct log_tail *t, int dir, int fd, struct str spki);
