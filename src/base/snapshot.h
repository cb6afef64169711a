#pragma once
/*
 * A published immutable object: one thread replaces it, many read it without stopping.
 *
 * The published object starts with a `struct snapshot`. Readers keep a `struct snapshot_view`; its
 * refresh costs one atomic load when nothing changed. A snapshot is freed by whoever lets go of it
 * last. Readers take it once per loop turn, or once per job.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/defs.h"

struct snapshot {
	atomic_uint refs;
	void (*free_fn)(struct snapshot *s);
};

struct snapshot_cell {
	pthread_mutex_t lock;
	atomic_ullong number;     /* grows with each publication */
	struct snapshot *current; /* NULL until the first */
};

struct snapshot_view {
	struct snapshot_cell *cell;
	unsigned long long number;
	struct snapshot *held;
};

void snapshot_cell_init(struct snapshot_cell *cell);
void snapshot_cell_fini(struct snapshot_cell *cell);
/* Takes the first reference of `s`. */
void snapshot_init(struct snapshot *s, void (*free_fn)(struct snapshot *s));
void snapshot_publish(struct snapshot_cell *cell, struct snapshot *take);
struct snapshot *snapshot_ref(struct snapshot_cell *cell); /* owned; may be NULL */
void snapshot_unref(struct snapshot *s);                   /* takes NULL */
/* The newest, lent until the next refresh of the same view. */
struct snapshot *snapshot_view_refresh(struct snapshot_view *view);
void snapshot_view_fini(struct snapshot_view *view);
