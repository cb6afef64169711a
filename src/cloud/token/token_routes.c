#include "base/clock.h"
#include "cloud/directory/subaccounts.h"
#include "cloud/token/token_priv.h"
#include "crypto/jose.h"
#include "http/router.h"
#include "store/denials.h"

static struct token_server *server_of(const struct http_call *call)
{
	return ((const struct cloud_rooms *)call->user)->tokens;
}

/* RFC 6749, 5.2. */
static void refuse(struct http_call *call, unsigned status, const char *error, const char *detail)
{
	struct jsonw w;

	atomic_fetch_add(&server_of(call)->refused, 1);
	if (status == 401) {
		http_answer_field(call, "WWW-Authenticate", STR("Basic realm=\"Drawbridge\""));
	}
	if (status == 503) {
		http_answer_field(call, "Retry-After", STR("1"));
	}
	http_answer_field(call, "Cache-Control", STR("no-store"));
	buf_reset(&call->out);
	w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_text(&w, "error", error);
	jsonw_key_text(&w, "error_description", detail);
	jsonw_object_end(&w);
	http_answer_json(call, status);
}

struct client {
	struct str id, secret;
};

/* By Basic or by form, not both (RFC 6749, 2.3). */
static bool read_client(struct http_call *call, struct client *c)
{
	struct str id = http_form(call, "client_id"), secret = http_form(call, "client_secret");

	if (http_value(call->head, STR("Authorization")).at == NULL) {
		*c = (struct client){id, secret};
		if (id.len == 0 || secret.len == 0) {
			refuse(call, 401, "invalid_client",
			       "client_id and client_secret are missing");
			return false;
		}
		return true;
	}
	if (secret.at != NULL) {
		refuse(call, 400, "invalid_request",
		       "the client is named by Authorization and by the form");
		return false;
	}
	if (!http_basic(call, &c->id, &c->secret)) {
		refuse(call, 401, "invalid_client", "only Basic is accepted as Authorization");
		return false;
	}
	/* RFC 6749, 2.3.1: both parts are form-encoded before base64; ours hold no '%' or '+'. */
	c->id = http_decode(c->id, true, call->arena);
	c->secret = http_decode(c->secret, true, call->arena);
	if (c->id.len == 0 || c->secret.len == 0 || (id.at != NULL && !str_eq(id, c->id))) {
		refuse(call, 401, "invalid_client",
		       "the client is not known, or its secret is wrong");
		return false;
	}
	return true;
}

static bool is_throttled(struct http_call *call, const struct client *c)
{
	struct token_server *t = server_of(call);
	msec_t pause = login_pause(t->logins, str_first(c->id, SESSION_USER_MAX - 1), &call->peer,
				   clock_now());
	char seconds[24];

	if (pause <= 0) {
		return false;
	}
	atomic_fetch_add(&t->throttled, 1);
	snprintf(seconds, sizeof seconds, "%lld", (long long)((pause + 999) / 1000));
	http_answer_field(call, "Retry-After", str_of(seconds));
	refuse(call, 429, "temporarily_unavailable", "too many wrong secrets; try again later");
	return true;
}

static void note_denied(struct http_call *call, const struct client *c, unsigned status,
			const char *reason)
{
	const struct cloud_rooms *rooms = call->user;
	char from[64];

	address_format(&call->peer, from, sizeof(from));
	denials_note(rooms->denials, &(const struct denial){.who = c->id,
							    .from = str_of(from),
							    .what = STR("denied token"),
							    .object = call->path,
							    .reason = reason,
							    .status = status});
}

static bool verify_client(struct http_call *call, const struct client *c,
			  struct directory_binding *binding)
{
	struct token_server *t = server_of(call);
	struct str name = str_first(c->id, SESSION_USER_MAX - 1);
	struct err err = {0};

	if (is_throttled(call, c)) {
		return false;
	}
	switch (directory_binding_verify(t->store, c->id, c->secret, binding, &err)) {
	case DIRECTORY_CLIENT_OK:
		login_note(t->logins, name, &call->peer, true, clock_now());
		return true;
	case DIRECTORY_CLIENT_WRONG:
		login_note(t->logins, name, &call->peer, false, clock_now());
		note_denied(call, c, 401, "unknown client or wrong secret");
		refuse(call, 401, "invalid_client",
		       "the client is not known, or its secret is wrong");
		return false;
	case DIRECTORY_CLIENT_LOCKED:
		note_denied(call, c, 403, "the subaccount is locked");
		refuse(call, 403, "access_denied", "the subaccount is locked");
		return false;
	case DIRECTORY_CLIENT_FAILED:
	default:
		refuse(call, http_status_of(err.kind), "server_error", err.text);
		return false;
	}
}

