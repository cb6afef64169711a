/* Requests: read, judged, routed, sent into a tunnel with their bodies. */
#include "base/clock.h"
#include "base/random.h"
#include "cloud/relay/front_priv.h"
#include "tunnel/handshake.h"

/* ---- moving to another worker ---- */

void front_move(struct front *f)
{
	struct stream_parts parts;

	if (!stream_detach(f->stream, &parts)) {
		f->state = FRONT_MOVING; /* the answer before it is still leaving */
		front_deadline(f, FRONT_CLOSE_MS);
		return;
	}
	struct worker *w = f->worker;
	unsigned to = f->move_to, hops = f->hops + 1;
	f->stream = NULL;
	w->counters.clients_moved_total++;
	w->counters.requests_total--; /* counted where it is served */
	front_close(f);
	w->settings.move(w->settings.user, to, &parts, hops);
}

/* ---- the request's body ---- */

/* What concerns this hop or is meant for us stays here. */
static void strip(struct http_head *head)
{
	size_t kept = 0;
	size_t n = head->n_fields;
	bool drop[HTTP_FIELDS_MAX] = {false};

	/* Judged before any is moved: Connection may name others, before or behind it. */
	for (size_t i = 0; i < n; i++) {
		struct str name = head->fields[i].name;
		drop[i] = http_is_platform(name) || http_is_hop_by_hop(head, name) ||
			  str_eq_nocase(name, STR("host"));
	}
	for (size_t i = 0; i < n; i++) {
		if (!drop[i]) {
			head->fields[kept++] = head->fields[i];
		}
	}
	head->n_fields = kept;
}

static void end_body(struct front *f)
{
	struct http_head trailers = {.status = 0};
	struct err err;

	f->request_done = true;
	arena_reset(f->worker->arena);
	if (f->body.kind == HTTP_BODY_CHUNKED &&
	    h1_body_trailers(&f->body, f->worker->arena, &trailers.fields, &trailers.n_fields,
			     &err)) {
		strip(&trailers);
	}
	h2_end(f->h2, trailers.fields, trailers.n_fields);
}

static void body_is_bad(struct front *f, const struct err *err)
{
	front_let_go(f, FRONT_H2_CANCEL);
	if (f->state == FRONT_ANSWERING) {
		stream_abort(f->stream);
		front_close(f);
	} else {
		front_refuse(f, 400, "The body of the request is malformed: %s.", err->text);
	}
}

void front_send_body(struct front *f)
{
	enum h1_outcome outcome = H1_DONE;
	struct err err;

	while (!f->request_done && h2_queued(f->h2) < H2_STREAM_QUEUE_HIGH) {
		struct str in = str_skip(stream_peek(f->stream), f->offset), data = STR_NONE;
		size_t used = 0;
		if (in.len == 0) {
			break;
		}
		outcome = h1_body_read(&f->body, in, &used, &data, &err);
		f->offset += used;
		if (outcome == H1_BAD) {
			body_is_bad(f, &err);
			return;
		}
		if (data.len > 0) {
			h2_send(f->h2, data);
			f->heard = loop_now(f->worker->loop);
			f->worker->counters.bytes_up_total += data.len;
		}
		if (outcome == H1_DONE && f->body.complete) {
			end_body(f);
		} else if (used == 0) {
			break;
		}
		if (!f->whole || f->offset > FRONT_REPLAY_MAX) {
			f->whole = false;
			stream_consume(f->stream, f->offset);
			f->offset = 0;
		}
	}
	tunnel_flush(f->via->tunnel);
	front_watch(f);
}

/* ---- routing ---- */

static void on_turn(struct registry_waiter *waiter)
{
	struct front *f = CONTAINER_OF(waiter, struct front, waiter);

	f->state = FRONT_IDLE;
	f->worker->counters.requests_waiting--;
	f->offset = 0; /* the head is read again, it was not consumed */
	front_read_on(f);
}

static void wait_for_tunnel(struct front *f, bool recent)
{
	struct worker *w = f->worker;
	msec_t now = loop_now(w->loop);

	f->waiter.fn = on_turn;
	if (!registry_wait(w->registry, str_of(f->key), &f->waiter, w->settings.limits.queue_max,
			   now)) {
		w->counters.refused_queue_total++;
		front_refuse(f, 503,
			     "%zu requests wait for this connector already (limit per location): "
			     "try again later.",
			     w->settings.limits.queue_max);
		return;
	}
	w->counters.requests_waiting++;
	f->state = FRONT_WAITING;
	msec_t until = now + (recent ? WORKER_REJOIN_MS : WORKER_QUEUE_WAIT_MS);
	if (f->waiting_until == 0 || until < f->waiting_until) {
		f->waiting_until = until;
	}
	front_deadline(f, f->waiting_until - now);
}

