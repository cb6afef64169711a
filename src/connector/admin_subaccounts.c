#include "connector/admin_priv.h"

#define BASE "/api/v1/configuration/subaccounts"
#define ONE  BASE "/{rh}/{sa}"
#define JSON "application/json"

static struct subaccounts *subaccounts_of(const struct http_call *call)
{
	return admin_of(call)->settings.subaccounts;
}

/* ---- the entity (spec 3.5, recorded) ---- */

static void write_certificate(struct jsonw *w, const struct subaccount *sa)
{
	const struct cert_facts *c = &sa->certificate;

	jsonw_key(w, "subaccountCertificate");
	jsonw_object(w);
	if (sa->has_certificate) {
		jsonw_key_int(w, "notAfterTimeStamp", c->not_after * 1000);
		jsonw_key_int(w, "notBeforeTimeStamp", c->not_before * 1000);
		jsonw_key_text(w, "subjectDN", c->subject);
		jsonw_key_text(w, "issuer", c->issuer);
		jsonw_key_text(w, "serialNumber", c->serial);
	}
	jsonw_object_end(w);
}

static void write_empty(struct jsonw *w, const char *name)
{
	jsonw_key(w, name);
	jsonw_array(w);
	jsonw_array_end(w);
}

static void write_tunnel(struct http_call *call, struct jsonw *w, const struct subaccount *sa)
{
	struct links *links = admin_of(call)->settings.links;
	struct link_status_set *set = links ? links_status(links) : NULL;
	const struct link_status *s = set ? link_status_find(set, sa->key) : NULL;
	const char *state = s ? link_status_name(s->state) : "Disconnected";

	jsonw_key(w, "tunnel");
	jsonw_object(w);
	jsonw_key_text(w, "state", state);
	jsonw_key_int(w, "connectedSinceTimeStamp", s ? s->connected_since_ms : 0);
	jsonw_key_int(w, "connections", s ? s->tunnels : 0);
	write_empty(w, "applicationConnections");
	write_empty(w, "serviceChannels");
	write_certificate(w, sa);
	jsonw_key_text(w, "user", sa->state.user);
	jsonw_object_end(w);
	if (set != NULL) {
		link_status_set_unref(set);
	}
}

/* Only what answers: the original's links to service channels are not there. */
static void write_links(struct http_call *call, struct jsonw *w, const char *path)
{
	static const struct {
		const char *name, *more;
	} rows[] = {
		{"self", ""},
		{"state", "/state"},
		{"validity", "/validity"},
		{"systemMappings", "/systemMappings"},
		{"domainMappings", "/domainMappings"},
	};

	jsonw_key(w, "_links");
	jsonw_object(w);
	for (size_t i = 0; i < COUNT(rows); i++) {
		admin_link(call, w, rows[i].name, path, rows[i].more);
	}
	jsonw_object_end(w);
}

static const char *path_of(struct http_call *call, const struct subaccount *sa)
{
	return arena_printf(call->arena, BASE "/%s/%s", sa->state.region_host,
			    sa->state.subaccount);
}

static void write_entity(struct http_call *call, const struct subaccount *sa, unsigned status)
{
	struct jsonw w = jsonw_to(&call->out);
	const char *name = sa->state.display_name;

	jsonw_object(&w);
	jsonw_key_text(&w, "description", sa->state.description);
	jsonw_key_text(&w, "displayName", name[0] ? name : sa->state.subaccount);
	jsonw_key_bool(&w, "autoCertRenewal", sa->state.auto_renewal);
	write_tunnel(call, &w, sa);
	jsonw_key_bool(&w, "isManaged", false);
	write_links(call, &w, path_of(call, sa));
	jsonw_key_text(&w, "regionHost", sa->state.region_host);
	jsonw_key_text(&w, "subaccount", sa->state.subaccount);
	jsonw_key_text(&w, "locationID", sa->state.location_id);
	jsonw_object_end(&w);
	http_answer_json(call, status);
}

/* What a change left behind, read anew. */
static void answer_entity(struct http_call *call, struct str rh, struct str sa, unsigned status)
{
	struct subaccount_set *set = subaccounts_ref(subaccounts_of(call));
	const struct subaccount *row = subaccount_find(set, rh, sa);

	if (row == NULL) {
		admin_error(call, 404, "Subaccount with value '%.*s@%.*s' does not exist",
			    STR_ARGS(str_first(sa, 100)), STR_ARGS(str_first(rh, 300)));
	} else {
		write_entity(call, row, status);
		if (status == 201) {
			admin_created(call, path_of(call, row));
		}
	}
	subaccount_set_unref(set);
}

