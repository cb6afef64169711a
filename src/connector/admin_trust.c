/*
 * The certificates that are trusted in back ends. An alias is the first 16 hex digits of the
 * certificate's SHA-256: it cannot be taken twice, and says what it names. "Trust all back ends"
 * is not offered: it would hide who answers.
 */
#include "connector/admin_priv.h"
#include "http/multipart.h"

#define JSON "application/json"

static struct store *store_of(const struct http_call *call)
{
	return admin_of(call)->settings.store;
}

static void write_trusted(struct jsonw *w, const struct trusted_row *row)
{
	struct cert_facts facts;
	struct err ignored;

	if (!cert_read_pem(row->pem, &facts, &ignored)) {
		return;
	}
	jsonw_object(w);
	jsonw_key_str(w, "alias", row->alias);
	jsonw_key_text(w, "subjectDN", facts.subject);
	jsonw_key_text(w, "issuer", facts.issuer);
	jsonw_key_int(w, "notAfterTimeStamp", facts.not_after * 1000);
	jsonw_object_end(w);
}

static bool read_all(struct http_call *call, struct trusted_row **rows, size_t *n)
{
	struct err err = {0};

	if (trusted_list(store_of(call), call->arena, rows, n, &err)) {
		return true;
	}
	admin_error_err(call, &err);
	return false;
}

