/* Connectors and their certificates, as the cloud side sees them. */
#include "cloud/directory/connectors.h"
#include "base/clock.h"
#include "cloud/console/console_priv.h"

static struct str subaccount_of(const struct http_call *call)
{
	return str_of(console_caller(call)->subaccount);
}

/* One that ended before another took its place is in no state of the directory's, but it is over.
 */
static const char *state_of(const struct directory_certificate *c, int64_t now)
{
	enum directory_cert_state state = directory_certificate_state(c, now);
	bool was_good = state == DIRECTORY_CERT_ACTIVE || state == DIRECTORY_CERT_UNCONFIRMED;

	return was_good && now > c->not_after ? "expired" : directory_cert_state_name(state);
}

static void write_certificate(struct jsonw *w, const struct directory_certificate *c)
{
	jsonw_object(w);
	jsonw_key_text(w, "serialNumber", c->serial);
	jsonw_key_text(w, "instance", c->instance);
	jsonw_key_text(w, "state", state_of(c, clock_unix()));
	jsonw_key_time(w, "notBefore", c->not_before);
	jsonw_key_time(w, "notAfter", c->not_after);
	jsonw_key_time(w, "issued", c->issued);
	jsonw_key_time(w, "confirmed", c->confirmed);
	jsonw_key_time(w, "revoked", c->revoked);
	jsonw_key_text(w, "supersededBy", c->superseded_by);
	jsonw_key_text(w, "issuedTo", c->issued_to);
	jsonw_object_end(w);
}

/* The newest one of this installation, or null. */
static bool key_certificate(struct http_call *call, struct jsonw *w,
			    const struct directory_connector *c)
{
	AUTO_FREE struct directory_certificate *rows = NULL;
	struct err err;
	size_t n;

	if (!directory_certificate_list(console_store(call), subaccount_of(call),
					str_of(c->instance), STR(""), 1, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return false;
	}
	jsonw_key(w, "certificate");
	if (n == 0) {
		jsonw_null(w);
	} else {
		write_certificate(w, &rows[0]);
	}
	return true;
}

static bool write_connector(struct http_call *call, struct jsonw *w,
			    const struct directory_connector *c)
{
	jsonw_object(w);
	jsonw_key_text(w, "instance", c->instance);
	jsonw_key_text(w, "locationId", c->location);
	jsonw_key_text(w, "version", c->version);
	jsonw_key_text(w, "address", c->address);
	jsonw_key_time(w, "firstSeen", c->first_seen);
	jsonw_key_time(w, "lastSeen", c->last_seen);
	jsonw_key_bool(w, "connected", c->tunnels > 0);
	jsonw_key_int(w, "tunnels", c->tunnels);
	jsonw_key_bool(w, "disconnected", c->disconnected);
	if (!key_certificate(call, w, c)) {
		return false;
	}
	jsonw_object_end(w);
	return true;
}

void console_connectors_list(struct http_call *call)
{
	AUTO_FREE struct directory_connector *rows = NULL;
	struct console_page page;
	struct err err;
	size_t n;

	if (!console_read_page(call, &page)) {
		return;
	}
	if (!directory_connector_list(console_store(call), subaccount_of(call), page.after,
				      page.limit, clock_unix_ms(), &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		if (!write_connector(call, &w, &rows[i])) {
			return;
		}
	}
	console_end_list(call, &w, n == page.limit ? rows[n - 1].instance : NULL);
}

void console_connector_show(struct http_call *call)
{
	struct directory_connector c;
	struct jsonw w = jsonw_to(&call->out);
	struct err err;

	if (!directory_connector_find(console_store(call), subaccount_of(call),
				      http_param(call, "instance"), clock_unix_ms(), &c, &err)) {
		http_problem_err(call, &err);
		return;
	}
	if (write_connector(call, &w, &c)) {
		http_answer_json(call, 200);
	}
}

void console_connector_delete(struct http_call *call)
{
	struct err err = {0};
	bool ok =
		directory_connector_delete(console_store(call), &console_caller(call)->actor,
					   subaccount_of(call), http_param(call, "instance"), &err);

	console_finish(call, ok, &err);
}

/* {"connected":false} cuts its tunnels and refuses its dials until {"connected":true}. */
void console_connector_state(struct http_call *call)
{
	const struct json *body;
	struct err err = {0};
	bool connected;

	if (!http_json_object(call, &body)) {
		return;
	}
	if (!json_get_bool(body, "connected", &connected)) {
		http_problem(call, 400, "\"connected\" must be true or false");
		return;
	}
	bool ok = directory_connector_set_disconnected(
		console_store(call), &console_caller(call)->actor, subaccount_of(call),
		http_param(call, "instance"), !connected, &err);
	console_finish(call, ok, &err);
}

/* ---- certificates ---- */

void console_certificates_list(struct http_call *call)
{
	AUTO_FREE struct directory_certificate *rows = NULL;
	struct str instance = http_query(call, "instance");
	struct console_page page;
	struct err err;
	size_t n;

	if (!console_read_page(call, &page)) {
		return;
	}
	if (!directory_certificate_list(console_store(call), subaccount_of(call), instance,
					page.after, page.limit, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		write_certificate(&w, &rows[i]);
	}
	console_end_list(call, &w, n == page.limit ? rows[n - 1].serial : NULL);
}

void console_certificate_revoke(struct http_call *call)
{
	struct err err = {0};
	bool ok = directory_certificate_revoke(console_store(call), &console_caller(call)->actor,
					       subaccount_of(call), http_param(call, "serial"),
					       clock_unix(), &err);

	console_finish(call, ok, &err);
}