static void list(struct http_call *call)
{
	struct subaccount_set *set = subaccounts_ref(subaccounts_of(call));
	struct jsonw w = jsonw_to(&call->out);

	jsonw_array(&w);
	for (size_t i = 0; i < set->n; i++) {
		const struct subaccount *sa = &set->rows[i];
		jsonw_object(&w);
		jsonw_key_text(&w, "regionHost", sa->state.region_host);
		jsonw_key_text(&w, "subaccount", sa->state.subaccount);
		jsonw_key_text(&w, "locationID", sa->state.location_id);
		jsonw_key(&w, "_links");
		jsonw_object(&w);
		admin_link(call, &w, "self", path_of(call, sa), "");
		jsonw_object_end(&w);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	subaccount_set_unref(set);
	http_answer_json(call, 200);
}

static void corrupted(struct http_call *call)
{
	struct subaccount_set *set = subaccounts_ref(subaccounts_of(call));
	struct jsonw w = jsonw_to(&call->out);

	jsonw_array(&w);
	for (size_t i = 0; i < set->n; i++) {
		if (set->rows[i].defect[0] != '\0') {
			jsonw_object(&w);
			jsonw_key_text(&w, "regionHost", set->rows[i].state.region_host);
			jsonw_key_text(&w, "subaccount", set->rows[i].state.subaccount);
			jsonw_object_end(&w);
		}
	}
	jsonw_array_end(&w);
	subaccount_set_unref(set);
	http_answer_json(call, 200);
}

static void get(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};

	if (admin_place(call, &p)) {
		write_entity(call, p.row, 200);
	}
}

/* ---- enrolment ---- */

#define EDIT_TEXTS "displayName,description,locationID"
#define PLACE_TEXTS                                                                                \
	"regionHost,subaccount,cloudUser,cloudPassword,authenticationData,rootFingerprint"

/* Nothing was sent: the administrator compares the fingerprint and sends it back. */
static void answer_untrusted(struct http_call *call, const struct enrol_result *why,
			     const struct err *err)
{
	struct jsonw w = jsonw_to(&call->out);

	buf_reset(&call->out);
	jsonw_object(&w);
	jsonw_key_text(&w, "type", "ILLEGAL_STATE");
	jsonw_key(&w, "message");
	jsonw_str(&w, str_of(arena_printf(call->arena,
					  "%s. Confirm it as rootFingerprint (--root-fingerprint)",
					  err->text)));
	jsonw_key_text(&w, "rootFingerprint", why->root_sha256);
	jsonw_object_end(&w);
	http_answer_json(call, 409);
}

bool admin_judge_enrolment(struct http_call *call, enum enrol_outcome outcome,
			   const struct enrol_result *why, const struct err *err)
{
	char seconds[24];

	switch (outcome) {
	case ENROL_DONE:
		return true;
	case ENROL_UNTRUSTED:
		answer_untrusted(call, why, err);
		return false;
	case ENROL_WRONG: /* not 401: that is about this API's own login */
		admin_error(call, 400, "%s", err->text);
		return false;
	case ENROL_REFUSED:
		admin_error(call, 403, "%s", err->text);
		return false;
	case ENROL_LATER:
		if (why->retry_after_s >= 0) {
			snprintf(seconds, sizeof seconds, "%lld", (long long)why->retry_after_s);
			http_answer_field(call, "Retry-After", str_of(seconds));
		}
		admin_error(call, 503, "%s", err->text);
		return false;
	case ENROL_FAILED:
		admin_error_err(call, err);
		return false;
	}
	return false;
}

/* "AB:CD:…" or "abcd…" as 64 lower-case digits; other input stays as it is, and matches nothing. */
static struct str plain_fingerprint(struct http_call *call, struct str text)
{
	char *into = arena_get(call->arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; into != NULL && i < text.len; i++) {
		char c = text.at[i];
		if (c != ':' && c != ' ') {
			into[n++] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
		}
	}
	return str_make(into, n);
}

static struct subaccount_credentials read_credentials(struct http_call *call, const struct json *j,
						      const char *user, const char *password)
{
	return (struct subaccount_credentials){
		.user = admin_text(call, j, user),
		.password = admin_text(call, j, password),
		.authentication_data = admin_text(call, j, "authenticationData"),
		.confirmed_root = plain_fingerprint(call, admin_text(call, j, "rootFingerprint")),
	};
}

static bool has_credentials(struct http_call *call, const struct subaccount_credentials *c)
{
	if (c->authentication_data.len > 0 || (c->user.len > 0 && c->password.len > 0)) {
		return true;
	}
	admin_error(call, 400, "user and password of an owner are missing, or authenticationData");
	return false;
}

static bool read_edit(struct http_call *call, const struct json *j, struct subaccount_edit *out,
		      bool *renewal)
{
	const struct json *automatic = json_get(j, "autoCertRenewal");

	*out = (struct subaccount_edit){
		.display_name = admin_text(call, j, "displayName"),
		.description = admin_text(call, j, "description"),
		.location_id = admin_text(call, j, "locationID"),
	};
	if (automatic != NULL && !json_is_null(automatic)) {
		if (!json_bool(automatic, renewal)) {
			admin_error(call, 400, "autoCertRenewal is neither true nor false");
			return false;
		}
		out->auto_renewal = renewal;
	}
	return true;
}

/* Authentication data names the place itself; it was read once already, so it can be again. */
static void answer_added(struct http_call *call, struct str rh, struct str sa, struct str data)
{
	struct enrol_authdata facts;
	struct err err = {0};

	if (data.len > 0 && enrol_read_authdata(data, &facts, &err)) {
		rh = arena_str(call->arena, str_of(facts.region_host));
		sa = arena_str(call->arena, str_of(facts.subaccount));
	}
	answer_entity(call, rh, sa, 201);
}

