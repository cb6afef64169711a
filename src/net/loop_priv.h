#pragma once
/* What streams share per loop, so that an idle stream holds no buffer. Only for the floor net. */
#include "base/buf.h"
#include "net/loop.h"

enum {
	LOOP_CIPHER_OUT = 128 * 1024,   /* plaintext bytes that one stream seals in one turn */
	LOOP_POOL_BUFS = 128,           /* empty buffers kept for the next stream that needs one */
	LOOP_POOL_BUF_MAX = 128 * 1024, /* bytes, what a turn of a busy tunnel needs; larger ones
					   are given back to the allocator */
	LOOP_SCRATCH_SLACK = 64 * 1024, /* plaintext of records that the engine held before a read
					 */
};

struct loop_buffers {
	char *scratch, *cipher_in; /* NULL until they are needed */
	struct buf cipher_out;
	struct buf pool[LOOP_POOL_BUFS];
	size_t n_pool;
};
void loop_buffers_init(struct loop_buffers *b);
void loop_buffers_fini(struct loop_buffers *b);
struct loop_buffers *loop_buffers(struct loop *l); /* lent by the loop */

char *loop_cipher_in(struct loop *l);        /* LOOP_SCRATCH bytes for ciphertext that came */
struct buf *loop_cipher_out(struct loop *l); /* empty; for ciphertext to send */
/* A buffer without bytes, with memory from an earlier use where there is some. */
struct buf loop_buf_get(struct loop *l);
void loop_buf_put(struct loop *l, struct buf *take); /* forgets the bytes; *take is empty after */

/* What nobody owns any more and ends by itself, e.g. a stream that sends its last bytes. `end` is
 * called when the loop is freed before that. */
struct loop_orphan {
	struct loop_orphan *next, **prev; /* prev NULL: none */
	void (*end)(struct loop_orphan *o);
};
void loop_orphan_add(struct loop *l, struct loop_orphan *o, void (*end)(struct loop_orphan *o));
void loop_orphan_remove(struct loop_orphan *o); /* takes one that was not added */
