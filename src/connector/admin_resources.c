#include "base/clock.h"
#include "connector/admin_priv.h"
#include "connector/rules.h"

#define MAPPING "/api/v1/configuration/subaccounts/{rh}/{sa}/systemMappings/{vhvp}"
#define BASE    MAPPING "/resources"
#define JSON    "application/json"

struct spot {
	struct admin_place place;
	struct mapping_row mapping;
	const char *path; /* of the resources */
};

static void auto_spot(struct spot *s)
{
	admin_place_fini(&s->place);
}
#define AUTO_SPOT __attribute__((cleanup(auto_spot)))

static bool find(struct http_call *call, struct spot *s)
{
	if (!admin_place(call, &s->place) || !admin_mapping(call, &s->place, &s->mapping)) {
		return false;
	}
	s->path =
		arena_printf(call->arena, "%s/systemMappings/%.*s:%.*s/resources", s->place.path,
			     STR_ARGS(s->mapping.virtual_host), STR_ARGS(s->mapping.virtual_port));
	return true;
}

static struct store *store_of(const struct http_call *call)
{
	return admin_of(call)->settings.store;
}

static const char *resource_path(struct http_call *call, const struct spot *s, struct str id)
{
	AUTO_BUF struct buf text = BUF(KIB(64));

	admin_encode_id(&text, id);
	return arena_printf(call->arena, "%s/%.*s", s->path, STR_ARGS(buf_str(&text)));
}

/* Entries of a list have no links; a single resource has its own (recorded). */
static void write_resource(struct http_call *call, struct jsonw *w, const struct spot *s,
			   const struct resource_row *row, bool single)
{
	jsonw_object(w);
	rules_write_resource(w, row);
	jsonw_key(w, "_links");
	jsonw_object(w);
	if (single) {
		admin_link(call, w, "self", resource_path(call, s, row->path), "");
	}
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void list(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	AUTO(arena_free)
	struct arena *arena = arena_new(ADMIN_LIST_FIRST, ADMIN_LIST_MAX);
	struct resource_row *rows;
	size_t n;
	struct err err = {0};

	if (!find(call, &s)) {
		return;
	}
	if (!resources_list(store_of(call), arena, s.mapping.id, &rows, &n, &err)) {
		admin_error_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_resource(call, &w, &s, &rows[i], false);
	}
	jsonw_array_end(&w);
	http_answer_json(call, 200);
}

static bool find_one(struct http_call *call, struct spot *s, struct resource_row *row)
{
	struct err err = {0};

	if (!find(call, s)) {
		return false;
	}
	if (resources_get(store_of(call), call->arena, s->mapping.id,
			  admin_decode_id(call, http_param(call, "id")), row, &err)) {
		return true;
	}
	admin_error_err(call, &err);
	return false;
}

static void get(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	struct resource_row row;

	if (find_one(call, &s, &row)) {
		struct jsonw w = jsonw_to(&call->out);
		write_resource(call, &w, &s, &row, true);
		http_answer_json(call, 200);
	}
}

static void create(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	struct resource_row row = {.created_ms = clock_unix_ms()};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!find(call, &s) || !admin_body(call, "", &j)) {
		return;
	}
	row.mapping = s.mapping.id;
	if (!rules_read_resource(call->arena, j, s.mapping.protocol, &row, &err) ||
	    !resources_add(store_of(call), &actor, s.place.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_created(call, resource_path(call, &s, row.path));
	}
}

static void replace(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	struct resource_row old, row = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!find_one(call, &s, &old) || !admin_body(call, RULES_RESOURCE_FIELDS, &j)) {
		return;
	}
	struct str id = admin_text(call, j, "id");
	if (id.at != NULL && !str_eq(id, old.path)) {
		admin_error(call, 400,
			    "the id of a resource cannot be changed: delete it and add another");
		return;
	}
	row.mapping = old.mapping;
	row.path = old.path;
	if (!rules_read_flags(call->arena, j, &row, &err) ||
	    !resources_edit(store_of(call), &actor, s.place.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_rows(struct http_call *call, const struct spot *s, struct str path)
{
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (!resources_delete(store_of(call), &actor, s->place.owner, s->mapping.id, path, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	struct resource_row row;

	if (find_one(call, &s, &row)) {
		remove_rows(call, &s, row.path);
	}
}

static void remove_all(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};

	if (find(call, &s)) {
		remove_rows(call, &s, STR_NONE);
	}
}

const struct http_route admin_resource_routes[] = {
	{"GET", BASE, list, ADMIN_LOGIN, "Resources of a system mapping", NULL, JSON, 0},
	{"POST", BASE, create, ADMIN_LOGIN, "Exposes a path", JSON, NULL, 0},
	{"DELETE", BASE, remove_all, ADMIN_LOGIN, "Deletes all resources", NULL, NULL, 0},
	{"GET", BASE "/{id}", get, ADMIN_LOGIN, "One resource", NULL, JSON, 0},
	{"PUT", BASE "/{id}", replace, ADMIN_LOGIN, "Replaces a resource", JSON, NULL, 0},
	{"DELETE", BASE "/{id}", remove_one, ADMIN_LOGIN, "Deletes a resource", NULL, NULL, 0},
	{0},
};
