#pragma once
/*
 * One request in, one answer out: the whole of what the key process does for the server. No socket
 * here; the threads of keyd/serve call it, and the tests and the fuzzer do.
 *
 * Threads: any, at once, each with a struct dispatch of its own when it stages.
 */
#include "keyd/keyring.h"
#include "keyd/log_book.h"
#include "keyd/serials.h"
#include "keyd/stage.h"

/* All lent. */
struct dispatch {
	const struct vault *vault;
	struct keyring *keys;
	struct serials *serials;
	int64_t (*now)(void);    /* Unix seconds */
	struct log_book *book;   /* the anchor; NULL: none is kept */
	struct nursery *nursery; /* NULL: nothing is staged, and keys are made in this process */
	struct stage *stage;     /* of this socket; NULL: nothing is staged */
};

enum {
	DISPATCH_LEAF_MAX_S = 825 * 86400,    /* validity of a leaf (DESIGN 6) */
	DISPATCH_CA_MAX_S = 25 * 366 * 86400, /* of a root or issuing CA */
};

/*
 * Appends the answer, always a whole one. False when the message was no request at all (unknown
 * operation, wrong length, bytes behind): it is answered with the reason all the same, and the
 * caller may count it.
 */
bool dispatch(const struct dispatch *d, struct str request, struct buf *answer);
