/* The subaccount certificate's state and its automatic renewal: what the original's API lacks. */
#include "connector/admin_priv.h"

#include "base/clock.h"
#include "connector/certificate_state.h"

#define RENEWAL "/api/drawbridge/v1/subaccounts/{rh}/{sa}/renewal"
#define JSON    "application/json"

void admin_write_certificate(struct jsonw *w, const struct subaccount *sa,
			     const struct link_status *s)
{
	AUTO_BUF struct buf reason = BUF(KIB(1));
	const struct cert_facts *c = &sa->certificate;
	enum certificate_state state = certificate_state_of(sa, s, clock_unix(), &reason);

	jsonw_key(w, "certificate");
	jsonw_object(w);
	jsonw_key_text(w, "state", certificate_state_name(state));
	jsonw_key_str(w, "reason", buf_str(&reason));
	if (sa->has_certificate) {
		jsonw_key_text(w, "serialNumber", c->serial);
		jsonw_key_text(w, "subjectDN", c->subject);
		jsonw_key_text(w, "issuer", c->issuer);
		jsonw_key_time(w, "notBefore", c->not_before);
		jsonw_key_time(w, "notAfter", c->not_after);
		jsonw_key_time(w, "received", sa->certificate_received);
		jsonw_key_bool(w, "confirmed", sa->certificate_confirmed);
	}
	jsonw_object_end(w);
}

static const char *result_name(const struct state_renewal *last)
{
	if (last->tried_ms == 0) {
		return "none";
	}
	switch (last->result) {
	case STATE_RENEWAL_DONE:
		return "renewed";
	case STATE_RENEWAL_DENIED:
		return "refused";
	case STATE_RENEWAL_FAILED:
		break;
	}
	return "failed";
}

static void write_plan(struct jsonw *w, const struct subaccount *sa, const struct renewal_status *s)
{
	static const struct renewal_status none = {.state = RENEWAL_OFF};

	s = s != NULL ? s : &none;
	jsonw_object(w);
	jsonw_key_bool(w, "enabled", sa->state.auto_renewal);
	jsonw_key_text(w, "state", renewal_state_name(s->state));
	jsonw_key_time(w, "next", s->next_ms / 1000);
	jsonw_key_time(w, "lastTry", s->last.tried_ms / 1000);
	jsonw_key_text(w, "lastResult", result_name(&s->last));
	jsonw_key_text(w, "lastError", s->last.text);
	jsonw_key_int(w, "failures", s->last.failures);
	jsonw_object_end(w);
}

void admin_write_renewal(struct http_call *call, struct jsonw *w, const struct subaccount *sa)
{
	struct renewals *renewals = admin_of(call)->settings.renewals;
	struct renewal_status_set *set = renewals != NULL ? renewals_status(renewals) : NULL;

	write_plan(w, sa, set != NULL ? renewal_status_find(set, sa->key) : NULL);
	renewal_status_set_unref(set);
}

static void answer_plan(struct http_call *call, const struct subaccount *sa)
{
	struct jsonw w = jsonw_to(&call->out);

	admin_write_renewal(call, &w, sa);
	http_answer_json(call, 200);
}

static void get(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};

	if (admin_place(call, &p)) {
		answer_plan(call, p.row);
	}
}

static void put(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	const struct json *j;
	bool enabled = false;
	struct err err = {0};
	struct subaccount_edit edit = {.auto_renewal = &enabled};

	if (!admin_place(call, &p) || !admin_body(call, "", &j)) {
		return;
	}
	if (!json_get_bool(j, "enabled", &enabled)) {
		admin_error(call, 400, "enabled must be true or false");
	} else if (!subaccounts_edit(admin_of(call)->settings.subaccounts, &actor,
				     p.owner.region_host, p.owner.subaccount, &edit, &err)) {
		admin_error_err(call, &err);
	} else {
		admin_no_content(call);
	}
}

/* Tries now, whatever the plan says. */
static void post(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	struct state_actor actor = admin_actor(call);
	struct enrol_result why = ENROL_RESULT;
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	if (admin_of(call)->settings.renewals == NULL) {
		admin_error(call, 503, "automatic renewal does not run");
		return;
	}
	enum enrol_outcome outcome =
		renewals_try(admin_of(call)->settings.renewals, &actor, p.owner.region_host,
			     p.owner.subaccount, &why, &err);
	if (admin_judge_enrolment(call, outcome, &why, &err)) {
		admin_no_content(call);
	}
	enrol_result_fini(&why);
}

const struct http_route admin_renewal_routes[] = {
	{"GET", RENEWAL, get, ADMIN_LOGIN, "Automatic renewal: last result and next date", NULL,
	 JSON, 0},
	{"PUT", RENEWAL, put, ADMIN_LOGIN, "Switches automatic renewal on or off", JSON, NULL, 0},
	{"POST", RENEWAL, post, ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "Renews with the current certificate now", NULL, NULL, 0},
	{0},
};
