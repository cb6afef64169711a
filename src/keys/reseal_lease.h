#pragma once
/*
 * Who seals again under a new master key: one run at a time in the whole installation, whatever
 * node it is on, and how the last one ended. One row, "reseal_run": a lease with the run's id and
 * node, what it said of its progress, and the last end.
 *
 * The run prolongs its lease behind its items; a node that vanished loses it after RESEAL_LEASE_MS,
 * and at once when it is started again (reseal_lease_orphan()). Two runs at once would do no harm,
 * since each item is a transaction that looks at what it replaces; they would do the work twice and
 * tell two stories about it.
 *
 * Texts are JSON, at most RESEAL_TEXT_MAX bytes; what they say is the caller's. Blocks.
 */
#include "store/migrate.h"
#include "store/store.h"

enum {
	RESEAL_LEASE_MS = 60000,
	RESEAL_RENEW_MS = 5000, /* between two prolongations: its holder's business */
	RESEAL_TEXT_MAX = KIB(256),
	RESEAL_ID_MAX = 32,
};

extern const struct migration reseal_migrations[];

struct reseal_state {
	bool runs;           /* somebody's lease has not ended */
	char node[256];      /* whose */
	struct buf progress; /* of that run; "" without */
	struct buf last;     /* how the one before ended; "" when there was none */
};
void reseal_state_init(struct reseal_state *s);
void reseal_state_fini(struct reseal_state *s);
/* Into one that was initialized. */
NODISCARD bool reseal_lease_read(struct store *s, int64_t now_ms, struct reseal_state *out,
				 struct err *err);

/* In a transaction. ERR_CONFLICT with the node's name while another run has it. */
NODISCARD bool reseal_lease_take(struct db *db, const char *id, const char *node, int64_t now_ms,
				 struct str progress, struct err *err);
/* In a transaction of its own; *held false: another run has it now. */
NODISCARD bool reseal_lease_renew(struct store *s, const char *id, int64_t now_ms,
				  struct str progress, bool *held, struct err *err);
/* In a transaction. Gives it back; without it nothing is written. */
NODISCARD bool reseal_lease_end(struct db *db, const char *id, struct str last, struct err *err);
/*
 * At a start: what a run of this node said last before it was killed, and the lease is free; *found
 * false when there is none. The caller says how it ended by reseal_lease_set_last().
 */
NODISCARD bool reseal_lease_orphan(struct store *s, const char *node, struct buf *progress,
				   bool *found, struct err *err);
NODISCARD bool reseal_lease_set_last(struct store *s, struct str last, struct err *err);
