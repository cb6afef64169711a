/* Who is let in: the PTTH request judged, the location claimed, the connection handed over. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "cloud/directory/certificates.h"
#include "cloud/directory/claims.h"
#include "cloud/directory/connectors.h"
#include "cloud/directory/owners.h"
#include "cloud/relay/relay_priv.h"
#include "tunnel/handshake.h"

enum {
	HEARD_LOOK_MS = 20,
	OWNERS_MAX = 1024,
	/* For the 101 to leave: a peer that reads nothing would keep its place among the tenant's
	 * tunnels for ever. */
	HANDOVER_MS = 5000,
};

/* ---- does the holder live? ---- */

/* Shared by the job that asks and the workers that look; the last one frees. */
struct question {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned left, refs;
	bool answered;
};

struct look {
	struct loop_message message;
	struct loop_timer timer;
	struct worker *worker;
	struct question *q;
	char key[REGISTRY_KEY_MAX], instance[DIRECTORY_UUID];
	msec_t asked;
};

static void drop_question(struct question *q) /* with the lock held */
{
	bool last = --q->refs == 0;

	pthread_mutex_unlock(&q->lock);
	if (last) {
		pthread_cond_destroy(&q->changed);
		pthread_mutex_destroy(&q->lock);
		free(q);
	}
}

static void end_look(struct look *k, bool answered)
{
	pthread_mutex_lock(&k->q->lock);
	k->q->answered = k->q->answered || answered;
	k->q->left--;
	pthread_cond_signal(&k->q->changed);
	drop_question(k->q);
	free(k);
}

static void on_look(struct loop_timer *t)
{
	struct look *k = CONTAINER_OF(t, struct look, timer);
	msec_t now = loop_now(k->worker->loop);

	if (worker_heard_since(k->worker, str_of(k->key), str_of(k->instance), k->asked)) {
		end_look(k, true);
	} else if (now - k->asked >= RELAY_HOLDER_ANSWER_MS) {
		end_look(k, false);
	} else {
		loop_timer_set(k->worker->loop, t, now + HEARD_LOOK_MS, on_look);
	}
}

static void start_look(struct loop_message *m)
{
	struct look *k = CONTAINER_OF(m, struct look, message);

	k->asked = loop_now(k->worker->loop);
	if (!worker_probe(k->worker, str_of(k->key), str_of(k->instance))) {
		end_look(k, false);
		return;
	}
	loop_timer_set(k->worker->loop, &k->timer, k->asked + HEARD_LOOK_MS, on_look);
}

bool relay_holder_answers(struct relay *r, struct str key, struct str instance)
{
	struct question *q = NEW(struct question);

	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	q->left = r->n;
	q->refs = r->n + 1;
	for (unsigned i = 0; i < r->n; i++) {
		struct look *k = NEW(struct look);
		k->worker = r->threads[i].worker;
		k->q = q;
		snprintf(k->key, sizeof(k->key), "%.*s", STR_ARGS(key));
		snprintf(k->instance, sizeof(k->instance), "%.*s", STR_ARGS(instance));
		k->message.fn = start_look;
		loop_post(r->threads[i].loop, &k->message);
	}
	pthread_mutex_lock(&q->lock);
	while (q->left > 0 && !q->answered) {
		pthread_cond_wait(&q->changed, &q->lock);
	}
	bool answered = q->answered;
	drop_question(q);
	return answered;
}

/* ---- the claim ---- */

static void refuse_taken(struct http_call *call, const struct directory_claim *holder, bool fight)
{
	const char *location = holder->location[0] ? holder->location : "(default)";

	if (fight) {
		http_problem(
			call, 409,
			"location ID %s was taken over %d times within a minute: two "
			"installations fight for it, the holder %s stays. Is this machine a copy "
			"of another one?",
			location, (int)HOLDS_TAKEOVERS_MAX, holder->instance);
	} else {
		http_problem(
			call, 409,
			"location ID %s of this subaccount is held by installation %s, which is "
			"connected. Give this connector another location ID, or disconnect the "
			"other one.",
			location, holder->instance);
	}
}

static void refuse_later(struct http_call *call, const char *seconds, const struct err *err)
{
	http_answer_field(call, "Retry-After", str_of(seconds));
	http_problem(call, 503, "%s", err->text);
}

enum holder_state {
	HOLDER_LIVES,
	HOLDER_SILENT,
	HOLDER_NOT_ASKED, /* too many others are being asked */
};