/* Only for those who need it: others share the connector's connections to the back end. */
static void name_client(struct front *f, struct http_head *head)
{
	uint8_t id[16];

	if (f->client[0] == '\0' && http_authenticates_connection(head)) {
		AUTO_BUF struct buf hex = BUF(sizeof f->client);
		random_bytes(id, sizeof id);
		buf_add_hex(&hex, id, sizeof id);
		memcpy(f->client, hex.at, sizeof f->client);
	}
	if (f->client[0] != '\0' && !http_add(head, STR("drawbridge-client"), str_of(f->client))) {
		f->client[0] = '\0'; /* no room: then its connections are not kept either */
	}
}

static void ask(struct front *f, struct http_head *head, struct worker_tunnel *via)
{
	struct worker *w = f->worker;
	struct err err;

	strip(head);
	name_client(f, head);
	if (!h2_can_carry(head, &err)) {
		front_refuse(f, err.kind == ERR_LIMIT ? 431 : 400,
			     "The request cannot go through the tunnel: %s.", err.text);
		return;
	}
	f->h2 = h2_request(tunnel_h2(via->tunnel), head, f->has_body, f);
	if (f->h2 == NULL) {
		wait_for_tunnel(f, false);
		return;
	}
	f->via = via;
	via->entry.streams++;
	w->counters.requests_open++;
	w->retry_saved += w->retry_saved < WORKER_RETRY_SAVED_MAX ? 1 : 0;
	f->state = FRONT_ASKING;
	f->waiting_until = 0;
	f->heard = loop_now(w->loop);
	f->tries++;
	f->whole = true;
	if (f->has_body) {
		h1_body_start(&f->body, head);
		front_send_body(f);
	} else {
		tunnel_flush(via->tunnel);
		front_watch(f);
	}
}

static void route(struct front *f, struct http_head *head)
{
	struct worker *w = f->worker;
	struct worker_tunnel *via = NULL;

	if (w->closing) {
		front_refuse_closing(f);
		return;
	}
	enum registry_found found = worker_pick(w, str_of(f->key), &via);

	if (found == REGISTRY_ENTRY) {
		ask(f, head, via);
		return;
	}
	if (found == REGISTRY_BUSY) {
		wait_for_tunnel(f, false);
		return;
	}
	int elsewhere = w->settings.elsewhere && f->hops < FRONT_HOPS_MAX
				? w->settings.elsewhere(w->settings.user, str_of(f->key))
				: -1;
	if (elsewhere >= 0) {
		f->move_to = (unsigned)elsewhere;
		front_move(f);
	} else if (found == REGISTRY_RECENT) {
		wait_for_tunnel(f, true);
	} else {
		front_refuse_no_tunnel(f);
	}
}

/* ---- judging a request ---- */

static bool form_is_good(struct front *f, const struct http_head *head)
{
	if (str_eq(head->method, STR("CONNECT"))) {
		front_refuse(f, 405,
			     "CONNECT is not served on this port: name http:// targets in absolute "
			     "form; the connector itself speaks HTTPS to systems that want it.");
		return false;
	}
	if (head->scheme.len == 0) {
		front_refuse(f, 400,
			     "This is an HTTP proxy: the request line must name the target in "
			     "absolute form, e.g. GET http://virtual-host:80/path HTTP/1.1.");
		return false;
	}
	if (str_eq_nocase(head->scheme, STR("https"))) {
		front_refuse(
			f, 405,
			"https:// targets are not served here: use http:// with the virtual "
			"host; the mapping in the connector decides about HTTPS to the system.");
		return false;
	}
	if (!str_eq_nocase(head->scheme, STR("http"))) {
		front_refuse(f, 400, "The scheme of the target must be http.");
		return false;
	}
	return true;
}

/* Bad tokens and locked tenants; a request without a token is how some clients ask for the scheme.
 */
static void note_denied(struct front *f, const struct http_head *head, const char *subaccount,
			unsigned status, const char *reason)
{
	AUTO_BUF struct buf object = BUF(DENIALS_TEXT_MAX);

	if (f->worker->settings.denials == NULL) {
		return;
	}
	buf_addf(&object, "%.*s http://%.*s", STR_ARGS(str_first(head->method, 32)),
		 STR_ARGS(str_first(head->authority, 200)));
	denials_note(f->worker->settings.denials, &(const struct denial){
							  .who = STR("application"),
							  .tenant = str_of(subaccount),
							  .what = STR("denied proxy request"),
							  .object = buf_str(&object),
							  .reason = reason,
							  .status = status,
						  });
}

