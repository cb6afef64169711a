#pragma once
/*
 * The statements of the stores without a transaction of their own: for an import, which changes
 * system mappings, resources, cookie domains and settings of one subaccount in one (transfer.h).
 * The caller records the change, and has judged what it writes (rules.h).
 */
#include "connector/mappings_store.h"
#include "store/store.h"

NODISCARD bool mappings_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
				struct mapping_row **rows, size_t *n, struct err *err);
NODISCARD bool mappings_insert_in(struct db *db, struct mappings_owner owner,
				  const struct mapping_row *row, int64_t *id, struct err *err);
NODISCARD bool mappings_update_in(struct db *db, struct mappings_owner owner,
				  const struct mapping_row *row, struct err *err);
/* With its resources. */
NODISCARD bool mappings_delete_in(struct db *db, struct mappings_owner owner, int64_t id,
				  struct err *err);
/* "host:port" in lower case: what names a mapping within its subaccount. */
struct str mappings_name(struct str host, struct str port, char *into, size_t size);
enum {
	MAPPINGS_NAME_MAX = 600,
};

/* In the order of mappings_read_in(). */
NODISCARD bool resources_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
				 struct resource_row **rows, size_t *n, struct err *err);
NODISCARD bool resources_insert_in(struct db *db, const struct resource_row *row, struct err *err);
NODISCARD bool resources_update_in(struct db *db, const struct resource_row *row, struct err *err);
NODISCARD bool resources_delete_in(struct db *db, const struct resource_row *row, struct err *err);

/* Mappings, resources and cookie domains of the owner. */
NODISCARD bool mappings_purge_in(struct db *db, struct mappings_owner owner, struct err *err);

NODISCARD bool domains_read_in(struct db *db, struct arena *arena, struct mappings_owner owner,
			       struct domain_row **rows, size_t *n, struct err *err);
NODISCARD bool domains_insert_in(struct db *db, struct mappings_owner owner,
				 const struct domain_row *row, struct err *err);
NODISCARD bool domains_update_in(struct db *db, struct mappings_owner owner, struct str internal,
				 const struct domain_row *to, int64_t *changed, struct err *err);
NODISCARD bool domains_delete_in(struct db *db, struct mappings_owner owner, struct str internal,
				 int64_t *changed, struct err *err);

/* ERR_MISSING. *out is to be freed with state_subaccount_fini(). */
NODISCARD bool state_subaccount_get_in(struct db *db, struct mappings_owner owner,
				       struct state_subaccount *out, struct err *err);
NODISCARD bool state_subaccount_edit_in(struct db *db, const struct state_subaccount *sa,
					struct err *err);
