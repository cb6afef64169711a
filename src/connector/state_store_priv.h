#pragma once
/* Inside of state_store: its SQL is in three files, settings, subaccounts and certificates. */
#include "connector/state_store.h"
#include "store/change.h"

/* Copies a column into an array; ERR_STORE when the row is corrupt (longer than we ever write). */
NODISCARD bool state_take_text(struct stmt *st, int col, char *into, size_t size, struct err *err);
/* Steps a statement that gives at most one row; *found tells. The row is good until stmt_reset().
 */
NODISCARD bool state_step_one(struct stmt *st, bool *found, struct err *err);
void state_record(struct change *c, const struct state_actor *actor, struct str tenant,
		  const char *what, struct str object, struct str after);
