#pragma once
/* A call of /api/v1 by somebody who was let in. */
#include "cloud/keystore/odata_write.h"
#include "unit/http/call_fixture.h"

struct odata_fixture {
	struct fixture base;
	struct directory_caller caller;
	struct http_route route;
};

UNUSED static void nothing(struct http_call *call UNUSED)
{
}

UNUSED static struct http_call *odata_start(struct odata_fixture *f, const char *path,
					    const char *query, const char *body)
{
	fixture_start(&f->base, query, body);
	f->caller = (struct directory_caller){.subaccount = "t1", .who = "user:alice"};
	f->route = (struct http_route){.method = "GET",
				       .pattern = "/api/v1/KeystoreEntries('{alias}')",
				       .handler = nothing};
	f->base.head.authority = STR("cloud.example:9443");
	f->base.call.path = str_of(path);
	f->base.call.route = &f->route;
	f->base.call.identity = &f->caller;
	return &f->base.call;
}

UNUSED static struct str said(struct odata_fixture *f)
{
	return buf_str(&f->base.call.out);
}
