#include "base/clock.h"
#include "connector/admin_priv.h"
#include "connector/rules.h"

#define BASE "/api/v1/configuration/subaccounts/{rh}/{sa}/systemMappings"

/* ---- answers ---- */

static const char *mapping_path(struct arena *arena, const struct admin_place *p,
				const struct mapping_row *row)
{
	return arena_printf(arena, "%s/systemMappings/%.*s:%.*s", p->path,
			    STR_ARGS(row->virtual_host), STR_ARGS(row->virtual_port));
}

static void write_mapping(struct http_call *call, struct arena *arena, struct jsonw *w,
			  const struct admin_place *p, const struct mapping_row *row)
{
	const char *path = mapping_path(arena, p, row);

	jsonw_object(w);
	rules_write_mapping(w, row, true);
	jsonw_key(w, "_links");
	jsonw_object(w);
	admin_link(call, w, "self", path, "");
	admin_link(call, w, "resources", path, "/resources");
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void list(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	AUTO(arena_free)
	struct arena *arena = arena_new(ADMIN_LIST_FIRST, ADMIN_LIST_MAX);
	struct mapping_row *rows;
	size_t n;
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (!mappings_list(admin_of(call)->settings.store, arena, p.owner, &rows, &n, &err)) {
		admin_error_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_mapping(call, arena, &w, &p, &rows[i]);
	}
	jsonw_array_end(&w);
	http_answer_json(call, 200);
}

static void get(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row;

	if (!admin_place(call, &p) || !admin_mapping(call, &p, &row)) {
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	write_mapping(call, call->arena, &w, &p, &row);
	http_answer_json(call, 200);
}

/* ---- changes ---- */

static void create(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row = {.created_ms = clock_unix_ms()};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_body(call, "", &j)) {
		return;
	}
	if (!rules_read_mapping(call->arena, j, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (!mappings_add(admin_of(call)->settings.store, &actor, p.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_created(call, mapping_path(call->arena, &p, &row));
	}
}

static void replace(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row old, row = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_mapping(call, &p, &old) || !admin_body(call, "", &j)) {
		return;
	}
	row.id = old.id;
	row.virtual_host = old.virtual_host;
	row.virtual_port = old.virtual_port;
	row.plain_prefix = old.plain_prefix; /* not of the original: it stays when not named */
	row.allowed_clients = old.allowed_clients;
	row.blocked_users = old.blocked_users;
	if (!rules_read_target(call->arena, j, &row, &err) ||
	    !mappings_edit(admin_of(call)->settings.store, &actor, p.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_id(struct http_call *call, const struct admin_place *p, int64_t id)
{
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (!mappings_delete(admin_of(call)->settings.store, &actor, p->owner, id, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row;

	if (admin_place(call, &p) && admin_mapping(call, &p, &row)) {
		remove_id(call, &p, row.id);
	}
}

static void remove_all(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};

	if (admin_place(call, &p)) {
		remove_id(call, &p, 0);
	}
}

#define JSON "application/json"

const struct http_route admin_mapping_routes[] = {
	{"GET", BASE, list, ADMIN_LOGIN, "System mappings of a subaccount", NULL, JSON, 0},
	{"POST", BASE, create, ADMIN_LOGIN, "Adds a system mapping", JSON, NULL, 0},
	{"DELETE", BASE, remove_all, ADMIN_LOGIN, "Deletes all system mappings", NULL, NULL, 0},
	{"GET", BASE "/{vhvp}", get, ADMIN_LOGIN, "One system mapping", NULL, JSON, 0},
	{"PUT", BASE "/{vhvp}", replace, ADMIN_LOGIN, "Replaces a system mapping", JSON, NULL, 0},
	{"DELETE", BASE "/{vhvp}", remove_one, ADMIN_LOGIN, "Deletes a system mapping", NULL, NULL,
	 0},
	{0},
};
