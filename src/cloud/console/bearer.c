/* Service keys that call the keystore: a token of our token server instead of a user's login. */
#include "base/clock.h"
#include "cloud/console/console_priv.h"
#include "cloud/directory/settings.h"
#include "crypto/jose.h"

bool console_has_bearer(const struct http_call *call)
{
	return str_starts_nocase(http_value(call->head, STR("Authorization")), STR("bearer "));
}

struct claims {
	struct str zid, client;
	int64_t expires;
};

static bool read_claims(struct http_call *call, struct str text, struct claims *out,
			struct err *err)
{
	AUTO(json_free) struct json *claims = NULL;

	if (!json_parse(text, JOSE_TOKEN_MAX, &claims, err)) {
		return err_set(err, ERR_DENIED, "the token's claims are no JSON");
	}
	if (!json_get_str(claims, "zid", &out->zid) ||
	    !json_get_str(claims, "client_id", &out->client) ||
	    !json_get_int(claims, "exp", &out->expires)) {
		return err_set(err, ERR_DENIED,
			       "the token lacks a claim: zid, client_id and exp are needed");
	}
	out->zid = arena_str(call->arena, out->zid);
	out->client = arena_str(call->arena, out->client);
	if (out->expires <= clock_unix()) {
		return err_set(err, ERR_DENIED, "the token has expired");
	}
	return true;
}

static bool load_keys(struct http_call *call, struct jose_keys **keys, struct err *err)
{
	AUTO_BUF struct buf jwks = BUF(DIRECTORY_SETTING_MAX);

	if (!directory_setting_get(console_store(call), STR(DIRECTORY_SETTING_JWKS), &jwks, err)) {
		return false;
	}
	if (jwks.len == 0) {
		return err_set(err, ERR_DENIED, "no keys of a token server are known yet");
	}
	return jose_keys_read(buf_str(&jwks), keys, err);
}

static bool verify(struct http_call *call, struct claims *out, struct err *err)
{
	AUTO(jose_keys_free) struct jose_keys *keys = NULL;
	AUTO_BUF struct buf text = BUF_SECRET(JOSE_TOKEN_MAX);
	struct str token = str_trim(str_skip(http_value(call->head, STR("Authorization")), 7));

	return load_keys(call, &keys, err) && jose_verify(keys, token, &text, err) &&
	       read_claims(call, buf_str(&text), out, err);
}

static bool refuse(struct http_call *call, unsigned status, const struct err *err)
{
	console_note_denied(call, STR("client:?"), err->text);
	if (status == 401) {
		http_answer_field(call, "WWW-Authenticate",
				  STR("Bearer realm=\"Drawbridge\", error=\"invalid_token\""));
	}
	http_problem(call, status, "%s", err->text);
	return false;
}

static void fill(struct directory_caller *c, const struct directory_binding *b)
{
	c->is_service_key = true;
	snprintf(c->user.name, sizeof(c->user.name), "%s", b->client_id);
	snprintf(c->user.display_name, sizeof(c->user.display_name), "%s", b->name);
	memcpy(c->subaccount, b->subaccount, sizeof(c->subaccount));
	c->keystore = directory_member_may(b->roles);
}

bool console_from_bearer(struct http_call *call, struct directory_caller *c)
{
	struct directory_binding binding;
	struct claims claims;
	struct err err = {0};

	if (!verify(call, &claims, &err)) {
		if (err.kind == ERR_STORE) {
			http_problem_err(call, &err);
			return false;
		}
		return refuse(call, 401, &err);
	}
	switch (directory_binding_of_client(console_store(call), claims.client, &binding, &err)) {
	case DIRECTORY_CLIENT_OK:
		break;
	case DIRECTORY_CLIENT_LOCKED:
		return refuse(call, 403, &err);
	case DIRECTORY_CLIENT_WRONG:
		err_set(&err, ERR_DENIED, "the token's service key is gone");
		return refuse(call, 401, &err);
	case DIRECTORY_CLIENT_FAILED:
	default:
		http_problem_err(call, &err);
		return false;
	}
	/* A client speaks for its own tenant, whatever else a token server may have signed. */
	if (!str_eq(claims.zid, str_of(binding.subaccount))) {
		err_set(&err, ERR_DENIED, "the token's client is not one of its tenant");
		return refuse(call, 401, &err);
	}
	fill(c, &binding);
	return true;
}
