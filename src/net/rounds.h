#pragma once
/*
 * A job that runs again and again, never twice at once: a timer of a loop sends it, and a round
 * that comes while the last one is still on its way is left out. A failure is logged when it
 * begins, not every time.
 */
#include "net/jobs.h"
#include "net/loop.h"

struct rounds_settings {
	struct loop *loop;
	struct jobs *jobs;
	msec_t first, pause; /* until the first round, and between two */
	/* On the loop's thread, before each round: copies what that thread owns, and says whether
	 * there is something to do. NULL: there always is. */
	bool (*prepare)(void *user);
	/* On a job thread. `user` is its own meanwhile but for what `prepare` looks at. */
	bool (*run)(void *user, struct err *err);
	const char *failed; /* for the log: "old rows stay"; lent */
	void *user;
};

/* The members are the module's. */
struct rounds {
	struct rounds_settings settings;
	struct loop_timer timer;
	struct job job;
	bool runs;   /* the job is on its way; on the loop's thread */
	bool failed; /* said in the log already */
	bool ok;     /* of the job */
	struct err err;
};

/* On the loop's thread; `r` and all that is lent must stay until the jobs have ended. */
void rounds_start(struct rounds *r, const struct rounds_settings *settings);
