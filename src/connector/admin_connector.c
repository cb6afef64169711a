#include "connector/admin_priv.h"
#include "crypto/seal.h"
#include "net/address.h"

#define BASE  "/api/v1/configuration/connector"
#define JSON  "application/json"
#define EARLY (ADMIN_LOGIN | ADMIN_EARLY | ADMIN_UNDECIDED)

enum {
	PASSWORD_MAX = 1024,
};

static void write_connector(struct http_call *call)
{
	struct admin_facts f = admin_facts(admin_of(call));
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "ha", f.role);
	jsonw_key_text(&w, "description", f.description);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* Stores, then reads everything again; false: answered. */
static bool store_settings(struct http_call *call, const char *what,
			   const struct state_setting *settings, size_t n)
{
	struct admin *a = admin_of(call);
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (state_settings_set(a->settings.store, &actor, what, settings, n, &err) &&
	    admin_read_facts(a, &err)) {
		return true;
	}
	admin_error_err(call, &err);
	return false;
}

static void put_connector(struct http_call *call)
{
	const struct json *j;
	struct str description;

	if (!http_json_object(call, &j)) {
		return;
	}
	if (!json_get_str(j, "description", &description)) {
		admin_error(call, 400, "description must be a text");
		return;
	}
	if (!admin_fits(call, "description", description, STATE_TEXT - 1)) {
		return;
	}
	struct state_setting s = {STATE_SETTING_DESCRIPTION, description};
	if (store_settings(call, "connector.description", &s, 1)) {
		write_connector(call);
	}
}

static void version(struct http_call *call)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "version", admin_of(call)->settings.version);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* ---- the role ---- */

static void get_role(struct http_call *call)
{
	struct admin_facts f = admin_facts(admin_of(call));
	struct jsonw w = jsonw_to(&call->out);

	jsonw_str(&w, str_of(f.role[0] ? f.role : "undefined"));
	http_answer_json(call, 200);
}

/* A bare word, quoted or not, whatever the content type (spec 8.8). */
static struct str bare_word(struct str body)
{
	while (body.len > 0 && strchr(" \t\r\n\"", body.at[0]) != NULL) {
		body = str_skip(body, 1);
	}
	while (body.len > 0 && strchr(" \t\r\n\"", body.at[body.len - 1]) != NULL) {
		body.len--;
	}
	return body;
}

static void set_role(struct http_call *call)
{
	struct admin_facts f = admin_facts(admin_of(call));
	struct str role = bare_word(call->body);

	if (str_eq(role, STR("shadow"))) {
		admin_error(call, 400,
			    "there are no shadows here: run several masters with the same location "
			    "ID and group key");
		return;
	}
	if (!str_eq(role, STR("master"))) {
		admin_error(call, 400, "the role must be \"master\"");
		return;
	}
	if (f.role[0] != '\0') {
		admin_no_content(call); /* it is what was asked for */
		return;
	}
	struct state_setting s = {STATE_SETTING_HA_ROLE, role};
	if (store_settings(call, "connector.role", &s, 1)) {
		admin_no_content(call);
	}
}

/* ---- the user ---- */

static void authentication(struct http_call *call)
{
	struct admin_facts f = admin_facts(admin_of(call));
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "type", "basic");
	jsonw_key(&w, "configuration");
	jsonw_object(&w);
	jsonw_key_text(&w, "user", f.user);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* Throttled and recorded as a login is: a session alone must not do to find the password. */
static bool knows_password(struct http_call *call, struct str password, const char *wrong)
{
	struct admin_facts f = admin_facts(admin_of(call));
	struct session_user ignored = {0};

	switch (admin_judge_login(admin_of(call), call, str_of(f.user), password, &ignored)) {
	case ADMIN_LOGIN_GOOD:
		return true;
	case ADMIN_LOGIN_WRONG:
		admin_error(call, 400, "%s", wrong);
		return false;
	case ADMIN_LOGIN_ANSWERED:
		break;
	}
	return false;
}

