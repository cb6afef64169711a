#pragma once
/* The keystores' snapshot with the one tenant of fake_directory.h. */
#include "cloud/directory/runtime.h"
#include "unit/cloud/relay/fake_directory.h"

static unsigned fake_runtime_freed; /* snapshots that nobody holds any more */

static void fake_runtime_free(struct snapshot *s)
{
	struct runtime_snapshot *snap = CONTAINER_OF(s, struct runtime_snapshot, snapshot);

	fake_runtime_freed++;
	free(snap->tenants);
	free(snap);
}

/* `t` says all but whose it is; its anchors are lent. */
UNUSED static void fake_runtime(struct snapshot_cell *cell, struct runtime_tenant t)
{
	struct runtime_snapshot *snap = NEW(struct runtime_snapshot);

	snapshot_init(&snap->snapshot, fake_runtime_free);
	snap->tenants = NEW(struct runtime_tenant);
	snap->n = 1;
	(void)snprintf(t.subaccount, sizeof(t.subaccount), "%s", FAKE_SUBACCOUNT);
	*snap->tenants = t;
	snapshot_publish(cell, &snap->snapshot);
}
