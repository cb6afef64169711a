/* The certificate of the administration itself (spec 2.4). */
#include "base/clock.h"
#include "connector/admin_priv.h"
#include "connector/ui_certificate.h"
#include "crypto/cert.h"
#include "crypto/names.h"
#include "http/multipart.h"
#include "net/address.h"

#define BASE "/api/v1/configuration/connector/ui/uiCertificate"
#define JSON "application/json"

/* NULL: answered. */
static struct ui_certificate *ui_of(struct http_call *call)
{
	struct ui_certificate *u = admin_of(call)->settings.ui;

	if (u == NULL) {
		admin_error(call, 404, "this administration has no certificate");
	}
	return u;
}

/* ---- showing ---- */

static void write_name(const char *type, struct str value, void *user)
{
	struct jsonw *w = user;

	jsonw_object(w);
	jsonw_key_text(w, "type", type);
	jsonw_key_str(w, "value", value);
	jsonw_object_end(w);
}

static void write_facts(struct http_call *call, const struct cert_facts *facts, struct str der,
			bool is_default)
{
	struct jsonw w = jsonw_to(&call->out);
	struct err ignored;

	jsonw_object(&w);
	jsonw_key_text(&w, "subjectDN", facts->subject);
	jsonw_key_text(&w, "issuer", facts->issuer);
	jsonw_key_int(&w, "notBeforeTimeStamp", facts->not_before * 1000);
	jsonw_key_int(&w, "notAfterTimeStamp", facts->not_after * 1000);
	jsonw_key_text(&w, "serialNumber", facts->serial);
	jsonw_key(&w, "subjectAltNames");
	jsonw_array(&w);
	(void)!cert_each_name(der, write_name, &w, &ignored); /* it was read a moment ago */
	jsonw_array_end(&w);
	jsonw_key_bool(&w, "isDefault", is_default); /* ours: whether DELETE has something to do */
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

static bool keep_first(struct str der, void *user, struct err *err)
{
	struct buf *into = user;

	(void)err;
	if (into->len == 0) {
		buf_add_str(into, der);
	}
	return true;
}

static void show(struct http_call *call)
{
	struct ui_certificate *u = ui_of(call);
	AUTO_BUF struct buf pem = BUF(STATE_CHAIN_MAX), der = BUF(CERT_DER_MAX);
	struct str accept = http_value(call->head, STR("Accept"));
	struct cert_facts facts;
	struct err err = {0};
	bool is_default;

	if (u == NULL) {
		return;
	}
	ui_certificate_chain(u, &pem, &is_default);
	if (!cert_each_pem(buf_str(&pem), keep_first, &der, &err) ||
	    !cert_read_der(buf_str(&der), &facts, &err)) {
		admin_error(call, 500, "%s", err.text);
	} else if (str_contains(accept, STR("pkix-cert"))) {
		http_answer_field(call, "Content-Disposition",
				  STR("attachment;filename=\"ui_certificate.der\""));
		http_answer_text(call, 200, "application/octet-stream", buf_str(&der));
	} else {
		write_facts(call, &facts, buf_str(&der), is_default);
	}
}

/* ---- making ---- */

static bool read_key_size(struct http_call *call, const struct json *j, enum key_kind *kind)
{
	const struct json *size = json_get(j, "keySize");
	int64_t bits = 4096;

	if (size != NULL && !json_is_null(size) && !json_int(size, &bits)) {
		bits = 0;
	}
	*kind = bits == 2048 ? KEY_KIND_RSA_2048 : KEY_KIND_RSA_4096;
	if (bits == 2048 || bits == 4096) {
		return true;
	}
	admin_error(call, 400, "keySize must be 2048 or 4096");
	return false;
}

/* A certificate may also name all hosts of a domain (RFC 6125, 6.4.3). */
static bool is_host(struct str s)
{
	return cert_is_host(s) && address_is_host(str_starts(s, STR("*.")) ? str_skip(s, 2) : s);
}

static bool add_host(struct http_call *call, struct ui_request *r, struct str host)
{
	if (r->n_hosts == UI_HOSTS_MAX) {
		admin_error(call, 400, "more than %d subjectAltNames", UI_HOSTS_MAX);
		return false;
	}
	r->hosts[r->n_hosts] = arena_text(call->arena, host);
	if (!is_host(host) || r->hosts[r->n_hosts] == NULL) {
		admin_error(call, 400, "subjectAltNames: '%.*s' is no name of a host",
			    STR_ARGS(str_first(host, 100)));
		return false;
	}
	r->n_hosts++;
	return true;
}

/* A certificate of a server is known by names of hosts and addresses; no other kind helps. */
static bool read_names(struct http_call *call, const struct json *list, struct ui_request *r)
{
	struct str type = STR_NONE, value = STR_NONE;

	if (list != NULL && !json_is_null(list) && !json_is_array(list)) {
		admin_error(call, 400, "subjectAltNames must be a list of {type,value}");
		return false;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *name = json_at(list, i);
		if (!json_get_str(name, "type", &type) || !json_get_str(name, "value", &value) ||
		    (!str_eq_nocase(type, STR("DNS")) && !str_eq_nocase(type, STR("IP")))) {
			admin_error(call, 400,
				    "subjectAltNames must be {type,value} with type DNS or IP: by "
				    "those a browser knows a server");
			return false;
		}
		if (!add_host(call, r, value)) {
			return false;
		}
	}
	return true;
}

/* Browsers look at names only, never at the CN: without names the CN is one, if it can be. */
static bool name_from_subject(struct http_call *call, struct ui_request *r)
{
	struct str rest = str_of(r->subject), part;

	while (str_next(&rest, ',', &part)) {
		part = str_trim(part);
		if (str_starts_nocase(part, STR("CN=")) && is_host(str_skip(part, 3))) {
			return add_host(call, r, str_skip(part, 3));
		}
	}
	admin_error(call, 400,
		    "subjectAltNames are missing, and the CN of subjectDN is no name of a host");
	return false;
}

static bool read_request(struct http_call *call, const struct json *j, struct ui_request *r)
{
	struct str subject = admin_text(call, j, "subjectDN");

	if (subject.len == 0 || !admin_fits(call, "subjectDN", subject, KEYS_SUBJECT_MAX)) {
		if (subject.len == 0) {
			admin_error(call, 400, "subjectDN is missing: \"CN=…,O=…\"");
		}
		return false;
	}
	r->subject = arena_text(call->arena, subject);
	return read_key_size(call, j, &r->kind) &&
	       read_names(call, json_get(j, "subjectAltNames"), r) &&
	       (r->n_hosts > 0 || name_from_subject(call, r));
}

static void answer_request(struct http_call *call, const struct ui_request *r)
{
	AUTO_BUF struct buf pem = BUF(CSR_DER_MAX * 2);
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (ui_certificate_request(ui_of(call), &actor, r, &pem, &err)) {
		http_answer_text(call, 200, "application/x-pem-file", buf_str(&pem));
	} else {
		admin_error_err(call, &err);
	}
}

static void create(struct http_call *call)
{
	struct ui_certificate *u = ui_of(call);
	struct state_actor actor = admin_actor(call);
	struct ui_request r = {0};
	const struct json *j;
	struct err err = {0};

	if (u == NULL || !admin_body(call, "type,subjectDN,keySize", &j)) {
		return;
	}
	struct str type = admin_text(call, j, "type");
	bool csr = str_eq_nocase(type, STR("csr"));
	if (!csr && !str_eq_nocase(type, STR("selfsigned"))) {
		admin_error(call, 400, "type must be selfsigned or csr");
	} else if (!read_request(call, j, &r)) {
		return;
	} else if (csr) {
		answer_request(call, &r);
	} else if (ui_certificate_self_sign(u, &actor, &r, clock_unix(), &err)) {
		admin_created(call, BASE);
	} else {
		admin_error_err(call, &err);
	}
}

/* ---- installing ---- */

/* The parts of the form that clients send: one, or the certificate and its CAs apart. */
static bool read_chain(struct http_call *call, struct str *chain)
{
	struct str type = http_value(call->head, STR("Content-Type")), more = STR_NONE;
	AUTO_BUF struct buf all = BUF(STATE_CHAIN_MAX);
	struct err err = {0};
	bool found, has_more;

	if (!multipart_is(type)) {
		admin_error(call, 415, "send a form with the part \"signedCertificate\"");
		return false;
	}
	if (!multipart_find(type, call->body, "signedCertificate", chain, &found, &err) ||
	    !multipart_find(type, call->body, "caCertificateChain", &more, &has_more, &err)) {
		admin_error(call, 400, "%s", err.text);
		return false;
	}
	if (!found || chain->len == 0) {
		admin_error(call, 400, "the form has no part \"signedCertificate\"");
		return false;
	}
	if (has_more && more.len > 0) {
		buf_add_str(&all, *chain);
		buf_add_c(&all, '\n');
		buf_add_str(&all, more);
		*chain = arena_str(call->arena, buf_str(&all));
	}
	return true;
}

static void install(struct http_call *call)
{
	struct ui_certificate *u = ui_of(call);
	struct state_actor actor = admin_actor(call);
	struct str chain = STR_NONE;
	struct err err = {0};

	if (u == NULL || !read_chain(call, &chain)) {
		return;
	}
	if (ui_certificate_install(u, &actor, chain, clock_unix(), &err)) {
		admin_created(call, BASE);
	} else {
		admin_error_err(call, &err);
	}
}

struct upload {
	struct str file, password;
	bool has_key_password; /* `keyPassword`, of a key that is locked apart: it is not tried */
};

/* False: answered. */
static bool read_upload(struct http_call *call, struct upload *u)
{
	struct str type = http_value(call->head, STR("Content-Type")), key_password = STR_NONE;
	struct err err = {0};
	bool has_file, has_password;

	if (!multipart_is(type)) {
		admin_error(call, 415, "send a form with the parts \"pkcs12\" and \"password\"");
		return false;
	}
	if (!multipart_find(type, call->body, "pkcs12", &u->file, &has_file, &err) ||
	    !multipart_find(type, call->body, "password", &u->password, &has_password, &err) ||
	    !multipart_find(type, call->body, "keyPassword", &key_password, &u->has_key_password,
			    &err)) {
		admin_error(call, 400, "%s", err.text);
		return false;
	}
	if (!has_file || u->file.len == 0) {
		admin_error(call, 400, "the form has no part \"pkcs12\"");
		return false;
	}
	u->password = has_password ? u->password : STR("");
	u->has_key_password &= key_password.len > 0 && !str_eq(key_password, u->password);
	return true;
}

static void upload(struct http_call *call)
{
	struct ui_certificate *u = ui_of(call);
	struct state_actor actor = admin_actor(call);
	struct upload in = {.file = STR_NONE, .password = STR_NONE};
	struct err err = {0};

	if (u == NULL || !read_upload(call, &in)) {
		return;
	}
	if (ui_certificate_upload(u, &actor, in.file, in.password, clock_unix(), &err)) {
		admin_no_content(call);
		return;
	}
	admin_error(call, err.kind == ERR_LIMIT ? 413 : http_status_of(err.kind), "%s%s", err.text,
		    in.has_key_password
			    ? " (keyPassword is not used: give the key the password of the file)"
			    : "");
}

static void remove_it(struct http_call *call)
{
	struct ui_certificate *u = ui_of(call);
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (u == NULL) {
		return;
	}
	if (ui_certificate_remove(u, &actor, &err)) {
		admin_no_content(call);
	} else {
		admin_error_err(call, &err);
	}
}

const struct http_route admin_ui_certificate_routes[] = {
	{"GET", BASE, show, ADMIN_LOGIN, "Certificate of the administration", NULL, JSON, 0},
	{"POST", BASE, create, ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "A self-signed one, or a signing request", JSON, NULL, 0},
	{"PATCH", BASE, install, ADMIN_LOGIN, "Installs the signed certificate",
	 "multipart/form-data", NULL, 0},
	{"PUT", BASE, upload, ADMIN_LOGIN | HTTP_ROUTE_SLOW, "Installs a PKCS#12 file",
	 "multipart/form-data", NULL, 0},
	{"DELETE", BASE, remove_it, ADMIN_LOGIN, "Back to the connector's own", NULL, NULL, 0},
	{0},
};
