#pragma once
/*
 * A worker's tunnels by place: (subaccount, location ID). One thread.
 *
 * Entries are embedded in their owner, who removes them before it dies. What is usable is asked of
 * the owner, so that this module knows no tunnel.
 */
#include "base/map.h"
#include "base/random.h"

enum {
	REGISTRY_KEY_MAX = 37 + 129,     /* "subaccount/location" with its NUL */
	REGISTRY_PLACE_TUNNELS_MAX = 64, /* of one place on one worker */
};

struct registry;
struct place;

struct registry_entry {
	struct place *place; /* the registry's; NULL: not in */
	size_t streams;      /* the owner's: outstanding requests */
};

/* Somebody who waits for a tunnel of a place, or for room in one; embedded in its owner. */
struct registry_waiter {
	struct registry_waiter *next, **prev; /* the registry's; prev NULL: does not wait */
	struct place *place;
	void (*fn)(struct registry_waiter *w); /* called once, after leaving the queue */
};

typedef bool registry_usable_fn(struct registry_entry *e);

struct registry *registry_new(registry_usable_fn *usable, uint64_t seed);
void registry_free(struct registry *r); /* must be empty */

/* "subaccount/location"; false when it does not fit. */
NODISCARD bool registry_key(struct str subaccount, struct str location,
			    char into[static REGISTRY_KEY_MAX]);
/* False: the place has REGISTRY_PLACE_TUNNELS_MAX. */
NODISCARD bool registry_add(struct registry *r, struct str key, struct registry_entry *e,
			    msec_t now);
/* `returns`: its connector is expected back soon, so requests may wait for it (REGISTRY_RECENT).
 * The place's last entry decides. Takes one that is not in. */
void registry_remove(struct registry *r, struct registry_entry *e, bool returns, msec_t now);

enum registry_found {
	REGISTRY_ENTRY,
	REGISTRY_BUSY,   /* there are tunnels, but none can take a request now */
	REGISTRY_ABSENT, /* no tunnel, and none within `rejoin` */
	REGISTRY_RECENT, /* the last one was lost less than `rejoin` ago: a new one may come */
};
/* Of two random usable entries the one with fewer streams. */
enum registry_found registry_pick(struct registry *r, struct str key, msec_t now, msec_t rejoin,
				  struct registry_entry **out);
size_t registry_count(const struct registry *r, struct str key);

/* False: `max` wait for this place already. */
NODISCARD bool registry_wait(struct registry *r, struct str key, struct registry_waiter *w,
			     size_t max, msec_t now);
void registry_leave(struct registry_waiter *w);       /* takes one that does not wait */
bool registry_has_waiters(const struct place *place); /* takes NULL */
/* Lets up to `n` waiters of the place go, oldest first. */
void registry_wake(struct registry *r, struct place *place, size_t n);
