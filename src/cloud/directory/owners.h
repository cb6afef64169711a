#pragma once
/* Owners: users who may add connectors to a subaccount and refresh their certificates. */
#include "cloud/directory/users.h"

/* Ordered by user name; locked ones are marked in the user. At most DIRECTORY_PAGE_MAX. */
NODISCARD bool directory_owner_list(struct store *s, struct str subaccount,
				    struct directory_user **rows, size_t *n, struct err *err);
/* "alice, bob": the unlocked owners, for Drawbridge-Owners and for texts; cut at 10 with "and N
 * more".
 */
NODISCARD bool directory_owner_names(struct store *s, struct str subaccount, struct buf *out,
				     struct err *err);
NODISCARD bool directory_owner_is(struct store *s, struct str subaccount, struct str user, bool *is,
				  struct err *err);
/* ERR_MISSING: no such subaccount or user; ERR_CONFLICT: is one already. */
NODISCARD bool directory_owner_add(struct store *s, const struct directory_actor *actor,
				   struct str subaccount, struct str user, struct err *err);
/* ERR_CONFLICT when no unlocked owner would remain. */
NODISCARD bool directory_owner_remove(struct store *s, const struct directory_actor *actor,
				      struct str subaccount, struct str user, struct err *err);

/* May this user, with this password, enrol a connector for this subaccount (simpleenroll)? */
enum directory_enrol {
	DIRECTORY_ENROL_ALLOWED,
	DIRECTORY_ENROL_WRONG,         /* 401, names nobody */
	DIRECTORY_ENROL_THROTTLED,     /* 429 */
	DIRECTORY_ENROL_USER_LOCKED,   /* 403 */
	DIRECTORY_ENROL_MUST_CHANGE,   /* 403: change the initial password first */
	DIRECTORY_ENROL_NOT_OWNER,     /* 403; err names the owners and where to change them */
	DIRECTORY_ENROL_LOCKED,        /* 403: the subaccount is locked */
	DIRECTORY_ENROL_NO_SUBACCOUNT, /* 404, told only to a user that may see all subaccounts;
					  else NOT_OWNER */
	DIRECTORY_ENROL_FAILED,
};
enum directory_enrol directory_owner_judge(struct store *s, struct str subaccount, struct str user,
					   struct str password, int64_t now, int64_t *retry_after_s,
					   struct err *err);
unsigned directory_enrol_status(enum directory_enrol outcome); /* HTTP status; ALLOWED is 200 */
