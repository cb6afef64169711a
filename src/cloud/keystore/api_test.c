/* POST /api/drawbridge/v1/subaccounts/{sa}/keystore/connection-test: see docs/keystore.md. */
#include "base/clock.h"
#include "base/json.h"
#include "base/rd.h"
#include "cloud/directory/caller.h"
#include "cloud/keystore/connection_entries.h"
#include "cloud/keystore/connection_policy.h"
#include "crypto/cert_details.h"
#include "store/denials.h"

enum {
	BODY_MAX = KIB(4),
	PORT = 443,
};

static const struct cloud_rooms *rooms_of(const struct http_call *call)
{
	return call->user;
}

/* ---- the request ---- */

/* An absent or null member leaves what is there. */
static bool read_text(struct http_call *call, const struct json *body, const char *name,
		      const char **out)
{
	const struct json *member = json_get(body, name);
	struct str text;

	if (member == NULL || json_is_null(member)) {
		return true;
	}
	if (!json_str(member, &text) || (*out = arena_text(call->arena, text)) == NULL) {
		http_problem(call, 400, "\"%s\" must be a text", name);
		return false;
	}
	return true;
}

static bool read_test(struct http_call *call, struct connection_test *t)
{
	const struct json *body, *member;
	int64_t port = PORT;

	if (!http_json_object(call, &body)) {
		return false;
	}
	t->host = "";
	t->validate = true;
	if (!read_text(call, body, "host", &t->host) ||
	    !read_text(call, body, "alias", &t->alias)) {
		return false;
	}
	if (t->alias != NULL && t->alias[0] == '\0') {
		t->alias = NULL;
	}
	member = json_get(body, "port");
	if (member != NULL && (!json_int(member, &port) || port < 1 || port > UINT16_MAX)) {
		http_problem(call, 400, "\"port\" must be a number from 1 to 65535");
		return false;
	}
	member = json_get(body, "validateServer");
	if (member != NULL && !json_bool(member, &t->validate)) {
		http_problem(call, 400, "\"validateServer\" must be true or false");
		return false;
	}
	t->port = (uint16_t)port;
	return true;
}

/* ---- the answer ---- */

static void write_texts(struct jsonw *w, const char *key, const char **texts, size_t n)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_str(w, str_of(texts[i]));
	}
	jsonw_array_end(w);
}

static void write_certificate(struct http_call *call, struct jsonw *w, struct str der)
{
	AUTO_BUF struct buf pem = BUF(2 * CERT_DER_MAX);
	struct cert_details c;
	struct err err;

	if (!cert_details_read(der, call->arena, &c, &err)) {
		return;
	}
	cert_add_pem(&pem, der);
	jsonw_object(w);
	jsonw_key_text(w, "subject", c.subject);
	jsonw_key_text(w, "issuer", c.issuer);
	jsonw_key_text(w, "serialNumber", c.serial);
	jsonw_key_time(w, "notBefore", c.not_before);
	jsonw_key_time(w, "notAfter", c.not_after);
	jsonw_key_text(w, "keyType", c.key_type);
	jsonw_key_int(w, "keySize", c.key_bits);
	jsonw_key_text(w, "signatureAlgorithm", c.signature_algorithm);
	jsonw_key_text(w, "sha256", c.sha256);
	jsonw_key_bool(w, "isCa", c.is_ca);
	jsonw_key_bool(w, "isSelfSigned", c.is_self_signed);
	write_texts(w, "names", c.names, c.n_names);
	write_texts(w, "extendedKeyUsages", c.usages, c.n_usages);
	jsonw_key_str(w, "pem", buf_str(&pem));
	jsonw_object_end(w);
}

static void write_chain(struct http_call *call, struct jsonw *w, const struct buf *chain)
{
	struct rd r = rd_over(buf_str(chain));

	jsonw_key(w, "serverCertificates");
	jsonw_array(w);
	while (!r.failed && r.rest.len > 0) {
		write_certificate(call, w, rd_blob(&r, CERT_DER_MAX));
	}
	jsonw_array_end(w);
}

