#pragma once
/* What the store of subaccounts needs of the owners: the first one, in the same transaction. */
#include "cloud/directory/owners.h"

/* `unlocked`: the user must not be locked. ERR_MISSING names what is not there. */
NODISCARD bool directory_owner_insert(struct db *db, struct str subaccount, struct str user,
				      bool unlocked, struct err *err);
