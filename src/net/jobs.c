#include "net/jobs.h"

#include <pthread.h>
#include <signal.h>

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *first, **last; /* waiting, oldest first */
	size_t waiting, queue_max;
	bool ending;
	unsigned n_threads;
	pthread_t *threads;
	char name[16];
};

static struct job *next_job(struct jobs *j)
{
	struct job *job = NULL;

	pthread_mutex_lock(&j->lock);
	while (j->first == NULL && !j->ending) {
		pthread_cond_wait(&j->work, &j->lock);
	}
	if (j->first != NULL) {
		job = j->first;
		j->first = job->next;
		if (j->first == NULL) {
			j->last = &j->first;
		}
		j->waiting--;
	}
	pthread_mutex_unlock(&j->lock);
	return job;
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
	j->threads = NEW_ARRAY(pthread_t, threads);
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
	free(j);
}

bool jobs_submit(struct jobs *j, struct loop *home, struct job *job, struct err *err)
{
	job->home = home;
	job->next = NULL;
	pthread_mutex_lock(&j->lock);
	bool ending = j->ending;
	bool room = j->waiting < j->queue_max && !ending;
	if (room) {
		*j->last = job;
		j->last = &job->next;
		j->waiting++;
		pthread_cond_signal(&j->work);
	}
	pthread_mutex_unlock(&j->lock);
	if (ending) {
		return err_set(err, ERR_LIMIT, "%s: the program is ending", j->name);
	}
	if (!room) {
		return err_set(err, ERR_LIMIT, "%s: %zu jobs are waiting already", j->name,
			       j->queue_max);
	}
	return true;
}

size_t jobs_waiting(const struct jobs *j)
{
	pthread_mutex_t *lock = &((struct jobs *)(uintptr_t)j)->lock;

	pthread_mutex_lock(lock);
	size_t n = j->waiting;
	pthread_mutex_unlock(lock);
	return n;
}
