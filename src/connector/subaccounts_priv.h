#pragma once
/* Inside of subaccounts: the snapshot and edits (subaccounts.c), certificates
 * (subaccounts_enrol.c), and how a row becomes something that can be dialled (subaccounts_build.c).
 */
#include <pthread.h>

#include "connector/subaccounts.h"

struct visit;

struct subaccounts {
	struct subaccounts_settings settings;
	pthread_mutex_t lock; /* of read, change, publish; never held while the network is asked */
	struct visit *visits; /* to the cloud side, under way; under the lock, with … */
	pthread_cond_t left;  /* … this told when one ends */
	struct snapshot_cell cell;
	char instance[STATE_UUID];
	char *anchors_pem; /* under the lock */
};

/* Reads everything anew and publishes it; TLS configurations that still fit are kept. */
NODISCARD bool subaccounts_reload(struct subaccounts *s, struct err *err);
/* What the database says now, as a set of its own; `before` may be NULL. */
NODISCARD bool subaccounts_build(struct subaccounts *s, const struct subaccount_set *before,
				 struct subaccount_set **out, struct err *err);
/* Lower case, checked; ERR_CONFIG names what is wrong. */
NODISCARD bool subaccounts_read_names(struct str region_host, struct str subaccount,
				      char host[static STATE_HOST], char uuid[static STATE_UUID],
				      struct err *err);
/* Fields that are given, copied into the row. */
NODISCARD bool subaccounts_apply(const struct subaccount_edit *edit, struct state_subaccount *row,
				 struct err *err);
/* Reads the row under the lock, lets `fn` change it, writes it and reloads. */
typedef bool subaccounts_change_fn(struct state_subaccount *row, const void *user, struct err *err);
NODISCARD bool subaccounts_change(struct subaccounts *s, const struct state_actor *actor,
				  const char *what, const char *host, const char *uuid,
				  subaccounts_change_fn *fn, const void *user, struct err *err);
