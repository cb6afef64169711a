#include "keyd/keyring.h"

#include <pthread.h>

#include "base/map.h"

struct keyring_key {
	uint8_t id[KEYS_ID];
	enum keys_class class_;
	struct local_key *local;
	unsigned holders; /* calls that use it now */
	bool listed;      /* in the map; freed when neither listed nor held */
	uint64_t used_at; /* the ring's count of uses */
};

struct keyring {
	pthread_mutex_t lock;
	struct map *keys;
	size_t max;
	uint64_t uses;
};

struct keyring *keyring_new(size_t max)
{
	struct keyring *r = NEW(struct keyring);

	pthread_mutex_init(&r->lock, NULL);
	r->keys = map_new();
	r->max = max;
	return r;
}

static void free_if_unused(struct keyring_key *k)
{
	if (!k->listed && k->holders == 0) {
		local_key_free(k->local);
		free(k);
	}
}

void keyring_free(struct keyring *r)
{
	size_t at = 0;
	struct str id;
	void *value;

	if (!r) {
		return;
	}
	while (map_next(r->keys, &at, &id, &value)) {
		struct keyring_key *k = value;
		k->listed = false;
		free_if_unused(k);
	}
	map_free(r->keys);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct str key_id(const uint8_t *id)
{
	return str_make(id, KEYS_ID);
}

static void unlist(struct keyring *r, struct keyring_key *k)
{
	map_remove(r->keys, key_id(k->id));
	k->listed = false;
	free_if_unused(k);
}

static struct keyring_key *least_used(struct keyring *r)
{
	struct keyring_key *oldest = NULL;
	size_t at = 0;
	struct str id;
	void *value;

	while (map_next(r->keys, &at, &id, &value)) {
		struct keyring_key *k = value;
		if (!oldest || k->used_at < oldest->used_at) {
			oldest = k;
		}
	}
	return oldest;
}

struct keyring_key *keyring_hold(struct keyring *r, const uint8_t id[static KEYS_ID])
{
	pthread_mutex_lock(&r->lock);
	struct keyring_key *k = map_get(r->keys, key_id(id));
	if (k) {
		k->holders++;
		k->used_at = ++r->uses;
	}
	pthread_mutex_unlock(&r->lock);
	return k;
}

void keyring_release(struct keyring *r, struct keyring_key *k)
{
	if (!k) {
		return;
	}
	pthread_mutex_lock(&r->lock);
	k->holders--;
	free_if_unused(k);
	pthread_mutex_unlock(&r->lock);
}

void keyring_add(struct keyring *r, const uint8_t id[static KEYS_ID], enum keys_class class_,
		 struct local_key *take)
{
	struct keyring_key *k = NEW(struct keyring_key);

	memcpy(k->id, id, KEYS_ID);
	k->class_ = class_;
	k->local = take;
	k->listed = true;
	pthread_mutex_lock(&r->lock);
	struct keyring_key *same = map_get(r->keys, key_id(id));
	if (same) {
		unlist(r, same);
	}
	if (map_count(r->keys) >= r->max) {
		unlist(r, least_used(r));
	}
	k->used_at = ++r->uses;
	map_put(r->keys, key_id(k->id), k);
	pthread_mutex_unlock(&r->lock);
}

void keyring_drop(struct keyring *r, const uint8_t id[static KEYS_ID])
{
	pthread_mutex_lock(&r->lock);
	struct keyring_key *k = map_get(r->keys, key_id(id));
	if (k) {
		unlist(r, k);
	}
	pthread_mutex_unlock(&r->lock);
}

size_t keyring_count(struct keyring *r)
{
	pthread_mutex_lock(&r->lock);
	size_t n = map_count(r->keys);
	pthread_mutex_unlock(&r->lock);
	return n;
}

const struct local_key *keyring_local(const struct keyring_key *k)
{
	return k->local;
}

enum keys_class keyring_class(const struct keyring_key *k)
{
	return k->class_;
}
