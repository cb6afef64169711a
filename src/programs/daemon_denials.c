#include "programs/daemon_denials.h"

#include "base/log.h"

#define FAILED "denied attempts could not be recorded"

enum {
	PAUSE_MS = 1000,
};

static bool prepare(void *user)
{
	return denials_waiting(((struct daemon_denials *)user)->denials);
}

static bool run(void *user, struct err *err)
{
	return denials_flush(((struct daemon_denials *)user)->denials, err);
}

void daemon_denials_open(struct daemon_denials *d, struct store *store)
{
	d->denials = denials_new(store);
}

void daemon_denials_start(struct daemon_denials *d, struct loop *loop, struct jobs *jobs)
{
	const struct rounds_settings rounds = {.loop = loop,
					       .jobs = jobs,
					       .first = PAUSE_MS,
					       .pause = PAUSE_MS,
					       .prepare = prepare,
					       .run = run,
					       .failed = FAILED,
					       .user = d};

	rounds_start(&d->rounds, &rounds);
}

void daemon_denials_close(struct daemon_denials *d)
{
	struct err err;

	if (d->denials == NULL) {
		return;
	}
	if (!denials_flush(d->denials, &err)) {
		log_error(FAILED, LOG_ERR(&err));
	}
	denials_free(d->denials);
}
