/* One try: asks in a job, writes down what came of it, tells the plan. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "connector/renewals_priv.h"
#include "net/jobs.h"

struct attempt {
	struct job job;
	struct renewals *renewals;
	char key[STATE_HOST + STATE_UUID];
	struct state_renewal row; /* whose, and then how it ended */
	int64_t later;            /* ms; -1: the cloud side named no time */
	int64_t skew_s;
};

static enum state_renewal_result result_of(enum enrol_outcome outcome)
{
	switch (outcome) {
	case ENROL_DONE:
		return STATE_RENEWAL_DONE;
	case ENROL_WRONG:
	case ENROL_REFUSED:
		return STATE_RENEWAL_DENIED;
	case ENROL_UNTRUSTED:
	case ENROL_LATER:
	case ENROL_FAILED:
		break;
	}
	return STATE_RENEWAL_FAILED;
}

/* Asks, and writes down what came of it. */
static enum enrol_outcome attempt(struct renewals *r, const struct state_actor *actor,
				  struct state_renewal *row, struct enrol_result *why,
				  struct err *err)
{
	struct err trouble = {0};
	enum enrol_outcome outcome =
		subaccounts_renew(r->settings.subaccounts, actor, str_of(row->region_host),
				  str_of(row->subaccount), why, err);

	row->tried_ms = clock_unix_ms();
	row->result = result_of(outcome);
	row->failures = outcome == ENROL_DONE ? 0 : row->failures + 1;
	snprintf(row->text, sizeof(row->text), "%s", outcome == ENROL_DONE ? "" : err->text);
	if (!state_renewal_put(r->settings.store, actor, row, &trouble) &&
	    trouble.kind != ERR_MISSING) {
		log_warning("the result of a renewal could not be stored",
			    LOG_TEXT("subaccount", row->subaccount), LOG_ERR(&trouble));
	}
	return outcome;
}

static void run_attempt(struct job *job)
{
	const struct state_actor actor = {.who = STR("system"), .from = STR("")};
	struct attempt *a = CONTAINER_OF(job, struct attempt, job);
	struct enrol_result why = ENROL_RESULT;
	struct err err = {0};

	(void)attempt(a->renewals, &actor, &a->row, &why, &err);
	a->later = why.retry_after_s >= 0 ? why.retry_after_s * 1000 : -1;
	a->skew_s = why.skew_s;
	enrol_result_fini(&why);
}

enum renewal_outcome renewals_outcome(enum state_renewal_result result)
{
	switch (result) {
	case STATE_RENEWAL_DONE:
		return RENEWAL_DONE;
	case STATE_RENEWAL_DENIED:
		return RENEWAL_DENIED;
	case STATE_RENEWAL_FAILED:
		break;
	}
	return RENEWAL_FAILED;
}

static void log_end(const struct attempt *a, const struct renewals_entry *e)
{
	AUTO_BUF struct buf next = BUF(64);

	if (a->row.result == STATE_RENEWAL_DONE) {
		log_info("a subaccount certificate was renewed", LOG_TEXT("subaccount", a->key));
		return;
	}
	if (renewals_has_date(&e->plan)) {
		clock_add_rfc3339(&next, e->plan.next_at / 1000);
	}
	log_warning("a subaccount certificate could not be renewed", LOG_TEXT("subaccount", a->key),
		    LOG_TEXT("why", a->row.text), LOG_STR("next_try", buf_str(&next)));
}

static void take_end(struct renewals *r, const struct attempt *a)
{
	struct renewals_entry *e = renewals_find(r, a->key);

	r->running--;
	if (e != NULL) { /* else it was deleted meanwhile */
		e->skew_s = a->skew_s != 0 ? a->skew_s : e->skew_s;
		e->last = a->row;
		renewal_end(&e->plan, renewals_outcome(a->row.result), a->later, renewals_now(e));
		log_end(a, e);
		renewals_publish(r);
	}
	renewals_arm(r); /* there is room for another */
}

static void end_attempt(struct job *job)
{
	struct attempt *a = CONTAINER_OF(job, struct attempt, job);
	struct renewals *r = a->renewals;

	if (!atomic_load(&r->dead)) {
		take_end(r, a);
	}
	free(a);
	renewals_unref(r);
}

void renewals_start(struct renewals *r, struct renewals_entry *e)
{
	struct attempt *a = NEW(struct attempt);
	struct err err = {0};

	a->job = (struct job){.run = run_attempt, .done = end_attempt};
	a->renewals = renewals_ref(r);
	memcpy(a->key, e->key, sizeof(a->key));
	a->row = e->last;
	a->row.failures = e->plan.failures;
	r->running++;
	if (!jobs_submit(r->jobs, r->settings.loop, &a->job, &err)) {
		r->running--; /* only at the end of the program */
		free(a);
		renewals_unref(r);
	}
}

enum enrol_outcome renewals_try(struct renewals *r, const struct state_actor *actor,
				struct str region_host, struct str subaccount,
				struct enrol_result *why, struct err *err)
{
	struct state_renewal row = {.tried_ms = 0};

	if (!str_copy(region_host, row.region_host, sizeof(row.region_host)) ||
	    !str_copy(subaccount, row.subaccount, sizeof(row.subaccount))) {
		(void)err_set(err, ERR_MISSING, "there is no such subaccount");
		return ENROL_FAILED;
	}
	enum enrol_outcome outcome = attempt(r, actor, &row, why, err);
	renewals_post(r, &row);
	return outcome;
}
