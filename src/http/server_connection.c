/* One connection of the server: head, body, job, answer, and again. */
#include "http/server_priv.h"

#include "base/clock.h"
#include "base/log.h"

static void on_stream(struct stream *stream, enum stream_event event, void *user);

/* ---- life ---- */

void connection_drop_body(struct connection *c)
{
	c->server->held -= c->held;
	c->held = 0;
	buf_fini(&c->body_bytes);
}

static void forget_request(struct connection *c)
{
	json_free(TAKE(c->call.json));
	buf_fini(&c->call.out);
	connection_drop_body(c);
	h1_body_fini(&c->body);
	arena_free(TAKE(c->arena));
	c->call = (struct http_call){0};
	c->head = (struct http_head){0};
	c->path = (struct http_path){0};
	c->head_begun = false;
}

static void free_connection(struct loop_task *task)
{
	struct connection *c = CONTAINER_OF(task, struct connection, death);
	struct http_server *s = c->server;
	forget_request(c);
	free(c->peer_cert);
	free(c);
	server_connection_gone(s);
}

/* The connection leaves the server; its memory goes when nobody is on the stack. */
static void bury(struct connection *c)
{
	struct http_server *s = c->server;
	c->state = CONNECTION_GONE;
	loop_timer_cancel(s->loop, &c->timer);
	if (c->prev != NULL) {
		c->prev->next = c->next;
	} else {
		s->connections = c->next;
	}
	if (c->next != NULL) {
		c->next->prev = c->prev;
	} else {
		s->oldest = c->prev;
	}
	c->listener->connections--;
	atomic_fetch_sub(&s->counters.connections, 1);
	loop_defer(s->loop, LOOP_FREE, &c->death, free_connection);
}

/* Closes at once. While a job owns the request the connection stays until it is done. */
void connection_lose(struct connection *c)
{
	stream_close(TAKE(c->stream));
	loop_timer_cancel(c->server->loop, &c->timer);
	if (c->state != CONNECTION_JOB) {
		bury(c);
	}
}

static void close_behind_answer(struct connection *c)
{
	stream_close_after_flush(TAKE(c->stream), SERVER_CLOSE_MS);
	bury(c);
}

void connection_end_if_idle(struct connection *c)
{
	bool idle =
		c->state == CONNECTION_HANDSHAKE || (c->state == CONNECTION_HEAD && !c->head_begun);
	if (idle && c->stream != NULL) {
		connection_lose(c);
	}
}

bool connection_gives_way(struct connection *c)
{
	bool waits = c->state == CONNECTION_HANDSHAKE || c->state == CONNECTION_HEAD;

	if (waits && c->stream != NULL) {
		connection_lose(c);
		return true;
	}
	return false;
}

/* ---- answering ---- */

static void add_default(struct connection *c, const char *name, const char *value)
{
	struct http_call *call = &c->call;
	for (size_t i = 0; i < call->n_fields; i++) {
		if (str_eq_nocase(call->fields[i].name, str_of(name))) {
			return;
		}
	}
	http_answer_field(call, name, str_of(value));
}

static void add_defaults(struct connection *c)
{
	AUTO_BUF struct buf date = BUF(64);
	clock_add_http_date(&date, clock_unix());
	add_default(c, "Date", date.at);
	if (c->call.status == 101) {
		return;
	}
	add_default(c, "Cache-Control", "no-store");
	add_default(c, "X-Content-Type-Options", "nosniff");
	if (c->over_tls) {
		add_default(c, "Strict-Transport-Security", "max-age=31536000");
	}
}

