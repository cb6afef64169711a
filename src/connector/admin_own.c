/* What the original's API lacks: why a tunnel is not up, and how resources are matched. */
#include "connector/admin_priv.h"

#define BASE "/api/drawbridge/v1/subaccounts"
#define ONE  BASE "/{rh}/{sa}"
#define JSON "application/json"

static void write_status(struct http_call *call, struct jsonw *w, const struct subaccount *sa,
			 const struct link_status *s)
{
	jsonw_object(w);
	jsonw_key_text(w, "regionHost", sa->state.region_host);
	jsonw_key_text(w, "subaccount", sa->state.subaccount);
	jsonw_key_text(w, "displayName", sa->state.display_name);
	jsonw_key_text(w, "locationId", sa->state.location_id);
	jsonw_key_bool(w, "connected", sa->state.connected);
	jsonw_key_text(w, "state", s ? link_status_own_name(s->state) : "Disconnected");
	jsonw_key_text(w, "reason", sa->defect[0] ? sa->defect : s ? s->reason : "");
	jsonw_key_int(w, "tunnels", s ? s->tunnels : 0);
	jsonw_key_int(w, "tunnelsWanted", s ? s->wanted : 0);
	jsonw_key_int(w, "lastRefusal", s ? s->refused : 0);
	jsonw_key_int(w, "clockSkewSeconds", s ? s->skew_s : 0);
	jsonw_key_text(w, "owners", s && s->owners[0] ? s->owners : sa->state.owners);
	jsonw_key_bool(w, "certificateConfirmed", sa->certificate_confirmed);
	admin_write_certificate(w, sa, s);
	jsonw_key(w, "renewal");
	admin_write_renewal(call, w, sa);
	jsonw_object_end(w);
}

static struct link_status_set *status_of(struct http_call *call)
{
	struct links *links = admin_of(call)->settings.links;

	return links ? links_status(links) : NULL;
}

static const struct link_status *find_status(const struct link_status_set *set, const char *key)
{
	return set ? link_status_find(set, key) : NULL;
}

static void list(struct http_call *call)
{
	struct subaccount_set *set = subaccounts_ref(admin_of(call)->settings.subaccounts);
	struct link_status_set *status = status_of(call);
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < set->n; i++) {
		write_status(call, &w, &set->rows[i], find_status(status, set->rows[i].key));
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	if (status != NULL) {
		link_status_set_unref(status);
	}
	subaccount_set_unref(set);
	http_answer_json(call, 200);
}

static void get(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	struct link_status_set *status = status_of(call);
	struct jsonw w = jsonw_to(&call->out);
	write_status(call, &w, p.row, find_status(status, p.row->key));
	if (status != NULL) {
		link_status_set_unref(status);
	}
	http_answer_json(call, 200);
}

static void retry(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (admin_of(call)->settings.links != NULL) {
		links_hurry(admin_of(call)->settings.links);
	}
	admin_no_content(call);
}

/* ---- how "with its sub-paths" is meant ---- */

static void get_matching(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row;

	if (!admin_place(call, &p) || !admin_mapping(call, &p, &row)) {
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_text(&w, "matching", row.plain_prefix ? "prefix" : "segment");
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

static void put_matching(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct mapping_row row;
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	struct err err = {0};

	if (!admin_place(call, &p) || !admin_mapping(call, &p, &row) ||
	    !admin_body(call, "matching", &j)) {
		return;
	}
	struct str matching = admin_text(call, j, "matching");
	row.plain_prefix = str_eq(matching, STR("prefix"));
	if (!row.plain_prefix && !str_eq(matching, STR("segment"))) {
		admin_error(call, 400, "matching must be \"segment\" or \"prefix\"");
		return;
	}
	if (!mappings_edit(admin_of(call)->settings.store, &actor, p.owner, &row, &err)) {
		admin_error_err(call, &err);
		return;
	}
	if (admin_publish(call)) {
		admin_no_content(call);
	}
}

#define MATCHING ONE "/systemMappings/{vhvp}/matching"

const struct http_route admin_own_routes[] = {
	{"GET", BASE, list, ADMIN_LOGIN, "Tunnels of all subaccounts", NULL, JSON, 0},
	{"GET", ONE, get, ADMIN_LOGIN, "Tunnels of a subaccount, and why not", NULL, JSON, 0},
	{"POST", ONE "/retry", retry, ADMIN_LOGIN, "Dials again at once", NULL, NULL, 0},
	{"GET", MATCHING, get_matching, ADMIN_LOGIN, "How resources are matched", NULL, JSON, 0},
	{"PUT", MATCHING, put_matching, ADMIN_LOGIN, "By segment, or by plain prefix", JSON, NULL,
	 0},
	{0},
};