static void show(struct http_call *call)
{
	struct trusted_row *rows;
	size_t n;

	if (!read_all(call, &rows, &n)) {
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_bool(&w, "trustAllBackends", false);
	jsonw_key(&w, "trustedBackends");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_trusted(&w, &rows[i]);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

static void change(struct http_call *call)
{
	const struct json *j;
	bool all = false;

	if (!admin_body(call, "", &j)) {
		return;
	}
	if (!json_get_bool(j, "trustAllBackends", &all)) {
		admin_error(call, 400, "trustAllBackends is missing");
	} else if (all) {
		admin_error(call, 409,
			    "every back end is verified: add its CA to the trust store instead of "
			    "trusting all");
	} else {
		admin_no_content(call);
	}
}

static bool wants_der(struct http_call *call)
{
	return str_contains(http_value(call->head, STR("Accept")), STR("pkix-cert"));
}

static bool add_der(struct str der, void *user, struct err *err)
{
	struct buf *out = user;

	(void)err;
	buf_add_str(out, der);
	return true;
}

/* PEM unless DER is asked for, which holds one certificate only. */
static void answer_certificates(struct http_call *call, const struct trusted_row *rows, size_t n)
{
	AUTO_BUF struct buf body = BUF(MIB(4));
	struct err err = {0};

	if (n == 1 && wants_der(call)) {
		if (!cert_each_pem(rows[0].pem, add_der, &body, &err)) {
			admin_error_err(call, &err);
			return;
		}
		http_answer_text(call, 200, "application/pkix-cert", buf_str(&body));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		buf_add_str(&body, rows[i].pem);
	}
	http_answer_text(call, 200, "application/x-pem-file", buf_str(&body));
}

static void get_all(struct http_call *call)
{
	struct trusted_row *rows;
	size_t n;

	if (read_all(call, &rows, &n)) {
		answer_certificates(call, rows, n);
	}
}

static void get_one(struct http_call *call)
{
	struct str alias = http_param(call, "alias");
	struct trusted_row *rows;
	size_t n;

	if (!read_all(call, &rows, &n)) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (str_eq(rows[i].alias, alias)) {
			answer_certificates(call, &rows[i], 1);
			return;
		}
	}
	admin_error(call, 404, "Certificate with alias '%.*s' does not exist",
		    STR_ARGS(str_first(alias, 100)));
}

/* ---- adding: multipart/form-data, the bare PEM, or the bare DER ---- */

enum {
	ADD_MAX = 100, /* certificates in one request */
};

struct adding {
	struct http_call *call;
	struct trusted_row rows[ADD_MAX];
	size_t n;
};

static bool add_one(struct str der, void *user, struct err *err)
{
	struct adding *a = user;
	struct cert_facts facts;
	AUTO_BUF struct buf pem = BUF(CERT_DER_MAX * 2), alias = BUF(64);

	if (a->n == ADD_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d certificates in one request", ADD_MAX);
	}
	if (!cert_read_der(der, &facts, err)) {
		return false;
	}
	cert_add_pem(&pem, der);
	buf_add_hex(&alias, facts.sha256, 8);
	struct trusted_row *row = &a->rows[a->n++];
	row->pem = arena_str(a->call->arena, buf_str(&pem));
	row->alias = arena_str(a->call->arena, buf_str(&alias));
	return row->pem.at != NULL || err_set(err, ERR_LIMIT, "too much in one request");
}

static bool add_content(struct adding *a, struct str content, struct err *err)
{
	if (str_contains(content, STR("-----BEGIN"))) {
		return cert_each_pem(content, add_one, a, err);
	}
	return add_one(content, a, err);
}

/* Parts named "certificate" or "certificates" (clients differ, spec 8.8). */
static bool add_parts(struct adding *a, struct str type, struct err *err)
{
	struct multipart m;
	struct multipart_part part;
	enum multipart_outcome o;

	if (!multipart_open(&m, type, a->call->body, err)) {
		return false;
	}
	while ((o = multipart_next(&m, &part, err)) == MULTIPART_PART) {
		bool ours = str_eq(part.name, STR("certificate")) ||
			    str_eq(part.name, STR("certificates"));
		if (ours && !add_content(a, part.content, err)) {
			return false;
		}
	}
	return o == MULTIPART_END;
}

static void add(struct http_call *call)
{
	struct adding *a = arena_get_zeroed(call->arena, sizeof *a);
	struct str type = http_value(call->head, STR("Content-Type"));
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (a == NULL) {
		admin_error(call, 413, "the request is too large");
		return;
	}
	a->call = call;
	bool good =
		multipart_is(type) ? add_parts(a, type, &err) : add_content(a, call->body, &err);
	if (good && a->n == 0) {
		good = err_set(&err, ERR_CONFIG,
			       "there is no certificate in the part \"certificate\"");
	}
	if (!good) {
		admin_error(call, 400, "%s", err.text);
		return;
	}
	if (!trusted_add(store_of(call), &actor, a->rows, a->n, &err)) {
		/* A duplicate is 400 here (spec 3.2, the twin of this list). */
		admin_error(call, err.kind == ERR_CONFLICT ? 400 : http_status_of(err.kind), "%s",
			    err.text);
		return;
	}
	if (admin_publish(call)) {
		admin_created(call, arena_printf(call->arena,
						 "/api/v1/configuration/connector/onPremises/"
						 "truststore/certificates/%.*s",
						 STR_ARGS(a->rows[0].alias)));
	}
}

static void remove_alias(struct http_call *call, struct str alias)
{
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (!trusted_delete(store_of(call), &actor, alias, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	remove_alias(call, http_param(call, "alias"));
}

static void remove_all(struct http_call *call)
{
	remove_alias(call, STR_NONE);
}

/* Both spellings are in use (spec 3.3). */
#define ROWS(base)                                                                                  \
	{"GET", base, show, ADMIN_LOGIN, "Trust store of back ends", NULL, JSON, 0},                \
		{"PATCH", base, change, ADMIN_LOGIN, "Settings of the trust store", JSON, NULL, 0}, \
		{"GET", base "/certificates",     get_all, ADMIN_LOGIN, "All trusted certificates", \
		 NULL,  "application/x-pem-file", 0},                                               \
		{"POST",                                                                            \
		 base "/certificates",                                                              \
		 add,                                                                               \
		 ADMIN_LOGIN,                                                                       \
		 "Trusts certificates",                                                             \
		 "multipart/form-data",                                                             \
		 NULL,                                                                              \
		 0},                                                                                \
		{"DELETE",                                                                          \
		 base "/certificates",                                                              \
		 remove_all,                                                                        \
		 ADMIN_LOGIN,                                                                       \
		 "Trusts nobody",                                                                   \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 0},                                                                                \
		{"GET",                                                                             \
		 base "/certificates/{alias}",                                                      \
		 get_one,                                                                           \
		 ADMIN_LOGIN,                                                                       \
		 "One trusted certificate",                                                         \
		 NULL,                                                                              \
		 "application/x-pem-file",                                                          \
		 0},                                                                                \
	{                                                                                           \
		"DELETE", base "/certificates/{alias}", remove_one, ADMIN_LOGIN,                    \
			"Trusts a certificate no more", NULL, NULL, 0                               \
	}

const struct http_route admin_trust_routes[] = {
	ROWS("/api/v1/configuration/connector/onPremises/truststore"),
	ROWS("/api/v1/configuration/connector/onPremise/truststore"),
	{0},
};
