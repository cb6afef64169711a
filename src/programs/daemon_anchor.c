#include "programs/daemon_anchor.h"

#include "base/log.h"
#include "keys/anchor.h"

enum {
	PAUSE_MS = 1000,
};

struct note {
	struct job job;
	struct daemon_anchor *of;
	int64_t noted[2];
	bool denied; /* those, too: their pace lets us */
	bool ok;
	struct err err;
};

static bool note_one(struct note *n, bool denied, const char *chain)
{
	const struct daemon_anchor *a = n->of;
	struct store_tip tip;

	if (!store_tip(a->store, denied, &tip, &n->err)) {
		return false;
	}
	if (tip.n == 0 || tip.n == n->noted[denied]) {
		return true;
	}
	if (!keys_anchor(a->keys, str_of(chain), tip.n, tip.hash, &n->err)) {
		return false;
	}
	n->noted[denied] = tip.n;
	return true;
}

static void run(struct job *job)
{
	struct note *n = CONTAINER_OF(job, struct note, job);
	char denied[ANCHOR_CHAIN_MAX + 1];

	anchor_chain_of(ANCHOR_DENIED, store_node(n->of->store), denied);
	n->ok = note_one(n, false, "audit") && (!n->denied || note_one(n, true, denied));
}

static void done(struct job *job)
{
	struct note *n = CONTAINER_OF(job, struct note, job);
	struct daemon_anchor *a = n->of;

	if (n->noted[true] != a->noted[true]) {
		anchor_pace_noted(&a->pace, loop_now(a->loop));
	}
	memcpy(a->noted, n->noted, sizeof(a->noted));
	a->runs = false;
	if (!n->ok && !a->refused) {
		log_error("the audit's head could not be anchored", LOG_ERR(&n->err));
	}
	a->refused = !n->ok;
	free(n);
}

static void each_second(struct loop_timer *t)
{
	struct daemon_anchor *a = CONTAINER_OF(t, struct daemon_anchor, timer);
	struct err err;

	loop_timer_set(a->loop, t, loop_now(a->loop) + PAUSE_MS, each_second);
	if (a->runs) {
		return;
	}
	struct note *n = NEW(struct note);
	n->of = a;
	memcpy(n->noted, a->noted, sizeof(n->noted));
	n->denied = anchor_pace_may(&a->pace, loop_now(a->loop));
	n->job.run = run;
	n->job.done = done;
	a->runs = jobs_submit(a->jobs, a->loop, &n->job, &err);
	if (!a->runs) {
		free(n); /* the next second tries again */
	}
}

void daemon_anchor_start(struct daemon_anchor *a, struct store *store, struct keys_client *keys,
			 struct loop *loop, struct jobs *jobs)
{
	*a = (struct daemon_anchor){.store = store, .keys = keys, .loop = loop, .jobs = jobs};
	loop_timer_set(loop, &a->timer, loop_now(loop) + PAUSE_MS, each_second);
}
