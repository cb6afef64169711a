#include "cloud/relay/registry.h"

#include <assert.h>

struct place {
	char key[REGISTRY_KEY_MAX];
	struct registry_entry *entries[REGISTRY_PLACE_TUNNELS_MAX];
	size_t n, n_waiting;
	struct registry_waiter *first, **last;
	msec_t gone;  /* when the last entry went; 0: there never was one */
	bool returns; /* and whether another is expected */
};

struct registry {
	struct map *places;
	registry_usable_fn *usable;
	uint64_t seed;
};

enum {
	FORGET_AFTER_MS = 60000, /* an empty place; looked at when another one is made */
	SWEEP_EVERY = 64,        /* places made between two looks */
};

struct registry *registry_new(registry_usable_fn *usable, uint64_t seed)
{
	struct registry *r = NEW(struct registry);

	r->places = map_new();
	r->usable = usable;
	r->seed = seed;
	return r;
}

static void free_place(struct registry *r, struct place *p)
{
	map_remove(r->places, str_of(p->key));
	free(p);
}

void registry_free(struct registry *r)
{
	struct str key;
	void *value;

	if (r == NULL) {
		return;
	}
	for (size_t at = 0; map_next(r->places, &at, &key, &value);) {
		struct place *p = value;
		assert(p->n == 0 && p->n_waiting == 0);
		free(p);
	}
	map_free(r->places);
	free(r);
}

bool registry_key(struct str subaccount, struct str location, char into[static REGISTRY_KEY_MAX])
{
	if (subaccount.len + location.len + 2 > REGISTRY_KEY_MAX) {
		return false;
	}
	snprintf(into, REGISTRY_KEY_MAX, "%.*s/%.*s", STR_ARGS(subaccount), STR_ARGS(location));
	return true;
}

/* Places without tunnels are kept for a while, since they tell what was there; not for ever. */
static void sweep(struct registry *r, msec_t now)
{
	struct place *old[SWEEP_EVERY];
	size_t n = 0;
	struct str key;
	void *value;

	for (size_t at = 0; n < COUNT(old) && map_next(r->places, &at, &key, &value);) {
		struct place *p = value;
		if (p->n == 0 && p->n_waiting == 0 && now - p->gone > FORGET_AFTER_MS) {
			old[n++] = p;
		}
	}
	while (n > 0) {
		free_place(r, old[--n]);
	}
}

static struct place *get_place(struct registry *r, struct str key, msec_t now)
{
	struct place *p = map_get(r->places, key);

	if (p != NULL) {
		return p;
	}
	if (map_count(r->places) % SWEEP_EVERY == SWEEP_EVERY - 1) {
		sweep(r, now);
	}
	p = NEW(struct place);
	bool fits = str_copy(key, p->key, sizeof(p->key));
	assert(fits); /* registry_key() made it */
	p->last = &p->first;
	map_put(r->places, str_of(p->key), p);
	return p;
}

bool registry_add(struct registry *r, struct str key, struct registry_entry *e, msec_t now)
{
	struct place *p = get_place(r, key, now);

	assert(e->place == NULL);
	if (p->n == COUNT(p->entries)) {
		return false;
	}
	p->entries[p->n++] = e;
	e->place = p;
	return true;
}

void registry_remove(struct registry *r UNUSED, struct registry_entry *e, bool returns, msec_t now)
{
	struct place *p = e->place;

	if (p == NULL) {
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		if (p->entries[i] == e) {
			p->entries[i] = p->entries[--p->n];
			break;
		}
	}
	e->place = NULL;
	if (p->n == 0) {
		p->gone = now > 0 ? now : 1;
		p->returns = returns;
	}
}

/* The i-th usable entry from a random start; NULL when there is none. */
static struct registry_entry *usable_from(struct registry *r, const struct place *p, size_t start,
					  const struct registry_entry *but)
{
	for (size_t i = 0; i < p->n; i++) {
		struct registry_entry *e = p->entries[(start + i) % p->n];
		if (e != but && r->usable(e)) {
			return e;
		}
	}
	return NULL;
}

enum registry_found registry_pick(struct registry *r, struct str key, msec_t now, msec_t rejoin,
				  struct registry_entry **out)
{
	struct place *p = map_get(r->places, key);

	if (p == NULL || p->n == 0) {
		bool recent = p != NULL && p->gone != 0 && p->returns && now - p->gone < rejoin;
		return recent ? REGISTRY_RECENT : REGISTRY_ABSENT;
	}
	uint64_t random = p->n > 1 ? random_jitter(&r->seed) : 0;
	struct registry_entry *a = usable_from(r, p, (size_t)(random % p->n), NULL);
	if (a == NULL) {
		return REGISTRY_BUSY;
	}
	struct registry_entry *b =
		p->n > 1 ? usable_from(r, p, (size_t)((random >> 32) % p->n), a) : NULL;
	*out = b != NULL && b->streams < a->streams ? b : a;
	return REGISTRY_ENTRY;
}

size_t registry_count(const struct registry *r, struct str key)
{
	const struct place *p = map_get(r->places, key);

	return p != NULL ? p->n : 0;
}

bool registry_wait(struct registry *r, struct str key, struct registry_waiter *w, size_t max,
		   msec_t now)
{
	struct place *p = get_place(r, key, now);

	assert(w->prev == NULL);
	if (p->n_waiting >= max) {
		return false;
	}
	w->next = NULL;
	w->prev = p->last;
	*p->last = w;
	p->last = &w->next;
	w->place = p;
	p->n_waiting++;
	return true;
}

void registry_leave(struct registry_waiter *w)
{
	if (w->prev == NULL) {
		return;
	}
	*w->prev = w->next;
	if (w->next != NULL) {
		w->next->prev = w->prev;
	} else {
		w->place->last = w->prev;
	}
	w->place->n_waiting--;
	w->prev = NULL;
	w->place = NULL;
}

bool registry_has_waiters(const struct place *place)
{
	return place != NULL && place->n_waiting > 0;
}

void registry_wake(struct registry *r UNUSED, struct place *place, size_t n)
{
	/* Bounded by who waited at the start, because one may come back at once. */
	if (n > place->n_waiting) {
		n = place->n_waiting;
	}
	for (; n > 0 && place->first != NULL; n--) {
		struct registry_waiter *w = place->first;
		registry_leave(w);
		w->fn(w);
	}
}
