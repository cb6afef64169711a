#pragma once
/*
 * Automatic renewal of subaccount certificates: a plan for each (connector/renewal.h), one timer on
 * the control loop, tries in jobs of their own, so that a cloud side that does not answer keeps
 * nobody else waiting. What the last try came to is in the database and survives a restart.
 */
#include "connector/links.h"
#include "connector/renewal.h"

struct renewals;

enum {
	RENEWALS_AT_ONCE = 2, /* tries under way, each in a thread */
};

struct renewal_status {
	char key[STATE_HOST + STATE_UUID]; /* of the subaccount */
	enum renewal_state state;
	int64_t next_ms;           /* the next try; 0: none is planned */
	struct state_renewal last; /* tried_ms 0: there was none yet */
};

struct renewal_status_set {
	struct snapshot snapshot; /* first */
	size_t n;
	struct renewal_status *rows;
};

struct renewals_settings {
	struct loop *loop; /* control; everything here is lent */
	struct store *store;
	struct subaccounts *subaccounts;
	struct links *links; /* NULL: no sign of life is heard (tests) */
	uint64_t seed;       /* of the jitter; 0: random */
};

/* Reads the last tries; blocks. The first plans are made by renewals_apply(). */
NODISCARD bool renewals_new(const struct renewals_settings *settings, struct renewals **out,
			    struct err *err);
void renewals_apply(struct renewals *r);    /* any thread: subaccounts changed */
void renewals_on_links(struct renewals *r); /* control loop: links_status() changed; takes NULL */
/* By the administrator: tries now, whatever the plan says, and waits. Blocks; only in jobs. */
enum enrol_outcome renewals_try(struct renewals *r, const struct state_actor *actor,
				struct str region_host, struct str subaccount,
				struct enrol_result *why, struct err *err);
struct renewal_status_set *renewals_status(struct renewals *r); /* any thread; owned; never NULL */
void renewal_status_set_unref(struct renewal_status_set *set);  /* takes NULL */
const struct renewal_status *renewal_status_find(const struct renewal_status_set *set,
						 const char *key);
/* Waits for the tries that run. Before the loop is freed; takes NULL. */
void renewals_free(struct renewals *r);
