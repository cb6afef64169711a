/* Keeps the snapshot fresh; its interface is in snapshot.h. */
#include "cloud/directory/snapshot.h"
#include "store/follow.h"

struct directory_watch {
	struct store *store;
	struct snapshot_cell *cell;
	struct follower *follower;
};

static bool publish(void *user, int64_t head UNUSED, int64_t *reached, struct err *err)
{
	const struct directory_watch *w = user;
	struct directory_snapshot *snap;

	if (!directory_snapshot_load(w->store, &snap, err)) {
		return false;
	}
	*reached = directory_snapshot_head(snap);
	/* it starts with its struct snapshot */
	snapshot_publish(w->cell, (struct snapshot *)(void *)snap);
	return true;
}

bool directory_watch_start(struct store *s, struct snapshot_cell *cell,
			   struct directory_watch **out, struct err *err)
{
	struct directory_watch *w = NEW(struct directory_watch);
	const struct follow_settings settings = {
		.store = s, .what = "the directory", .fn = publish, .user = w};

	*w = (struct directory_watch){.store = s, .cell = cell};
	if (!follow_start(&settings, &w->follower, err)) {
		free(w);
		return false;
	}
	*out = w;
	return true;
}

void directory_watch_stop(struct directory_watch *w)
{
	if (w != NULL) {
		follow_stop(w->follower);
		free(w);
	}
}

void directory_watch_poke(struct directory_watch *w)
{
	follow_poke(w->follower);
}

bool directory_watch_wait(struct directory_watch *w, int64_t n, msec_t timeout)
{
	return follow_wait(w->follower, n, timeout);
}
