#include "connector/renewals_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/jobs.h"

enum {
	QUEUE_MAX = 4 * RENEWALS_AT_ONCE,
	LOOK_MS =
		600 * 1000, /* at the latest: the calendar may be set, the machine may have slept */
	LINKS_MS = 250,     /* changes of links are looked at together */
};

struct renewals *renewals_ref(struct renewals *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void renewals_unref(struct renewals *r)
{
	if (atomic_fetch_sub(&r->refs, 1) == 1) {
		snapshot_cell_fini(&r->status);
		free(r);
	}
}

/* ---- the timer ---- */

/* The certificate's times are of the cloud side's clock. */
int64_t renewals_now(const struct renewals_entry *e)
{
	bool same = e->skew_s < ENROL_SKEW_LEAST_S && e->skew_s > -ENROL_SKEW_LEAST_S;

	return clock_unix_ms() - (same ? 0 : e->skew_s * 1000);
}

struct renewals_entry *renewals_find(const struct renewals *r, const char *key)
{
	for (struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
		if (strcmp(e->key, key) == 0) {
			return e;
		}
	}
	return NULL;
}

static void on_timer(struct loop_timer *t)
{
	struct renewals *r = CONTAINER_OF(t, struct renewals, timer);
	bool any = false;

	for (struct renewals_entry *e = r->entries; e != NULL && r->running < RENEWALS_AT_ONCE;
	     e = e->next) {
		if (renewal_begin(&e->plan, renewals_now(e))) {
			renewals_start(r, e);
			any = true;
		}
	}
	if (any) {
		renewals_publish(r);
	}
	renewals_arm(r);
}

void renewals_arm(struct renewals *r)
{
	int64_t least = LOOK_MS;

	if (r->running >= RENEWALS_AT_ONCE) {
		loop_timer_cancel(r->settings.loop, &r->timer); /* the next end arms it */
		return;
	}
	for (struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
		int64_t wait = renewal_wait(&e->plan, renewals_now(e));
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

static struct renewals_entry *add(struct renewals *r, const struct subaccount *sa)
{
	const struct state_renewal *stored = find_stored(r, sa);
	struct renewals_entry *e = NEW(struct renewals_entry);

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
	struct renewals_entry *e = renewals_find(r, sa->key);
	bool fresh = e == NULL;

	if (fresh) {
		e = add(r, sa);
	}
	e->seen = true;
	int64_t now = renewals_now(e);
	renewal_switch(&e->plan, sa->state.auto_renewal, now);
	if (sa->has_certificate && sa->certificate_id != e->certificate_id) {
		e->certificate_id = sa->certificate_id;
		renewal_certificate(&e->plan, sa->certificate_received * 1000,
				    sa->certificate.not_after * 1000, spread_of(sa), now);
	}
	if (fresh && e->last.tried_ms != 0) {
		renewal_restore(&e->plan, e->last.tried_ms, renewals_outcome(e->last.result),
				e->last.failures, now);
	}
}

static void drop_unseen(struct renewals *r)
{
	struct renewals_entry **at = &r->entries;

	while (*at != NULL) {
		struct renewals_entry *e = *at;
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

	for (struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
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
	renewals_publish(r);
	renewals_arm(r);
}

/* ---- signs of life ---- */

static void look_at(struct renewals_entry *e, const struct link_status *st)
{
	bool heard = st->state == LINK_STATUS_CONNECTED || st->refused != 0;

	if (st->skew_s != 0) {
		e->skew_s = st->skew_s;
	}
	if (heard && !e->heard) {
		renewal_heard(&e->plan, renewals_now(e));
	}
	e->heard = heard;
}

static void on_links_timer(struct loop_timer *t)
{
	struct renewals *r = CONTAINER_OF(t, struct renewals, links_timer);
	struct link_status_set *set = links_status(r->settings.links);

	r->links_changed = false;
	for (struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
		const struct link_status *st = link_status_find(set, e->key);
		if (st != NULL) {
			look_at(e, st);
		}
	}
	link_status_set_unref(set);
	renewals_publish(r);
	renewals_arm(r);
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
	for (struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
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
	renewals_unref(r);
}

void renewals_post(struct renewals *r, const struct state_renewal *last)
{
	struct note *note = NEW(struct note);

	note->message.fn = on_note;
	note->renewals = renewals_ref(r);
	note->has_last = last != NULL;
	if (last != NULL) {
		note->last = *last;
	}
	loop_post(r->settings.loop, &note->message);
}

void renewals_apply(struct renewals *r)
{
	renewals_post(r, NULL);
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
	renewals_publish(r);
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
		struct renewals_entry *e = r->entries;
		r->entries = e->next;
		free(e);
	}
	free(r->stored);
	renewals_unref(r);
}