static const struct token_facts *check_token(struct front *f, const struct http_head *head)
{
	struct worker *w = f->worker;
	const struct directory_snapshot *snap = worker_snapshot(w);
	const struct token_facts *facts = NULL;
	struct str value = http_value(head, STR("proxy-authorization")), token;
	const char *url = w->settings.token_url;
	const char *where = url ? url : "the token server", *page = url ? "/oauth/token" : "";
	struct err err;

	if (value.at == NULL) {
		front_refuse(f, 407,
			     "No token: send Proxy-Authorization: Bearer with one from %s%s.",
			     where, page);
		return NULL;
	}
	if (!tokens_from_field(value, &w->room, &token)) {
		front_refuse(f, 407,
			     "Proxy-Authorization must be \"Bearer <token>\" (or Basic with the "
			     "token as user name and no password).");
		return NULL;
	}
	if (!tokens_check(w->tokens, token, snap, w->view.number, clock_unix(), &facts, &err)) {
		note_denied(f, head, "", 407, err.text);
		front_refuse(f, 407, "The token is not accepted: %s. Get a new one from %s%s.",
			     err.text, where, page);
		return NULL;
	}
	if (facts->locked) {
		note_denied(f, head, facts->subaccount, 403, "the subaccount is locked");
		w->counters.refused_locked_total++;
		front_refuse(f, 403, "Subaccount %s is locked.", facts->subaccount);
		return NULL;
	}
	const char *misses = front_certificate_misses(f, facts);
	if (misses != NULL) {
		note_denied(f, head, facts->subaccount, 403, misses);
		return NULL;
	}
	return facts;
}

static bool find_place(struct front *f, const struct http_head *head, const char *subaccount)
{
	const struct str name = STR("sap-connectivity-scc-location_id");
	size_t at = 0;
	const struct http_field *first = http_find(head, name, &at);
	struct str location = first != NULL ? first->value : STR("");

	if (location.len > PTTH_LOCATION_MAX || (first && http_find(head, name, &at) != NULL) ||
	    !registry_key(str_of(subaccount), location, f->key)) {
		front_refuse(f, 400,
			     "SAP-Connectivity-SCC-Location_ID must come once, with at most %d "
			     "bytes.",
			     (int)PTTH_LOCATION_MAX);
		return false;
	}
	return true;
}

static bool may_ask(struct front *f)
{
	if (cancels_wait(f->worker->cancels, front_subaccount(f), loop_now(f->worker->loop)) == 0) {
		return true;
	}
	front_refuse(f, 429,
		     "The applications of this subaccount gave up too many requests (limit: %d at "
		     "once, %d in a second).",
		     (int)CANCELS_BURST, 1000 / CANCELS_COST_MS);
	return false;
}

static void begin(struct front *f, struct http_head *head)
{
	f->is_head = str_eq(head->method, STR("HEAD"));
	f->is_http10 = head->minor == 0;
	f->keep_alive = head->keep_alive && !f->is_http10 && !f->worker->draining;
	f->idempotent = http_method_is_idempotent(head->method);
	f->has_body = head->body == HTTP_BODY_CHUNKED ||
		      (head->body == HTTP_BODY_LENGTH && head->content_length > 0);
	f->request_done = !f->has_body;
	f->reading_head = false;
	f->whole = true;
	f->worker->counters.requests_total += f->counted ? 0 : 1;
	f->counted = true;
	if (!form_is_good(f, head)) {
		return;
	}
	const struct token_facts *facts = check_token(f, head);
	if (facts != NULL && find_place(f, head, facts->subaccount) && may_ask(f)) {
		route(f, head);
	}
}

/* Reads heads until the front has something to wait for. */
void front_read_on(struct front *f)
{
	struct worker *w = f->worker;

	while (f->state == FRONT_IDLE && stream_queued(f->stream) < FRONT_ANSWERS_MAX) {
		struct str in = stream_peek(f->stream);
		struct http_head head;
		unsigned status = 400;
		size_t used = 0;
		struct err err;

		if (in.len == 0) {
			return;
		}
		arena_reset(w->arena);
		enum h1_outcome outcome =
			h1_read_request(in, &H1_LIMITS, w->arena, &head, &used, &status, &err);
		if (outcome == H1_MORE) {
			if (!f->reading_head) {
				f->reading_head = true;
				front_deadline(f, w->settings.limits.head);
			}
			return;
		}
		if (outcome == H1_BAD) {
			w->counters.requests_total++;
			f->keep_alive = f->is_head = f->request_done = false;
			front_refuse(f, status, "The request is malformed: %s.", err.text);
			return;
		}
		f->offset = used;
		begin(f, &head);
	}
}

void front_retry(struct front *f)
{
	f->worker->counters.requests_retried_total++;
	h1_body_fini(&f->body);
	f->offset = 0;
	f->state = FRONT_IDLE;
	front_read_on(f);
}
