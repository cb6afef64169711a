#pragma once
/*
 * From the database to the workers: builds the snapshot of access control (access.h) out of the
 * stored mappings and the known subaccounts, and publishes it. Called after each change of either;
 * the change is then live for the next request.
 */
#include "connector/access.h"
#include "connector/mappings_store.h"
#include "connector/subaccounts.h"

struct mappings;

struct mappings *mappings_new(struct store *store); /* lent */
void mappings_free(struct mappings *m);             /* takes NULL; after the workers */
DEFINE_AUTO(mappings_free, struct mappings *)
struct snapshot_cell *mappings_access(struct mappings *m); /* for serve_settings */
/*
 * Reads everything and publishes. A stored row that access control does not take (made by an older
 * version, or by hand) is logged and left out: the rest still counts. Blocks; any thread.
 */
NODISCARD bool mappings_publish(struct mappings *m, const struct subaccount_set *set,
				struct err *err);
