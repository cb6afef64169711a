#pragma once
/*
 * OpenSSL's memory, overwritten before it is given back: a key that was read leaves copies of its
 * parts behind otherwise (DER, numbers, contexts).
 */
#include <stdbool.h>
#include <stddef.h>

enum {
	/* Larger blocks are record buffers, whose plain text SSL_OP_CLEANSE_PLAINTEXT clears: the
	   data path would pay for wiping them, microseconds a turn. */
	MEMORY_WIPED_MAX = 8 * 1024,
};

/*
 * `all`: blocks of every size (the key process); otherwise those up to MEMORY_WIPED_MAX. Before
 * anything of OpenSSL is used; false when it was already.
 */
bool memory_wipe_ossl(bool all);
