#pragma once
/*
 * The master key in the REST API of both programs: how much is sealed, how much of it under an
 * older key, and the job that seals it again. GET and POST /api/drawbridge/v1/master-key answer
 *
 *     {"items": 12, "underOldKey": 0, "resealed": 3, "failed": 0, "done": true}
 *
 * `done`: an older line of the source may be taken out, as far as this database goes. Handlers run
 * in jobs; one run at a time. POST with `?dataKeys=new` also moves what tenants keep to new data
 * keys (the cloud side only).
 */
#include <pthread.h>

#include "http/server.h"
#include "keys/reseal.h"

enum {
	RESEAL_LISTS_MAX = 8,
};

/* What is sealed and lies in no table of its own; adds to *count. */
typedef bool reseal_more_fn(void *user, bool change, struct reseal_count *count, struct err *err);

struct daemon_reseal {
	struct keys_client *keys;
	struct store *store;
	const struct reseal_table *lists[RESEAL_LISTS_MAX]; /* ends with NULL */
	reseal_more_fn *more;                               /* NULL: none */
	reseal_more_fn *new_data_keys;                      /* NULL: there are none */
	void *user;
	pthread_mutex_t lock; /* of a run */
};

/* Answers the call; `change` is what POST does, and is recorded as `who` and `from`. */
void daemon_reseal_answer(struct daemon_reseal *r, struct http_call *call, bool change,
			  struct str who, struct str from);
