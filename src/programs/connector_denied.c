#include "base/clock.h"
#include "base/log.h"
#include "net/jobs.h"
#include "programs/connector_parts.h"
#include "store/change.h"

enum {
	PER_S = 20, /* rows per worker: an application that scans paths fills no disk */
	METHOD_MAX = 32,
	OBJECT_MAX = 1024, /* bytes of system and path */
	REASON_MAX = 512,
};

/* One refusal on its way from a worker's loop to the store. */
struct refusal {
	struct job job;
	struct store *store;
	unsigned status, skipped;
	char subaccount[64], client[80], method[METHOD_MAX], object[OBJECT_MAX], reason[REASON_MAX];
};

/* Copies what fits, and of that what is text. */
static void keep(char *into, size_t size, struct str s)
{
	struct str cut = str_first(s, size - 1);

	if (!str_is_utf8(cut) || !str_copy(cut, into, size)) {
		snprintf(into, size, "?");
	}
}

static void record(struct job *job)
{
	const struct refusal *r = CONTAINER_OF(job, struct refusal, job);
	AUTO_BUF struct buf what = BUF(64), after = BUF(KIB(4));
	struct jsonw w = jsonw_to(&after);
	struct err err;

	buf_addf(&what, "access denied %s", r->method);
	jsonw_object(&w);
	jsonw_key_int(&w, "status", r->status);
	jsonw_key_text(&w, "reason", r->reason);
	jsonw_key_int(&w, "left out before", r->skipped);
	jsonw_object_end(&w);
	const struct change_audit audit = {.who = STR("application"),
					   .from = str_of(r->client),
					   .tenant = str_of(r->subaccount),
					   .what = buf_str(&what),
					   .object = str_of(r->object),
					   .after = buf_str(&after)};
	if (!store_denied(r->store, &audit, &err)) {
		log_error("a denied request could not be recorded", LOG_ERR(&err));
	}
}

static void recorded(struct job *job)
{
	free(CONTAINER_OF(job, struct refusal, job));
}

void connector_note_denied(void *user, const struct serve_denial *denial)
{
	struct connector_worker *worker = user;
	struct connector *c = worker->connector;
	AUTO_BUF struct buf object = BUF(KIB(64));
	struct err err;
	msec_t second = loop_now(worker->loop) / 1000;

	if (worker->denied_s != second) {
		worker->denied_s = second;
		worker->denied = 0;
	}
	if (worker->denied == PER_S) {
		worker->skipped++;
		return;
	}
	worker->denied++;
	struct refusal *r = NEW(struct refusal);
	r->job.run = record;
	r->job.done = recorded;
	r->store = c->store;
	r->status = denial->status;
	r->skipped = worker->skipped;
	buf_addf(&object, "%.*s%.*s", STR_ARGS(str_first(denial->authority, 300)),
		 STR_ARGS(str_first(denial->path, OBJECT_MAX)));
	keep(r->subaccount, sizeof r->subaccount,
	     str_first(denial->subaccount, str_find(denial->subaccount, '@')));
	keep(r->client, sizeof r->client, denial->client);
	keep(r->method, sizeof r->method, denial->method);
	keep(r->object, sizeof r->object, buf_str(&object));
	keep(r->reason, sizeof r->reason, str_of(denial->reason));
	if (!jobs_submit(c->jobs, worker->loop, &r->job, &err)) {
		worker->skipped++; /* the threads have more to do than this */
		free(r);
		return;
	}
	worker->skipped = 0;
}
