#pragma once
/*
 * A hash map from bytes to pointers, open addressing, hashed with SipHash-1-3 under a key drawn at
 * start, so that a peer cannot aim for collisions. Keys are borrowed: they must live as long as
 * their entry (usually inside the value). Values are not owned.
 */
#include "base/str.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m);
size_t map_count(const struct map *m);
void *map_get(const struct map *m, struct str key);        /* NULL when there is none */
void *map_put(struct map *m, struct str key, void *value); /* returns the value that it replaced */
void *map_remove(struct map *m, struct str key);           /* returns it, or NULL */
/* Walks in no order: *at starts at 0; false at the end. No put or remove during the walk. */
bool map_next(const struct map *m, size_t *at, struct str *key, void **value);
uint64_t map_hash(struct str key); /* the keyed hash itself, stable within one process */
DEFINE_AUTO(map_free, struct map *)
