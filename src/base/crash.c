#include "base/crash.h"

#ifdef DRAWBRIDGE_CRASH_POINTS
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/str.h"

enum {
	CRASH_NAME_MAX = 128,
};

static atomic_int folder_fd = -1; /* of the process; test builds only */

void crash_points_in(const char *folder)
{
	atomic_store(&folder_fd, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* "name" or "name 3"; false when it is another point, or not its turn yet. */
static bool is_due(int dir, const char *name)
{
	char text[CRASH_NAME_MAX];
	AUTO_FD int fd = openat(dir, "crash-at", O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct str rest = n > 0 ? str_make(text, (size_t)n) : STR_NONE;
	struct str first = STR_NONE;
	uint64_t count = 1;

	rest = str_trim(str_first(rest, str_find(rest, '\n')));
	if (!str_next(&rest, ' ', &first) || !str_eq(first, str_of(name))) {
		return false;
	}
	if (rest.len > 0 && str_to_u64(rest, &count) && count > 1) {
		int len = snprintf(text, sizeof(text), "%s %llu", name,
				   (unsigned long long)count - 1);
		(void)!ftruncate(fd, 0);
		(void)!pwrite(fd, text, (size_t)len, 0);
		return false;
	}
	return renameat(dir, "crash-at", dir, "crash-was") == 0; /* one process wins */
}

void crash_point(const char *name)
{
	int dir = atomic_load(&folder_fd);

	if (dir < 0 || !is_due(dir, name)) {
		return;
	}
	int fd = openat(dir, "crash-hit", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char line[CRASH_NAME_MAX];
	int len = snprintf(line, sizeof(line), "%s %d\n", name, (int)getpid());
	(void)!write(fd, line, (size_t)len);
	(void)kill(getpid(), SIGKILL);
	_exit(137); /* where a sandbox does not let it */
}
#endif
