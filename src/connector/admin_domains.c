#include "connector/admin_priv.h"
#include "connector/rules.h"

#define BASE "/api/v1/configuration/subaccounts/{rh}/{sa}/domainMappings"
#define JSON "application/json"

static struct store *store_of(const struct http_call *call)
{
	return admin_of(call)->settings.store;
}

static void list(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct domain_row *rows;
	size_t n;
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (!domains_list(store_of(call), call->arena, p.owner, &rows, &n, &err)) {
		admin_error_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		rules_write_domain(&w, &rows[i]);
		jsonw_key(&w, "_links");
		jsonw_object(&w);
		admin_link(call, &w, "self", p.path,
			   arena_printf(call->arena, "/domainMappings/%.*s",
					STR_ARGS(rows[i].internal)));
		jsonw_object_end(&w);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	http_answer_json(call, 200);
}

static bool read_domain(struct http_call *call, struct domain_row *row)
{
	const struct json *j;
	struct err err = {0};

	if (!admin_body(call, "", &j)) {
		return false;
	}
	if (!rules_read_domain(call->arena, j, row, &err)) {
		admin_error_err(call, &err);
		return false;
	}
	return true;
}

static void create(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	struct domain_row row = {0};
	struct err err = {0};

	if (!admin_place(call, &p) || !read_domain(call, &row)) {
		return;
	}
	if (!domains_add(store_of(call), &actor, p.owner, row.internal, row.virtual_domain, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_created(call, arena_printf(call->arena, "%s/domainMappings/%.*s", p.path,
						 STR_ARGS(row.internal)));
	}
}

static void replace(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	struct domain_row row = {0};
	struct err err = {0};

	if (!admin_place(call, &p) || !read_domain(call, &row)) {
		return;
	}
	if (!domains_edit(store_of(call), &actor, p.owner, http_param(call, "domain"), row.internal,
			  row.virtual_domain, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_domain(struct http_call *call, struct str internal)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (!domains_delete(store_of(call), &actor, p.owner, internal, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	remove_domain(call, http_param(call, "domain"));
}

static void remove_all(struct http_call *call)
{
	remove_domain(call, STR_NONE);
}

const struct http_route admin_domain_routes[] = {
	{"GET", BASE, list, ADMIN_LOGIN, "Cookie domains of a subaccount", NULL, JSON, 0},
	{"POST", BASE, create, ADMIN_LOGIN, "Maps a cookie domain", JSON, NULL, 0},
	{"DELETE", BASE, remove_all, ADMIN_LOGIN, "Deletes all cookie domains", NULL, NULL, 0},
	{"PUT", BASE "/{domain}", replace, ADMIN_LOGIN, "Replaces a cookie domain", JSON, NULL, 0},
	{"DELETE", BASE "/{domain}", remove_one, ADMIN_LOGIN, "Deletes a cookie domain", NULL, NULL,
	 0},
	{0},
};
