#include "connector/rules.h"

#include "connector/access.h"
#include "net/address.h"

/* ---- texts ---- */

struct str rules_text(struct arena *arena, const struct json *object, const char *name)
{
	const struct json *j = json_get(object, name);
	struct str text;
	int64_t number;

	if (json_str(j, &text)) {
		return text.at ? text : STR("");
	}
	if (json_int(j, &number)) {
		return str_of(arena_printf(arena, "%lld", (long long)number));
	}
	return STR_NONE;
}

/* Line breaks: where people write sentences, and where a text is pasted as a mail wrapped it. */
static bool is_clean(struct str name, struct str value)
{
	bool long_text =
		str_eq(name, STR("description")) || str_eq(name, STR("authenticationData"));

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];
		bool blank = c == '\n' || c == '\r' || c == '\t';
		if ((c < 0x20 && !(long_text && blank)) || c == 0x7f) {
			return false;
		}
	}
	return true;
}

bool rules_are_texts(const struct json *object, const char *names, struct err *err)
{
	struct str rest = str_of(names), name = STR_NONE, value = STR_NONE;
	int64_t number;
	char key[64];

	while (str_next_listed(&rest, &name)) {
		const struct json *member =
			str_copy(name, key, sizeof key) ? json_get(object, key) : NULL;
		if (member == NULL || json_is_null(member) || json_int(member, &number)) {
			continue;
		}
		if (!json_str(member, &value)) {
			return err_set(err, ERR_CONFIG, "%s must be a text", key);
		}
		if (!is_clean(name, value)) {
			return err_set(err, ERR_CONFIG, "%s holds a control character", key);
		}
	}
	return true;
}

static bool is_listed(struct str wanted, const char *names)
{
	struct str rest = str_of(names), name = STR_NONE;

	while (str_next_listed(&rest, &name)) {
		if (str_eq(name, wanted)) {
			return true;
		}
	}
	return false;
}

bool rules_are_known(const struct json *object, const char *names, struct err *err)
{
	void *iter = NULL;
	struct str key;
	const struct json *value;

	if (!json_is_object(object)) {
		return err_set(err, ERR_CONFIG, "an object is expected");
	}
	while (json_next(object, &iter, &key, &value)) {
		if (!is_listed(key, names)) {
			return err_set(err, ERR_CONFIG, "the field \"%.*s\" is not known",
				       STR_ARGS(str_first(key, 100)));
		}
	}
	return true;
}

static bool fits(const char *name, struct str value, size_t max, struct err *err)
{
	return value.len <= max ||
	       err_set(err, ERR_CONFIG, "%s is longer than %zu bytes", name, max);
}

static bool bad(struct err *err, const char *what, struct str value)
{
	return err_set(err, ERR_CONFIG, "%s '%.*s' is not valid", what,
		       STR_ARGS(str_first(value, 100)));
}

static bool is_host(const char *name, struct str value, struct err *err)
{
	return address_is_host(value) ||
	       err_set(err, ERR_CONFIG,
		       "%s '%.*s' is not valid: neither a host's name (letters, digits, '-', '_', "
		       "single dots) nor an address",
		       name, STR_ARGS(str_first(value, 100)));
}

static bool bad_choice(struct err *err, const char *what, struct str value,
		       const char *const *names)
{
	AUTO_BUF struct buf list = BUF(KIB(1));

	for (; *names != NULL; names++) {
		buf_addf(&list, "%s%s", list.len > 0 ? ", " : "", *names);
	}
	return err_set(err, ERR_CONFIG, "%s '%.*s' is not valid: one of %.*s", what,
		       STR_ARGS(str_first(value, 100)), STR_ARGS(buf_str(&list)));
}

/* ---- system mappings ---- */

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

static bool read_choices(struct arena *arena, const struct json *j, struct mapping_row *row,
			 struct err *err)
{
	static const char *const protocols[] = {"HTTP", "HTTPS", "RFC", "RFCS", "RFCWS",
						"LDAP", "LDAPS", "TCP", "TCPS", NULL};
	static const char *const types[] = {"abapSys",     "netweaverGW", "hana", "applServerJava",
					    "netweaverCE", "BC",          "PI",   "otherSAPsys",
					    "nonSAPsys",   NULL};
	static const char *const modes[] = {
		"NONE", "NONE_RESTRICTED", "X509_GENERAL", "X509_RESTRICTED", "KERBEROS", NULL};
	static const char *const hosts[] = {"VIRTUAL", "INTERNAL", NULL};
	struct str protocol = rules_text(arena, j, "protocol");
	struct str type = rules_text(arena, j, "backendType");
	struct str mode = rules_text(arena, j, "authenticationMode");
	struct str host = rules_text(arena, j, "hostInHeader");
	const char *found;

