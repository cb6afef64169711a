#pragma once
/*
 * Who may what in a tenant's keystore: roles of users and of service keys, per subaccount.
 *
 * Names are those that users of the original know (spec/keystore.md 2). A single role is a bit; a
 * group role stands for several. Both are stored as they were given, so that they are shown so.
 * Names of the newer vocabulary (MonitoringDataRead, SecurityMaterialEdit, AuthGroup_Administrator,
 * PI_Administrator, PI_Read_Only, PI_Integration_Developer …) are accepted for their elder twins.
 */
#include "cloud/directory/users.h"

enum directory_member_role {
	DIRECTORY_MEMBER_READ = 1,           /* NodeManager.read */
	DIRECTORY_MEMBER_EDIT = 2,           /* NodeManager.deploysecuritycontent */
	DIRECTORY_MEMBER_DEVELOPER = 4,      /* AuthGroup.IntegrationDeveloper: read */
	DIRECTORY_MEMBER_READ_ONLY = 8,      /* AuthGroup.ReadOnly: read */
	DIRECTORY_MEMBER_ADMINISTRATOR = 16, /* AuthGroup.Administrator: read and edit */
	DIRECTORY_MEMBER_ALL = 31,
};

struct directory_member {
	char user[DIRECTORY_USER_MAX];
	unsigned roles; /* as given */
};

/* 0 for an unknown name. Case matters, as in the original. */
unsigned directory_member_role_of(struct str name);
const char *directory_member_role_name(unsigned role); /* of one bit */
/* What the given roles amount to: DIRECTORY_MEMBER_READ and _EDIT only. */
unsigned directory_member_may(unsigned roles);

/* Ordered by user. */
NODISCARD bool directory_member_list(struct store *s, struct str subaccount,
				     struct directory_member **rows, size_t *n, struct err *err);
/* roles 0: removes. ERR_MISSING: no such user or subaccount. */
NODISCARD bool directory_member_set(struct store *s, const struct directory_actor *actor,
				    struct str subaccount, struct str user, unsigned roles,
				    struct err *err);
/*
 * What this user may in the keystore of that subaccount: membership, or by its global role
 * (administrator: read and edit; display: read). 0: nothing.
 */
NODISCARD bool directory_member_find(struct store *s, struct str subaccount,
				     const struct directory_user *user, unsigned *may,
				     struct err *err);
/* The only subaccount in which the user is a member; ERR_MISSING when none or several. */
NODISCARD bool directory_member_only(struct store *s, struct str user,
				     char into[static DIRECTORY_UUID], struct err *err);
