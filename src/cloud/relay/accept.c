/* Who is let in: the PTTH request judged and answered. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "cloud/directory/certificates.h"
#include "cloud/directory/connectors.h"
#include "cloud/directory/owners.h"
#include "cloud/relay/accept_priv.h"

enum {
	OWNERS_MAX = 1024,
};

/* ---- judging ---- */

void accept_refuse_later(struct http_call *call, const char *seconds, const struct err *err)
{
	http_answer_field(call, "Retry-After", str_of(seconds));
	http_problem(call, 503, "%s", err->text);
}

/*
 * Ids as the certificate spells them, in lower case, from here on: what is claimed, counted and
 * cut later is found by its bytes, and "ABC" would be another installation than "abc".
 */
static bool take_identity(struct http_call *call, struct ptth_request *req)
{
	struct str host;

	if (directory_spiffe_read(str_of(call->peer_cert->uri), &host, &req->subaccount,
				  &req->instance)) {
		return true;
	}
	http_problem(call, 403, "the certificate names no connector");
	return false;
}

void accept_note_denied(struct http_call *call, struct relay *r, const struct ptth_request *req,
			unsigned status, const char *reason)
{
	char from[64];

	address_format(&call->peer, from, sizeof(from));
	denials_note(r->settings.denials, &(const struct denial){.who = req->instance,
								 .from = str_of(from),
								 .tenant = req->subaccount,
								 .what = STR("denied tunnel"),
								 .object = req->location_id,
								 .reason = reason,
								 .status = status});
}

static bool judge(struct http_call *call, struct relay *r, struct ptth_request *req)
{
	const struct directory_presented presented = {
		.state = call->peer_state,
		.facts = call->peer_cert,
		.region_host = str_of(r->settings.region_host),
		.subaccount = req->subaccount,
		.instance = req->instance,
	};
	struct err err = {.kind = ERR_NONE};
	enum directory_judgement j =
		directory_judge_tunnel(r->settings.store, &presented, clock_unix(), &err);

	if (j == DIRECTORY_ADMITTED) {
		return take_identity(call, req);
	}
	log_info("a tunnel was refused", LOG_TEXT("reason", directory_judgement_name(j)),
		 LOG_STR("subaccount", req->subaccount), LOG_STR("instance", req->instance));
	if (j == DIRECTORY_JUDGE_FAILED) {
		accept_refuse_later(call, "2", &err);
	} else {
		accept_note_denied(call, r, req, directory_judgement_status(j), err.text);
		http_answer_field(call, "Drawbridge-Refusal", str_of(directory_judgement_name(j)));
		http_problem(call, directory_judgement_status(j), "%s", err.text);
	}
	return false;
}

/* ---- answering ---- */

static void welcome_probe(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	AUTO_BUF struct buf owners = BUF(OWNERS_MAX);
	struct err err;

	if (directory_owner_names(r->settings.store, req->subaccount, &owners, &err) &&
	    owners.len > 0) {
		http_answer_field(call, "Drawbridge-Owners", buf_str(&owners));
	}
	call->status = 204;
}

static void welcome(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	AUTO_BUF struct buf owners = BUF(OWNERS_MAX);
	struct http_field fields[PTTH_WELCOME_FIELDS];
	struct err err;

	if (!directory_owner_names(r->settings.store, req->subaccount, &owners, &err)) {
		buf_reset(&owners); /* only for the user's eyes */
	}
	size_t n = ptth_welcome_fields(r->n, buf_str(&owners), call->arena, fields);
	for (size_t i = 0; i < n; i++) {
		const char *name = arena_text(call->arena, fields[i].name); /* it is lent */
		if (name != NULL) {
			http_answer_field(call, name, fields[i].value);
		}
	}
	call->status = 101;
}

/* What the connector says of itself, cut between characters: a database may refuse half a one. */
static void note_version(const struct http_head *head, char *into, size_t size)
{
	static const struct str OWN = STR("drawbridge-connector/");
	struct str agent = http_value(head, STR("user-agent"));
	size_t n = 0, more;

	if (str_starts(agent, OWN)) {
		agent = str_skip(agent, OWN.len);
	}
	while ((more = str_utf8_length(str_skip(agent, n))) > 0 && n + more < size) {
		n += more;
	}
	memcpy(into, agent.at != NULL ? agent.at : "", n);
	into[n] = '\0';
}

static bool note_arrival(struct http_call *call, struct relay *r, const struct ptth_request *req,
			 int64_t *head)
{
	struct directory_connector seen = {.first_seen = 0};
	struct err err = {.kind = ERR_NONE};

	if (!str_copy(req->subaccount, seen.subaccount, sizeof(seen.subaccount)) ||
	    !str_copy(req->instance, seen.instance, sizeof(seen.instance)) ||
	    !str_copy(req->location_id, seen.location, sizeof(seen.location))) {
		http_problem(call, 400, "subaccount, instance or location ID is too long");
		return false;
	}
	note_version(call->head, seen.version, sizeof(seen.version));
	address_format(&call->peer, seen.address, sizeof(seen.address));
	CRASH_POINT("cloud.tunnel.admitted");
	if (!directory_certificate_confirm(r->settings.store, str_of(call->peer_cert->serial),
					   clock_unix(), atomic_load(&r->grace_s), &err) ||
	    !directory_connector_seen(r->settings.store, &seen, clock_unix(), &err) ||
	    !store_head(r->settings.store, head, &err)) {
		accept_refuse_later(call, "2", &err);
		return false;
	}
	CRASH_POINT("cloud.certificate.confirmed");
	return true;
}

static void accept_tunnel(struct http_call *call)
{
	struct relay *r = ((const struct cloud_rooms *)call->user)->relay;
	struct ptth_request req;
	struct err err = {.kind = ERR_NONE};
	int64_t head = 0;

	if (!ptth_read_request(call->head, call->arena, &req, &err)) {
		http_problem(call, 400, "%s", err.text);
		return;
	}
	if (atomic_load(&r->draining)) {
		(void)err_set(&err, ERR_LIMIT, "this relay is being shut down: dial again");
		accept_refuse_later(call, "1", &err);
		return;
	}
	if (req.probe) { /* a connector looks for what is broken: nothing is opened */
		if (judge(call, r, &req)) {
			welcome_probe(call, r, &req);
		}
		return;
	}
	if (judge(call, r, &req) && accept_claim(call, r, &req) &&
	    accept_is_no_copy(call, r, &req) && note_arrival(call, r, &req, &head) &&
	    accept_place(call, r, &req, head)) {
		welcome(call, r, &req);
	}
}

const struct http_route relay_routes[] = {
	{.method = "GET",
	 .pattern = "/ptth/subaccounts/{subaccount}",
	 .handler = accept_tunnel,
	 .roles = HTTP_ROUTE_OPEN,
	 .summary = "Opens a tunnel: an upgrade to PTTH with the subaccount certificate"},
	{.method = NULL},
};
