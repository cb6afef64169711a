#include "base/clock.h"
#include "connector/admin_priv.h"
#include "net/address.h"

#define BASE "/api/v1/configuration/subaccounts/{rh}/{sa}/systemMappings"

/* ---- answers ---- */

static const char *mapping_path(struct http_call *call, const struct admin_place *p,
				const struct mapping_row *row)
{
	return arena_printf(call->arena, "%s/systemMappings/%.*s:%.*s", p->path,
			    STR_ARGS(row->virtual_host), STR_ARGS(row->virtual_port));
}

static void write_optional(struct jsonw *w, const char *name, struct str value)
{
	if (value.at != NULL) {
		jsonw_key_str(w, name, value);
	}
}

static void write_mapping(struct http_call *call, struct jsonw *w, const struct admin_place *p,
			  const struct mapping_row *row)
{
	char created[24];
	const char *path = mapping_path(call, p, row);

	snprintf(created, sizeof created, "%lld", (long long)row->created_ms);
	jsonw_object(w);
	jsonw_key_str(w, "virtualHost", row->virtual_host);
	jsonw_key_str(w, "virtualPort", row->virtual_port);
	jsonw_key_str(w, "localHost", row->local_host);
	jsonw_key_str(w, "localPort", row->local_port);
	jsonw_key_text(w, "creationDate", created); /* a text, as recorded from the original */
	jsonw_key_str(w, "protocol", row->protocol);
	jsonw_key_str(w, "backendType", row->backend_type);
	jsonw_key_text(w, "hostInHeader", row->host_internal ? "INTERNAL" : "VIRTUAL");
	write_optional(w, "sid", row->sid);
	jsonw_key_int(w, "totalResourcesCount", row->n_resources);
	jsonw_key_int(w, "enabledResourcesCount", row->n_enabled);
	jsonw_key_str(w, "authenticationMode", row->authentication_mode);
	write_optional(w, "description", row->description);
	write_optional(w, "sncPartnerName", row->snc_partner);
	write_optional(w, "sapRouter", row->sap_router);
	jsonw_key(w, "allowedClients");
	jsonw_raw(w, row->allowed_clients);
	jsonw_key(w, "blacklistedUsers");
	jsonw_raw(w, row->blocked_users);
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
	struct mapping_row *rows;
	size_t n;
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (!mappings_list(admin_of(call)->settings.store, call->arena, p.owner, &rows, &n, &err)) {
		admin_error_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_mapping(call, &w, &p, &rows[i]);
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
	write_mapping(call, &w, &p, &row);
	http_answer_json(call, 200);
}

/* ---- input ---- */

#define MAPPING_TEXTS                                                                              \
	"virtualHost,virtualPort,localHost,localPort,protocol,backendType,authenticationMode,"     \
	"hostInHeader,sid,description,sncPartnerName,sapRouter"

static bool is_one_of(struct str value, const char *const *names, const char **out)
{
	for (; *names != NULL; names++) {
		if (str_eq_nocase(value, str_of(*names))) {
			*out = *names;
			return true;
		}
	}
	return false;
}

static bool is_http(struct str protocol)
{
	return str_eq(protocol, STR("HTTP")) || str_eq(protocol, STR("HTTPS"));
}

/* Numbers everywhere; RFC also names its gateways, TCP takes a range (spec 1.6). */
static bool is_port(struct str port, struct str protocol)
{
	uint16_t number, high;
	size_t dash = str_find(port, '-');

	if (str_to_port(port, &number)) {
		return true;
	}
	if (str_starts(protocol, STR("TCP"))) {
		return dash < port.len && str_to_port(str_first(port, dash), &number) &&
		       str_to_port(str_skip(port, dash + 1), &high) && number <= high;
	}
	return str_starts(protocol, STR("RFC")) && port.len <= 12 &&
	       (str_starts(port, STR("sapgw")) || str_starts(port, STR("sapms")));
}

static bool bad(struct http_call *call, const char *what, struct str value)
{
	admin_error(call, 400, "%s '%.*s' is not valid", what, STR_ARGS(str_first(value, 100)));
	return false;
}

static bool read_choices(struct http_call *call, const struct json *j, struct mapping_row *row)
{
	static const char *const protocols[] = {"HTTP", "HTTPS", "RFC", "RFCS", "RFCWS",
						"LDAP", "LDAPS", "TCP", "TCPS", NULL};
	static const char *const types[] = {"abapSys",     "netweaverGW", "hana", "applServerJava",
					    "netweaverCE", "BC",          "PI",   "otherSAPsys",
					    "nonSAPsys",   NULL};
	static const char *const modes[] = {
		"NONE", "NONE_RESTRICTED", "X509_GENERAL", "X509_RESTRICTED", "KERBEROS", NULL};
	static const char *const hosts[] = {"VIRTUAL", "INTERNAL", NULL};
	struct str protocol = admin_text(call, j, "protocol");
	struct str type = admin_text(call, j, "backendType");
	struct str mode = admin_text(call, j, "authenticationMode");
	struct str host = admin_text(call, j, "hostInHeader");
	const char *found;

	if (!is_one_of(protocol, protocols, &found)) {
		return bad(call, "protocol", protocol);
	}
	row->protocol = str_of(found);
	if (!is_one_of(type, types, &found)) {
		return bad(call, "backendType", type);
	}
	row->backend_type = str_of(found);
	if (!is_one_of(mode.at ? mode : STR("NONE"), modes, &found)) {
		return bad(call, "authenticationMode", mode);
	}
	row->authentication_mode = str_of(found);
	if (!is_one_of(host.at ? host : STR("VIRTUAL"), hosts, &found)) {
		return bad(call, "hostInHeader", host);
	}
	row->host_internal = found == hosts[1];
	return true;
}

static bool read_array(struct http_call *call, const struct json *j, const char *name,
		       struct str *out)
{
	const struct json *list_ = json_get(j, name);
	AUTO_BUF struct buf text = BUF(KIB(64));

	if (list_ == NULL || json_is_null(list_)) {
		return true;
	}
	struct jsonw w = jsonw_to(&text);
	jsonw_tree(&w, list_);
	*out = arena_str(call->arena, buf_str(&text));
	if (!json_is_array(list_) || buf_failed(&text) || out->at == NULL) {
		admin_error(call, 400, "%s is no list, or too long", name);
		return false;
	}
	return true;
}

static bool are_clients(const struct json *list_)
{
	struct str client = STR_NONE;

	for (size_t i = 0; i < json_count(list_); i++) {
		if (!json_str(json_at(list_, i), &client) || client.len != 3) {
			return false;
		}
	}
	return true;
}

static bool are_users(const struct json *list_)
{
	struct str client = STR_NONE, user = STR_NONE;

	for (size_t i = 0; i < json_count(list_); i++) {
		const struct json *pair = json_at(list_, i);
		if (!json_get_str(pair, "client", &client) || !json_get_str(pair, "user", &user) ||
		    client.len != 3 || user.len == 0) {
			return false;
		}
	}
	return true;
}

/* Clients have three characters; users are blocked as {client,user} (spec 3.5). */
static bool has_lists(struct http_call *call, const struct json *j)
{
	if (!are_clients(json_get(j, "allowedClients"))) {
		admin_error(call, 400, "allowedClients must be texts of three characters");
		return false;
	}
	if (!are_users(json_get(j, "blacklistedUsers"))) {
		admin_error(call, 400, "blacklistedUsers must be pairs {client,user}");
		return false;
	}
	return true;
}

static bool read_rest(struct http_call *call, const struct json *j, struct mapping_row *row)
{
	row->sid = admin_text(call, j, "sid");
	row->description = admin_text(call, j, "description");
	row->snc_partner = admin_text(call, j, "sncPartnerName");
	row->sap_router = admin_text(call, j, "sapRouter");
	return admin_fits(call, "sid", row->sid, 8) &&
	       admin_fits(call, "description", row->description, 4096) &&
	       admin_fits(call, "sncPartnerName", row->snc_partner, 1024) &&
	       admin_fits(call, "sapRouter", row->sap_router, 1024) && has_lists(call, j) &&
	       read_array(call, j, "allowedClients", &row->allowed_clients) &&
	       read_array(call, j, "blacklistedUsers", &row->blocked_users);
}

static bool read_mapping(struct http_call *call, const struct json *j, struct mapping_row *row)
{
	struct str host = admin_text(call, j, "localHost"), port = admin_text(call, j, "localPort");

	if (!read_choices(call, j, row)) {
		return false;
	}
	if (!admin_is_host(host)) {
		return bad(call, "localHost", host);
	}
	if (!is_port(port, row->protocol)) {
		return bad(call, "localPort", port);
	}
	row->local_host = host;
	row->local_port = port;
	return read_rest(call, j, row);
}

/* ---- changes ---- */

static void create(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row = {.created_ms = clock_unix_ms()};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_body(call, MAPPING_TEXTS, &j) ||
	    !read_mapping(call, j, &row)) {
		return;
	}
	row.virtual_host = admin_text(call, j, "virtualHost");
	row.virtual_port = admin_text(call, j, "virtualPort");
	if (!admin_is_host(row.virtual_host)) {
		(void)bad(call, "virtualHost", row.virtual_host);
		return;
	}
	if (!is_port(row.virtual_port, row.protocol) ||
	    (is_http(row.protocol) && str_find(row.virtual_port, '-') < row.virtual_port.len)) {
		(void)bad(call, "virtualPort", row.virtual_port);
		return;
	}
	if (!mappings_add(admin_of(call)->settings.store, &actor, p.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_created(call, mapping_path(call, &p, &row));
	}
}

static void replace(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row old, row = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_mapping(call, &p, &old) ||
	    !admin_body(call, MAPPING_TEXTS, &j)) {
		return;
	}
	row.id = old.id;
	row.virtual_host = old.virtual_host;
	row.virtual_port = old.virtual_port;
	row.plain_prefix = old.plain_prefix; /* not of the original: it stays when not named */
	row.allowed_clients = old.allowed_clients;
	row.blocked_users = old.blocked_users;
	if (!read_mapping(call, j, &row)) {
		return;
	}
	if (!mappings_edit(admin_of(call)->settings.store, &actor, p.owner, &row, &err)) {
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
