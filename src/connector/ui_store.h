#pragma once
/*
 * The administrator's certificate for the administration itself, in the database: the one in use,
 * and the key that waits for a signed certificate. Keys are sealed by the key process. Each change
 * is one transaction with its audit row. Everything blocks: only in jobs.
 */
#include "connector/state_store.h"
#include "keys/reseal.h"

extern const struct migration ui_migrations[]; /* module "ui" */

enum ui_slot {
	UI_IN_USE = 1,
	UI_WAITING, /* a CSR was made with this key; no chain yet */
};

struct ui_row {
	struct buf sealed, spki, chain_pem; /* leaf first; empty in UI_WAITING */
};
void ui_row_init(struct ui_row *row);
void ui_row_fini(struct ui_row *row);
static inline void auto_ui_row(struct ui_row *row)
{
	ui_row_fini(row);
}
#define AUTO_UI_ROW __attribute__((cleanup(auto_ui_row)))

/* *found false: `out` stays empty. */
NODISCARD bool ui_store_get(struct store *s, enum ui_slot slot, struct ui_row *out, bool *found,
			    struct err *err);
/* In place of what was there. A certificate in use takes the waiting key away if it is its own. */
NODISCARD bool ui_store_put(struct store *s, const struct state_actor *actor, const char *what,
			    enum ui_slot slot, const struct ui_row *row, struct str subject,
			    struct err *err);
/* Both. ERR_MISSING when none is in use. */
NODISCARD bool ui_store_delete(struct store *s, const struct state_actor *actor, struct err *err);
/* Keys of the certificate of the administration, to be sealed again (keys/reseal.h). */
extern const struct reseal_table ui_reseal[];
