#pragma once
/*
 * What lies sealed in a database, sealed again under the first master key (keyd/vault.h).
 *
 * Each module that stores sealed things has a list of tables beside its SQL, and nobody else knows
 * them; the programs hand the lists to reseal_run(). A sealed form is unique, so a row is found
 * and changed by it: one that was replaced meanwhile is left alone. No generation, no version and
 * no head moves.
 *
 * Blocks: in a job.
 */
#include "keys/entries.h"
#include "store/store.h"

enum reseal_kind {
	RESEAL_KEY,      /* keys_generate(), keys_stage_seal_class() */
	RESEAL_SECRET,   /* keys_seal() with `label` */
	RESEAL_DATA_KEY, /* keys_data_key_new() */
};

enum {
	RESEAL_ROWS_MAX = 1000000, /* of one table: more are ERR_LIMIT */
};

struct reseal_table {
	enum reseal_kind kind;
	const char *what; /* for the log: "keys of the certificate authority" */
	/* One column, for a data key two: sealed form and tenant. An empty one is skipped. */
	const char *select;
	const char *update; /* $1 the new form, $2 the old one */
	const char *label;  /* RESEAL_SECRET */
};

/* A run, and who watches it: one thread's. */
struct reseal_count {
	uint64_t items;
	uint64_t under_old; /* of those, still under another key than the first */
	uint64_t resealed;  /* in this run */
	uint64_t failed;    /* open under no key that is here: named in the log */
	/* Behind each item; false ends the run. NULL: nobody looks. */
	bool (*step)(const struct reseal_count *count, void *user);
	/* Each that does not open: "data keys of the tenants, tenant …: …". NULL: only the log. */
	void (*failure)(const char *what, void *user);
	void *user;
};

/* For what lies in no table of its own, behind each item: counts it. ERR_SYSTEM: the run is to end.
 */
NODISCARD bool reseal_step(struct reseal_count *count, struct err *err);
/*
 * An item failed with *err, which gets its name. True when the item is to blame: it is counted and
 * told, and the others go on. False when the database or the key process failed.
 */
NODISCARD bool reseal_failed(struct reseal_count *count, struct str what, struct err *err);

/* How many items there are, without asking the key process; adds to *n. */
NODISCARD bool reseal_items(struct store *s, const struct reseal_table *tables, uint64_t *n,
			    struct err *err);
/*
 * Counts, and when `change` reseals; adds to *count. `tables` ends with a row without a select. An
 * item that does not open is counted and told, the others go on; false only when database or key
 * process fail, or the watcher ends it.
 */
NODISCARD bool reseal_run(struct keys_client *c, struct store *s, const struct reseal_table *tables,
			  bool change, struct reseal_count *count, struct err *err);