/* The label before our own host in Host, or nothing. */
static struct str host_label(const struct http_call *call)
{
	struct str own = buf_str(&server_of(call)->host);
	struct str host = call->head->authority;

	host = str_first(host, str_find(host, ':'));
	if (host.len <= own.len + 1 || host.at[host.len - own.len - 1] != '.' ||
	    !str_eq_nocase(str_skip(host, host.len - own.len), own)) {
		return STR_NONE;
	}
	return str_first(host, host.len - own.len - 1);
}

/* What the request says about its tenant must be what the client is bound to. */
static bool check_tenant(struct http_call *call, const struct directory_binding *binding,
			 struct directory_subaccount *tenant)
{
	struct token_server *t = server_of(call);
	const struct str named[] = {http_param(call, "tenant"), host_label(call),
				    http_value(call->head, STR("x-zid"))};
	struct err err = {0};

	if (!directory_subaccount_find(t->store, str_of(binding->subaccount), tenant, &err)) {
		refuse(call, err.kind == ERR_MISSING ? 401 : http_status_of(err.kind),
		       err.kind == ERR_MISSING ? "invalid_client" : "server_error", err.text);
		return false;
	}
	for (size_t i = 0; i < COUNT(named); i++) {
		if (named[i].len > 0 && !str_eq_nocase(named[i], str_of(tenant->id)) &&
		    !str_eq_nocase(named[i], str_of(tenant->subdomain))) {
			refuse(call, 400, "unauthorized_client",
			       "the client is not bound to this tenant");
			return false;
		}
	}
	return true;
}

static bool check_grant(struct http_call *call)
{
	struct str grant = http_form(call, "grant_type");

	if (grant.len == 0) {
		refuse(call, 400, "invalid_request",
		       "grant_type is missing (application/x-www-form-urlencoded)");
		return false;
	}
	if (!str_eq(grant, STR("client_credentials"))) {
		refuse(call, 400, "unsupported_grant_type", "only client_credentials is supported");
		return false;
	}
	return true;
}

static void answer(struct http_call *call, const struct token_subject *subject)
{
	struct token_server *t = server_of(call);
	AUTO_BUF struct buf token = BUF(JOSE_TOKEN_MAX);
	struct err err = {0};
	struct jsonw w;
	char jti[37];

	if (!token_issue(t, subject, clock_unix(), jti, &token, &err)) {
		refuse(call, http_status_of(err.kind), "server_error", err.text);
		return;
	}
	w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_str(&w, "access_token", buf_str(&token));
	jsonw_key_text(&w, "token_type", "bearer");
	jsonw_key_int(&w, "expires_in", t->life_s);
	jsonw_key_text(&w, "scope", "uaa.resource");
	jsonw_key_text(&w, "jti", jti);
	jsonw_object_end(&w);
	http_answer_field(call, "Cache-Control", STR("no-store")); /* RFC 6749, 5.1 */
	http_answer_json(call, 200);
	atomic_fetch_add(&t->issued, 1);
}

static void post_token(struct http_call *call)
{
	struct client client = {0};
	struct directory_binding binding;
	struct directory_subaccount tenant;

	if (check_grant(call) && read_client(call, &client) &&
	    verify_client(call, &client, &binding) && check_tenant(call, &binding, &tenant)) {
		answer(call, &(struct token_subject){&binding, tenant.subdomain});
	}
}

static void get_keys(struct http_call *call)
{
	buf_add_str(&call->out, token_server_jwks(server_of(call)));
	http_answer_field(call, "Cache-Control", STR("public, max-age=300"));
	http_answer_json(call, 200);
}

#define TOKEN_ROUTE(path)                                                                          \
	{                                                                                          \
		.method = "POST", .pattern = path, .handler = post_token,                          \
		.roles = HTTP_ROUTE_OPEN,                                                          \
		.summary = "An access token by client credentials (RFC 6749, 4.4)",                \
		.request = "application/x-www-form-urlencoded", .answer = "application/json",      \
		.body_max = TOKEN_BODY_MAX                                                         \
	}
#define KEYS_ROUTE(path)                                                                           \
	{                                                                                          \
		.method = "GET", .pattern = path, .handler = get_keys, .roles = HTTP_ROUTE_OPEN,   \
		.summary = "The keys that verify access tokens (RFC 7517)",                        \
		.answer = "application/json"                                                       \
	}

const struct http_route token_routes[] = {
	TOKEN_ROUTE("/oauth/token"),
	TOKEN_ROUTE("/t/{tenant}/oauth/token"),
	KEYS_ROUTE("/token_keys"),
	KEYS_ROUTE("/oauth/token_keys"),
	KEYS_ROUTE("/t/{tenant}/token_keys"),
	{.method = NULL},
};
