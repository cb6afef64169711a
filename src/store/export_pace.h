#pragma once
/*
 * How many exports (store/denials.h) one tenant may make. Each is a row that is never pruned: who
 * reads in a loop would fill the disk, and if rows were left out, would hide what else was taken.
 * So the export itself is refused.
 *
 * EXPORTS_BURST of them, a full keystore one by one, and EXPORTS_PER_SECOND from then on, which is
 * what the original allows a tenant: at the worst a million rows a day of a tenant and a node,
 * about 350 MiB. Any thread; the caller has the clock. Tenants are those that exist, and are
 * remembered to the end.
 */
#include "base/defs.h"
#include "base/str.h"

enum {
	EXPORTS_BURST = 10000,
	EXPORTS_PER_SECOND = 12,
	EXPORTS_COST_MS = 1000 / EXPORTS_PER_SECOND,
	EXPORTS_FULL_MS = EXPORTS_BURST * EXPORTS_COST_MS,
};

struct export_pace;

struct export_pace *export_pace_new(void);
void export_pace_free(struct export_pace *p); /* takes NULL */
DEFINE_AUTO(export_pace_free, struct export_pace *)
/* One more; 0, or how long the tenant has to wait, and then it did not count. */
msec_t export_pace_take(struct export_pace *p, struct str tenant, msec_t now);
