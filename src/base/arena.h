#pragma once
/*
 * Memory for one request or one parse: taken in pieces, given back whole.
 *
 * The first block is part of the arena, so that a small request needs no malloc at all. What a peer
 * can size is bounded by `max`: beyond it arena_get() returns NULL and the caller refuses with
 * ERR_LIMIT. Pieces are aligned to 16 bytes and not zeroed.
 */
#include "base/str.h"

struct arena;

struct arena *arena_new(size_t first_bytes, size_t max_bytes);
/* From now on memory is overwritten before it is given back or used again: it holds secrets. */
void arena_wipe(struct arena *a);
void arena_free(struct arena *a);
void arena_reset(struct arena *a); /* all pieces are gone; keeps the first block */
NODISCARD void *arena_get(struct arena *a, size_t bytes);
NODISCARD void *arena_get_zeroed(struct arena *a, size_t bytes);
/* Copies; at == NULL in the result means that the arena is full. */
NODISCARD struct str arena_str(struct arena *a, struct str s);
NODISCARD char *arena_text(struct arena *a, struct str s); /* NUL-terminated; NULL when full */
NODISCARD char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t arena_used(const struct arena *a);
DEFINE_AUTO(arena_free, struct arena *)
