#include "cloud/directory/members.h"

#include "cloud/directory/members_priv.h"

enum {
	READ = DIRECTORY_MEMBER_READ,
	EDIT = DIRECTORY_MEMBER_EDIT,
};

/* The first name of a role is the one that is shown; the others are the newer vocabulary's
 * (spec/keystore.md 2.1 and 2.2). */
static const struct member_name {
	const char *name;
	unsigned role;
} member_names[] = {
	{"NodeManager.read", DIRECTORY_MEMBER_READ},
	{"MonitoringDataRead", DIRECTORY_MEMBER_READ},
	{"NodeManager.deploysecuritycontent", DIRECTORY_MEMBER_EDIT},
	{"SecurityMaterialEdit", DIRECTORY_MEMBER_EDIT},
	{"AuthGroup.IntegrationDeveloper", DIRECTORY_MEMBER_DEVELOPER},
	{"AuthGroup_IntegrationDeveloper", DIRECTORY_MEMBER_DEVELOPER},
	{"PI_Integration_Developer", DIRECTORY_MEMBER_DEVELOPER},
	{"AuthGroup.ReadOnly", DIRECTORY_MEMBER_READ_ONLY},
	{"AuthGroup_ReadOnly", DIRECTORY_MEMBER_READ_ONLY},
	{"PI_Read_Only", DIRECTORY_MEMBER_READ_ONLY},
	{"AuthGroup.Administrator", DIRECTORY_MEMBER_ADMINISTRATOR},
	{"AuthGroup_Administrator", DIRECTORY_MEMBER_ADMINISTRATOR},
	{"PI_Administrator", DIRECTORY_MEMBER_ADMINISTRATOR},
};

unsigned directory_member_role_of(struct str name)
{
	for (size_t i = 0; i < COUNT(member_names); i++) {
		if (str_eq(name, str_of(member_names[i].name))) {
			return member_names[i].role;
		}
	}
	return 0;
}

const char *directory_member_role_name(unsigned role)
{
	for (size_t i = 0; i < COUNT(member_names); i++) {
		if (member_names[i].role == role) {
			return member_names[i].name;
		}
	}
	return "";
}

unsigned directory_member_may(unsigned roles)
{
	unsigned may = roles & (READ | EDIT);

	if ((roles & (DIRECTORY_MEMBER_DEVELOPER | DIRECTORY_MEMBER_READ_ONLY)) != 0) {
		may |= READ;
	}
	if ((roles & DIRECTORY_MEMBER_ADMINISTRATOR) != 0) {
		may |= READ | EDIT;
	}
	return may;
}

bool directory_member_find(struct store *s, struct str subaccount,
			   const struct directory_user *user, unsigned *may, struct err *err)
{
	unsigned roles = 0;

	if ((user->roles & DIRECTORY_ROLE_ADMINISTRATOR) != 0) {
		*may = READ | EDIT;
		return true;
	}
	if (!directory_member_roles(s, subaccount, str_of(user->name), &roles, err)) {
		return false;
	}
	*may = directory_member_may(roles);
	if ((user->roles & DIRECTORY_ROLE_DISPLAY) != 0) {
		*may |= READ;
	}
	return true;
}
