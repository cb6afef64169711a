#pragma once
/*
 * A thread that follows the audit's head: when it moved, what depends on the database is read again
 * and published. Whoever made a change may have it looked at once, and wait until it is there.
 *
 * While the database is away everything stays as it is, which is logged once. A head that went back
 * is refused by store_head().
 */
#include "store/change.h"

struct follower;

enum {
	FOLLOW_MS = 250, /* between two looks at the head; also the promise of other nodes */
};

/*
 * Reads and publishes what there is at head `head` or later; *reached is the number that it covers,
 * `head` unless it is set. On the follower's thread, and once on the starter's.
 */
typedef bool follow_fn(void *user, int64_t head, int64_t *reached, struct err *err);

struct follow_settings {
	struct store *store; /* lent */
	const char *what;    /* "the directory", for the log; lent */
	follow_fn *fn;
	void *user;
};

/* The first call of `fn` is made before it returns; when that fails there is no follower. */
NODISCARD bool follow_start(const struct follow_settings *settings, struct follower **out,
			    struct err *err);
void follow_stop(struct follower *f); /* joins the thread and frees; takes NULL */
void follow_poke(struct follower *f); /* looks now; any thread */
/* Blocks until head `n` is covered, or `timeout`: false then. Any thread but a loop's. */
NODISCARD bool follow_wait(struct follower *f, int64_t n, msec_t timeout);
