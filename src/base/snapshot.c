#include "base/snapshot.h"

void snapshot_cell_init(struct snapshot_cell *cell)
{
	pthread_mutex_init(&cell->lock, NULL);
	atomic_init(&cell->number, 0);
	cell->current = NULL;
}

void snapshot_cell_fini(struct snapshot_cell *cell)
{
	snapshot_unref(TAKE(cell->current));
	pthread_mutex_destroy(&cell->lock);
}

void snapshot_init(struct snapshot *s, void (*free_fn)(struct snapshot *s))
{
	atomic_init(&s->refs, 1);
	s->free_fn = free_fn;
}

void snapshot_publish(struct snapshot_cell *cell, struct snapshot *take)
{
	pthread_mutex_lock(&cell->lock);
	struct snapshot *before = cell->current;
	cell->current = take;
	atomic_fetch_add_explicit(&cell->number, 1, memory_order_release);
	pthread_mutex_unlock(&cell->lock);
	snapshot_unref(before); /* outside the lock: freeing may take long */
}

/* The current one with a reference of its own, and its number. */
static struct snapshot *take_current(struct snapshot_cell *cell, unsigned long long *number)
{
	pthread_mutex_lock(&cell->lock);
	struct snapshot *s = cell->current;
	if (s != NULL) {
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	}
	*number = atomic_load_explicit(&cell->number, memory_order_relaxed);
	pthread_mutex_unlock(&cell->lock);
	return s;
}

struct snapshot *snapshot_ref(struct snapshot_cell *cell)
{
	unsigned long long number = 0;
	return take_current(cell, &number);
}

void snapshot_unref(struct snapshot *s)
{
	if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
		s->free_fn(s);
	}
}

struct snapshot *snapshot_view_refresh(struct snapshot_view *view)
{
	if (view->number != atomic_load_explicit(&view->cell->number, memory_order_acquire)) {
		struct snapshot *before = view->held;
		view->held = take_current(view->cell, &view->number);
		snapshot_unref(before);
	}
	return view->held;
}

void snapshot_view_fini(struct snapshot_view *view)
{
	snapshot_unref(TAKE(view->held));
	view->number = 0;
}
