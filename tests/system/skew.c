/*
 * A clock that is wrong, for tests: preloaded into a program, it adds the seconds that the file
 * named by SKEW_FILE holds (a native int64_t, looked at with each call) to the time of day. The
 * steady clocks stay.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *skew;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void open_skew(void)
{
	const char *path = getenv("SKEW_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0) {
		void *page = mmap(NULL, sizeof(*skew), PROT_READ, MAP_SHARED, fd, 0);
		skew = page == MAP_FAILED ? NULL : page;
		close(fd);
	}
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	if (!real_gettime) {
		open_skew();
	}
	int rc = real_gettime(id, t);

	if (rc == 0 && skew && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		t->tv_sec += *skew;
	}
	return rc;
}

time_t time(time_t *out)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_REALTIME, &t);
	if (out) {
		*out = t.tv_sec;
	}
	return t.tv_sec;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec t = {0};

	(void)zone;
	int rc = clock_gettime(CLOCK_REALTIME, &t);
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return rc;
}
