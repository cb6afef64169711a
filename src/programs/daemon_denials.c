#include "programs/daemon_denials.h"

#include "base/log.h"

enum {
	PAUSE_MS = 1000,
};

struct flush {
	struct job job;
	struct daemon_denials *of;
};

static void write_down(struct denials *d)
{
	struct err err;

	if (!denials_flush(d, &err)) {
		log_error("denied attempts could not be recorded", LOG_ERR(&err));
	}
}

static void run(struct job *job)
{
	write_down(CONTAINER_OF(job, struct flush, job)->of->denials);
}

static void done(struct job *job)
{
	free(CONTAINER_OF(job, struct flush, job));
}

static void each_second(struct loop_timer *t)
{
	struct daemon_denials *d = CONTAINER_OF(t, struct daemon_denials, timer);
	struct err err;

	loop_timer_set(d->loop, t, loop_now(d->loop) + PAUSE_MS, each_second);
	if (!denials_waiting(d->denials)) {
		return;
	}
	struct flush *f = NEW(struct flush);
	f->of = d;
	f->job.run = run;
	f->job.done = done;
	if (!jobs_submit(d->jobs, d->loop, &f->job, &err)) {
		free(f); /* the next second tries again */
	}
}

void daemon_denials_open(struct daemon_denials *d, struct store *store)
{
	d->denials = denials_new(store);
}

void daemon_denials_start(struct daemon_denials *d, struct loop *loop, struct jobs *jobs)
{
	d->loop = loop;
	d->jobs = jobs;
	loop_timer_set(loop, &d->timer, loop_now(loop) + PAUSE_MS, each_second);
}

void daemon_denials_close(struct daemon_denials *d)
{
	if (d->denials != NULL) {
		write_down(d->denials);
		denials_free(d->denials);
	}
}