static void change_password(struct http_call *call, struct str old, struct str new)
{
	struct admin *a = admin_of(call);
	struct admin_facts f = admin_facts(a);
	char hash[128];
	struct err err = {0};

	if (!knows_password(call, old, "the current password is wrong")) {
		return;
	}
	if (new.len == 0 || str_eq_secret(old, new)) {
		admin_error(call, 400, "the new password must differ from the current one");
		return;
	}
	if (!admin_fits(call, "newPassword", new, PASSWORD_MAX)) {
		return;
	}
	if (!password_hash(new, hash, &err)) {
		admin_error_err(call, &err);
		return;
	}
	const struct state_setting s[] = {
		{STATE_SETTING_PASSWORD_HASH, str_of(hash)},
		{STATE_SETTING_MUST_CHANGE, STR_NONE},
	};
	if (!store_settings(call, "user.password", s, COUNT(s))) {
		return;
	}
	session_end_user(a->sessions, str_of(f.user));
	if (a->settings.on_password != NULL) {
		a->settings.on_password(a->settings.user);
	}
	admin_no_content(call);
}

static void rename_user(struct http_call *call, struct str user, struct str password)
{
	struct admin *a = admin_of(call);
	struct admin_facts f = admin_facts(a);

	if (!knows_password(call, password, "the password is wrong")) {
		return;
	}
	for (size_t i = 0; i < user.len; i++) {
		if ((unsigned char)user.at[i] < 0x20 || user.at[i] == ':') {
			admin_error(call, 400,
				    "a user's name has no \":\" and no control characters");
			return;
		}
	}
	if (user.len == 0 || !admin_fits(call, "user", user, ADMIN_NAME_MAX - 1)) {
		if (user.len == 0) {
			admin_error(call, 400, "user is empty");
		}
		return;
	}
	struct state_setting s = {STATE_SETTING_USER, user};
	if (store_settings(call, "user.rename", &s, 1)) {
		session_end_user(a->sessions, str_of(f.user));
		admin_no_content(call);
	}
}

static void put_basic(struct http_call *call)
{
	const struct json *j;

	if (!admin_body(call, "oldPassword,newPassword,user,password", &j)) {
		return;
	}
	struct str old = admin_text(call, j, "oldPassword"),
		   new = admin_text(call, j, "newPassword");
	struct str user = admin_text(call, j, "user"), password = admin_text(call, j, "password");
	if (old.at != NULL && new.at != NULL && user.at == NULL) {
		change_password(call, old, new);
	} else if (user.at != NULL && password.at != NULL && old.at == NULL && new.at == NULL) {
		if (admin_facts(admin_of(call)).must_change) {
			admin_error(call, 403,
				    "operation unavailable unless initial password is changed");
			return;
		}
		rename_user(call, user, password);
	} else {
		/* The original answers 204 and changes nothing when both are mixed. */
		admin_error(call, 400,
			    "give oldPassword and newPassword, or user and password: not both");
	}
}

/* ---- the corporate proxy ---- */

static void get_proxy(struct http_call *call)
{
	struct subaccount_set *set = subaccounts_ref(admin_of(call)->settings.subaccounts);
	struct jsonw w = jsonw_to(&call->out);
	char port[8];

	jsonw_object(&w);
	if (set->proxy_host[0] != '\0') {
		snprintf(port, sizeof port, "%u", set->proxy_port);
		jsonw_key_text(&w, "host", set->proxy_host);
		jsonw_key_text(&w, "port", port);
		jsonw_key_text(&w, "user", set->proxy_user);
		jsonw_key_text(&w, "password", "***");
	}
	jsonw_object_end(&w);
	subaccount_set_unref(set);
	http_answer_json(call, 200);
}

static void set_proxy(struct http_call *call, struct str host, uint16_t port, struct str user,
		      struct str password)
{
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (subaccounts_set_proxy(admin_of(call)->settings.subaccounts, &actor, host, port, user,
				  password, &err)) {
		admin_no_content(call);
	} else {
		admin_error_err(call, &err);
	}
}

