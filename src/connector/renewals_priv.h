#pragma once
/*
 * Inside of renewals: the plans and their timer (renewals.c), one try (renewals_try.c), what others
 * see (renewals_status.c). All on the control loop, except where said otherwise.
 */
#include <stdatomic.h>

#include "connector/renewals.h"

struct renewals_entry {
	struct renewals_entry *next;
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
	struct renewals_entry *entries;
	struct state_renewal *stored; /* of the run before */
	size_t n_stored;
	unsigned running;
	struct loop_timer timer, links_timer;
	bool links_changed;
	struct snapshot_cell status;
};

/* ---- renewals.c ---- */

struct renewals *renewals_ref(struct renewals *r); /* jobs and messages may come home late */
void renewals_unref(struct renewals *r);
struct renewals_entry *renewals_find(const struct renewals *r, const char *key);
int64_t renewals_now(const struct renewals_entry *e); /* ms; by the cloud side's clock */
void renewals_arm(struct renewals *r);
/* Any thread: looks at the subaccounts again; `last` of a try by hand, or NULL. */
void renewals_post(struct renewals *r, const struct state_renewal *last);

/* ---- renewals_try.c ---- */

void renewals_start(struct renewals *r, struct renewals_entry *e);
enum renewal_outcome renewals_outcome(enum state_renewal_result result);

/* ---- renewals_status.c ---- */

void renewals_publish(struct renewals *r);
bool renewals_has_date(const struct renewal_plan *p);
