#include "store/follow.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/log.h"

struct follower {
	struct follow_settings settings;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn;    /* wakes the thread */
	pthread_cond_t covered; /* wakes follow_wait() */
	int64_t head;           /* that is covered */
	bool poked, stopping;
	bool failing;               /* the last look failed: said once, not four times a second */
	char lost[128], found[128]; /* what is said then */
};

static struct timespec later(msec_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

/* The head is read first: what is published is at least that new. */
static bool look(struct follower *f, struct err *err)
{
	int64_t head;

	if (!store_head(f->settings.store, &head, err)) {
		return false;
	}
	if (head == f->head) {
		return true;
	}
	int64_t reached = head;
	if (!f->settings.fn(f->settings.user, head, &reached, err)) {
		return false;
	}
	pthread_mutex_lock(&f->lock);
	f->head = reached;
	pthread_cond_broadcast(&f->covered);
	pthread_mutex_unlock(&f->lock);
	return true;
}

static void look_and_tell(struct follower *f)
{
	struct err err;
	bool ok = look(f, &err);

	if (!ok && !f->failing) {
		log_error(f->lost, LOG_ERR(&err));
	}
	if (ok && f->failing) {
		log_info(f->found);
	}
	f->failing = !ok;
}

/* False when it is time to end. */
static bool wait_for_turn(struct follower *f)
{
	struct timespec until = later(FOLLOW_MS);
	int outcome = 0;

	pthread_mutex_lock(&f->lock);
	while (!f->poked && !f->stopping && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&f->turn, &f->lock, &until);
	}
	f->poked = false;
	bool go_on = !f->stopping;
	pthread_mutex_unlock(&f->lock);
	return go_on;
}

static void *run(void *user)
{
	struct follower *f = user;

	while (wait_for_turn(f)) {
		look_and_tell(f);
	}
	return NULL;
}

static struct follower *follower_new(const struct follow_settings *settings)
{
	struct follower *f = NEW(struct follower);
	pthread_condattr_t monotonic;

	f->settings = *settings;
	f->head = -1;
	(void)snprintf(f->lost, sizeof(f->lost), "%s cannot be read: going on with what is known",
		       settings->what);
	(void)snprintf(f->found, sizeof(f->found), "%s can be read again", settings->what);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->turn, &monotonic);
	pthread_cond_init(&f->covered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return f;
}

static void follower_free(struct follower *f)
{
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->turn);
	pthread_cond_destroy(&f->covered);
	free(f);
}

bool follow_start(const struct follow_settings *settings, struct follower **out, struct err *err)
{
	struct follower *f = follower_new(settings);

	if (!look(f, err)) {
		follower_free(f);
		return false;
	}
	int code = pthread_create(&f->thread, NULL, run, f);
	if (code != 0) {
		follower_free(f);
		return err_set(err, ERR_SYSTEM, "no thread to follow %s: %s", settings->what,
			       strerror(code));
	}
	*out = f;
	return true;
}

void follow_stop(struct follower *f)
{
	if (f == NULL) {
		return;
	}
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_cond_signal(&f->turn);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	follower_free(f);
}

void follow_poke(struct follower *f)
{
	pthread_mutex_lock(&f->lock);
	f->poked = true;
	pthread_cond_signal(&f->turn);
	pthread_mutex_unlock(&f->lock);
}

bool follow_wait(struct follower *f, int64_t n, msec_t timeout)
{
	struct timespec until = later(timeout);
	int outcome = 0;

	pthread_mutex_lock(&f->lock);
	while (f->head < n && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&f->covered, &f->lock, &until);
	}
	bool there = f->head >= n;
	pthread_mutex_unlock(&f->lock);
	return there;
}