static enum holder_state ask_holder(struct relay *r, struct str key,
				    const struct directory_claim *holder)
{
	if (!str_eq(str_of(holder->node), str_of(r->settings.node))) {
		return HOLDER_LIVES; /* of another node: its lease says so */
	}
	if (atomic_fetch_add(&r->probes, 1) >= RELAY_PROBES_MAX) {
		atomic_fetch_sub(&r->probes, 1);
		return HOLDER_NOT_ASKED;
	}
	bool answers = relay_holder_answers(r, key, str_of(holder->instance));
	atomic_fetch_sub(&r->probes, 1);
	return answers ? HOLDER_LIVES : HOLDER_SILENT;
}

/* True: it is silent, the location may be taken. Answers otherwise. */
static bool holder_is_silent(struct http_call *call, struct relay *r, struct str key,
			     const struct directory_claim *holder)
{
	struct err err = {.kind = ERR_NONE};

	switch (ask_holder(r, key, holder)) {
	case HOLDER_SILENT:
		return true;
	case HOLDER_LIVES:
		refuse_taken(call, holder, false);
		return false;
	case HOLDER_NOT_ASKED:
		break;
	}
	(void)err_set(&err, ERR_LIMIT, "other locations are being taken over: dial again");
	refuse_later(call, "2", &err);
	return false;
}

/* Another installation has it: it keeps it if it lives. */
static bool take_over(struct http_call *call, struct relay *r, struct directory_claim *want,
		      struct directory_claim *holder)
{
	char key[REGISTRY_KEY_MAX];
	struct err err = {.kind = ERR_NONE};

	if (!registry_key(str_of(want->subaccount), str_of(want->location), key)) {
		http_problem(call, 400, "the location ID is too long");
		return false;
	}
	if (!holder_is_silent(call, r, str_of(key), holder)) {
		return false;
	}
	if (!holds_takeover(r->holds, str_of(key), clock_now())) {
		log_error("two installations fight for a location, the holder stays",
			  LOG_TEXT("subaccount", want->subaccount),
			  LOG_TEXT("location", want->location),
			  LOG_TEXT("holder", holder->instance),
			  LOG_TEXT("refused", want->instance));
		refuse_taken(call, holder, true);
		return false;
	}
	char loser[DIRECTORY_UUID];
	snprintf(loser, sizeof(loser), "%s", holder->instance);
	switch (directory_claim(r->settings.store, want, true, clock_unix_ms(), holder, &err)) {
	case DIRECTORY_CLAIM_HELD:
		log_warning("a location was taken over from an installation that fell silent",
			    LOG_TEXT("subaccount", want->subaccount),
			    LOG_TEXT("location", want->location), LOG_TEXT("loser", loser),
			    LOG_TEXT("winner", want->instance));
		relay_evict(r, str_of(key), str_of(loser));
		return true;
	case DIRECTORY_CLAIM_TAKEN:
		refuse_taken(call, holder, false);
		return false;
	case DIRECTORY_CLAIM_FAILED:
		break;
	}
	refuse_later(call, "2", &err);
	return false;
}

static bool claim(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	struct directory_claim want = {.tunnels = 1}, holder = {.tunnels = 0};
	struct err err = {.kind = ERR_NONE};

	if (!str_copy(req->subaccount, want.subaccount, sizeof(want.subaccount)) ||
	    !str_copy(req->location_id, want.location, sizeof(want.location)) ||
	    !str_copy(req->instance, want.instance, sizeof(want.instance))) {
		http_problem(call, 400, "subaccount, instance or location ID is too long");
		return false;
	}
	snprintf(want.node, sizeof(want.node), "%s", r->settings.node);
	switch (directory_claim(r->settings.store, &want, false, clock_unix_ms(), &holder, &err)) {
	case DIRECTORY_CLAIM_HELD:
		return true;
	case DIRECTORY_CLAIM_TAKEN:
		return take_over(call, r, &want, &holder);
	case DIRECTORY_CLAIM_FAILED:
		break;
	}
	refuse_later(call, "2", &err);
	return false;
}

/* ---- judging ---- */

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

static void note_denied(struct http_call *call, struct relay *r, const struct ptth_request *req,
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
		refuse_later(call, "2", &err);
	} else {
		note_denied(call, r, req, directory_judgement_status(j), err.text);
		http_answer_field(call, "Drawbridge-Refusal", str_of(directory_judgement_name(j)));
		http_problem(call, directory_judgement_status(j), "%s", err.text);
	}
	return false;
}

