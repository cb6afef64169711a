#include "net/rounds.h"

#include "base/log.h"

static void run(struct job *job)
{
	struct rounds *r = CONTAINER_OF(job, struct rounds, job);

	r->ok = r->settings.run(r->settings.user, &r->err);
}

static void done(struct job *job)
{
	struct rounds *r = CONTAINER_OF(job, struct rounds, job);

	r->runs = false;
	if (!r->ok && !r->failed) {
		log_error(r->settings.failed, LOG_ERR(&r->err));
	}
	r->failed = !r->ok;
}

static void each_time(struct loop_timer *t)
{
	struct rounds *r = CONTAINER_OF(t, struct rounds, timer);
	const struct rounds_settings *s = &r->settings;
	struct err err;

	loop_timer_set(s->loop, t, loop_now(s->loop) + s->pause, each_time);
	if (r->runs || (s->prepare != NULL && !s->prepare(s->user))) {
		return;
	}
	r->job = (struct job){.run = run, .done = done};
	r->runs =
		jobs_submit(s->jobs, s->loop, &r->job, &err); /* else the next round tries again */
}

void rounds_start(struct rounds *r, const struct rounds_settings *settings)
{
	*r = (struct rounds){.settings = *settings};
	loop_timer_set(settings->loop, &r->timer, loop_now(settings->loop) + settings->first,
		       each_time);
}
