#pragma once
/* Between authdata.c (the text) and authdata_store.c (its SQL). */
#include "cloud/directory/authdata.h"

struct authdata_row {
	int64_t expires;
	uint8_t spki[32];
	bool is_bound;
	char creator[DIRECTORY_NAME_MAX];
};

/* ERR_LIMIT when too many are open, ERR_MISSING without the subaccount. */
NODISCARD bool directory_authdata_insert(struct store *s, const struct directory_actor *actor,
					 struct str subaccount, const uint8_t hash[static 32],
					 int64_t now, int64_t expires, struct err *err);
/* Binds it to `spki` when it is unbound and unexpired; then reads it. ERR_MISSING: unknown. */
NODISCARD bool directory_authdata_bind(struct store *s, struct str subaccount,
				       const uint8_t hash[static 32], const uint8_t spki[static 32],
				       int64_t now, struct authdata_row *out, struct err *err);

/* What `user` made for this subaccount, or for any where that is empty, opens nothing any more: who
 * lost a right must not keep it for the life of a token. In a transaction of the caller's. */
NODISCARD bool directory_authdata_withdraw(struct db *db, struct str subaccount, struct str user,
					   struct err *err);