/* False: two copies of one machine fight, and this one is refused; answered. */
static bool is_no_copy(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	char key[REGISTRY_KEY_MAX];

	if (!registry_key(req->subaccount, req->location_id, key) ||
	    holds_admits_run(r->holds, str_of(key), req->run, call->peer_cert->not_before,
			     clock_now())) {
		return true;
	}
	log_error("two copies of one installation fight for a location, the holder stays",
		  LOG_STR("subaccount", req->subaccount), LOG_STR("instance", req->instance));
	note_denied(call, r, req, 409, "a copy of an installation that is connected");
	http_answer_field(call, "Drawbridge-Refusal", STR("copy"));
	http_problem(call, 409,
		     "another machine with the same identity (installation %.*s) is connected: "
		     "one is a copy of the other. Stop one of them; if this one is to stay, "
		     "refresh its certificate, which locks the other one out.",
		     STR_ARGS(req->instance));
	return false;
}

/* ---- handing over ---- */

struct admission {
	struct relay *relay;
	struct stream *stream; /* ours between upgrade and hand-over */
	struct loop_timer timer;
	struct worker_tunnel_facts facts;
	unsigned worker;
};

static void abandon(struct admission *a)
{
	char key[REGISTRY_KEY_MAX];

	if (registry_key(str_of(a->facts.subaccount), str_of(a->facts.location), key)) {
		holds_leaving(a->relay->holds, str_of(key), a->worker, false);
		(void)holds_end(a->relay->holds, str_of(key), a->worker);
		relay_sync_claim(a->relay, str_of(key), str_of(a->facts.instance));
	}
	free(a);
}

static void give_up(struct admission *a)
{
	loop_timer_cancel(a->relay->settings.control, &a->timer);
	stream_close(a->stream);
	abandon(a);
}

static void on_overdue(struct loop_timer *timer)
{
	give_up(CONTAINER_OF(timer, struct admission, timer));
}

/* The 101 must have left before the connection can change its thread. */
static void hand_over(struct stream *s, enum stream_event event, void *user)
{
	struct admission *a = user;
	struct stream_parts parts;

	switch (event) {
	case STREAM_OPEN:
	case STREAM_READABLE:
	case STREAM_SENT:
		if (stream_detach(s, &parts)) {
			loop_timer_cancel(a->relay->settings.control, &a->timer);
			relay_place_tunnel(a->relay, &a->facts, a->worker, &parts);
			free(a);
		}
		break;
	case STREAM_EOF:
	case STREAM_FAILED:
		give_up(a);
		break;
	}
}

static void on_upgrade(struct stream *take, void *user)
{
	if (take == NULL) {
		abandon(user);
		return;
	}
	struct admission *a = user;
	struct loop *control = a->relay->settings.control;

	a->stream = take;
	loop_timer_set(control, &a->timer, loop_now(control) + HANDOVER_MS, on_overdue);
	stream_set_handler(take, hand_over, a);
	hand_over(take, STREAM_SENT, a);
}

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
	call->upgrade = on_upgrade;
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
		refuse_later(call, "2", &err);
		return false;
	}
	CRASH_POINT("cloud.certificate.confirmed");
	return true;
}

static void note_run(const struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	char key[REGISTRY_KEY_MAX];

	if (registry_key(req->subaccount, req->location_id, key)) {
		holds_note_run(r->holds, str_of(key), req->run, call->peer_cert->not_before);
	}
}

static bool place(struct http_call *call, struct relay *r, const struct ptth_request *req,
		  int64_t head)
{
	struct admission *a = NEW(struct admission);
	struct err err = {.kind = ERR_NONE};

	a->relay = r;
	a->facts.id = atomic_fetch_add(&r->next_id, 1) + 1;
	a->facts.since = head;
	a->facts.not_after = call->peer_cert->not_after;
	if (!holds_begin(r->holds, req->subaccount, req->location_id, req->instance, &a->worker,
			 &a->facts.replaces, &err)) {
		free(a);
		refuse_later(call, "10", &err);
		return false;
	}
	/* All three fit: the claim was copied from them. */
	bool fits = str_copy(req->subaccount, a->facts.subaccount, sizeof(a->facts.subaccount)) &&
		    str_copy(req->location_id, a->facts.location, sizeof(a->facts.location)) &&
		    str_copy(req->instance, a->facts.instance, sizeof(a->facts.instance));
	snprintf(a->facts.serial, sizeof(a->facts.serial), "%s", call->peer_cert->serial);
	note_run(call, r, req);
	if (!fits) {
		abandon(a);
		http_problem(call, 400, "subaccount, instance or location ID is too long");
		return false;
	}
	call->upgrade_user = a;
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
		refuse_later(call, "1", &err);
		return;
	}
	if (req.probe) { /* a connector looks for what is broken: nothing is opened */
		if (judge(call, r, &req)) {
			welcome_probe(call, r, &req);
		}
		return;
	}
	if (judge(call, r, &req) && claim(call, r, &req) && is_no_copy(call, r, &req) &&
	    note_arrival(call, r, &req, &head) && place(call, r, &req, head)) {
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
