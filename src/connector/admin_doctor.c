/* The examination of the way to the relay, link by link. */
#include "connector/admin_priv.h"
#include "connector/doctor.h"

static void write_step(struct jsonw *w, enum doctor_link link, const struct doctor_step *s)
{
	jsonw_object(w);
	jsonw_key_text(w, "link", doctor_link_name(link));
	jsonw_key_text(w, "result", doctor_result_name(s->result));
	jsonw_key_text(w, "found", s->found);
	jsonw_key_text(w, "nextStep", s->next);
	jsonw_key_int(w, "milliseconds", s->took);
	jsonw_object_end(w);
}

static void write_report(struct jsonw *w, const struct subaccount *sa,
			 const struct doctor_report *r)
{
	bool broken = r->broken < DOCTOR_LINKS;

	jsonw_object(w);
	jsonw_key_text(w, "regionHost", sa->state.region_host);
	jsonw_key_text(w, "subaccount", sa->state.subaccount);
	jsonw_key_text(w, "displayName", sa->state.display_name);
	jsonw_key_bool(w, "healthy", !broken);
	jsonw_key(w, "brokenLink");
	if (broken) {
		jsonw_str(w, str_of(doctor_link_name(r->broken)));
	} else {
		jsonw_null(w);
	}
	jsonw_key_text(w, "found", broken ? r->steps[r->broken].found : "");
	jsonw_key_text(w, "nextStep", broken ? r->steps[r->broken].next : "");
	jsonw_key(w, "steps");
	jsonw_array(w);
	for (int i = 0; i < DOCTOR_LINKS; i++) {
		write_step(w, (enum doctor_link)i, &r->steps[i]);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static void examine(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct doctor_report report;

	if (!admin_place(call, &p)) {
		return;
	}
	struct links *links = admin_of(call)->settings.links;
	struct link_status_set *status = links != NULL ? links_status(links) : NULL;
	const struct doctor_patient patient = {
		.set = p.set,
		.subaccount = p.row,
		.link = status != NULL ? link_status_find(status, p.row->key) : NULL};
	doctor_examine(&patient, &report);
	struct jsonw w = jsonw_to(&call->out);
	write_report(&w, p.row, &report);
	if (status != NULL) {
		link_status_set_unref(status);
	}
	http_answer_json(call, 200);
}

const struct http_route admin_doctor_routes[] = {
	{"POST", "/api/drawbridge/v1/subaccounts/{rh}/{sa}/diagnosis", examine,
	 ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "Tries each link to the relay and names the first broken one", NULL, "application/json",
	 0},
	{0},
};
