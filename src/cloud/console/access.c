/* Ways in: authentication data, service keys, the CA's public part; and the version. */
#include "base/clock.h"
#include "cloud/console/console_priv.h"
#include "cloud/directory/authdata.h"
#include "crypto/seal.h"

enum {
	AUTHDATA_MAX = KIB(8),
	CREDENTIALS_MAX = KIB(16),
};

static struct str subaccount_of(const struct http_call *call)
{
	return str_of(console_caller(call)->subaccount);
}

void console_version(struct http_call *call)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "name", "Drawbridge Cloud");
	jsonw_key_text(&w, "version", DRAWBRIDGE_VERSION);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void console_ca(struct http_call *call)
{
	const struct console_settings *s = &console_of(call)->settings;
	AUTO_BUF struct buf pin = BUF(65);
	struct jsonw w = jsonw_to(&call->out);

	buf_add_hex(&pin, s->root_pin, sizeof(s->root_pin));
	jsonw_object(&w);
	jsonw_key_str(&w, "rootPin", buf_str(&pin));
	jsonw_key_str(&w, "rootPem", s->root_pem);
	jsonw_key_str(&w, "issuingPem", s->issuing_pem);
	jsonw_key_text(&w, "regionHost", s->region_host);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void console_authdata_create(struct http_call *call)
{
	AUTO_BUF struct buf text = BUF_SECRET(AUTHDATA_MAX);
	const struct console_settings *s = &console_of(call)->settings;
	struct jsonw w = jsonw_to(&call->out);
	struct err err;
	int64_t expires;

	if (!directory_authdata_create(s->store, &console_caller(call)->actor, subaccount_of(call),
				       str_of(s->region_host), s->root_pin, clock_unix(), &text,
				       &expires, &err)) {
		http_problem_err(call, &err);
		return;
	}
	call->out.wipes = true;
	jsonw_object(&w);
	jsonw_key_str(&w, "authenticationData", buf_str(&text));
	jsonw_key_time(&w, "expires", expires);
	jsonw_object_end(&w);
	http_answer_json(call, 201);
}

/* ---- service keys ---- */

static void write_key(struct jsonw *w, const struct directory_binding *b)
{
	jsonw_key_text(w, "name", b->name);
	jsonw_key_text(w, "id", b->id);
	jsonw_key_text(w, "clientId", b->client_id);
	console_key_member_roles(w, b->roles);
	jsonw_key_text(w, "createdBy", b->created_by);
	jsonw_key_time(w, "created", b->created);
}

void console_keys_list(struct http_call *call)
{
	AUTO_FREE struct directory_binding *rows = NULL;
	struct console_page page;
	struct err err;
	size_t n;

	if (!console_read_page(call, &page)) {
		return;
	}
	if (!directory_binding_list(console_store(call), subaccount_of(call), page.after,
				    page.limit, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		write_key(&w, &rows[i]);
		jsonw_object_end(&w);
	}
	console_end_list(call, &w, n == page.limit ? rows[n - 1].name : NULL);
}

/* The secret is in this answer and nowhere else. */
static void answer_key(struct http_call *call, const struct directory_binding *b,
		       const char *secret)
{
	AUTO_BUF struct buf credentials = BUF_SECRET(CREDENTIALS_MAX);
	const struct console_settings *s = &console_of(call)->settings;
	struct jsonw w = jsonw_to(&call->out);
	struct err err;

	if (!s->service_key(s->service_key_user, b, secret, &credentials, &err)) {
		http_problem_err(call, &err);
		return;
	}
	call->out.wipes = true;
	jsonw_object(&w);
	write_key(&w, b);
	jsonw_key(&w, "credentials");
	jsonw_raw(&w, buf_str(&credentials));
	jsonw_object_end(&w);
	console_changed(call);
	console_answer_created(call, "/api/drawbridge/v1/subaccounts/%s/service-keys/%s",
			       b->subaccount, b->name);
}

void console_keys_create(struct http_call *call)
{
	const struct json *body;
	struct directory_binding b;
	char secret[DIRECTORY_SECRET_MAX], name[DIRECTORY_NAME_MAX];
	unsigned roles = 0;
	struct err err;

	if (!http_json_object(call, &body) ||
	    !console_take_text(call, body, "name", true, name, sizeof(name)) ||
	    !console_take_member_roles(call, body, &roles)) {
		return;
	}
	/* else an owner could make a key that may more than itself */
	if (roles != 0 && !console_may(call, ACCESS_A | ACCESS_S)) {
		console_note_denied(call, console_caller(call)->actor.who,
				    "roles of a service key");
		http_problem(call, 403, "only an administrator may give a service key roles");
		return;
	}
	if (!directory_binding_create(console_store(call), &console_caller(call)->actor,
				      subaccount_of(call), str_of(name), roles, clock_unix(), &b,
				      secret, &err)) {
		http_problem_err(call, &err);
		return;
	}
	answer_key(call, &b, secret);
	seal_wipe(secret, sizeof(secret));
}

void console_key_delete(struct http_call *call)
{
	struct err err = {0};
	bool ok = directory_binding_delete(console_store(call), &console_caller(call)->actor,
					   subaccount_of(call), http_param(call, "name"), &err);

	console_finish(call, ok, &err);
}
