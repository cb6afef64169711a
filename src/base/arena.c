#include "base/arena.h"

#include <stdarg.h>

enum {
	ALIGN = 16,
	BLOCK_MIN = 4096, /* bytes of the second and later blocks, unless one piece needs more */
};

struct block {
	struct block *next;
	size_t cap, used; /* bytes of room behind this head */
	size_t unused_;   /* keeps the room aligned to 16 */
};
_Static_assert(sizeof(struct block) % ALIGN == 0, "pieces must be aligned");

struct arena {
	struct block *blocks; /* the newest first; the last one is `first` */
	struct block *first;
	size_t used, max; /* bytes handed out, rounded up */
	bool wipes;
	char unused_[15]; /* keeps the first block aligned to 16 */
};
_Static_assert(sizeof(struct arena) % ALIGN == 0, "the first block follows the arena");

struct arena *arena_new(size_t first_bytes, size_t max_bytes)
{
	size_t room = (first_bytes + ALIGN - 1) / ALIGN * ALIGN;
	struct arena *a = must_alloc(sizeof(struct arena) + sizeof(struct block) + room);
	struct block *first = (struct block *)(void *)(a + 1);
	*first = (struct block){.cap = room};
	*a = (struct arena){.blocks = first, .first = first, .max = max_bytes};
	return a;
}

void arena_wipe(struct arena *a)
{
	a->wipes = true;
}

static void clear(const struct arena *a, struct block *block)
{
	if (a->wipes) {
		explicit_bzero(block + 1, block->used);
	}
}

void arena_reset(struct arena *a)
{
	while (a->blocks != a->first) {
		struct block *gone = a->blocks;
		a->blocks = gone->next;
		clear(a, gone);
		free(gone);
	}
	clear(a, a->first);
	a->first->used = 0;
	a->used = 0;
}

void arena_free(struct arena *a)
{
	if (a == NULL) {
		return;
	}
	arena_reset(a);
	free(a);
}

static struct block *add_block(struct arena *a, size_t bytes)
{
	size_t room = bytes > BLOCK_MIN ? bytes : BLOCK_MIN;
	struct block *block = must_realloc(NULL, sizeof(struct block) + room);
	*block = (struct block){.next = a->blocks, .cap = room};
	a->blocks = block;
	return block;
}

void *arena_get(struct arena *a, size_t bytes)
{
	if (bytes > a->max) {
		return NULL;
	}
	size_t piece = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	if (a->used > a->max || piece > a->max - a->used) {
		return NULL;
	}
	struct block *block = a->blocks;
	if (block->cap - block->used < piece) {
		block = add_block(a, piece);
	}
	char *at = (char *)(block + 1) + block->used;
	block->used += piece;
	a->used += piece;
	return at;
}

void *arena_get_zeroed(struct arena *a, size_t bytes)
{
	void *at = arena_get(a, bytes);
	if (at) {
		memset(at, 0, bytes);
	}
	return at;
}

char *arena_text(struct arena *a, struct str s)
{
	char *at = s.len == SIZE_MAX ? NULL : arena_get(a, s.len + 1);
	if (at == NULL) {
		return NULL;
	}
	if (s.len) {
		memcpy(at, s.at, s.len);
	}
	at[s.len] = '\0';
	return at;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *at = arena_text(a, s);
	return at ? (struct str){at, s.len} : STR_NONE;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	int wanted = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *at = wanted < 0 ? NULL : arena_get(a, (size_t)wanted + 1);
	if (at) {
		vsnprintf(at, (size_t)wanted + 1, fmt, again);
	}
	va_end(again);
	return at;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
