#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/heap.h"
#include "net/loop_priv.h"

enum {
	EVENTS_MAX = 256, /* delivered in one turn */
};

struct loop_queue {
	struct loop_task *first, **last;
};

struct loop {
	int epoll, wake;
	msec_t now;
	bool simulated;
	uint32_t turn;
	_Atomic bool stopped;
	_Atomic(struct loop_message *) posted; /* a stack, newest first */

	struct epoll_event ready[EVENTS_MAX];
	size_t n_ready, ready_at;
	struct heap timers;
	struct loop_queue queues[LOOP_PHASES];
	struct loop_queue next_turn[LOOP_PHASES];

	struct loop_io wake_io, signal_io;
	void (*on_signal)(int signal, void *user);
	void *signal_user;

	struct loop_buffers buffers;
	struct loop_orphan *orphans;
};

static void on_wake(struct loop_io *io, unsigned ready)
{
	uint64_t n;

	(void)ready;
	/* Posts are taken in their own step of the turn; this only empties the counter. */
	(void)!read(io->fd, &n, sizeof(n));
}

static bool open_all(struct loop *l, struct err *err)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		return err_errno(err, ERR_SYSTEM, "epoll");
	}
	l->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake < 0) {
		return err_errno(err, ERR_SYSTEM, "eventfd");
	}
	loop_io_set(l, &l->wake_io, l->wake, LOOP_READ, on_wake);
	return true;
}

bool loop_new(struct loop **out, struct err *err)
{
	struct loop *l = NEW(struct loop);

	l->epoll = l->wake = -1;
	l->now = clock_now();
	l->turn = 1;
	for (int i = 0; i < LOOP_PHASES; i++) {
		l->queues[i].last = &l->queues[i].first;
		l->next_turn[i].last = &l->next_turn[i].first;
	}
	loop_buffers_init(&l->buffers);
	if (!open_all(l, err)) {
		loop_free(l);
		return false;
	}
	*out = l;
	return true;
}

bool loop_new_simulated(msec_t now, struct loop **out, struct err *err)
{
	if (!loop_new(out, err)) {
		return false;
	}
	(*out)->simulated = true;
	(*out)->now = now;
	return true;
}

void loop_clock_set(struct loop *l, msec_t now)
{
	assert(l->simulated);
	l->now = now;
}

msec_t loop_now(const struct loop *l)
{
	return l->now;
}

/* ---- descriptors ---- */