static void add(struct http_call *call)
{
	const struct json *j;
	struct subaccount_edit facts;
	bool renewal = true;
	struct enrol_result why = ENROL_RESULT;
	struct err err = {0};

	if (!admin_body(call, EDIT_TEXTS "," PLACE_TEXTS, &j) ||
	    !read_edit(call, j, &facts, &renewal)) {
		return;
	}
	struct subaccount_credentials c = read_credentials(call, j, "cloudUser", "cloudPassword");
	struct str rh = admin_text(call, j, "regionHost"), sa = admin_text(call, j, "subaccount");
	if (!has_credentials(call, &c)) {
		return;
	}
	if (c.authentication_data.len == 0 && (rh.len == 0 || sa.len == 0)) {
		admin_error(call, 400, "regionHost or subaccount is missing");
		return;
	}
	struct state_actor actor = admin_actor(call);
	enum enrol_outcome outcome =
		subaccounts_add(subaccounts_of(call), &actor, rh, sa, &facts, &c, &why, &err);
	if (admin_judge_enrolment(call, outcome, &why, &err) && admin_publish(call)) {
		answer_added(call, rh, sa, c.authentication_data);
	}
	enrol_result_fini(&why);
}

static void refresh(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	const struct json *j;
	struct enrol_result why = ENROL_RESULT;
	struct err err = {0};

	if (!admin_place(call, &p) ||
	    !admin_body(call, "user,password,authenticationData,rootFingerprint", &j)) {
		return;
	}
	struct subaccount_credentials c = read_credentials(call, j, "user", "password");
	if (!has_credentials(call, &c)) {
		return;
	}
	struct state_actor actor = admin_actor(call);
	enum enrol_outcome outcome =
		subaccounts_refresh(subaccounts_of(call), &actor, p.owner.region_host,
				    p.owner.subaccount, &c, &why, &err);
	if (admin_judge_enrolment(call, outcome, &why, &err)) {
		answer_entity(call, p.owner.region_host, p.owner.subaccount, 200);
	}
	enrol_result_fini(&why);
}

/* ---- changes ---- */

static void edit(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct subaccount_edit facts;
	bool renewal = false;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_body(call, EDIT_TEXTS, &j) ||
	    !read_edit(call, j, &facts, &renewal)) {
		return;
	}
	if (!subaccounts_edit(subaccounts_of(call), &actor, p.owner.region_host, p.owner.subaccount,
			      &facts, &err)) {
		admin_error_err(call, &err);
	} else if (admin_publish(call)) { /* its name and location are in the texts of refusals */
		answer_entity(call, p.owner.region_host, p.owner.subaccount, 200);
	}
}

static void state(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	bool connected;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_body(call, "", &j)) {
		return;
	}
	if (!json_get_bool(j, "connected", &connected)) {
		admin_error(call, 400, "connected must be true or false");
	} else if (!subaccounts_connect(subaccounts_of(call), &actor, p.owner.region_host,
					p.owner.subaccount, connected, &err)) {
		admin_error_err(call, &err);
	} else {
		admin_no_content(call);
	}
}

static void remove_one(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct admin *a = admin_of(call);
	struct state_actor actor = admin_actor(call);
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (!subaccounts_delete(a->settings.subaccounts, &actor, p.owner.region_host,
				p.owner.subaccount, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

static void gone(struct http_call *call)
{
	admin_error(call, 410, "recovery subaccounts were removed");
}

const struct http_route admin_subaccount_routes[] = {
	{"GET", BASE, list, ADMIN_LOGIN, "All subaccounts", NULL, JSON, 0},
	{"POST", BASE, add, ADMIN_LOGIN | HTTP_ROUTE_SLOW, "Adds a subaccount", JSON, JSON, 0},
	{"GET", BASE "/corrupted", corrupted, ADMIN_LOGIN, "Subaccounts that cannot be used", NULL,
	 JSON, 0},
	{"GET", ONE, get, ADMIN_LOGIN, "One subaccount", NULL, JSON, 0},
	{"PUT", ONE, edit, ADMIN_LOGIN, "Changes a subaccount", JSON, JSON, 0},
	{"DELETE", ONE, remove_one, ADMIN_LOGIN, "Deletes a subaccount", NULL, NULL, 0},
	{"PUT", ONE "/state", state, ADMIN_LOGIN, "Connects or disconnects", JSON, NULL, 0},
	{"POST", ONE "/validity", refresh, ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "Refreshes the certificate", JSON, JSON, 0},
	{"POST", ONE "/recovery", gone, ADMIN_LOGIN, "Removed", NULL, NULL, 0},
	{"PUT", ONE "/recovery", gone, ADMIN_LOGIN, "Removed", NULL, NULL, 0},
	{"DELETE", ONE "/recovery", gone, ADMIN_LOGIN, "Removed", NULL, NULL, 0},
	{0},
};
