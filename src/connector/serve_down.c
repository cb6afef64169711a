#include "connector/serve.h"

#include "base/log.h"
#include "connector/rewrite.h"
#include "connector/serve_priv.h"

enum {
	H2_INTERNAL_ERROR = 2,
	LOG_LINES_MAX = 20, /* a second: a broken back end must not fill the disk */
};

/* ---- ends ---- */

/* Nothing more will be given to the stream. */
static void end_down(struct exchange *x)
{
	x->down = DOWN_ENDED;
	if (x->stream != NULL && x->owed > 0) {
		h2_consume(x->stream, x->owed);
		x->owed = 0;
	}
	exchange_flush(x);
	if (x->up == UP_ENDED) {
		exchange_free(x);
	} else {
		exchange_progress(x); /* the linger time starts */
	}
}

static void log_failure(struct exchange *x, const char *text)
{
	struct serve *s = x->serve;
	msec_t second = loop_now(s->settings.backend.loop) / 1000;

	if (second != s->log_second) {
		s->log_second = second;
		s->log_lines = 0;
	}
	if (x->mapping != NULL && s->log_lines++ < LOG_LINES_MAX) {
		log_info("back end failed", LOG_STR("system", x->mapping->virtual_host),
			 LOG_INT("port", x->mapping->virtual_port), LOG_TEXT("err", text));
	}
}

static void count_failure(struct serve *s, unsigned status)
{
	s->counters.failed_502 += status == 502;
	s->counters.failed_503 += status == 503;
	s->counters.failed_504 += status == 504;
}

/* The text as the answer; the stream is still without one. */
static void answer_text(struct exchange *x, unsigned status, const char *text)
{
	AUTO_BUF struct buf body = BUF(KIB(4));
	char length[24];
	struct err err;

	buf_addf(&body, "%s\n", text);
	snprintf(length, sizeof length, "%zu", body.len);
	struct http_field fields[] = {
		{STR("content-type"), STR("text/plain; charset=utf-8"), false},
		{STR("x-content-type-options"), STR("nosniff"), false},
		{STR("content-length"), str_of(length), false},
	};
	struct http_head head = {
		.status = status,
		.fields = fields,
		.n_fields = COUNT(fields),
		.body = HTTP_BODY_LENGTH,
		.content_length = body.len,
		.minor = 1,
	};
	bool has_body = !str_eq(x->method, STR("HEAD"));
	if (!has_body) {
		head.body = HTTP_BODY_NONE;
		head.declared = HTTP_BODY_LENGTH;
	}
	if (!h2_respond(x->stream, &head, has_body, &err)) {
		h2_reset(x->stream, H2_INTERNAL_ERROR);
	} else if (has_body) {
		h2_send(x->stream, buf_str(&body));
		h2_end(x->stream, NULL, 0);
	}
}

void exchange_fail(struct exchange *x, unsigned status, const char *text)
{
	struct serve *s = x->serve;

	if (status >= 500) {
		log_failure(x, text);
	}
	backend_abort(&x->lease);
	if (x->stream == NULL) {
		exchange_free(x);
		return;
	}
	if (x->down == DOWN_BODY) {
		s->counters.broken++;
		h2_reset(x->stream, H2_INTERNAL_ERROR);
		exchange_flush(x);
		exchange_free(x);
		return;
	}
	count_failure(s, status);
	answer_text(x, status, text);
	end_down(x);
}

/* "erp.virtual:443 (10.1.2.3:8443) <what>: <why>" */
static void fail_502(struct exchange *x, const char *what, const char *why)
{
	char text[600];
	const struct access_mapping *m = x->mapping;

	snprintf(text, sizeof text, "the back end of %.*s:%u %s%s%s",
		 (int)(m->virtual_host.len < 255 ? m->virtual_host.len : 255), m->virtual_host.at,
		 m->virtual_port, what, why ? ": " : "", why ? why : "");
	exchange_fail(x, 502, text);
}

/* ---- the head ---- */

