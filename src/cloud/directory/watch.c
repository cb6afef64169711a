/* The thread that keeps the snapshot fresh; its interface is in snapshot.h. */
#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "cloud/directory/snapshot.h"

struct directory_watch {
	struct store *store;
	struct snapshot_cell *cell;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn;      /* wakes the thread */
	pthread_cond_t published; /* wakes directory_watch_wait() */
	int64_t head;             /* of what is published */
	bool poked, stopping;
	bool failing; /* the last look failed: said once, not four times a second */
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

static void publish(struct directory_watch *w, struct directory_snapshot *snap)
{
	int64_t head = directory_snapshot_head(snap);

	/* it starts with its struct snapshot */
	snapshot_publish(w->cell, (struct snapshot *)(void *)snap);
	pthread_mutex_lock(&w->lock);
	w->head = head;
	pthread_cond_broadcast(&w->published);
	pthread_mutex_unlock(&w->lock);
}

/* store_head() refuses a head that went back. */
static bool look(struct directory_watch *w, struct err *err)
{
	struct directory_snapshot *snap;
	int64_t head;

	if (!store_head(w->store, &head, err)) {
		return false;
	}
	if (head == w->head) {
		return true;
	}
	if (!directory_snapshot_load(w->store, &snap, err)) {
		return false;
	}
	publish(w, snap);
	return true;
}

static void look_and_tell(struct directory_watch *w)
{
	struct err err;
	bool ok = look(w, &err);

	if (!ok && !w->failing) {
		log_error("the directory cannot be read: going on with what is known",
			  LOG_ERR(&err));
	}
	if (ok && w->failing) {
		log_info("the directory can be read again");
	}
	w->failing = !ok;
}

/* False when it is time to end. */
static bool wait_for_turn(struct directory_watch *w)
{
	struct timespec until = later(DIRECTORY_WATCH_MS);
	int outcome = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->poked && !w->stopping && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&w->turn, &w->lock, &until);
	}
	w->poked = false;
	bool go_on = !w->stopping;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void *run(void *user)
{
	struct directory_watch *w = user;

	while (wait_for_turn(w)) {
		look_and_tell(w);
	}
	return NULL;
}

static void watch_init(struct directory_watch *w)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->turn, &monotonic);
	pthread_cond_init(&w->published, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void watch_fini(struct directory_watch *w)
{
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->turn);
	pthread_cond_destroy(&w->published);
	free(w);
}

bool directory_watch_start(struct store *s, struct snapshot_cell *cell,
			   struct directory_watch **out, struct err *err)
{
	struct directory_snapshot *snap;

	if (!directory_snapshot_load(s, &snap, err)) {
		return false;
	}
	struct directory_watch *w = NEW(struct directory_watch);
	w->store = s;
	w->cell = cell;
	watch_init(w);
	publish(w, snap);
	int code = pthread_create(&w->thread, NULL, run, w);
	if (code != 0) {
		watch_fini(w);
		return err_set(err, ERR_SYSTEM, "no thread for the directory's watcher: %s",
			       strerror(code));
	}
	*out = w;
	return true;
}

void directory_watch_stop(struct directory_watch *w)
{
	if (w == NULL) {
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->turn);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	watch_fini(w);
}

void directory_watch_poke(struct directory_watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->poked = true;
	pthread_cond_signal(&w->turn);
	pthread_mutex_unlock(&w->lock);
}

bool directory_watch_wait(struct directory_watch *w, int64_t n, msec_t timeout)
{
	struct timespec until = later(timeout);
	int outcome = 0;

	pthread_mutex_lock(&w->lock);
	while (w->head < n && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&w->published, &w->lock, &until);
	}
	bool there = w->head >= n;
	pthread_mutex_unlock(&w->lock);
	return there;
}
