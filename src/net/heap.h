#pragma once
/* A binary heap of timers by time; each timer knows its place, so that moving one is O(log n). */
#include "net/loop.h"

struct heap {
	struct loop_timer **at;
	size_t n, cap;
};

void heap_set(struct heap *h, struct loop_timer *t, msec_t at); /* adds or moves; at > 0 */
void heap_remove(struct heap *h, struct loop_timer *t);         /* sets t->at to 0; unset is fine */
struct loop_timer *heap_first(const struct heap *h);            /* the earliest, or NULL */
void heap_fini(struct heap *h);
