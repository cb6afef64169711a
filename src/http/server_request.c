/* One request on its way in: head, route, body, job. */
#include "base/map.h"
#include "http/server_priv.h"

/* ---- the job ---- */

static bool is_slow(const struct connection *c)
{
	return (c->call.route->roles & HTTP_ROUTE_SLOW) != 0 && c->server->settings.slow != NULL;
}

static void run_slow(struct job *job)
{
	struct connection *c = CONTAINER_OF(job, struct connection, job);
	c->call.route->handler(&c->call);
}

static void run_call(struct job *job)
{
	struct connection *c = CONTAINER_OF(job, struct connection, job);
	struct http_call *call = &c->call;
	bool (*authorize)(struct http_call *) = c->server->settings.authorize;
	bool built_in = strcmp(call->route->pattern, "/openapi.json") == 0;
	if (!built_in && authorize != NULL && !authorize(call)) {
		return;
	}
	if (is_slow(c)) {
		c->waits_for_slow = true;
	} else {
		call->route->handler(call);
	}
}

static void call_done(struct job *job)
{
	struct connection *c = CONTAINER_OF(job, struct connection, job);
	c->state = CONNECTION_ANSWER;
	connection_answer(c);
}

/* 0 is nobody's share. */
static uint64_t owner_of(const struct connection *c)
{
	struct str owner = STR_NONE;
	if (c->server->settings.owner != NULL) {
		owner = c->server->settings.owner(&c->call);
	}
	return owner.len > 0 ? map_hash(owner) | 1 : 0;
}

static void submit_slow(struct connection *c)
{
	const struct http_server_settings *s = &c->server->settings;
	struct err err = {0};
	char why[sizeof(err.text) + 120];
	c->job = (struct job){.run = run_slow, .done = call_done, .owner = owner_of(c)};
	if (jobs_submit(s->slow, c->server->loop, &c->job, &err)) {
		return;
	}
	atomic_fetch_add(&c->server->counters.overload, 1);
	c->state = CONNECTION_ANSWER;
	(void)snprintf(why, sizeof(why),
		       "too many requests that take long: %s (%s): try again later", err.text,
		       s->slow_limit);
	connection_refuse(c, 503, why);
}

static void let_in(struct job *job)
{
	struct connection *c = CONTAINER_OF(job, struct connection, job);
	if (c->waits_for_slow && c->stream != NULL) { /* else nobody waits for the answer */
		submit_slow(c);
	} else {
		call_done(job);
	}
}

static void submit(struct connection *c)
{
	struct err err = {0};
	loop_timer_cancel(c->server->loop, &c->timer);
	c->call.body = buf_str(&c->body_bytes);
	c->waits_for_slow = false;
	c->job = (struct job){.run = run_call, .done = let_in};
	c->state = CONNECTION_JOB;
	if (!jobs_submit(c->server->settings.jobs, c->server->loop, &c->job, &err)) {
		c->state = CONNECTION_ANSWER;
		connection_refuse_and_count(c, 503, err.text);
		return;
	}
	atomic_fetch_add(&c->server->counters.requests, 1);
}

/* ---- the body ---- */

static void on_slow_body(struct loop_timer *t)
{
	connection_refuse_and_count(CONTAINER_OF(t, struct connection, timer), 408,
				    "the rest of the request took too long");
}

static void wait_for_body(struct connection *c)
{
	msec_t pause = c->server->settings.body_timeout;
	msec_t earned = (msec_t)(c->body_bytes.len / HTTP_SERVER_RATE_LEAST) * SEC(1);
	msec_t left = c->body_begun + pause + earned - loop_now(c->server->loop);

	left = left > 0 ? left : 0;
	connection_arm(c, left < pause ? left : pause, on_slow_body);
}

/* Of those that somebody is still sending, and that are no trifle. */
static struct connection *longest_on_its_way(const struct http_server *s)
{
	struct connection *longest = NULL;

	for (struct connection *c = s->connections; c != NULL; c = c->next) {
		if (c->state == CONNECTION_BODY && c->held >= HTTP_SERVER_BODY_SMALL &&
		    (longest == NULL || c->body_begun <= longest->body_begun)) {
			longest = c;
		}
	}
	return longest;
}

/* False: this one had to give way. */
static bool hold_body(struct connection *c, size_t n)
{
	struct http_server *s = c->server;
	struct connection *longest;

	c->held += n;
	s->held += n;
	while (s->held > s->settings.bodies_max && (longest = longest_on_its_way(s)) != NULL) {
		connection_drop_body(longest);
		connection_refuse_and_count(longest, 503,
					    "too many bodies are on their way, and this one for "
					    "the longest (limit): send it again");
		if (longest == c) {
			return false;
		}
	}
	return true;
}

static void refuse_length(struct connection *c)
{
	char why[96];
	snprintf(why, sizeof why, "the body is longer than the limit of %zu bytes",
		 c->body_bytes.max);
	connection_refuse_and_count(c, 413, why);
}

