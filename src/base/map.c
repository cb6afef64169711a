#include "base/map.h"

#include "base/random.h"

enum {
	SLOTS_FIRST = 16, /* a power of two, as always */
};

struct slot {
	struct str key;
	uint64_t hash;
	void *value;
	bool used;
};

struct map {
	struct slot *slots;
	size_t size; /* slots; a power of two, or 0 before the first put */
	size_t count;
};

/* Drawn before main() and never changed: a peer that cannot guess it cannot aim for collisions. */
static uint64_t hash_key[2];

__attribute__((constructor)) static void draw_hash_key(void)
{
	random_bytes(hash_key, sizeof hash_key);
}

static uint64_t rotated(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = rotated(v[1], 13) ^ v[0];
	v[0] = rotated(v[0], 32);
	v[2] += v[3];
	v[3] = rotated(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotated(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotated(v[1], 17) ^ v[2];
	v[2] = rotated(v[2], 32);
}

static uint64_t little_endian(const char *at, size_t len)
{
	uint64_t n = 0;
	for (size_t i = 0; i < len; i++) {
		n |= (uint64_t)(unsigned char)at[i] << (8 * i);
	}
	return n;
}

/* SipHash-1-3: one round per word, three at the end (Aumasson and Bernstein; as Rust and Linux). */
uint64_t map_hash(struct str key)
{
	uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575U, hash_key[1] ^ 0x646f72616e646f6dU,
			 hash_key[0] ^ 0x6c7967656e657261U, hash_key[1] ^ 0x7465646279746573U};
	struct str rest = key;
	for (; rest.len >= 8; rest = str_skip(rest, 8)) {
		uint64_t word = little_endian(rest.at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	uint64_t last = (uint64_t)key.len << 56 | little_endian(rest.at, rest.len);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++) {
		sip_round(v);
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
	return NEW(struct map);
}

void map_free(struct map *m)
{
	if (m != NULL) {
		free(m->slots);
		free(m);
	}
}

size_t map_count(const struct map *m)
{
	return m->count;
}

/* The slot that holds the key, or the free one where it belongs. The map is never full. */
static struct slot *find(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->size - 1);
	while (m->slots[i].used && !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key))) {
		i = (i + 1) & (m->size - 1);
	}
	return &m->slots[i];
}

void *map_get(const struct map *m, struct str key)
{
	if (m->count == 0) {
		return NULL;
	}
	return find(m, key, map_hash(key))->value;
}

static void grow(struct map *m)
{
	struct map bigger = {.size = m->size ? m->size * 2 : SLOTS_FIRST, .count = m->count};
	bigger.slots = NEW_ARRAY(struct slot, bigger.size);
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].used) {
			*find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
		}
	}
	free(m->slots);
	*m = bigger;
}

void *map_put(struct map *m, struct str key, void *value)
{
	if ((m->count + 1) * 4 > m->size * 3) {
		grow(m);
	}
	uint64_t hash = map_hash(key);
	struct slot *slot = find(m, key, hash);
	void *replaced = slot->value;
	m->count += !slot->used;
	*slot = (struct slot){.key = key, .hash = hash, .value = value, .used = true};
	return replaced;
}

void *map_remove(struct map *m, struct str key)
{
	if (m->count == 0) {
		return NULL;
	}
	struct slot *slot = find(m, key, map_hash(key));
	if (!slot->used) {
		return NULL;
	}
	void *removed = slot->value;
	/* Pulls back what had been pushed past the hole, so that there are no tombstones. */
	size_t mask = m->size - 1;
	size_t hole = (size_t)(slot - m->slots);
	for (size_t i = (hole + 1) & mask; m->slots[i].used; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct slot){0};
	m->count--;
	return removed;
}

bool map_next(const struct map *m, size_t *at, struct str *key, void **value)
{
	while (*at < m->size) {
		const struct slot *slot = &m->slots[(*at)++];
		if (slot->used) {
			*key = slot->key;
			*value = slot->value;
			return true;
		}
	}
	return false;
}