	if (!is_one_of(protocol, protocols, &found)) {
		return bad_choice(err, "protocol", protocol, protocols);
	}
	row->protocol = str_of(found);
	if (!is_one_of(type, types, &found)) {
		return bad_choice(err, "backendType", type, types);
	}
	row->backend_type = str_of(found);
	if (!is_one_of(mode.at ? mode : STR("NONE"), modes, &found)) {
		return bad_choice(err, "authenticationMode", mode, modes);
	}
	row->authentication_mode = str_of(found);
	if (!is_one_of(host.at ? host : STR("VIRTUAL"), hosts, &found)) {
		return bad_choice(err, "hostInHeader", host, hosts);
	}
	row->host_internal = found == hosts[1];
	return true;
}

static bool read_array(struct arena *arena, const struct json *j, const char *name, struct str *out,
		       struct err *err)
{
	const struct json *list = json_get(j, name);
	AUTO_BUF struct buf text = BUF(KIB(64));

	if (list == NULL || json_is_null(list)) {
		return true;
	}
	struct jsonw w = jsonw_to(&text);
	jsonw_tree(&w, list);
	*out = arena_str(arena, buf_str(&text));
	return (json_is_array(list) && !buf_failed(&text) && out->at != NULL) ||
	       err_set(err, ERR_CONFIG, "%s is no list, or too long", name);
}

static bool are_client_texts(const struct json *list)
{
	struct str client = STR_NONE;

	for (size_t i = 0; i < json_count(list); i++) {
		if (!json_str(json_at(list, i), &client) || client.len != 3) {
			return false;
		}
	}
	return true;
}

static bool are_user_pairs(const struct json *list)
{
	struct str client = STR_NONE, user = STR_NONE;

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *pair = json_at(list, i);
		if (!json_get_str(pair, "client", &client) || !json_get_str(pair, "user", &user) ||
		    client.len != 3 || user.len == 0) {
			return false;
		}
	}
	return true;
}

bool rules_are_clients(const struct json *list, struct err *err)
{
	return (json_is_array(list) && are_client_texts(list)) ||
	       err_set(err, ERR_CONFIG, "allowedClients must be texts of three characters");
}

bool rules_are_users(const struct json *list, struct err *err)
{
	return (json_is_array(list) && are_user_pairs(list)) ||
	       err_set(err, ERR_CONFIG, "blacklistedUsers must be pairs {client,user}");
}

static bool is_absent(const struct json *j)
{
	return j == NULL || json_is_null(j);
}

static bool read_lists(struct arena *arena, const struct json *j, struct mapping_row *row,
		       struct err *err)
{
	if (!read_array(arena, j, "allowedClients", &row->allowed_clients, err) ||
	    !read_array(arena, j, "blacklistedUsers", &row->blocked_users, err)) {
		return false;
	}
	const struct json *clients = json_get(j, "allowedClients");
	const struct json *users = json_get(j, "blacklistedUsers");
	return (is_absent(clients) || rules_are_clients(clients, err)) &&
	       (is_absent(users) || rules_are_users(users, err));
}

bool rules_read_target(struct arena *arena, const struct json *j, struct mapping_row *row,
		       struct err *err)
{
	if (!rules_are_texts(j, RULES_TARGET_FIELDS, err) || !read_choices(arena, j, row, err)) {
		return false;
	}
	row->local_host = rules_text(arena, j, "localHost");
	row->local_port = rules_text(arena, j, "localPort");
	row->sid = rules_text(arena, j, "sid");
	row->description = rules_text(arena, j, "description");
	row->snc_partner = rules_text(arena, j, "sncPartnerName");
	row->sap_router = rules_text(arena, j, "sapRouter");
	if (!is_host("localHost", row->local_host, err)) {
		return false;
	}
	if (!is_port(row->local_port, row->protocol)) {
		return bad(err, "localPort", row->local_port);
	}
	return fits("sid", row->sid, 8, err) && fits("description", row->description, 4096, err) &&
	       fits("sncPartnerName", row->snc_partner, 1024, err) &&
	       fits("sapRouter", row->sap_router, 1024, err) && read_lists(arena, j, row, err);
}

bool rules_read_mapping(struct arena *arena, const struct json *j, struct mapping_row *row,
			struct err *err)
{
	if (!rules_are_texts(j, RULES_MAPPING_FIELDS, err) ||
	    !rules_read_target(arena, j, row, err)) {
		return false;
	}
	row->virtual_host = rules_text(arena, j, "virtualHost");
	row->virtual_port = rules_text(arena, j, "virtualPort");
	if (!is_host("virtualHost", row->virtual_host, err)) {
		return false;
	}
	if (!is_port(row->virtual_port, row->protocol) ||
	    (is_http(row->protocol) && str_find(row->virtual_port, '-') < row->virtual_port.len)) {
		return bad(err, "virtualPort", row->virtual_port);
	}
	return true;
}

static void write_optional(struct jsonw *w, const char *name, struct str value)
{
	if (value.at != NULL) {
		jsonw_key_str(w, name, value);
	}
}

