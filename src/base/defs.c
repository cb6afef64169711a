#include "base/defs.h"

#include <errno.h>
#include <unistd.h>

/* A half-built answer to exhausted memory is worse than a restart: say so and end. */
static _Noreturn void out_of_memory(void)
{
	static const char message[] = "out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
	(void)ignored;
	abort();
}

void *must_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (p == NULL) {
		out_of_memory();
	}
	return p;
}

void *must_realloc(void *p, size_t size)
{
	void *moved = realloc(p, size ? size : 1);
	if (moved == NULL) {
		out_of_memory();
	}
	return moved;
}

void *must_alloc_array(size_t n, size_t size)
{
	size_t bytes = 0;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		out_of_memory();
	}
	return must_alloc(bytes);
}

char *must_strdup(const char *text)
{
	size_t len = strlen(text);
	char *copy = must_alloc(len + 1);
	memcpy(copy, text, len);
	return copy;
}

void close_fd(int fd)
{
	if (fd < 0) {
		return;
	}
	int saved = errno;
	close(fd); /* not repeated after EINTR: Linux has released the number already */
	errno = saved;
}