static void write_client(struct jsonw *w, const struct connection_test *t,
			 const struct connection_result *r)
{
	jsonw_key(w, "clientCertificate");
	jsonw_object(w);
	jsonw_key_bool(w, "asked", r->asked);
	jsonw_key_int(w, "acceptableIssuers", (int64_t)r->n_acceptable);
	jsonw_key(w, "alias");
	if (r->pair < t->n_pairs) {
		jsonw_str(w, str_of(t->pairs[r->pair].alias));
	} else {
		jsonw_null(w);
	}
	jsonw_key_bool(w, "accepted", r->accepted && r->pair < t->n_pairs);
	jsonw_object_end(w);
}

static void write_result(struct http_call *call, const struct connection_test *t,
			 const struct connection_result *r)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_bool(&w, "ok", r->problem == CONNECTION_FINE);
	jsonw_key_text(&w, "host", t->host);
	jsonw_key_int(&w, "port", t->port);
	jsonw_key_bool(&w, "validateServer", t->validate);
	jsonw_key_text(&w, "address", r->address);
	jsonw_key_text(&w, "protocol", r->protocol);
	jsonw_key_text(&w, "cipher", r->cipher);
	write_chain(call, &w, &r->chain);
	write_client(&w, t, r);
	jsonw_key(&w, "problem");
	if (r->problem == CONNECTION_FINE) {
		jsonw_null(&w);
	} else {
		jsonw_object(&w);
		jsonw_key_text(&w, "code", connection_problem_name(r->problem));
		jsonw_key_text(&w, "text", r->text);
		jsonw_key_text(&w, "next", r->next);
		jsonw_object_end(&w);
	}
	jsonw_key_int(&w, "tookMs", r->took_ms);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* ---- the operation ---- */

static void refuse(struct http_call *call, const struct connection_test *t, const struct err *err)
{
	const struct directory_caller *caller = directory_caller(call);

	if (err->kind == ERR_DENIED) {
		denials_note(rooms_of(call)->denials,
			     &(const struct denial){.who = str_of(caller->who),
						    .from = str_of(caller->from),
						    .tenant = str_of(caller->subaccount),
						    .what = STR("denied connection test"),
						    .object = str_of(t->host),
						    .reason = err->text,
						    .status = 403});
	}
	http_problem_err(call, err);
}

static void run(struct http_call *call, struct connection_test *t)
{
	AUTO(connection_entries_free) struct connection_entries *entries = NULL;
	struct connection_result r = {.problem = CONNECTION_FINE};
	struct err err = {.kind = ERR_NONE};

	if (!connection_entries_load(rooms_of(call)->keystore,
				     str_of(directory_caller(call)->subaccount), &entries, &err)) {
		http_problem_err(call, &err);
		return;
	}
	connection_entries_lend(entries, t);
	if (connection_test_run(t, &r, &err)) {
		write_result(call, t, &r);
	} else {
		refuse(call, t, &err);
	}
	connection_result_fini(&r);
}

static void refuse_full(struct http_call *call, unsigned status, const char *why)
{
	char seconds[16];

	(void)snprintf(seconds, sizeof(seconds), "%d", (int)CONNECTION_RETRY_S);
	http_answer_field(call, "Retry-After", str_of(seconds));
	http_problem(call, status, "%s", why);
}

static void connection_test(struct http_call *call)
{
	struct connection_policy *policy = rooms_of(call)->connections;
	struct connection_test t = {.allow = policy->allow, .n_own_ports = policy->n_own_ports};

	memcpy(t.own_ports, policy->own_ports, sizeof(t.own_ports));
	if (!read_test(call, &t)) {
		return;
	}
	struct str tenant = str_of(directory_caller(call)->subaccount);
	switch (connection_policy_enter(policy, tenant)) {
	case CONNECTION_RUNS:
		run(call, &t);
		connection_policy_leave(policy, tenant);
		return;
	case CONNECTION_TENANT_FULL:
		refuse_full(call, 429,
			    "as many connection tests of this subaccount are running as it may "
			    "have (connection.tests.tenant.max): try again later");
		return;
	case CONNECTION_ALL_FULL:
		refuse_full(call, 503,
			    "as many connection tests are running as the cloud side makes at once "
			    "(connection.tests.max): try again later");
		return;
	}
}

const struct http_route keystore_connection_routes[] = {
	{"POST", "/api/drawbridge/v1/subaccounts/{sa}/keystore/connection-test", connection_test,
	 ACCESS_KEYSTORE_EDIT | HTTP_ROUTE_SLOW,
	 "Open TLS to a server with a key pair of the keystore, and tell", "application/json",
	 "application/json", BODY_MAX},
	{.method = NULL},
};