static bool offers_connection_auth(const struct http_head *head)
{
	size_t at = 0;

	if (head->status != 401) {
		return false;
	}
	for (const struct http_field *f; (f = http_find(head, STR("www-authenticate"), &at));) {
		if (str_starts_nocase(f->value, STR("NTLM")) ||
		    str_starts_nocase(f->value, STR("Negotiate"))) {
			return true;
		}
	}
	return false;
}

/* Keep-Alive: timeout=5, max=100. In ms; -1: not said. */
static msec_t keep_alive_of(const struct http_head *head)
{
	struct str rest = http_value(head, STR("keep-alive")), member;
	uint64_t seconds;

	while (str_next_listed(&rest, &member)) {
		if (str_starts_nocase(member, STR("timeout=")) &&
		    str_to_u64(str_skip(member, 8), &seconds)) {
			return seconds < 3600 ? (msec_t)seconds * 1000 : SEC(3600);
		}
	}
	return -1;
}

/* What a step of the pump came to. */
enum step {
	STEP_MORE,
	STEP_WAIT, /* for the back end, or for the stream's queue */
	STEP_OVER, /* the exchange has ended or begins anew: it must not be touched any more */
};

/* Gives the head to the stream. */
static enum step respond(struct exchange *x, const struct http_head *head, bool has_body)
{
	struct http_head out;
	struct err err = {0};

	if (!rewrite_response(head, x->mapping, x->serve->arena, &out, &err) ||
	    !h2_can_carry(&out, &err) || !h2_respond(x->stream, &out, has_body, &err)) {
		fail_502(x, "answered with a head that cannot be passed on", err.text);
		return STEP_OVER;
	}
	exchange_flush(x);
	return STEP_MORE;
}

static enum step on_interim(struct exchange *x, const struct http_head *head)
{
	if (head->status == 101) {
		fail_502(x, "switched to another protocol without being asked", NULL);
		return STEP_OVER;
	}
	if (++x->n_interim > SERVE_INTERIM_MAX) {
		fail_502(x, "sends interim answers without end", NULL);
		return STEP_OVER;
	}
	return respond(x, head, false);
}

/* The answer is complete: the connection goes back to the pool if nothing is left on it. */
static void give_back(struct exchange *x)
{
	struct stream *s = x->lease.stream;

	exchange_credit(x);
	if (x->keep_alive && x->up == UP_ENDED && !x->eof && x->owed == 0 &&
	    stream_queued(s) == 0 && stream_peek(s).len == 0) {
		backend_release(&x->lease, x->keep_alive_time);
	} else {
		backend_abort(&x->lease);
	}
}

static enum step finish(struct exchange *x)
{
	struct http_head trailers = {0}, out = {0};
	struct err err;

	arena_reset(x->serve->arena);
	if (x->body.kind == HTTP_BODY_CHUNKED && x->has_body &&
	    (!h1_body_trailers(&x->body, x->serve->arena, &trailers.fields, &trailers.n_fields,
			       &err) ||
	     !rewrite_trailers(&trailers, x->serve->arena, &out, &err))) {
		fail_502(x, "sent bad trailers", err.text);
		return STEP_OVER;
	}
	give_back(x);
	x->serve->counters.answered++;
	if (x->has_body) {
		h2_end(x->stream, out.fields, out.n_fields);
	}
	end_down(x);
	return STEP_OVER;
}

static enum step on_head(struct exchange *x, const struct http_head *head, size_t used)
{
	if (head->status < 200) {
		enum step step = on_interim(x, head);
		if (step == STEP_MORE) {
			stream_consume(x->lease.stream, used);
		}
		return step;
	}
	x->has_body = head->body != HTTP_BODY_NONE &&
		      !(head->body == HTTP_BODY_LENGTH && head->content_length == 0);
	x->keep_alive = head->keep_alive;
	x->keep_alive_time = keep_alive_of(head);
	if (offers_connection_auth(head)) {
		backend_bind(&x->lease);
	}
	if (respond(x, head, x->has_body) == STEP_OVER) {
		return STEP_OVER;
	}
	x->down = DOWN_BODY;
	x->replayable = false;
	h1_body_start(&x->body, head);
	stream_consume(x->lease.stream, used);
	return x->has_body ? STEP_MORE : finish(x);
}