static void write_answer(struct connection *c)
{
	struct http_call *call = &c->call;
	if (buf_failed(&call->out)) {
		http_problem(call, 500, "the answer is longer than the limit of %d bytes",
			     HTTP_SERVER_ANSWER_MAX);
	}
	add_defaults(c);
	bool empty = call->status == 204 || call->status == 304 || call->status == 101;
	bool is_head = str_eq(c->head.method, STR("HEAD"));
	struct http_head head = {
		.status = call->status,
		.fields = call->fields,
		.n_fields = call->n_fields,
		.minor = 1,
		.body = empty || is_head ? HTTP_BODY_NONE : HTTP_BODY_LENGTH,
		.declared = is_head               ? HTTP_BODY_LENGTH
			    : call->status == 304 ? HTTP_BODY_TO_CLOSE
						  : HTTP_BODY_NONE,
		.content_length = call->out.len,
		.upgrade = call->status == 101,
	};
	AUTO_BUF struct buf text = BUF(HTTP_HEAD_MAX);
	h1_write_response(&text, &head, c->keep_alive);
	stream_write(c->stream, buf_str(&text));
	if (head.body == HTTP_BODY_LENGTH) {
		stream_write(c->stream, buf_str(&call->out));
	}
}

static void on_slow_reader(struct loop_timer *t)
{
	connection_lose(CONTAINER_OF(t, struct connection, timer));
}

void connection_arm(struct connection *c, msec_t pause, void (*fn)(struct loop_timer *))
{
	struct loop *l = c->server->loop;
	loop_timer_set(l, &c->timer, loop_now(l) + pause, fn);
}

static void hand_over(struct connection *c)
{
	http_upgrade_fn *upgrade = c->call.upgrade;
	void *user = c->call.upgrade_user;
	struct stream *stream = TAKE(c->stream);
	bury(c);
	upgrade(stream, user);
}

void connection_answer(struct connection *c)
{
	struct http_call *call = &c->call;
	bool upgrades = call->status == 101 && call->upgrade != NULL;
	if (c->stream == NULL) { /* the peer went away while the job ran */
		if (upgrades) {
			call->upgrade(NULL, call->upgrade_user);
		}
		bury(c);
		return;
	}
	if (call->status == 101 && !upgrades) {
		http_problem(call, 500, "there is nobody to upgrade to");
	}
	c->keep_alive &= !c->server->closing && !c->eof;
	write_answer(c);
	if (upgrades) {
		hand_over(c);
	} else if (!c->keep_alive) {
		close_behind_answer(c);
	} else {
		c->state = CONNECTION_ANSWER;
		connection_arm(c, c->server->settings.body_timeout, on_slow_reader);
	}
}

static void count_refusal(struct connection *c, unsigned status)
{
	struct server_counters *n = &c->server->counters;
	if (status == 408) {
		atomic_fetch_add(&n->refused_408, 1);
	} else if (status == 413) {
		atomic_fetch_add(&n->refused_413, 1);
	} else if (status == 431 || status == 414) {
		atomic_fetch_add(&n->refused_431, 1);
	} else if (status == 503) {
		atomic_fetch_add(&n->overload, 1);
	} else {
		atomic_fetch_add(&n->refused_400, 1);
	}
}

/* A path that was not understood is shown as it came: hooks choose the form of an error by it. */
void connection_prepare_call(struct connection *c)
{
	c->call = (struct http_call){
		.arena = c->arena,
		.head = &c->head,
		.path = c->path.path.at ? c->path.path : c->head.path,
		.query = c->path.query,
		.peer = c->peer,
		.peer_state = c->peer_state,
		.peer_cert = c->peer_cert,
		.user = c->server->settings.user,
		.status = 200,
		.out = BUF(HTTP_SERVER_ANSWER_MAX),
		.settings = &c->server->settings,
	};
}

/* Answers without a handler. The connection goes on only where the next head can be found. */
void connection_refuse(struct connection *c, unsigned status, const char *why)
{
	if (c->arena == NULL) {
		c->arena = arena_new(SERVER_ARENA_FIRST, HTTP_SERVER_ARENA_MAX);
		arena_wipe(c->arena); /* queries and forms have passwords */
	}
	if (c->call.settings == NULL) {
		connection_prepare_call(c);
	}
	http_problem(&c->call, status, "%s", why);
	if (status == 503) {
		http_answer_field(&c->call, "Retry-After", STR("1"));
	}
	connection_answer(c);
}

