#pragma once
/*
 * The master key in the REST API of both programs, /api/drawbridge/v1/master-key: how much is
 * sealed, how much of it under an older key, and the run that seals it again.
 *
 * POST starts a run and answers 202 with what GET tells of it; 409 while one runs, here or on
 * another node (keys/reseal_lease.h). With `?dataKeys=new` what tenants keep also moves to new data
 * keys (the cloud side only). GET, which says the same on each node, and after a restart:
 *
 *     {"running": false, "items": 12, "underOldKey": 0, "failed": 0, "done": true,
 *      "progress": null, "last": {"started": "…", "ended": "…", "node": "one",
 *      "newDataKeys": false, "itemsDone": 12, "itemsAll": 12, "resealed": 3, "failed": 0,
 *      "error": "", "failures": []}}
 *
 * While one runs, the counts are left out and `progress` has the first members of `last`. `done`:
 * an older line of the source may be taken out, as far as this database goes. `error`: why a run
 * stopped half way, which does no harm: each item is a transaction, and the next run does the rest.
 * `failures` names the first items that do not open; those stop nothing.
 *
 * Runs have a thread of their own. Start and end are recorded in the audit, in one transaction with
 * the lease. Handlers run in jobs.
 */
#include <pthread.h>

#include "http/server.h"
#include "keys/reseal.h"
#include "keys/reseal_lease.h"

enum {
	RESEAL_LISTS_MAX = 8,
	RESEAL_FAILURES_MAX = 20, /* named in the answer; all of them are in the log */
	RESEAL_WHO_MAX = 256,
};

/* What is sealed and lies in no table of its own; adds to *count. */
typedef bool reseal_more_fn(void *user, bool change, struct reseal_count *count, struct err *err);

struct daemon_reseal_run {
	int64_t started, ended;        /* Unix ms; started 0: there was none */
	char lease[RESEAL_ID_MAX + 1]; /* its id there */
	bool new_data_keys;
	uint64_t done, all, resealed, failed;
	char who[RESEAL_WHO_MAX], from[RESEAL_WHO_MAX];
	char error[400]; /* "": it went through */
	char failures[RESEAL_FAILURES_MAX][400];
	size_t n_failures;
};

struct daemon_reseal {
	struct keys_client *keys;
	struct store *store;
	const struct reseal_table *lists[RESEAL_LISTS_MAX]; /* ends with NULL */
	reseal_more_fn *more;                               /* NULL: none */
	reseal_more_fn *new_data_keys;                      /* NULL: there are none */
	void *user;
	/* Its own: */
	pthread_mutex_t lock; /* of all below */
	bool opened, running, ending;
	bool has_thread; /* to be joined */
	pthread_t thread;
	struct daemon_reseal_run now;   /* while running */
	msec_t renewed;                 /* its thread's only */
	bool lost;                      /* its thread's only: another run has the lease */
	struct daemon_reseal_run ended; /* started > 0: an end that is not in the database yet */
};

/* Before handlers can run, with the members above filled in and the database migrated. What a run
 * of this node that was killed left behind becomes its end. */
void daemon_reseal_open(struct daemon_reseal *r);
/* A run that goes on ends behind its item, and none starts any more. Does not wait. */
void daemon_reseal_stop(struct daemon_reseal *r);
/* Waits for that. No handler runs any more; store and key process still do. */
void daemon_reseal_close(struct daemon_reseal *r);
/* Answers the call; `change` is what POST does, and is recorded as `who` and `from`. */
void daemon_reseal_answer(struct daemon_reseal *r, struct http_call *call, bool change,
			  struct str who, struct str from);