/* A text, as recorded from the original. */
static void write_created(struct jsonw *w, int64_t created_ms)
{
	char created[24];

	snprintf(created, sizeof created, "%lld", (long long)created_ms);
	jsonw_key_text(w, "creationDate", created);
}

void rules_write_mapping(struct jsonw *w, const struct mapping_row *row, bool counts)
{
	jsonw_key_str(w, "virtualHost", row->virtual_host);
	jsonw_key_str(w, "virtualPort", row->virtual_port);
	jsonw_key_str(w, "localHost", row->local_host);
	jsonw_key_str(w, "localPort", row->local_port);
	write_created(w, row->created_ms);
	jsonw_key_str(w, "protocol", row->protocol);
	jsonw_key_str(w, "backendType", row->backend_type);
	jsonw_key_text(w, "hostInHeader", row->host_internal ? "INTERNAL" : "VIRTUAL");
	write_optional(w, "sid", row->sid);
	if (counts) {
		jsonw_key_int(w, "totalResourcesCount", row->n_resources);
		jsonw_key_int(w, "enabledResourcesCount", row->n_enabled);
	}
	jsonw_key_str(w, "authenticationMode", row->authentication_mode);
	write_optional(w, "description", row->description);
	write_optional(w, "sncPartnerName", row->snc_partner);
	write_optional(w, "sapRouter", row->sap_router);
	jsonw_key(w, "allowedClients");
	jsonw_raw(w, row->allowed_clients.at ? row->allowed_clients : STR("[]"));
	jsonw_key(w, "blacklistedUsers");
	jsonw_raw(w, row->blocked_users.at ? row->blocked_users : STR("[]"));
}

/* ---- resources ---- */

bool rules_read_flags(struct arena *arena, const struct json *j, struct resource_row *row,
		      struct err *err)
{
	static const char *const names[] = {"enabled", "exactMatchOnly", "websocketUpgradeAllowed"};
	bool *const values[] = {&row->enabled, &row->exact, &row->upgrade};

	for (size_t i = 0; i < COUNT(names); i++) {
		const struct json *value = json_get(j, names[i]);
		if (value != NULL && !json_is_null(value) && !json_bool(value, values[i])) {
			return err_set(err, ERR_CONFIG, "%s is neither true nor false", names[i]);
		}
	}
	row->description = rules_text(arena, j, "description");
	return fits("description", row->description, 4096, err);
}

bool rules_read_resource(struct arena *arena, const struct json *j, struct str protocol,
			 struct resource_row *row, struct err *err)
{
	struct str canonical;

	if (!rules_are_texts(j, RULES_RESOURCE_FIELDS, err)) {
		return false;
	}
	row->path = rules_text(arena, j, "id");
	if (row->path.len == 0) {
		return err_set(err, ERR_CONFIG, "id is missing");
	}
	if (str_starts(protocol, STR("HTTP"))
		    ? !access_path_of_resource(row->path, arena, &canonical, err)
		    : !fits("id", row->path, 256, err)) {
		err->kind = ERR_CONFIG;
		return err_wrap(err, "id");
	}
	return rules_read_flags(arena, j, row, err);
}

void rules_write_resource(struct jsonw *w, const struct resource_row *row)
{
	jsonw_key_str(w, "id", row->path);
	jsonw_key_bool(w, "enabled", row->enabled);
	jsonw_key_bool(w, "exactMatchOnly", row->exact);
	jsonw_key_bool(w, "websocketUpgradeAllowed", row->upgrade);
	write_created(w, row->created_ms);
	write_optional(w, "description", row->description);
}

/* ---- cookie domains ---- */

/* A domain may begin with a dot (spec 1.8); anything that could end a cookie's attribute is out. */
static bool is_domain(const char *name, struct str value, struct err *err)
{
	bool good = value.len > 0 && value.len <= 253;

	for (size_t i = 0; good && i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];
		good = c > 0x20 && c < 0x7f && strchr(";,=/\\\"?#%", c) == NULL;
	}
	return good || err_set(err, ERR_CONFIG, "%s '%.*s' is no domain", name,
			       STR_ARGS(str_first(value, 100)));
}

bool rules_read_domain(struct arena *arena, const struct json *j, struct domain_row *row,
		       struct err *err)
{
	if (!rules_are_texts(j, RULES_DOMAIN_FIELDS, err)) {
		return false;
	}
	row->internal = rules_text(arena, j, "internalDomain");
	row->virtual_domain = rules_text(arena, j, "virtualDomain");
	return is_domain("internalDomain", row->internal, err) &&
	       is_domain("virtualDomain", row->virtual_domain, err);
}

void rules_write_domain(struct jsonw *w, const struct domain_row *row)
{
	jsonw_key_str(w, "virtualDomain", row->virtual_domain);
	jsonw_key_str(w, "internalDomain", row->internal);
}
