#pragma once
/*
 * Who calls a REST operation of the cloud side: found by the console's authorize hook, put into
 * http_call.identity, and read by the handlers of every room. In the call's arena.
 */
#include "cloud/directory/members.h"
#include "cloud/directory/rooms.h"
#include "http/server.h"

/* Bits of http_route.roles beside those of enum directory_role. */
enum {
	ACCESS_A = DIRECTORY_ROLE_ADMINISTRATOR,
	ACCESS_S = DIRECTORY_ROLE_SUBACCOUNT_ADMINISTRATOR,
	ACCESS_D = DIRECTORY_ROLE_DISPLAY,
	ACCESS_OWNER = 0x100,          /* an owner of the subaccount */
	ACCESS_SELF = 0x200,           /* the {user} of the path */
	ACCESS_ANYBODY = 0x400,        /* who is logged in; the handler looks closer */
	ACCESS_PUBLIC = 0x800,         /* no login */
	ACCESS_INITIAL = 0x1000,       /* also while the initial password must be changed */
	ACCESS_KEYSTORE_READ = 0x2000, /* DIRECTORY_MEMBER_READ in the tenant */
	ACCESS_KEYSTORE_EDIT = 0x4000, /* DIRECTORY_MEMBER_EDIT in the tenant */
	/* The tenant is found by Host, /t/{sa}/, the token, or the user's only one (DESIGN 8); the
	 * error's form is OData's. A write needs X-CSRF-Token, however it logs in. */
	ACCESS_TENANT = 0x8000,
};

struct directory_caller {
	struct directory_user user; /* of a service key: its client id as name, no roles */
	bool is_service_key;
	char who[DIRECTORY_USER_MAX + 64]; /* "user:alice", "client:…" */
	char from[80];
	struct directory_actor actor;
	char subaccount[DIRECTORY_UUID]; /* of {sa} or the tenant, resolved; "" without one */
	unsigned keystore;               /* DIRECTORY_MEMBER_READ, _EDIT in that subaccount */
};

static inline const struct directory_caller *directory_caller(const struct http_call *call)
{
	return call->identity;
}
