#include "net/heap.h"

static void place(struct heap *h, size_t i, struct loop_timer *t)
{
	h->at[i] = t;
	t->heap_at = i;
}

static void sift_up(struct heap *h, size_t i, struct loop_timer *t)
{
	while (i > 0 && h->at[(i - 1) / 2]->at > t->at) {
		place(h, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, t);
}

static void sift_down(struct heap *h, size_t i, struct loop_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < h->n && h->at[child + 1]->at < h->at[child]->at) {
			child++;
		}
		if (child >= h->n || h->at[child]->at >= t->at) {
			break;
		}
		place(h, i, h->at[child]);
		i = child;
	}
	place(h, i, t);
}

static void settle(struct heap *h, size_t i, struct loop_timer *t)
{
	if (i > 0 && h->at[(i - 1) / 2]->at > t->at) {
		sift_up(h, i, t);
	} else {
		sift_down(h, i, t);
	}
}

void heap_set(struct heap *h, struct loop_timer *t, msec_t at)
{
	if (t->at != 0) {
		t->at = at;
		settle(h, t->heap_at, t);
		return;
	}
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 64;
		h->at = must_realloc(h->at, h->cap * sizeof(*h->at));
	}
	t->at = at;
	sift_up(h, h->n++, t);
}

void heap_remove(struct heap *h, struct loop_timer *t)
{
	if (t->at == 0) {
		return;
	}
	struct loop_timer *last = h->at[--h->n];
	if (last != t) {
		settle(h, t->heap_at, last);
	}
	t->at = 0;
}

struct loop_timer *heap_first(const struct heap *h)
{
	return h->n > 0 ? h->at[0] : NULL;
}

void heap_fini(struct heap *h)
{
	free(h->at);
	*h = (struct heap){NULL, 0, 0};
}
