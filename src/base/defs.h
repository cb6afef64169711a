#pragma once
/*
 * The few macros and units that every file may use.
 *
 * Units live in type names: msec_t counts milliseconds, of a monotonic clock where a point in time
 * is meant; seconds of the calendar are int64_t with `_s` or `unix` in the name.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/banned.h"

typedef int64_t msec_t;

#define SEC(n) ((msec_t)(n)*1000)
#define KIB(n) ((size_t)(n)*1024)
#define MIB(n) ((size_t)(n)*1024 * 1024)

#define COUNT(array)                    (sizeof(array) / sizeof((array)[0]))
#define NODISCARD                       __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define UNUSED                          __attribute__((unused))
/* A large array on a hot path that is written before it is read: not zeroed by the compiler. */
#define NO_INIT __attribute__((uninitialized))

/* Memory of a fixed size: never NULL, zeroed. Exhaustion ends the process (CONTRIBUTING.md,
 * memory). */
void *must_alloc(size_t size);
void *must_realloc(void *p, size_t size);
char *must_strdup(const char *text);
#define NEW(type)          ((type *)must_alloc(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)must_alloc_array((n), sizeof(type)))
void *must_alloc_array(size_t n, size_t size); /* ends the process on overflow of n * size */

/*
 * The one idiom for cleanup: a local that owns is declared AUTO(free_fn) and leaves its function
 * only through TAKE(). The free function is called with the pointer's value and takes NULL.
 *
 *     AUTO(buf_free) struct buf *text = buf_new(KIB(4));
 *     ...
 *     *out = TAKE(text);
 *
 * AUTO needs, once per free function and file scope, DEFINE_AUTO(free_fn, type *).
 */
#define DEFINE_AUTO(free_fn, type)                                                                 \
	UNUSED static inline void auto_##free_fn(type *p)                                          \
	{                                                                                          \
		if (*p) {                                                                          \
			free_fn(*p);                                                               \
		}                                                                                  \
	}
#define AUTO(free_fn) __attribute__((cleanup(auto_##free_fn)))
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define AUTO_FREE __attribute__((cleanup(auto_free_any)))
static inline void auto_free_any(void *p)
{
	free(*(void **)p);
}

/* A descriptor that closes itself; -1 is empty. */
void close_fd(int fd); /* takes -1; keeps errno */
static inline void auto_close(int *fd)
{
	close_fd(*fd);
}
#define AUTO_FD __attribute__((cleanup(auto_close)))
#define TAKE_FD(fd)                                                                                \
	__extension__({                                                                            \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})
