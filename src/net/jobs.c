#include "net/jobs.h"

#include <pthread.h>
#include <signal.h>

struct running {
	bool is_set;
	uint64_t owner;
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *first, **last; /* waiting, oldest first */
	size_t waiting, queue_max;
	bool ending;
	unsigned n_threads;
	unsigned wanted; /* threads; n_threads are there already, or still */
	pthread_t *threads;
	struct running *running; /* `wanted` places */
	char name[16];
};

static size_t half(size_t n)
{
	return n > 1 ? n / 2 : 1;
}

static size_t running_of(const struct jobs *j, uint64_t owner)
{
	size_t n = 0;

	for (unsigned i = 0; i < j->wanted; i++) {
		n += j->running[i].is_set && j->running[i].owner == owner;
	}
	return n;
}

static size_t waiting_of(const struct jobs *j, uint64_t owner)
{
	size_t n = 0;

	for (const struct job *job = j->first; job != NULL; job = job->next) {
		n += job->owner == owner;
	}
	return n;
}

/* The link to the one that runs next, or NULL. Nobody's jobs end the search at once: a queue of
 * those may be long. */
static struct job **choose(struct jobs *j)
{
	struct job **best = NULL;
	size_t least = half(j->wanted);

	for (struct job **at = &j->first; *at != NULL && least > 0; at = &(*at)->next) {
		/* At the end nobody is left to be kept out. */
		size_t runs = (*at)->owner == 0 || j->ending ? 0 : running_of(j, (*at)->owner);
		if (runs < least) {
			best = at;
			least = runs;
		}
	}
	return best;
}

static struct job *take(struct jobs *j, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (*at == NULL) {
		j->last = at;
	}
	j->waiting--;
	for (unsigned i = 0; i < j->wanted; i++) {
		if (!j->running[i].is_set) {
			j->running[i] = (struct running){true, job->owner};
			break;
		}
	}
	return job;
}

static struct job *next_job(struct jobs *j)
{
	struct job *job = NULL;
	struct job **at;

	pthread_mutex_lock(&j->lock);
	while ((at = choose(j)) == NULL && !j->ending) {
		pthread_cond_wait(&j->work, &j->lock);
	}
	if (at != NULL) {
		job = take(j, at);
	}
	pthread_mutex_unlock(&j->lock);
	return job;
}

static void end_running(struct jobs *j, uint64_t owner)
{
	pthread_mutex_lock(&j->lock);
	for (unsigned i = 0; i < j->wanted; i++) {
		if (j->running[i].is_set && j->running[i].owner == owner) {
			j->running[i].is_set = false;
			break;
		}
	}
	pthread_mutex_unlock(&j->lock);
}

static void come_home(struct loop_message *message)
{
	struct job *job = CONTAINER_OF(message, struct job, message);
	job->done(job);
}

static void *work(void *user)
{
	struct jobs *j = user;
	struct job *job;

	pthread_setname_np(pthread_self(), j->name);
	while ((job = next_job(j)) != NULL) {
		struct loop *home = job->home;
		job->run(job);
		/* Before it is home: who saw it end may count on its place. This thread looks for
		 * the next one now, so nobody has to be woken for it. */
		end_running(j, job->owner);
		job->message.fn = come_home;
		loop_post(home, &job->message);
	}
	return NULL;
}

bool jobs_new(const char *name, unsigned threads, size_t queue_max, struct jobs **out,
	      struct err *err)
{
	struct jobs *j = NEW(struct jobs);
	sigset_t all, before;

	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->work, NULL);
	j->last = &j->first;
	j->queue_max = queue_max;
	j->wanted = threads;
	j->threads = NEW_ARRAY(pthread_t, threads);
	j->running = NEW_ARRAY(struct running, threads);
	snprintf(j->name, sizeof(j->name), "%s", name);

	sigfillset(&all); /* signals are for the loops' signalfd */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool ok = true;
	while (ok && j->n_threads < threads) {
		ok = pthread_create(&j->threads[j->n_threads], NULL, work, j) == 0;
		j->n_threads += ok ? 1 : 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!ok) {
		jobs_free(j);
		return err_set(err, ERR_SYSTEM, "cannot start %u threads for %s", threads, name);
	}
	*out = j;
	return true;
}

void jobs_end(struct jobs *j)
{
	if (j == NULL) {
		return;
	}
	pthread_mutex_lock(&j->lock);
	j->ending = true;
	pthread_cond_broadcast(&j->work);
	pthread_mutex_unlock(&j->lock);
	while (j->n_threads > 0) {
		pthread_join(j->threads[--j->n_threads], NULL);
	}
}

void jobs_free(struct jobs *j)
{
	if (j == NULL) {
		return;
	}
	jobs_end(j);
	pthread_cond_destroy(&j->work);
	pthread_mutex_destroy(&j->lock);
	free(j->threads);
	free(j->running);
	free(j);
}

static bool has_room(const struct jobs *j, const struct job *job, struct err *err)
{
	if (j->ending) {
		return err_set(err, ERR_LIMIT, "%s: the program is ending", j->name);
	}
	if (j->waiting >= j->queue_max) {
		return err_set(err, ERR_LIMIT, "%s: %zu jobs are waiting already", j->name,
			       j->queue_max);
	}
	if (job->owner != 0 && waiting_of(j, job->owner) >= half(j->queue_max)) {
		return err_set(err, ERR_LIMIT, "%s: %zu jobs of one owner are waiting already",
			       j->name, half(j->queue_max));
	}
	return true;
}

bool jobs_submit(struct jobs *j, struct loop *home, struct job *job, struct err *err)
{
	job->home = home;
	job->next = NULL;
	pthread_mutex_lock(&j->lock);
	bool room = has_room(j, job, err);
	if (room) {
		*j->last = job;
		j->last = &job->next;
		j->waiting++;
		pthread_cond_signal(&j->work);
	}
	pthread_mutex_unlock(&j->lock);
	return room;
}

size_t jobs_waiting(const struct jobs *j)
{
	pthread_mutex_t *lock = &((struct jobs *)(uintptr_t)j)->lock;

	pthread_mutex_lock(lock);
	size_t n = j->waiting;
	pthread_mutex_unlock(lock);
	return n;
}

size_t jobs_running(const struct jobs *j)
{
	pthread_mutex_t *lock = &((struct jobs *)(uintptr_t)j)->lock;
	size_t n = 0;

	pthread_mutex_lock(lock);
	for (unsigned i = 0; i < j->wanted; i++) {
		n += j->running[i].is_set;
	}
	pthread_mutex_unlock(lock);
	return n;
}
