#include "keys/pool.h"

#include <pthread.h>

#include "base/clock.h"
#include "net/packet.h"

struct keys_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t receiver;
	int control_fd;
	bool ended;   /* the monitor is gone: no set will come */
	uint64_t set; /* number of the newest */
	int free_fds[PACKET_FDS_MAX];
	size_t n_free;
	size_t alive; /* sockets of the newest set that did not break, free or taken */
};

static void replace_set(struct keys_pool *p, const int *fds, size_t n)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n_free; i++) {
		close_fd(p->free_fds[i]);
	}
	memcpy(p->free_fds, fds, n * sizeof(*fds));
	p->n_free = n;
	p->alive = n;
	p->set++;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void *receive_sets(void *user)
{
	struct keys_pool *p = user;
	enum packet_outcome outcome;

	do {
		int fds[PACKET_FDS_MAX];
		size_t len = 0, n = 0;
		char byte[16];
		struct err ignored;

		outcome = packet_receive(p->control_fd, byte, sizeof(byte), &len, fds, COUNT(fds),
					 &n, &ignored);
		if (outcome == PACKET_OK && n > 0) {
			replace_set(p, fds, n);
		}
	} while (outcome == PACKET_OK || outcome == PACKET_TOO_LONG);

	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

bool keys_pool_new(int control_fd, msec_t wait, struct keys_pool **out, struct err *err)
{
	AUTO(keys_pool_free) struct keys_pool *p = NULL;
	struct keys_pool *made = NEW(struct keys_pool);
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	made->control_fd = control_fd;
	if (pthread_create(&made->receiver, NULL, receive_sets, made) != 0) {
		close_fd(control_fd);
		free(made);
		return err_set(err, ERR_SYSTEM, "cannot start a thread for the key process");
	}
	p = made;

	struct keys_socket first;
	if (!keys_pool_take(p, 0, wait, &first, err)) {
		return false;
	}
	keys_pool_give(p, first, false);
	*out = TAKE(p);
	return true;
}

void keys_pool_free(struct keys_pool *p)
{
	if (!p) {
		return;
	}
	packet_hang_up(p->control_fd);
	pthread_join(p->receiver, NULL);
	for (size_t i = 0; i < p->n_free; i++) {
		close_fd(p->free_fds[i]);
	}
	close_fd(p->control_fd);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool refuse(const struct keys_pool *p, struct err *err)
{
	if (p->ended) {
		return err_set(err, ERR_SYSTEM,
			       "the key process is gone and the monitor too: start the program "
			       "again");
	}
	return err_set(err, ERR_STORE,
		       p->alive > 0 ? "the key process is busy: no free socket in time"
				    : "the key process did not come back in time: see its log");
}

bool keys_pool_take(struct keys_pool *p, uint64_t after, msec_t wait, struct keys_socket *out,
		    struct err *err)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait / 1000;
	until.tv_nsec += (wait % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&p->lock);
	while ((p->n_free == 0 || p->set <= after) && !p->ended && rc == 0) {
		rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	}
	bool ok = p->n_free > 0 && p->set > after;
	if (ok) {
		*out = (struct keys_socket){.fd = p->free_fds[--p->n_free], .set = p->set};
	} else {
		(void)refuse(p, err);
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

void keys_pool_give(struct keys_pool *p, struct keys_socket socket, bool broken)
{
	pthread_mutex_lock(&p->lock);
	bool keep = !broken && socket.set == p->set && p->n_free < COUNT(p->free_fds);
	if (keep) {
		p->free_fds[p->n_free++] = socket.fd;
		pthread_cond_signal(&p->changed);
	} else if (broken && socket.set == p->set && p->alive > 0) {
		p->alive--;
	}
	pthread_mutex_unlock(&p->lock);
	if (!keep) {
		close_fd(socket.fd);
	}
}

uint64_t keys_pool_sets(struct keys_pool *p)
{
	pthread_mutex_lock(&p->lock);
	uint64_t sets = p->set;
	pthread_mutex_unlock(&p->lock);
	return sets;
}
