/* The audit: what was changed, and what was refused. */
#include "connector/admin_priv.h"
#include "http/audit_list.h"

#define BASE "/api/drawbridge/v1/audit"
#define JSON "application/json"

static void changes(struct http_call *call)
{
	http_audit_list(call, admin_of(call)->settings.store);
}

static void denied(struct http_call *call)
{
	http_denied_list(call, admin_of(call)->settings.store);
}

const struct http_route admin_audit_routes[] = {
	{"GET", BASE, changes, ADMIN_LOGIN, "Changes, newest first", NULL, JSON, 0},
	{"GET", BASE "/denied", denied, ADMIN_LOGIN, "Denied attempts, newest first", NULL, JSON,
	 0},
	{0},
};