/* ---- the pump ---- */

static const char *why_closed(const struct exchange *x)
{
	const struct err *failure = stream_failure(x->lease.stream);

	return failure != NULL && failure->kind != ERR_NONE ? failure->text : NULL;
}

/* The back end has closed, and the head of its answer is not whole. */
static enum step closed_before_head(struct exchange *x)
{
	if (!exchange_repeat(x)) {
		fail_502(x,
			 x->answer_began ? "broke off within the head of its answer"
					 : "closed the connection without an answer",
			 why_closed(x));
	}
	return STEP_OVER;
}

static enum step pump_head(struct exchange *x)
{
	struct str in = stream_peek(x->lease.stream);
	struct http_head head;
	struct h1_limits limits = H1_LIMITS;
	struct err err;
	size_t used = 0;

	if (in.len == 0) {
		return x->eof ? closed_before_head(x) : STEP_WAIT;
	}
	x->answer_began = true;
	exchange_progress(x);
	arena_reset(x->serve->arena);
	switch (h1_read_response(in, &limits, x->method, x->serve->arena, &head, &used, &err)) {
	case H1_MORE:
		return x->eof ? closed_before_head(x) : STEP_WAIT;
	case H1_BAD:
		fail_502(x, "does not speak HTTP/1.1 properly", err.text);
		return STEP_OVER;
	case H1_DONE:
		return on_head(x, &head, used);
	}
	return STEP_OVER;
}

static enum step closed_in_body(struct exchange *x)
{
	const char *why = why_closed(x);

	if (why == NULL && h1_body_at_close(&x->body)) {
		return finish(x);
	}
	fail_502(x, "broke off within its answer", why);
	return STEP_OVER;
}

static enum step pump_body(struct exchange *x)
{
	struct stream *s = x->lease.stream;
	struct str in = stream_peek(s), data = STR_NONE;
	struct err err;
	size_t used = 0;

	if (h2_queued(x->stream) >= H2_STREAM_QUEUE_HIGH) {
		return STEP_WAIT; /* H2_SENT goes on; the stream stops reading its socket */
	}
	if (in.len == 0) {
		return x->eof ? closed_in_body(x) : STEP_WAIT;
	}
	enum h1_outcome outcome = h1_body_read(&x->body, in, &used, &data, &err);
	if (data.len > 0) {
		h2_send(x->stream, data);
		exchange_flush(x);
	}
	stream_consume(s, used);
	exchange_progress(x);
	switch (outcome) {
	case H1_MORE:
		return used > 0 ? STEP_MORE : STEP_WAIT;
	case H1_BAD:
		fail_502(x, "sent a bad body", err.text);
		return STEP_OVER;
	case H1_DONE:
		return finish(x);
	}
	return STEP_OVER;
}

void exchange_pump(struct exchange *x)
{
	enum step step = STEP_MORE;

	while (step == STEP_MORE) {
		if (x->down == DOWN_HEAD) {
			step = pump_head(x);
		} else if (x->down == DOWN_BODY) {
			step = pump_body(x);
		} else {
			step = STEP_WAIT;
		}
	}
}

void exchange_backend_event(struct stream *s, enum stream_event event, void *user)
{
	struct exchange *x = user;

	(void)s;
	switch (event) {
	case STREAM_OPEN:
		exchange_opened(x);
		return;
	case STREAM_READABLE:
		exchange_pump(x);
		return;
	case STREAM_SENT:
		exchange_credit(x);
		return;
	case STREAM_EOF:
		x->eof = true;
		exchange_pump(x);
		return;
	case STREAM_FAILED:
		if (x->down == DOWN_WAITING) {
			exchange_lease_failed(x);
			return;
		}
		x->eof = true;
		exchange_pump(x);
		return;
	}
}