static void put_proxy(struct http_call *call)
{
	const struct json *j;
	uint16_t port = 0;

	if (!admin_body(call, "host,port,user,password", &j)) {
		return;
	}
	struct str host = admin_text(call, j, "host"), user = admin_text(call, j, "user");
	struct str password = admin_text(call, j, "password");
	if (host.len == 0 && admin_text(call, j, "port").len == 0) {
		set_proxy(call, STR(""), 0, STR(""), STR(""));
		return;
	}
	if (!address_is_host(host)) {
		admin_error(call, 400, "host is no name or address of a host");
		return;
	}
	if (str_find(user, ':') < user.len) { /* RFC 7617, 2 */
		admin_error(call, 400, "a proxy's user has no \":\" in its name");
		return;
	}
	if (!str_to_port(admin_text(call, j, "port"), &port)) {
		admin_error(call, 400, "port must be a number from 1 to 65535");
		return;
	}
	/* What GET shows may come back: then the stored password stays. */
	bool keeps = str_eq(password, STR("***"));
	set_proxy(call, host, port, user.at ? user : STR(""),
		  keeps ? STR_NONE : (password.at ? password : STR("")));
}

static void delete_proxy(struct http_call *call)
{
	set_proxy(call, STR(""), 0, STR(""), STR(""));
}

/* ---- public checks ---- */

static void exposed(struct http_call *call)
{
	struct str action = http_query(call, "action");
	struct admin_facts f = admin_facts(admin_of(call));

	if (str_eq(action, STR("ping"))) {
		http_answer_text(call, 200, "text/plain", STR("pong"));
	} else if (str_eq(action, STR("hasMasterRole")) ||
		   str_eq(action, STR("ensureMasterRole"))) {
		bool master = strcmp(f.role, "master") == 0;
		bool ensure = str_starts(action, STR("ensure"));
		http_answer_text(call, ensure && !master ? 409 : 200, "text/plain",
				 master ? STR("true") : STR("false"));
	} else {
		admin_error(call, 400, "action must be ping, hasMasterRole or ensureMasterRole");
	}
}

static void log_out(struct http_call *call)
{
	session_end(admin_of(call)->sessions, call);
	admin_no_content(call);
}

const struct http_route admin_connector_routes[] = {
	{"GET", BASE, write_connector, ADMIN_LOGIN, "Role and description", NULL, JSON, 0},
	{"PUT", BASE, put_connector, ADMIN_LOGIN, "Changes the description", JSON, JSON, 0},
	{"GET", "/api/v1/connector/version", version, ADMIN_LOGIN | ADMIN_UNDECIDED, "Version",
	 NULL, JSON, 0},
	{"GET", BASE "/haRole", get_role, ADMIN_LOGIN | ADMIN_UNDECIDED, "The role", NULL, JSON, 0},
	{"POST", BASE "/haRole", set_role, ADMIN_LOGIN | ADMIN_UNDECIDED, "Chooses the role", JSON,
	 NULL, 0},
	{"PUT", BASE "/haRole", set_role, ADMIN_LOGIN | ADMIN_UNDECIDED, "Chooses the role", JSON,
	 NULL, 0},
	{"GET", BASE "/authentication", authentication, ADMIN_LOGIN, "How users are known", NULL,
	 JSON, 0},
	{"PUT", BASE "/authentication/basic", put_basic, EARLY, "Changes password or user name",
	 JSON, NULL, 0},
	{"GET", BASE "/proxy", get_proxy, ADMIN_LOGIN, "The corporate proxy", NULL, JSON, 0},
	{"PUT", BASE "/proxy", put_proxy, ADMIN_LOGIN, "Sets the corporate proxy", JSON, NULL, 0},
	{"DELETE", BASE "/proxy", delete_proxy, ADMIN_LOGIN, "No corporate proxy", NULL, NULL, 0},
	{"GET", "/exposed", exposed, ADMIN_PUBLIC, "Is it alive, and which role has it", NULL,
	 "text/plain", 0},
	{"POST", "/api/logout", log_out, EARLY, "Ends the session", NULL, NULL, 0},
	{0},
};