static uint32_t epoll_events(unsigned events)
{
	return ((events & LOOP_READ) ? (uint32_t)EPOLLIN : 0) |
	       ((events & LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0);
}

void loop_io_set(struct loop *l, struct loop_io *io, int fd, unsigned events,
		 void (*fn)(struct loop_io *, unsigned))
{
	bool watched = io->fn != NULL;

	assert(!watched || io->fd == fd);
	io->fn = fn;
	if (watched && io->events == events) {
		return;
	}
	io->fd = fd;
	io->events = events;
	struct epoll_event e = {.events = epoll_events(events), .data.ptr = io};
	int bad = epoll_ctl(l->epoll, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
	assert(bad == 0); /* only our own mistakes and a kernel without memory fail here */
}

void loop_io_remove(struct loop *l, struct loop_io *io)
{
	if (io->fn == NULL) {
		return;
	}
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, io->fd, NULL);
	for (size_t i = l->ready_at; i < l->n_ready; i++) {
		if (l->ready[i].data.ptr == io) {
			l->ready[i].data.ptr = NULL; /* ready too, but its owner may be gone */
		}
	}
	*io = (struct loop_io){.fd = -1};
}

static void deliver(struct loop *l)
{
	for (l->ready_at = 0; l->ready_at < l->n_ready;) {
		const struct epoll_event *e = &l->ready[l->ready_at++];
		struct loop_io *io = e->data.ptr;
		if (io == NULL) {
			continue;
		}
		unsigned ready = ((e->events & EPOLLIN) ? LOOP_READ : 0U) |
				 ((e->events & EPOLLOUT) ? LOOP_WRITE : 0U) |
				 ((e->events & (EPOLLERR | EPOLLHUP)) ? LOOP_HANGUP : 0U);
		io->fn(io, ready);
	}
	l->n_ready = 0;
}

/* ---- timers ---- */

void loop_timer_set(struct loop *l, struct loop_timer *t, msec_t at,
		    void (*fn)(struct loop_timer *))
{
	t->fn = fn;
	heap_set(&l->timers, t, at > 0 ? at : 1);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	heap_remove(&l->timers, t);
}

static void run_timers(struct loop *l)
{
	/* The count bounds a timer that sets itself to a time that is past. */
	for (size_t n = l->timers.n; n > 0; n--) {
		struct loop_timer *t = heap_first(&l->timers);
		if (t == NULL || t->at > l->now) {
			return;
		}
		heap_remove(&l->timers, t);
		t->fn(t);
	}
}

/* ---- tasks ---- */

static void queue_add(struct loop_queue *q, struct loop_task *task)
{
	task->next = NULL;
	task->prev = q->last;
	task->queued = true;
	*q->last = task;
	q->last = &task->next;
}

void loop_defer(struct loop *l, enum loop_phase phase, struct loop_task *task,
		void (*fn)(struct loop_task *))
{
	task->fn = fn;
	if (!task->queued) {
		queue_add(task->turn == l->turn ? &l->next_turn[phase] : &l->queues[phase], task);
	}
}

void loop_undefer(struct loop *l, struct loop_task *task)
{
	if (!task->queued) {
		return;
	}
	*task->prev = task->next;
	if (task->next != NULL) {
		task->next->prev = task->prev;
	}
	for (int i = 0; i < LOOP_PHASES; i++) { /* of the queue that it was the last of */
		struct loop_queue *queues[] = {&l->queues[i], &l->next_turn[i]};
		for (size_t n = 0; n < COUNT(queues); n++) {
			if (queues[n]->last == &task->next) {
				queues[n]->last = task->prev;
			}
		}
	}
	task->queued = false;
}

static void run_phase(struct loop *l, enum loop_phase phase)
{
	struct loop_queue *q = &l->queues[phase];

	while (q->first != NULL) {
		struct loop_task *task = q->first;
		q->first = task->next;
		if (q->first != NULL) {
			q->first->prev = &q->first;
		} else {
			q->last = &q->first;
		}
		task->queued = false;
		task->turn = l->turn;
		task->fn(task);
	}
}

static void run_tasks(struct loop *l)
{
	/* Ends, because a task runs once per turn. */
	while (l->queues[LOOP_ACT].first != NULL || l->queues[LOOP_FLUSH].first != NULL) {
		run_phase(l, LOOP_ACT);
		run_phase(l, LOOP_FLUSH);
	}
	run_phase(l, LOOP_FREE);
}

static bool start_turn(struct loop *l)
{
	bool any = false;

	if (++l->turn == 0) {
		l->turn = 1; /* 0 is what a fresh task carries */
	}
	for (int i = 0; i < LOOP_PHASES; i++) {
		if (l->next_turn[i].first != NULL) {
			*l->queues[i].last = l->next_turn[i].first;
			l->next_turn[i].first->prev = l->queues[i].last;
			l->queues[i].last = l->next_turn[i].last;
			l->next_turn[i] = (struct loop_queue){.last = &l->next_turn[i].first};
		}
		any = any || l->queues[i].first != NULL;
	}
	return any;
}

/* ---- other threads ---- */

static void wake_up(struct loop *l)
{
	uint64_t one = 1;
	(void)!write(l->wake, &one, sizeof(one)); /* a full counter wakes as well */
}

void loop_post(struct loop *l, struct loop_message *take)
{
	struct loop_message *old = atomic_load_explicit(&l->posted, memory_order_relaxed);

	do {
		take->next = old;
	} while (!atomic_compare_exchange_weak_explicit(
		&l->posted, &old, take, memory_order_release, memory_order_relaxed));
	if (old == NULL) {
		wake_up(l); /* whoever finds messages there already need not wake again */
	}
}

static void run_posts(struct loop *l)
{
	struct loop_message *m = atomic_load_explicit(&l->posted, memory_order_relaxed);
	struct loop_message *ordered = NULL;

	if (m == NULL) {
		return;
	}
	m = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire);
	while (m != NULL) {
		struct loop_message *next = m->next;
		m->next = ordered;
		ordered = m;
		m = next;
	}
	while (ordered != NULL) {
		struct loop_message *next = ordered->next;
		ordered->fn(ordered);
		ordered = next;
	}
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stopped, true);
	wake_up(l);
}

