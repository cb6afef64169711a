#pragma once
/* A room whose routes name a tenant, as the keystore's do: it answers whose it is, and who asks. */
#include "unit/cloud/console/fixture.h"

UNUSED static void say_tenant(struct http_call *call)
{
	const struct directory_caller *c = directory_caller(call);
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "tenant", c->subaccount);
	jsonw_key_text(&w, "who", c->who);
	jsonw_key_int(&w, "may", c->keystore);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

UNUSED static const struct http_route tenant_routes[] = {
	{.method = "GET",
	 .pattern = "/api/v1/x",
	 .handler = say_tenant,
	 .roles = ACCESS_TENANT | ACCESS_KEYSTORE_READ},
	{.method = "PUT",
	 .pattern = "/api/v1/x",
	 .handler = say_tenant,
	 .roles = ACCESS_TENANT | ACCESS_KEYSTORE_EDIT},
	{.method = "GET",
	 .pattern = "/t/{sa}/api/v1/x",
	 .handler = say_tenant,
	 .roles = ACCESS_TENANT | ACCESS_KEYSTORE_READ},
	{.method = "GET",
	 .pattern = "/own/{sa}/x",
	 .handler = say_tenant,
	 .roles = ACCESS_KEYSTORE_READ},
	{.method = NULL},
};

/* "/t/{id}/api/v1/x" */
UNUSED static const char *of_tenant(const char *tenant)
{
	static char path[200];

	snprintf(path, sizeof(path), "/t/%s/api/v1/x", tenant);
	return path;
}

UNUSED static void give(struct world *w, const char *user, unsigned roles)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	struct err err;

	assert_ok(directory_member_set(w->database->store, &system, str_of(w->subaccount),
				       str_of(user), roles, &err),
		  &err);
}

/* Alice may read, of two subaccounts the first; the second is "other". */
UNUSED static struct world *tenants(void **state)
{
	struct world *w = ready(state);

	w->more = tenant_routes;
	give(w, "alice", DIRECTORY_MEMBER_READ_ONLY);
	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"Other\",\"subdomain\":\"other\",\"owner\":\"alice\"}", 201);
	return w;
}
