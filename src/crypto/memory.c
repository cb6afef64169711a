#include "crypto/memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

static void *take(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(len);
}

static void wipe(void *p, size_t most)
{
	size_t len = malloc_usable_size(p);

	if (len <= most) {
		explicit_bzero(p, len);
	}
}

static void give_all(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p != NULL) {
		wipe(p, SIZE_MAX);
		free(p);
	}
}

static void give_small(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p != NULL) {
		wipe(p, MEMORY_WIPED_MAX);
		free(p);
	}
}

/* realloc() moves without wiping; here the old place is wiped, when it moves. */
static void *resize(void *p, size_t len, void (*give)(void *, const char *, int))
{
	size_t old = p != NULL ? malloc_usable_size(p) : 0;

	if (len == 0) {
		give(p, NULL, 0);
		return NULL;
	}
	if (p != NULL && len <= old) {
		return p;
	}
	void *moved = malloc(len);
	if (moved != NULL && p != NULL) {
		memcpy(moved, p, old);
		give(p, NULL, 0);
	}
	return moved;
}

static void *resize_all(void *p, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return resize(p, len, give_all);
}

static void *resize_small(void *p, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return resize(p, len, give_small);
}

bool memory_wipe_ossl(bool all)
{
	return CRYPTO_set_mem_functions(take, all ? resize_all : resize_small,
					all ? give_all : give_small) == 1;
}
