/* The buffers of a loop that its streams share: one thread uses them, one stream at a time. */
#include "net/loop_priv.h"

/* Without a bound of its own: streams bound what they queue. */
static struct buf empty(void)
{
	return BUF(SIZE_MAX / 2);
}

void loop_buffers_init(struct loop_buffers *b)
{
	b->cipher_out = empty();
}

void loop_buffers_fini(struct loop_buffers *b)
{
	buf_fini(&b->cipher_out);
	for (size_t i = 0; i < b->n_pool; i++) {
		buf_fini(&b->pool[i]);
	}
	free(b->scratch);
	free(b->cipher_in);
}

char *loop_scratch(struct loop *l)
{
	struct loop_buffers *b = loop_buffers(l);

	if (b->scratch == NULL) {
		b->scratch = must_alloc(LOOP_SCRATCH + LOOP_SCRATCH_SLACK);
	}
	return b->scratch;
}

char *loop_cipher_in(struct loop *l)
{
	struct loop_buffers *b = loop_buffers(l);

	if (b->cipher_in == NULL) {
		b->cipher_in = must_alloc(LOOP_SCRATCH);
	}
	return b->cipher_in;
}

struct buf *loop_cipher_out(struct loop *l)
{
	struct loop_buffers *b = loop_buffers(l);

	buf_reset(&b->cipher_out);
	return &b->cipher_out;
}

struct buf loop_buf_get(struct loop *l)
{
	struct loop_buffers *b = loop_buffers(l);

	return b->n_pool > 0 ? b->pool[--b->n_pool] : empty();
}

void loop_buf_put(struct loop *l, struct buf *take)
{
	struct loop_buffers *b = loop_buffers(l);

	if (take->at != NULL && take->cap <= LOOP_POOL_BUF_MAX && b->n_pool < LOOP_POOL_BUFS) {
		buf_reset(take);
		take->wipes = false; /* it is clean now, and the next one may hold no secret */
		b->pool[b->n_pool++] = *take;
	} else {
		buf_fini(take);
	}
	*take = empty();
}
