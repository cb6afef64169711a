#pragma once
/*
 * Inside of links: the control loop's table (links.c), what the cloud side told on its way to the
 * database (links_lessons.c), and the workers' dialers (links_worker.c).
 *
 * Who owns what: rows belong to the control loop, lines to their worker's loop. Between them travel
 * messages that own what they carry: orders down, reports up. Each message holds a reference of
 * struct links and does nothing once it is `dead`.
 */
#include <stdatomic.h>

#include "connector/links.h"

/* What one dialer looks like now; a value, copied upwards. */
struct line_report {
	char key[STATE_HOST + STATE_UUID];
	unsigned index;
	unsigned tunnels, wanted, refused;
	int64_t up_since_ms;
	int64_t certificate_id; /* with which the newest tunnel is open; 0: it is not */
	int64_t skew_s;
	char reason[400], owners[400], refusal[24];
};

/* One subaccount that shall be connected. */
struct link_row {
	struct link_row *next;
	char key[STATE_HOST + STATE_UUID];
	size_t start;    /* the worker of its first line */
	unsigned wanted; /* lines, as the relay said last */
	struct line_report *lines[PTTH_TUNNELS_MAX];
	int64_t confirming;    /* the certificate that was told to be good */
	char owners_told[400]; /* what was handed to subaccounts_learn_owners() */
	bool seen;
};

/* One dialer. */
struct line {
	struct line *next;
	struct links_worker *worker;
	struct subaccount_set *set; /* own reference: the texts below point into it */
	const struct subaccount *subaccount;
	unsigned index;
	struct links_source source;
	struct dialer *dialer;
	struct line_report told; /* the last one */
	bool seen;               /* in the order that is being obeyed */
	bool leaving;            /* drains; freed when idle */
};

struct links_worker {
	struct links *links;
	struct loop *loop;
	void *user;
	struct line *lines;
	bool draining, drained;
};

struct links {
	atomic_uint refs;
	atomic_bool dead;
	struct links_settings settings;
	char run[STATE_UUID]; /* of this run of the program */
	struct links_worker *workers;
	struct link_row *rows;
	struct subaccount_set *set;
	struct snapshot_cell status;
	struct loop_timer lesson_timer; /* what could not be stored is told again */
	/* shutdown */
	struct loop_timer drain_timer;
	size_t undrained; /* workers that still have tunnels */
	void (*done)(void *user);
	void *done_user;
};

enum order_what {
	ORDER_APPLY,
	ORDER_HURRY,
	ORDER_DRAIN,
};

struct line_order {
	size_t subaccount; /* index in the set */
	unsigned index;
};

struct order {
	struct loop_message message;
	struct links_worker *worker;
	enum order_what what;
	struct subaccount_set *set; /* own reference */
	struct line_order *lines;
	size_t n;
};

enum {
	LINKS_LESSON_AGAIN_MS = 5000, /* after the database did not take one */
};

struct links *links_ref(struct links *l);
void links_unref(struct links *l);

struct link_row *links_find_row(const struct links *l, const char *key); /* or NULL */
void links_apply_now(struct links *l);

/* links_lessons.c: hands on what this report has that the database does not know yet. */
void links_learn(struct links *l, struct link_row *row, const struct line_report *r);

/* links_worker.c */
void links_worker_obey(struct loop_message *message);
void links_worker_free(struct links_worker *w); /* its lines */

/* links.c, on the control loop by a message of their own */
void links_report(struct links *l, const struct line_report *report);
void links_drained(struct links *l);
