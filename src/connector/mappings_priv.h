#pragma once
/* Inside of mappings_store: what its three files share. */
#include "connector/mappings_store.h"
#include "store/change.h"

struct mappings_change {
	const struct state_actor *actor;
	struct mappings_owner owner;
	struct str after; /* for the audit: JSON, or "" */
};

struct str mappings_lower(struct str s, char *into, size_t size);
void mappings_record(struct change *c, const struct mappings_change *m, const char *what,
		     struct str object);
/* A column as a text of the arena; false when that is full. */
bool mappings_keep(struct arena *arena, struct stmt *st, int col, struct str *out);
bool mappings_full(struct err *err); /* sets the error; returns false */
/* Room for row number n, doubling; NULL when the arena is full. */
void *mappings_grow(struct arena *arena, void *rows, size_t n, size_t size);
/* Refuses at `max`; `sql` takes the owner, or the id when that is not 0. */
bool mappings_count(struct db *db, const char *sql, struct mappings_owner owner, int64_t id,
		    int64_t max, const char *what, struct err *err);
