#include "http/h2_memory.h"

#include <sys/mman.h>

enum {
	STEP = 64,              /* sizes are rounded up to this */
	CLASSES = 16,           /* up to 1,024 bytes */
	PAGES_FROM = 16 * 1024, /* bytes from which a piece gets pages of its own */
	KEPT_MAX = 256,         /* free pieces kept per class: what bounds an idle session */
};

/* Before each piece; 16 bytes, so that pieces stay aligned. */
struct piece {
	size_t size; /* usable bytes */
	struct piece *next;
};
_Static_assert(sizeof(struct piece) == 16, "pieces must be aligned");

struct h2_memory {
	struct piece *free[CLASSES];
	size_t n_free[CLASSES];
	uint64_t system_calls;
};

static size_t class_of(size_t size)
{
	return (size - 1) / STEP;
}

static struct piece *take_new(struct h2_memory *m, size_t size)
{
	m->system_calls++;
	struct piece *p;
	if (size >= PAGES_FROM) {
		p = mmap(NULL, size + sizeof *p, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			abort(); /* as must_alloc does */
		}
	} else {
		p = must_realloc(NULL, size + sizeof *p);
	}
	p->size = size;
	return p;
}

static void *take(size_t size, void *user)
{
	struct h2_memory *m = user;
	size = size ? size : 1;
	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	size_t class = class_of(size);
	if (class >= CLASSES) {
		return take_new(m, size) + 1;
	}
	struct piece *p = m->free[class];
	if (p == NULL) {
		return take_new(m, (class + 1) * STEP) + 1;
	}
	m->free[class] = p->next;
	m->n_free[class]--;
	return p + 1;
}

static void give(void *at, void *user)
{
	struct h2_memory *m = user;
	if (at == NULL) {
		return;
	}
	struct piece *p = (struct piece *)at - 1;
	size_t class = class_of(p->size);
	if (p->size >= PAGES_FROM) {
		munmap(p, p->size + sizeof *p);
	} else if (class >= CLASSES || m->n_free[class] >= KEPT_MAX) {
		free(p);
	} else {
		p->next = m->free[class];
		m->free[class] = p;
		m->n_free[class]++;
	}
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		return NULL;
	}
	void *at = take(bytes, user);
	if (at) {
		memset(at, 0, bytes);
	}
	return at;
}

static void *change(void *at, size_t size, void *user)
{
	size_t had = at ? ((struct piece *)at - 1)->size : 0;
	if (at && size <= had) {
		return at;
	}
	void *larger = take(size, user);
	if (larger && at) {
		memcpy(larger, at, had);
		give(at, user);
	}
	return larger;
}

struct h2_memory *h2_memory_new(void)
{
	return NEW(struct h2_memory);
}

void h2_memory_free(struct h2_memory *m)
{
	if (m == NULL) {
		return;
	}
	for (size_t i = 0; i < CLASSES; i++) {
		for (struct piece *p = m->free[i]; p;) {
			struct piece *next = p->next;
			free(p);
			p = next;
		}
	}
	free(m);
}

nghttp2_mem h2_memory_hooks(struct h2_memory *m)
{
	return (nghttp2_mem){
		.mem_user_data = m,
		.malloc = take,
		.free = give,
		.calloc = take_zeroed,
		.realloc = change,
	};
}

uint64_t h2_memory_system_calls(const struct h2_memory *m)
{
	return m->system_calls;
}
