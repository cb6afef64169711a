#include "connector/renewals.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "net/jobs.h"

enum {
	QUEUE_MAX = 4 * RENEWALS_AT_ONCE,
	LOOK_MS =
		600 * 1000, /* at the latest: the calendar may be set, the machine may have slept */
	LINKS_MS = 250,     /* changes of links are looked at together */
};

struct entry {
	struct entry *next;
	char key[STATE_HOST + STATE_UUID];
	int64_t certificate_id, skew_s;
	struct renewal_plan plan;
	struct state_renewal last;
	bool heard, seen;
};

struct renewals {
	atomic_uint refs;
	atomic_bool dead;
	struct renewals_settings settings;
	struct jobs *jobs;
	struct entry *entries;
	struct state_renewal *stored; /* of the run before */
	size_t n_stored;
	unsigned running;
	struct loop_timer timer, links_timer;
	bool links_changed;
	struct snapshot_cell status;
};

static void arm(struct renewals *r);

/* ---- what others see ---- */

static void free_status(struct snapshot *snapshot)
{
	struct renewal_status_set *set =
		CONTAINER_OF(snapshot, struct renewal_status_set, snapshot);

	free(set->rows);
	free(set);
}

void renewal_status_set_unref(struct renewal_status_set *set)
{
	if (set != NULL) {
		snapshot_unref(&set->snapshot);
	}
}

struct renewal_status_set *renewals_status(struct renewals *r)
{
	return CONTAINER_OF(snapshot_ref(&r->status), struct renewal_status_set, snapshot);
}

const struct renewal_status *renewal_status_find(const struct renewal_status_set *set,
						 const char *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->rows[i].key, key) == 0) {
			return &set->rows[i];
		}
	}
	return NULL;
}

static bool has_date(const struct renewal_plan *p)
{
	return p->state != RENEWAL_OFF && p->state != RENEWAL_TRYING;
}

static void publish(struct renewals *r)
{
	struct renewal_status_set *set = NEW(struct renewal_status_set);
	size_t n = 0;

	for (const struct entry *e = r->entries; e != NULL; e = e->next) {
		n++;
	}
	snapshot_init(&set->snapshot, free_status);
	set->rows = NEW_ARRAY(struct renewal_status, n > 0 ? n : 1);
	for (const struct entry *e = r->entries; e != NULL; e = e->next) {
		struct renewal_status *row = &set->rows[set->n++];
		memcpy(row->key, e->key, sizeof(row->key));
		row->state = e->plan.state;
		row->next_ms = has_date(&e->plan) ? e->plan.next_at : 0;
		row->last = e->last;
	}
	snapshot_publish(&r->status, &set->snapshot);
}

/* ---- references: jobs and messages may come home late ---- */