/* ---- turns ---- */

static int wait_time(struct loop *l, msec_t wait_max)
{
	const struct loop_timer *t = heap_first(&l->timers);
	msec_t wait = wait_max;

	if (t != NULL && t->at <= l->now) {
		wait = 0;
	} else if (t != NULL && !l->simulated && (wait < 0 || t->at - l->now < wait)) {
		wait = t->at - l->now;
	}
	if (atomic_load(&l->stopped)) {
		wait = 0;
	}
	return wait > SEC(3600) ? 3600 * 1000 : (int)wait;
}

bool loop_turn(struct loop *l, msec_t wait_max)
{
	bool busy = start_turn(l);
	int n = epoll_wait(l->epoll, l->ready, EVENTS_MAX, busy ? 0 : wait_time(l, wait_max));

	assert(n >= 0 || errno == EINTR);
	l->n_ready = n > 0 ? (size_t)n : 0;
	if (!l->simulated) {
		l->now = clock_now();
	}
	deliver(l);
	run_timers(l);
	run_posts(l);
	run_tasks(l);
	return !atomic_load(&l->stopped);
}

void loop_run(struct loop *l)
{
	while (loop_turn(l, -1)) {
	}
}

void loop_free(struct loop *l)
{
	if (l == NULL) {
		return;
	}
	run_posts(l);
	while (l->orphans != NULL) {
		struct loop_orphan *o = l->orphans;
		loop_orphan_remove(o);
		o->end(o);
	}
	for (int i = 0; i < 3; i++) { /* what a last task deferred runs too */
		(void)start_turn(l);
		run_tasks(l);
	}
	if (l->signal_io.fn != NULL) {
		close_fd(l->signal_io.fd);
	}
	close_fd(l->epoll);
	close_fd(l->wake);
	heap_fini(&l->timers);
	loop_buffers_fini(&l->buffers);
	free(l);
}

/* ---- orphans ---- */

void loop_orphan_add(struct loop *l, struct loop_orphan *o, void (*end)(struct loop_orphan *o))
{
	o->end = end;
	o->next = l->orphans;
	o->prev = &l->orphans;
	if (o->next != NULL) {
		o->next->prev = &o->next;
	}
	l->orphans = o;
}

void loop_orphan_remove(struct loop_orphan *o)
{
	if (o->prev == NULL) {
		return;
	}
	*o->prev = o->next;
	if (o->next != NULL) {
		o->next->prev = o->prev;
	}
	o->prev = NULL;
}

/* ---- signals ---- */

static struct loop *loop_of_signal_io(struct loop_io *io)
{
	return CONTAINER_OF(io, struct loop, signal_io);
}

static void on_signal_io(struct loop_io *io, unsigned ready)
{
	struct loop *l = loop_of_signal_io(io);
	struct signalfd_siginfo info;

	(void)ready;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		l->on_signal((int)info.ssi_signo, l->signal_user);
	}
}

bool loop_signals(struct loop *l, const int *signals, size_t n, void (*fn)(int signal, void *user),
		  void *user, struct err *err)
{
	sigset_t set;

	assert(l->signal_io.fn == NULL); /* once per loop */
	sigemptyset(&set);
	for (size_t i = 0; i < n; i++) {
		sigaddset(&set, signals[i]);
	}
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0) {
		return err_errno(err, ERR_SYSTEM, "signalfd");
	}
	l->on_signal = fn;
	l->signal_user = user;
	loop_io_set(l, &l->signal_io, fd, LOOP_READ, on_signal_io);
	return true;
}

struct loop_buffers *loop_buffers(struct loop *l)
{
	return &l->buffers;
}