void connection_refuse_and_count(struct connection *c, unsigned status, const char *why)
{
	count_refusal(c, status);
	c->keep_alive = false;
	if (c->stream != NULL) {
		stream_expect_more(c->stream); /* most likely it is still sending */
	}
	connection_refuse(c, status, why);
}

/* ---- the stream ---- */

static bool answer_left(struct connection *c)
{
	if (stream_queued(c->stream) > 0) {
		connection_arm(c, c->server->settings.body_timeout, on_slow_reader);
		return false;
	}
	forget_request(c);
	c->state = CONNECTION_HEAD;
	if (c->eof || c->server->closing) {
		connection_lose(c);
		return false;
	}
	return true;
}

/* Goes on as far as the bytes that are here reach. */
static void advance(struct connection *c)
{
	bool more = true;
	while (more && c->stream != NULL) {
		switch (c->state) {
		case CONNECTION_HEAD:
			more = connection_read_head(c);
			break;
		case CONNECTION_BODY:
			more = connection_read_body(c);
			break;
		case CONNECTION_ANSWER:
			more = answer_left(c);
			break;
		case CONNECTION_HANDSHAKE:
		case CONNECTION_JOB:
		case CONNECTION_GONE:
			more = false;
			break;
		}
	}
}

static void note_peer(struct connection *c)
{
	struct cert_facts facts = {0};
	const struct tls_engine *tls = stream_tls(c->stream);
	if (tls == NULL) {
		return;
	}
	c->peer_state = tls_peer(tls, &facts);
	if (c->peer_state != TLS_PEER_ABSENT) {
		c->peer_cert = NEW(struct cert_facts);
		*c->peer_cert = facts;
	}
}

static void at_eof(struct connection *c)
{
	c->eof = true;
	if (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY) {
		connection_lose(c); /* nothing whole is left to answer */
	}
}

static void on_stream(struct stream *stream UNUSED, enum stream_event event, void *user)
{
	struct connection *c = user;
	switch (event) {
	case STREAM_OPEN:
		if (c->state == CONNECTION_HANDSHAKE) {
			note_peer(c);
			c->state = CONNECTION_HEAD;
		}
		advance(c);
		return;
	case STREAM_READABLE:
	case STREAM_SENT:
		advance(c);
		return;
	case STREAM_EOF:
		at_eof(c);
		return;
	case STREAM_FAILED:
		log_debug("a connection of the server ended", LOG_ERR(stream_failure(c->stream)));
		connection_lose(c);
		return;
	}
}

static void start_tls(struct connection *c)
{
	struct http_server *s = c->server;
	struct err err = {0};
	AUTO(tls_config_unref) struct tls_config *config = c->listener->tls(c->listener->tls_user);
	AUTO(tls_engine_free) struct tls_engine *engine = NULL;
	if (config == NULL || !tls_engine_new(config, NULL, &engine, &err)) {
		log_error("a connection has no TLS to speak", LOG_ERR(&err));
		connection_lose(c);
		return;
	}
	c->over_tls = true;
	c->state = CONNECTION_HANDSHAKE;
	stream_start_tls(c->stream, TAKE(engine), s->settings.jobs, s->settings.head_timeout);
}

void connection_start(struct server_listener *from, int take_fd, const struct address *peer)
{
	struct http_server *s = from->server;
	struct connection *c = NEW(struct connection);
	*c = (struct connection){.server = s,
				 .listener = from,
				 .next = s->connections,
				 .peer = *peer,
				 .state = CONNECTION_HEAD};
	if (c->next != NULL) {
		c->next->prev = c;
	} else {
		s->oldest = c;
	}
	s->connections = c;
	from->connections++;
	atomic_fetch_add(&s->counters.connections, 1);
	c->stream = stream_adopt(s->loop, take_fd, on_stream, c);
	stream_wipe_input(c->stream);
	/* a head must fit in what is kept unread, or its end would never come */
	stream_set_read_limit(c->stream, HTTP_HEAD_MAX + HTTP_LINE_MAX);
	if (from->tls != NULL) {
		start_tls(c);
	} else {
		connection_wait(c);
	}
}
