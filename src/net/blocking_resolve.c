/* getaddrinfo with a deadline: on a thread of its own, which is left alone when it takes too long.
 * Whoever is last, the asker or the thread, frees what they share. */
#include "net/blocking.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t over; /* on CLOCK_MONOTONIC */
	bool done, left;     /* the thread has ended; the asker does not wait any more */
	char *host;
	uint16_t port;
	struct address found[ADDRESSES_MAX];
	size_t n;
	bool ok;
	struct err err;
};

/* How many threads there are. Shared by all jobs, for it bounds something of the process. */
static atomic_uint lookups;

static void lookup_free(struct lookup *l)
{
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->over);
	free(l->host);
	free(l);
	atomic_fetch_sub(&lookups, 1);
}

static void *look_up(void *user)
{
	struct lookup *l = user;

	l->ok = address_resolve(l->host, l->port, l->found, &l->n, &l->err);
	pthread_mutex_lock(&l->lock);
	l->done = true;
	bool left = l->left;
	pthread_cond_signal(&l->over);
	pthread_mutex_unlock(&l->lock);
	if (left) {
		lookup_free(l);
	}
	return NULL;
}

static struct lookup *lookup_new(const char *host, uint16_t port)
{
	struct lookup *l = NEW(struct lookup);
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&l->lock, NULL);
	l->host = must_strdup(host);
	l->port = port;
	return l;
}

/* Signals are the loops' business. */
static bool start_thread(struct lookup *l, struct err *err)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int bad = pthread_create(&thread, NULL, look_up, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (bad != 0) {
		errno = bad;
		return err_errno(err, ERR_SYSTEM, "cannot resolve %s", l->host);
	}
	pthread_detach(thread);
	return true;
}

/* True: the thread is done, and `l` is ours. */
static bool wait_for(struct lookup *l, msec_t deadline)
{
	struct timespec until = {.tv_sec = deadline / 1000,
				 .tv_nsec = (long)(deadline % 1000) * 1000000};
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->done && rc != ETIMEDOUT) {
		rc = pthread_cond_timedwait(&l->over, &l->lock, &until);
	}
	bool done = l->done;
	l->left = !done;
	pthread_mutex_unlock(&l->lock);
	return done;
}

bool blocking_resolve(const char *host, uint16_t port, msec_t deadline, struct address *out,
		      size_t *n, struct err *err)
{
	if (address_parse(str_of(host), port, out)) {
		*n = 1;
		return true;
	}
	if (atomic_fetch_add(&lookups, 1) >= BLOCKING_RESOLVES_MAX) {
		atomic_fetch_sub(&lookups, 1);
		return err_set(err, ERR_LIMIT,
			       "cannot resolve %s: %d other names are still being resolved", host,
			       BLOCKING_RESOLVES_MAX);
	}
	struct lookup *l = lookup_new(host, port);
	if (!start_thread(l, err)) {
		lookup_free(l);
		return false;
	}
	if (!wait_for(l, deadline)) {
		return err_set(err, ERR_NETWORK, "cannot resolve %s: no answer in time", host);
	}
	bool ok = l->ok;
	if (ok) {
		memcpy(out, l->found, l->n * sizeof(*out));
		*n = l->n;
	} else {
		*err = l->err;
	}
	lookup_free(l);
	return ok;
}
