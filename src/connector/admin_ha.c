/*
 * High availability as the original's API asks for it (spec 3.2), answered by a master that has no
 * shadow: availability comes from several masters with one location ID.
 */
#include "connector/admin_priv.h"

#define BASE "/api/v1/configuration/connector/ha"
#define JSON "application/json"
#define INSTEAD                                                                                    \
	"there are no shadows here: run several masters with the same location ID and group key"

static void master_config(struct http_call *call)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_bool(&w, "haEnabled", false);
	jsonw_key_text(&w, "allowedShadowHost", "");
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

static void set_master_config(struct http_call *call)
{
	const struct json *j;
	bool enabled = false;

	if (!admin_body(call, "allowedShadowHost,haPort", &j)) {
		return;
	}
	if (!json_get_bool(j, "haEnabled", &enabled)) {
		admin_error(call, 400, "haEnabled must be true or false");
	} else if (enabled) {
		admin_error(call, 409, INSTEAD);
	} else {
		admin_no_content(call); /* it is what was asked for */
	}
}

static void master_state(struct http_call *call)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "state", "ALONE");
	jsonw_key_text(&w, "shadowHost", "");
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

static void switch_roles(struct http_call *call)
{
	const struct json *j;
	struct str op = STR_NONE;

	if (!admin_body(call, "op", &j)) {
		return;
	}
	op = admin_text(call, j, "op");
	if (!str_eq(op, STR("SWITCH")) && !str_eq(op, STR("FORCE_SWITCH"))) {
		admin_error(call, 400, "op must be SWITCH or FORCE_SWITCH");
		return;
	}
	admin_error(call, 409, "no shadow is connected; " INSTEAD);
}

static void reset(struct http_call *call)
{
	admin_no_content(call); /* there is nothing to reset */
}

static void shadow_only(struct http_call *call)
{
	admin_error(call, 403, "this is for a shadow, and this connector is a master");
}

const struct http_route admin_ha_routes[] = {
	{"GET", BASE "/master/config", master_config, ADMIN_LOGIN, "No shadow is allowed", NULL,
	 JSON, 0},
	{"PUT", BASE "/master/config", set_master_config, ADMIN_LOGIN, "Stays without a shadow",
	 JSON, NULL, 0},
	{"GET", BASE "/master/state", master_state, ADMIN_LOGIN, "Alone", NULL, JSON, 0},
	{"POST", BASE "/master/state", switch_roles, ADMIN_LOGIN, "Cannot switch without a shadow",
	 JSON, NULL, 0},
	{"DELETE", BASE "/master/state", reset, ADMIN_LOGIN, "Nothing to reset", NULL, NULL, 0},
	{"GET", BASE "/shadow/config", shadow_only, ADMIN_LOGIN, "For a shadow", NULL, NULL, 0},
	{"PUT", BASE "/shadow/config", shadow_only, ADMIN_LOGIN, "For a shadow", NULL, NULL, 0},
	{"GET", BASE "/shadow/state", shadow_only, ADMIN_LOGIN, "For a shadow", NULL, NULL, 0},
	{"POST", BASE "/shadow/state", shadow_only, ADMIN_LOGIN, "For a shadow", NULL, NULL, 0},
	{"DELETE", BASE "/shadow/state", shadow_only, ADMIN_LOGIN, "For a shadow", NULL, NULL, 0},
	{0},
};
