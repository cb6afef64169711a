/* The table of the console's operations; see console.h for bodies and answers. */
#include "cloud/console/console_priv.h"

#define V1   "/api/drawbridge/v1"
#define SA   V1 "/subaccounts/{sa}"
#define JSON "application/json"

enum {
	ADMIN = ACCESS_A,
	MANAGE = ACCESS_A | ACCESS_S,
	READ_USERS = ACCESS_A | ACCESS_D,
	READ = ACCESS_A | ACCESS_S | ACCESS_D | ACCESS_OWNER,
	EDIT = ACCESS_A | ACCESS_S | ACCESS_OWNER,
};

const struct http_route console_routes[] = {
	/* clang-format off */
	{"GET", V1 "/version", console_version, ACCESS_PUBLIC, "Name and version", NULL, JSON, 0},
	{"GET", V1 "/session", console_session_show, ACCESS_ANYBODY | ACCESS_INITIAL, "Who is logged in", NULL, JSON, 0},
	{"POST", V1 "/session", console_session_start, ACCESS_PUBLIC, "Log in", JSON, JSON, 0},
	{"DELETE", V1 "/session", console_session_end, ACCESS_ANYBODY | ACCESS_INITIAL, "Log out", NULL, NULL, 0},
	{"GET", V1 "/users", console_users_list, READ_USERS, "Users", NULL, JSON, 0},
	{"POST", V1 "/users", console_users_create, ADMIN, "Create a user", JSON, JSON, 0},
	{"GET", V1 "/users/{user}", console_user_show, READ_USERS | ACCESS_SELF, "A user", NULL, JSON, 0},
	{"PUT", V1 "/users/{user}", console_user_edit, ADMIN, "Edit a user", JSON, JSON, 0},
	{"DELETE", V1 "/users/{user}", console_user_delete, ADMIN, "Delete a user", NULL, NULL, 0},
	{"PUT", V1 "/users/{user}/password", console_password, ADMIN | ACCESS_SELF | ACCESS_INITIAL, "Change a password", JSON, NULL, 0},
	{"GET", V1 "/subaccounts", console_subaccounts_list, ACCESS_ANYBODY, "Subaccounts that the user may see", NULL, JSON, 0},
	{"POST", V1 "/subaccounts", console_subaccounts_create, MANAGE, "Create a subaccount", JSON, JSON, 0},
	{"GET", SA, console_subaccount_show, READ, "A subaccount", NULL, JSON, 0},
	{"PUT", SA, console_subaccount_edit, EDIT, "Edit a subaccount", JSON, JSON, 0},
	{"DELETE", SA, console_subaccount_delete, MANAGE, "Delete a subaccount with all it has", NULL, NULL, 0},
	{"GET", SA "/owners", console_owners_list, READ, "Owners", NULL, JSON, 0},
	{"PUT", SA "/owners/{user}", console_owner_add, EDIT, "Make a user an owner", NULL, NULL, 0},
	{"DELETE", SA "/owners/{user}", console_owner_remove, EDIT, "Take ownership away", NULL, NULL, 0},
	{"GET", SA "/members", console_members_list, MANAGE, "Who has roles in the tenant's keystore", NULL, JSON, 0},
	{"GET", SA "/members/{user}", console_member_show, MANAGE, "A user's roles in the tenant's keystore", NULL, JSON, 0},
	{"PUT", SA "/members/{user}", console_member_set, MANAGE, "Give a user roles in the tenant's keystore", JSON, JSON, 0},
	{"DELETE", SA "/members/{user}", console_member_remove, MANAGE, "Take all roles in the keystore away", NULL, NULL, 0},
	{"GET", SA "/connectors", console_connectors_list, READ, "Connectors", NULL, JSON, 0},
	{"GET", SA "/connectors/{instance}", console_connector_show, READ, "A connector", NULL, JSON, 0},
	{"DELETE", SA "/connectors/{instance}", console_connector_delete, EDIT, "Forget a connector and revoke its certificates", NULL, NULL, 0},
	{"PUT", SA "/connectors/{instance}/state", console_connector_state, EDIT, "Force a disconnect, or end it", JSON, NULL, 0},
	{"GET", SA "/certificates", console_certificates_list, READ, "Subaccount certificates", NULL, JSON, 0},
	{"POST", SA "/certificates/{serial}/revoke", console_certificate_revoke, EDIT, "Revoke a certificate", NULL, NULL, 0},
	{"POST", SA "/authentication-data", console_authdata_create, EDIT, "One-time authentication data for a connector", NULL, JSON, 0},
	{"GET", SA "/service-keys", console_keys_list, READ, "Service keys, without secrets", NULL, JSON, 0},
	{"POST", SA "/service-keys", console_keys_create, EDIT, "Create a service key", JSON, JSON, 0},
	{"DELETE", SA "/service-keys/{name}", console_key_delete, EDIT, "Delete a service key", NULL, NULL, 0},
	{"GET", V1 "/ca", console_ca, ACCESS_ANYBODY, "The CA's certificates and the root's pin", NULL, JSON, 0},
	{"GET", V1 "/audit", console_audit, READ_USERS, "The audit log, newest first", NULL, JSON, 0},
	{"GET", V1 "/audit/denied", console_denied, READ_USERS, "Denied attempts, newest first", NULL, JSON, 0},
	{NULL, NULL, NULL, 0, NULL, NULL, NULL, 0},
	/* clang-format on */
};
