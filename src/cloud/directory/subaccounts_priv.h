#pragma once
/* Between subaccounts.c (what is allowed) and subaccounts_store.c (its SQL). */
#include "cloud/directory/subaccounts.h"
#include "store/query.h"

void directory_make_label(struct str name, char out[static DIRECTORY_LABEL_MAX]);
NODISCARD bool directory_check_subaccount(const struct directory_subaccount *s, struct err *err);
/* A derived subdomain that is taken gives way to the id. */
NODISCARD bool directory_subaccount_insert(struct store *s, const struct directory_actor *actor,
					   struct directory_subaccount *made, bool derived,
					   struct str owner, struct err *err);
/* Columns SUBACCOUNT_COLUMNS from `col` on. */
#define SUBACCOUNT_COLUMNS                                                                         \
	"s.id, s.region_host, s.display_name, s.subdomain, s.description, s.locked,"               \
	" s.renewal_allowed, s.created, s.version"
void directory_read_subaccount(struct stmt *st, void *row);