static struct renewals *ref(struct renewals *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

static void unref(struct renewals *r)
{
	if (atomic_fetch_sub(&r->refs, 1) == 1) {
		snapshot_cell_fini(&r->status);
		free(r);
	}
}

/* ---- one try ---- */

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

static enum renewal_outcome outcome_of(enum state_renewal_result result)
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

/* The certificate's times are of the cloud side's clock. */
static int64_t now_of(const struct entry *e)
{
	bool same = e->skew_s < ENROL_SKEW_LEAST_S && e->skew_s > -ENROL_SKEW_LEAST_S;

	return clock_unix_ms() - (same ? 0 : e->skew_s * 1000);
}

static struct entry *find(const struct renewals *r, const char *key)
{
	for (struct entry *e = r->entries; e != NULL; e = e->next) {
		if (strcmp(e->key, key) == 0) {
			return e;
		}
	}
	return NULL;
}

static void log_end(const struct attempt *a, const struct entry *e)
{
	AUTO_BUF struct buf next = BUF(64);

	if (a->row.result == STATE_RENEWAL_DONE) {
		log_info("a subaccount certificate was renewed", LOG_TEXT("subaccount", a->key));
		return;
	}
	if (has_date(&e->plan)) {
		clock_add_rfc3339(&next, e->plan.next_at / 1000);
	}
	log_warning("a subaccount certificate could not be renewed", LOG_TEXT("subaccount", a->key),
		    LOG_TEXT("why", a->row.text), LOG_STR("next_try", buf_str(&next)));
}

static void take_end(struct renewals *r, const struct attempt *a)
{
	struct entry *e = find(r, a->key);

	r->running--;
	if (e == NULL) {
		return; /* deleted meanwhile */
	}
	e->skew_s = a->skew_s != 0 ? a->skew_s : e->skew_s;
	e->last = a->row;
	renewal_end(&e->plan, outcome_of(a->row.result), a->later, now_of(e));
	log_end(a, e);
	publish(r);
	arm(r);
}

static void end_attempt(struct job *job)
{
	struct attempt *a = CONTAINER_OF(job, struct attempt, job);
	struct renewals *r = a->renewals;

	if (!atomic_load(&r->dead)) {
		take_end(r, a);
	}
	free(a);
	unref(r);
}

static void start(struct renewals *r, struct entry *e)
{
	struct attempt *a = NEW(struct attempt);
	struct err err = {0};

	a->job = (struct job){.run = run_attempt, .done = end_attempt};
	a->renewals = ref(r);
	memcpy(a->key, e->key, sizeof(a->key));
	a->row = e->last;
	a->row.failures = e->plan.failures;
	r->running++;
	if (!jobs_submit(r->jobs, r->settings.loop, &a->job, &err)) {
		r->running--; /* only at the end of the program */
		free(a);
		unref(r);
	}
}

/* ---- the timer ---- */

static void on_timer(struct loop_timer *t)
{
	struct renewals *r = CONTAINER_OF(t, struct renewals, timer);
	bool any = false;

	for (struct entry *e = r->entries; e != NULL && r->running < RENEWALS_AT_ONCE;
	     e = e->next) {
		if (renewal_begin(&e->plan, now_of(e))) {
			start(r, e);
			any = true;
		}
	}
	if (any) {
		publish(r);
	}
	arm(r);
}

static void arm(struct renewals *r)
{
	int64_t least = LOOK_MS;

	if (r->running >= RENEWALS_AT_ONCE) {
		loop_timer_cancel(r->settings.loop, &r->timer); /* the next end arms it */
		return;
	}
	for (struct entry *e = r->entries; e != NULL; e = e->next) {
		int64_t wait = renewal_wait(&e->plan, now_of(e));
		least = wait >= 0 && wait < least ? wait : least;
	}
	loop_timer_set(r->settings.loop, &r->timer, loop_now(r->settings.loop) + least, on_timer);
}

/* ---- subaccounts come, change and go ---- */

static uint32_t spread_of(const struct subaccount *sa)
{
	uint32_t spread;

	memcpy(&spread, sa->certificate.sha256, sizeof(spread));
	return spread;
}

static const struct state_renewal *find_stored(const struct renewals *r,
					       const struct subaccount *sa)
{
	for (size_t i = 0; i < r->n_stored; i++) {
		if (strcmp(r->stored[i].region_host, sa->state.region_host) == 0 &&
		    strcmp(r->stored[i].subaccount, sa->state.subaccount) == 0) {
			return &r->stored[i];
		}
	}
	return NULL;
}

static struct entry *add(struct renewals *r, const struct subaccount *sa)
{
	const struct state_renewal *stored = find_stored(r, sa);
	struct entry *e = NEW(struct entry);

	memcpy(e->key, sa->key, sizeof(e->key));
	if (stored != NULL) {
		e->last = *stored;
	}
	memcpy(e->last.region_host, sa->state.region_host, sizeof(e->last.region_host));
	memcpy(e->last.subaccount, sa->state.subaccount, sizeof(e->last.subaccount));
	renewal_init(&e->plan, random_jitter(&r->settings.seed));
	e->next = r->entries;
	r->entries = e;
	return e;
}

static void follow(struct renewals *r, const struct subaccount *sa)
{
	struct entry *e = find(r, sa->key);
	bool fresh = e == NULL;

	if (fresh) {
		e = add(r, sa);
	}
	e->seen = true;
	int64_t now = now_of(e);
	renewal_switch(&e->plan, sa->state.auto_renewal, now);
	if (sa->has_certificate && sa->certificate_id != e->certificate_id) {
		e->certificate_id = sa->certificate_id;
		renewal_certificate(&e->plan, sa->certificate_received * 1000,
				    sa->certificate.not_after * 1000, spread_of(sa), now);
	}
	if (fresh && e->last.tried_ms != 0) {
		renewal_restore(&e->plan, e->last.tried_ms, outcome_of(e->last.result),
				e->last.failures, now);
	}
}

static void drop_unseen(struct renewals *r)
{
	struct entry **at = &r->entries;

	while (*at != NULL) {
		struct entry *e = *at;
		if (e->seen) {
			at = &e->next;
		} else {
			*at = e->next;
			free(e);
		}
	}
}

static void apply(struct renewals *r)
{
	struct subaccount_set *set = subaccounts_ref(r->settings.subaccounts);

	for (struct entry *e = r->entries; e != NULL; e = e->next) {
		e->seen = false;
	}
	for (size_t i = 0; i < set->n; i++) {
		follow(r, &set->rows[i]);
	}
	subaccount_set_unref(set);
	drop_unseen(r);
	free(r->stored); /* only the first time: who is added later has no past */
	r->stored = NULL;
	r->n_stored = 0;
	publish(r);
	arm(r);
}

/* ---- signs of life ---- */

static void look_at(struct entry *e, const struct link_status *st)
{
	bool heard = st->state == LINK_STATUS_CONNECTED || st->refused != 0;

	if (st->skew_s != 0) {
		e->skew_s = st->skew_s;
	}
	if (heard && !e->heard) {
		renewal_heard(&e->plan, now_of(e));
	}
	e->heard = heard;
}

static void on_links_timer(struct loop_timer *t)
{
	struct renewals *r = CONTAINER_OF(t, struct renewals, links_timer);
	struct link_status_set *set = links_status(r->settings.links);

	r->links_changed = false;
	for (struct entry *e = r->entries; e != NULL; e = e->next) {
		const struct link_status *st = link_status_find(set, e->key);
		if (st != NULL) {
			look_at(e, st);
		}
	}
	link_status_set_unref(set);
	publish(r);
	arm(r);
}

void renewals_on_links(struct renewals *r)
{
	if (r == NULL || r->settings.links == NULL || r->links_changed) {
		return;
	}
	r->links_changed = true;
	loop_timer_set(r->settings.loop, &r->links_timer, loop_now(r->settings.loop) + LINKS_MS,
		       on_links_timer);
}

/* ---- messages of other threads ---- */

struct note {
	struct loop_message message;
	struct renewals *renewals;
	bool has_last;
	struct state_renewal last; /* of a try by hand */
};

static void take_last(struct renewals *r, const struct state_renewal *last)
{
	for (struct entry *e = r->entries; e != NULL; e = e->next) {
		if (str_eq_nocase(str_of(e->last.region_host), str_of(last->region_host)) &&
		    str_eq_nocase(str_of(e->last.subaccount), str_of(last->subaccount))) {
			e->last = *last;
		}
	}
}

static void on_note(struct loop_message *message)
{
	struct note *note = CONTAINER_OF(message, struct note, message);
	struct renewals *r = note->renewals;

	if (!atomic_load(&r->dead)) {
		if (note->has_last) {
			take_last(r, &note->last);
		}
		apply(r);
	}
	free(note);
	unref(r);
}

static void post(struct renewals *r, const struct state_renewal *last)
{
	struct note *note = NEW(struct note);

	note->message.fn = on_note;
	note->renewals = ref(r);
	note->has_last = last != NULL;
	if (last != NULL) {
		note->last = *last;
	}
	loop_post(r->settings.loop, &note->message);
}

void renewals_apply(struct renewals *r)
{
	post(r, NULL);
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
	post(r, &row);
	return outcome;
}

/* ---- life ---- */

bool renewals_new(const struct renewals_settings *settings, struct renewals **out, struct err *err)
{
	struct renewals *r = NEW(struct renewals);

	atomic_init(&r->refs, 1);
	atomic_init(&r->dead, false);
	r->settings = *settings;
	if (r->settings.seed == 0) {
		random_bytes(&r->settings.seed, sizeof(r->settings.seed));
	}
	snapshot_cell_init(&r->status);
	publish(r);
	if (!jobs_new("renewals", RENEWALS_AT_ONCE, QUEUE_MAX, &r->jobs, err) ||
	    !state_renewal_list(settings->store, &r->stored, &r->n_stored, err)) {
		renewals_free(r);
		return false;
	}
	*out = r;
	return true;
}

void renewals_free(struct renewals *r)
{
	if (r == NULL) {
		return;
	}
	atomic_store(&r->dead, true);
	loop_timer_cancel(r->settings.loop, &r->timer);
	loop_timer_cancel(r->settings.loop, &r->links_timer);
	jobs_free(r->jobs);
	while (r->entries != NULL) {
		struct entry *e = r->entries;
		r->entries = e->next;
		free(e);
	}
	free(r->stored);
	unref(r);
}
