#pragma once
/*
 * Threads for what blocks or takes long: SQL, getaddrinfo, Argon2, key generation, TLS handshakes.
 *
 * A job struct goes in, is run on some thread, and comes back to the loop that sent it; it shares
 * nothing with that loop meanwhile. Whoever must be able to die before the answer puts an id into
 * the job and looks it up in `done`, never a pointer.
 *
 * Shares. Jobs with the same `owner` hold at most half of the threads and wait in at most half of
 * the queue (one at least of each), whether others are there or not: so one owner's long jobs,
 * however many, leave a free thread to the next. Of those that may run, that of the owner with the
 * fewest running goes first, then the oldest.
 */
#include "net/loop.h"

struct jobs;

struct job {
	struct loop_message message; /* the way back; the job's */
	struct loop *home;           /* set by jobs_submit */
	struct job *next;
	uint64_t owner;                /* 0: nobody's, which has no share to keep to */
	void (*run)(struct job *job);  /* on a job thread */
	void (*done)(struct job *job); /* on the home loop; frees the job */
};

/* `queue_max`: jobs that may wait; beyond it, or an owner's half of it, jobs_submit() refuses with
 * ERR_LIMIT. */
NODISCARD bool jobs_new(const char *name, unsigned threads, size_t queue_max, struct jobs **out,
			struct err *err);
/* Waits for running jobs, runs waiting ones to their end; from then on jobs_submit() refuses. What
 * their `done` needs must live until the home loop turned once more. Takes NULL. */
void jobs_end(struct jobs *j);
void jobs_free(struct jobs *j); /* jobs_end(), and the memory */
NODISCARD bool jobs_submit(struct jobs *j, struct loop *home, struct job *job, struct err *err);
size_t jobs_waiting(const struct jobs *j);
size_t jobs_running(const struct jobs *j);
