#pragma once
/*
 * One event loop per thread, over epoll; the clock of a test can be turned (loop_new_simulated).
 *
 * A turn: wait; deliver what is readable and writable; due timers; posts from other threads; then
 * the deferred tasks, phase by phase: ACT (notices), FLUSH (one write per tunnel and client), FREE
 * (objects that died this turn). So nobody is called back inside a call that he made, all readable
 * clients of a turn come before the first write, and memory goes away when nobody is on the stack
 * (spec/data-path-trial.md: batching is the largest single gain).
 *
 * Ownership: io, timer and task structs are embedded in their owner, who removes them before it
 * dies. Threads: everything from the loop's own thread, except loop_post() and loop_stop().
 */
#include "base/defs.h"
#include "base/err.h"

struct loop;

enum loop_events {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* delivered only: error or both directions closed */
};

/* Zeroed at the start. Level-triggered: what is not read or written comes again. */
struct loop_io {
	int fd; /* -1: not watched */
	unsigned events;
	void (*fn)(struct loop_io *io, unsigned ready); /* NULL: not watched */
};

struct loop_timer {
	msec_t at;      /* 0: not set */
	size_t heap_at; /* the loop's */
	void (*fn)(struct loop_timer *t);
};

enum loop_phase {
	LOOP_ACT,
	LOOP_FLUSH,
	LOOP_FREE,
	LOOP_PHASES,
};

struct loop_task {
	struct loop_task *next, **prev; /* the loop's: prev is what points to this one */
	bool queued;
	uint32_t turn; /* the loop's: the last turn that it ran in */
	void (*fn)(struct loop_task *task);
};

/* A message from another thread: owned by the loop from loop_post() on, until fn returns. */
struct loop_message {
	struct loop_message *next;
	void (*fn)(struct loop_message *message); /* frees the message */
};

NODISCARD bool loop_new(struct loop **out, struct err *err);
/* For tests: the clock stands at `now` until loop_clock_set(); sockets and posts stay real. */
NODISCARD bool loop_new_simulated(msec_t now, struct loop **out, struct err *err);
void loop_clock_set(struct loop *l, msec_t now);
/* Runs the messages and tasks that wait, then frees; nobody may post any more. Takes NULL. */
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() */
/* One turn, for tests; wait_max < 0: for ever. False once stopped. */
bool loop_turn(struct loop *l, msec_t wait_max);
void loop_stop(struct loop *l);        /* any thread, any time */
msec_t loop_now(const struct loop *l); /* read once per turn */

void loop_io_set(struct loop *l, struct loop_io *io, int fd, unsigned events,
		 void (*fn)(struct loop_io *, unsigned)); /* adds, changes or leaves as it is */
void loop_io_remove(struct loop *l, struct loop_io *io);

/* Setting a set timer moves it. Lazy use: store a deadline, re-arm when the timer fires early. */
void loop_timer_set(struct loop *l, struct loop_timer *t, msec_t at,
		    void (*fn)(struct loop_timer *));
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* Runs fn in this turn's phase; a task queued twice runs once. A task that ran already in this turn
 * runs in the next one, which then does not wait: so each stream is written once per turn. */
void loop_defer(struct loop *l, enum loop_phase phase, struct loop_task *task,
		void (*fn)(struct loop_task *));
void loop_undefer(struct loop *l, struct loop_task *task);

void loop_post(struct loop *l, struct loop_message *take); /* any thread */

/* Calls fn in the loop for SIGTERM, SIGINT, SIGHUP …; block them first in every thread. */
NODISCARD bool loop_signals(struct loop *l, const int *signals, size_t n,
			    void (*fn)(int signal, void *user), void *user, struct err *err);

/* A scratch area of the loop for reading: one per thread, good until the caller returns. Bytes that
 * a stream lends during STREAM_READABLE lie there. */
enum {
	LOOP_SCRATCH = 256 * 1024 /* bytes; what one stream may read in one turn */
};
char *loop_scratch(struct loop *l);