bool connection_read_body(struct connection *c)
{
	struct err err = {0};
	for (;;) {
		struct str in = stream_peek(c->stream);
		struct str data = STR_NONE;
		size_t used = 0;
		enum h1_outcome outcome = h1_body_read(&c->body, in, &used, &data, &err);
		size_t before = c->body_bytes.len;
		buf_add_str(&c->body_bytes, data);
		stream_consume(c->stream, used);
		if (!hold_body(c, c->body_bytes.len - before)) {
			return true;
		}
		if (outcome == H1_BAD) {
			connection_refuse_and_count(c, 400, err.text);
			return true;
		}
		if (buf_failed(&c->body_bytes)) {
			refuse_length(c);
			return true;
		}
		if (outcome == H1_DONE) {
			submit(c);
			return true;
		}
		if (used == 0 || stream_peek(c->stream).len == 0) {
			wait_for_body(c);
			return false;
		}
	}
}

static void begin_body(struct connection *c)
{
	const struct http_route *route = c->call.route;
	size_t max = route->body_max ? route->body_max : HTTP_SERVER_BODY_MAX;
	c->body_bytes = BUF_SECRET(max); /* passwords, keys and containers come this way */
	if (c->head.body == HTTP_BODY_LENGTH && c->head.content_length > max) {
		refuse_length(c);
		return;
	}
	h1_body_start(&c->body, &c->head);
	c->state = CONNECTION_BODY;
	c->body_begun = loop_now(c->server->loop);
	if (c->head.expect_continue && c->head.body != HTTP_BODY_NONE &&
	    stream_peek(c->stream).len == 0) {
		stream_write(c->stream, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	}
}

/* ---- the head ---- */

static void answer_allow(struct connection *c, struct str allow)
{
	http_answer_field(&c->call, "Allow", allow);
	if (str_eq(c->head.method, STR("OPTIONS"))) {
		c->call.status = 204;
		connection_answer(c);
	} else {
		connection_refuse(c, 405, "this path does not serve that method: see Allow");
	}
}

static void route_request(struct connection *c)
{
	struct err err = {0};
	AUTO_BUF struct buf allow = BUF(KIB(1));
	c->keep_alive = c->head.keep_alive;
	if (!http_path_read(c->head.path, c->arena, &c->path, &err)) {
		connection_refuse_and_count(c, 400, err.text);
		return;
	}
	connection_prepare_call(c);
	enum route_outcome outcome = route_find(c->server->tables, &c->path, c->head.method,
						&c->call.route, c->call.params, &allow);
	if (outcome == ROUTE_FOUND) {
		begin_body(c);
		return;
	}
	if (c->head.body != HTTP_BODY_NONE) { /* it would be in the way */
		c->keep_alive = false;
		stream_expect_more(c->stream);
	}
	if (outcome == ROUTE_METHOD) {
		answer_allow(c, buf_str(&allow));
	} else {
		connection_refuse(c, 404, "there is nothing at this path");
	}
}

static void on_slow_head(struct loop_timer *t)
{
	struct connection *c = CONTAINER_OF(t, struct connection, timer);
	if (c->head_begun) {
		connection_refuse_and_count(c, 408, "the head of the request took too long");
	} else {
		connection_lose(c); /* kept alive for nothing */
	}
}

static void wait_for_head(struct connection *c, bool more)
{
	const struct http_server_settings *s = &c->server->settings;
	if (more && !c->head_begun) {
		c->head_begun = true;
		connection_arm(c, s->head_timeout, on_slow_head);
	} else if (!c->head_begun) {
		connection_arm(c, s->idle_timeout, on_slow_head);
	}
}

/* The head's strings must outlive the stream's bytes: parsed again over a copy. */
static bool keep_head(struct connection *c, size_t used)
{
	unsigned status = 0;
	struct err err = {0};
	struct h1_limits limits = H1_LIMITS;
	struct str copy = arena_str(c->arena, str_first(stream_peek(c->stream), used));
	stream_consume(c->stream, used);
	return copy.at != NULL &&
	       h1_read_request(copy, &limits, c->arena, &c->head, &used, &status, &err) == H1_DONE;
}

bool connection_read_head(struct connection *c)
{
	struct str in = stream_peek(c->stream);
	struct h1_limits limits = H1_LIMITS;
	struct err err = {0};
	unsigned status = 400;
	size_t used = 0;
	if (in.len == 0) {
		wait_for_head(c, false);
		return false;
	}
	if (c->arena == NULL) {
		c->arena = arena_new(SERVER_ARENA_FIRST, HTTP_SERVER_ARENA_MAX);
		arena_wipe(c->arena);
	}
	arena_reset(c->arena);
	switch (h1_read_request(in, &limits, c->arena, &c->head, &used, &status, &err)) {
	case H1_MORE:
		c->head = (struct http_head){0};
		wait_for_head(c, true);
		return false;
	case H1_BAD:
		c->head = (struct http_head){0};
		connection_refuse_and_count(c, status, err.text);
		return true;
	case H1_DONE:
		break;
	}
	if (!keep_head(c, used)) {
		connection_refuse_and_count(c, 431, "the head is too large");
		return true;
	}
	route_request(c);
	return true;
}

void connection_wait(struct connection *c)
{
	wait_for_head(c, false);
}
