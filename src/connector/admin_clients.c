/*
 * The two lists of a system mapping that ABAP systems use: clients that may be called, and users
 * that may not (spec 3.5). POST replaces a list, PATCH adds to it.
 */
#include "connector/admin_priv.h"
#include "connector/rules.h"

#define MAPPING "/api/v1/configuration/subaccounts/{rh}/{sa}/systemMappings/{vhvp}"
#define CLIENTS MAPPING "/allowedClients"
#define USERS   MAPPING "/blockedClientUsers"
#define JSON    "application/json"

enum {
	LIST_MAX = 64 * 1024, /* bytes of a list as JSON, as a mapping takes it */
};

struct spot {
	struct admin_place place;
	struct mapping_row mapping;
	bool users; /* the list of users; else that of clients */
};

static void auto_spot(struct spot *s)
{
	admin_place_fini(&s->place);
}
#define AUTO_SPOT __attribute__((cleanup(auto_spot)))

static bool find(struct http_call *call, struct spot *s)
{
	s->users = str_contains(str_of(call->route->pattern), STR("/blockedClientUsers"));
	return admin_place(call, &s->place) && admin_mapping(call, &s->place, &s->mapping);
}

static struct str *list_of(struct spot *s)
{
	struct str *list = s->users ? &s->mapping.blocked_users : &s->mapping.allowed_clients;

	if (list->len == 0) {
		*list = STR("[]");
	}
	return list;
}

static void show(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};

	if (find(call, &s)) {
		buf_add_str(&call->out, *list_of(&s));
		http_answer_json(call, 200);
	}
}

/* Stores `text` in place of the list, and publishes. False: answered. */
static bool store(struct http_call *call, struct spot *s, const struct buf *text)
{
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (buf_failed(text)) {
		admin_error(call, 413, "the list would be longer than %d bytes", LIST_MAX);
		return false;
	}
	*list_of(s) = buf_str(text);
	if (!mappings_edit(admin_of(call)->settings.store, &actor, s->place.owner, &s->mapping,
			   &err)) {
		admin_error_err(call, &err);
		return false;
	}
	return admin_publish(call);
}

/* An entry's name in a URL: "100", or "100:USER". */
static struct str name_of(struct http_call *call, const struct spot *s, const struct json *entry)
{
	struct str client = STR_NONE, user = STR_NONE;

	if (!s->users) {
		return json_str(entry, &client) ? client : STR_NONE;
	}
	if (!json_get_str(entry, "client", &client) || !json_get_str(entry, "user", &user)) {
		return STR_NONE;
	}
	return str_of(arena_printf(call->arena, "%.*s:%.*s", STR_ARGS(client), STR_ARGS(user)));
}

static bool has(struct http_call *call, const struct spot *s, const struct json *list, size_t n,
		struct str name)
{
	for (size_t i = 0; i < n && i < json_count(list); i++) {
		if (str_eq(name_of(call, s, json_at(list, i)), name)) {
			return true;
		}
	}
	return false;
}

/* The members of `list` from which `except` and repetitions are left out, and those in `also`. */
static void write_members(struct http_call *call, const struct spot *s, struct jsonw *w,
			  const struct json *list, const struct json *also, struct str except)
{
	for (size_t i = 0; i < json_count(list); i++) {
		struct str name = name_of(call, s, json_at(list, i));
		if (!has(call, s, list, i, name) && !has(call, s, also, json_count(also), name) &&
		    (except.at == NULL || !str_eq(name, except))) {
			jsonw_tree(w, json_at(list, i));
		}
	}
}

/* The body, judged. False: answered. */
static bool read_list(struct http_call *call, const struct spot *s, const struct json **out)
{
	struct err err = {0};

	if (!http_json(call, out)) {
		return false;
	}
	if (s->users ? !rules_are_users(*out, &err) : !rules_are_clients(*out, &err)) {
		admin_error_err(call, &err);
		return false;
	}
	return true;
}

static void replace(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	AUTO_BUF struct buf text = BUF(LIST_MAX);
	const struct json *list;

	if (!find(call, &s) || !read_list(call, &s, &list)) {
		return;
	}
	struct jsonw w = jsonw_to(&text);
	jsonw_array(&w);
	write_members(call, &s, &w, list, NULL, STR_NONE);
	jsonw_array_end(&w);
	if (store(call, &s, &text)) {
		admin_created(call, arena_text(call->arena, call->path));
	}
}

/* The stored list, parsed; NULL: answered. */
static struct json *stored(struct http_call *call, struct spot *s)
{
	struct json *list = NULL;
	struct err err = {0};

	if (!json_parse(*list_of(s), LIST_MAX, &list, &err)) {
		admin_error(call, 500, "the stored list is damaged: %s", err.text);
	}
	return list;
}

static void add(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	AUTO_BUF struct buf text = BUF(LIST_MAX);
	AUTO(json_free) struct json *old = NULL;
	const struct json *list;

	if (!find(call, &s) || !read_list(call, &s, &list) || !(old = stored(call, &s))) {
		return;
	}
	struct jsonw w = jsonw_to(&text);
	jsonw_array(&w);
	write_members(call, &s, &w, old, NULL, STR_NONE);
	write_members(call, &s, &w, list, old, STR_NONE);
	jsonw_array_end(&w);
	if (store(call, &s, &text)) {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	AUTO_BUF struct buf text = BUF(LIST_MAX);
	AUTO(json_free) struct json *old = NULL;
	struct str name = http_param(call, "entry");

	if (!find(call, &s) || !(old = stored(call, &s))) {
		return;
	}
	if (!has(call, &s, old, json_count(old), name)) {
		admin_error(call, 404, "'%.*s' is not in the list", STR_ARGS(str_first(name, 200)));
		return;
	}
	struct jsonw w = jsonw_to(&text);
	jsonw_array(&w);
	write_members(call, &s, &w, old, NULL, name);
	jsonw_array_end(&w);
	if (store(call, &s, &text)) {
		admin_no_content(call);
	}
}

static void remove_all(struct http_call *call)
{
	AUTO_SPOT struct spot s = {0};
	AUTO_BUF struct buf text = BUF(LIST_MAX);

	if (find(call, &s)) {
		buf_add_str(&text, STR("[]"));
		if (store(call, &s, &text)) {
			admin_no_content(call);
		}
	}
}

#define ROWS(base, what)                                                                           \
	{"GET", base, show, ADMIN_LOGIN, "The list of " what, NULL, JSON, 0},                      \
		{"POST", base, replace, ADMIN_LOGIN, "Replaces it", JSON, NULL, 0},                \
		{"PATCH", base, add, ADMIN_LOGIN, "Adds to it", JSON, NULL, 0},                    \
		{"DELETE", base, remove_all, ADMIN_LOGIN, "Empties it", NULL, NULL, 0},            \
	{                                                                                          \
		"DELETE", base "/{entry}", remove_one, ADMIN_LOGIN, "Deletes one of it", NULL,     \
			NULL, 0                                                                    \
	}

const struct http_route admin_client_routes[] = {
	ROWS(CLIENTS, "clients that may be called"),
	ROWS(USERS, "users that are blocked"),
	{0},
};
