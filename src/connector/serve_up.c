#include "connector/serve.h"

#include "base/log.h"
#include "base/map.h"
#include "connector/rewrite.h"
#include "connector/serve_priv.h"

/* ---- bytes to the back end ---- */

static void put(struct exchange *x, struct str bytes)
{
	if (x->lease.stream != NULL) {
		stream_write(x->lease.stream, bytes);
		x->written += bytes.len;
	}
	if (!x->replayable) {
		return;
	}
	/* Without a connection it must be kept; afterwards a repeat is worth 64 KiB and no more. */
	if (x->lease.stream != NULL && x->replay.len + bytes.len > SERVE_REPLAY_MAX) {
		x->replayable = false;
		buf_fini(&x->replay);
		return;
	}
	buf_add_str(&x->replay, bytes);
}

static void put_data(struct exchange *x, struct str data)
{
	char line[24];

	if (x->up_kind != HTTP_BODY_CHUNKED) {
		put(x, data);
		return;
	}
	int len = snprintf(line, sizeof line, "%zx\r\n", data.len);
	put(x, str_make(line, (size_t)len));
	put(x, data);
	put(x, STR("\r\n"));
}

/*
 * Credit for what the back end's kernel took (peers.md c1). Framing counts as content here until it
 * has left, too; so credit may come a little late and never early.
 */
void exchange_credit(struct exchange *x)
{
	if (x->owed == 0 || x->stream == NULL || x->lease.stream == NULL) {
		return;
	}
	uint64_t taken = stream_sent(x->lease.stream) - x->sent_before;
	uint64_t unsent = x->written > taken ? x->written - taken : 0;
	size_t keep = unsent < x->owed ? (size_t)unsent : x->owed;
	if (keep < x->owed) {
		h2_consume(x->stream, x->owed - keep);
		x->owed = keep;
		exchange_progress(x);
		exchange_flush(x);
	}
}

/* The connection is open: head, and what came of the body. */
static void send_start(struct exchange *x)
{
	struct stream *s = x->lease.stream;
	const struct str parts[] = {buf_str(&x->head), buf_str(&x->replay)};

	x->down = DOWN_HEAD;
	x->sent_before = stream_sent(s);
	x->written = x->head.len + x->replay.len;
	stream_writev(s, parts, x->replay.len > 0 ? 2 : 1);
	if (!x->lease.reused || x->repeated || x->replay.len > SERVE_REPLAY_MAX) {
		x->replayable = false; /* a fresh connection that breaks is the back end's answer */
	}
	if (x->binds) {
		backend_bind(&x->lease);
	}
	exchange_progress(x);
	exchange_credit(x);
}

void exchange_opened(struct exchange *x)
{
	if (buf_failed(&x->replay)) {
		exchange_fail(x, 503, "too much of the body came before the connection was open");
		return;
	}
	send_start(x);
}

void exchange_lease_failed(struct exchange *x)
{
	unsigned status = x->lease.overload ? 503 : x->lease.timed_out ? 504 : 502;

	exchange_fail(x, status, x->lease.failure.text);
}

static void acquire(struct exchange *x, bool fresh)
{
	struct backend_target *t = epoch_target(x->serve, x->epoch, x->mapping);

	x->lease = (struct backend_lease){.fn = exchange_backend_event, .user = x};
	x->down = DOWN_WAITING;
	switch (backend_acquire(t, &x->lease, x->client, fresh)) {
	case BACKEND_HELD:
		exchange_opened(x);
		return;
	case BACKEND_WAITS:
		return;
	case BACKEND_REFUSED:
		exchange_lease_failed(x);
		return;
	}
}

bool exchange_repeat(struct exchange *x)
{
	bool nothing_sent = stream_sent(x->lease.stream) == x->sent_before;

	if (!x->lease.reused || x->repeated || x->answer_began || !x->replayable ||
	    buf_failed(&x->replay) || !(nothing_sent || http_method_is_idempotent(x->method))) {
		return false;
	}
	x->repeated = true;
	x->eof = false;
	x->serve->counters.repeated++;
	backend_abort(&x->lease);
	acquire(x, true);
	return true;
}

/* ---- the start ---- */

static void deny(struct exchange *x, struct str subaccount, const struct http_head *head,
		 unsigned status, const char *reason)
{
	struct serve *s = x->serve;
	struct serve_denial denial = {
		.subaccount = subaccount,
		.method = head->method,
		.authority = head->authority,
		.path = head->path,
		.client = http_value(head, STR("drawbridge-client")),
		.status = status,
		.reason = reason,
	};

	if (status == 403) {
		s->counters.denied++;
	} else {
		s->counters.bad_requests++;
	}
	if (s->settings.on_denied != NULL) {
		s->settings.on_denied(s->settings.user, &denial);
	}
	log_debug("request refused", LOG_STR("subaccount", subaccount),
		  LOG_STR("system", head->authority), LOG_STR("path", head->path),
		  LOG_TEXT("reason", reason));
	exchange_fail(x, status, reason);
}

/* False: it has been refused. */
static bool check(struct exchange *x, struct str subaccount, const struct http_head *head)
{
	struct access_request request = {
		.subaccount = subaccount,
		.authority = head->authority,
		.path = head->path,
		.upgrade = head->protocol.len > 0,
	};
	struct access_verdict verdict;
	struct err err = {0};

	x->epoch = epoch_current(x->serve);
	if (x->epoch != NULL) {
		x->epoch->users++;
	}
	if (!str_copy(head->method, x->method_text, sizeof x->method_text)) {
		x->method = STR("GET");
		deny(x, subaccount, head, 501, "the method's name is too long");
		return false;
	}
	x->method = str_make(x->method_text, head->method.len);
	switch (access_check(x->epoch ? x->epoch->access : NULL, &request, &verdict, &err)) {
	case ACCESS_ALLOWED:
		break;
	case ACCESS_REFUSED:
		deny(x, subaccount, head, 403, err.text);
		return false;
	case ACCESS_BAD_REQUEST:
		deny(x, subaccount, head, 400, err.text);
		return false;
	}
	if (str_eq(x->method, STR("CONNECT"))) {
		deny(x, subaccount, head, 501,
		     "connections that leave HTTP (CONNECT, upgrades) are not supported yet");
		return false;
	}
	x->mapping = verdict.mapping;
	return true;
}

static void read_principal(struct exchange *x, const struct http_head *head)
{
	struct str client = http_value(head, STR("drawbridge-client"));

	x->client = client.len > 0 ? map_hash(client) | 1 : 0;
	x->binds = http_authenticates_connection(head);
}

/* How the body will be framed: as announced, else in chunks. False: refused. */
static bool read_framing(struct exchange *x, const struct http_head *head, bool ended)
{
	struct str length = http_value(head, STR("content-length"));

	x->up_kind = ended ? HTTP_BODY_NONE : HTTP_BODY_CHUNKED;
	x->up = ended ? UP_ENDED : UP_BODY;
	if (ended || length.at == NULL) {
		return true;
	}
	x->up_kind = HTTP_BODY_LENGTH;
	return str_to_u64(length, &x->up_left);
}

void exchange_start(struct exchange *x, struct str subaccount, bool ended)
{
	const struct http_head *head = h2_head(x->stream);
	struct http_head out;
	struct err err;

	x->serve->counters.requests++;
	if (!read_framing(x, head, ended)) {
		deny(x, subaccount, head, 400, "the Content-Length is no number");
		return;
	}
	if (!check(x, subaccount, head)) {
		return;
	}
	read_principal(x, head);
	arena_reset(x->serve->arena);
	if (!rewrite_request(head, !ended, x->mapping, x->serve->arena, &out, &err)) {
		deny(x, subaccount, head, 431, err.text);
		return;
	}
	if (!ended) {
		out.body = x->up_kind;
		out.content_length = x->up_left;
	}
	h1_write_request(&x->head, &out, true);
	if (buf_failed(&x->head)) {
		deny(x, subaccount, head, 431, "the head is too large");
		return;
	}
	x->replayable = true;
	acquire(x, false);
}

/* ---- the body ---- */

static void throw_away(struct exchange *x, size_t len)
{
	h2_consume(x->stream, len + x->owed);
	x->owed = 0;
	exchange_flush(x);
}

static void break_request(struct exchange *x, const char *why)
{
	if (x->down == DOWN_WAITING || x->down == DOWN_HEAD) {
		exchange_fail(x, 400, why);
		return;
	}
	h2_reset(x->stream, 1); /* PROTOCOL_ERROR */
	exchange_flush(x);
	exchange_free(x);
}

void exchange_data(struct exchange *x, struct str data)
{
	if (x->down == DOWN_ENDED) {
		throw_away(x, data.len);
		return;
	}
	if (data.len == 0) {
		return;
	}
	if (x->up_kind == HTTP_BODY_LENGTH && data.len > x->up_left) {
		break_request(x, "the body is longer than its Content-Length");
		return;
	}
	x->up_left -= x->up_kind == HTTP_BODY_LENGTH ? data.len : 0;
	x->owed += data.len;
	put_data(x, data);
	exchange_progress(x);
	exchange_credit(x);
}

static void put_last_chunk(struct exchange *x, const struct http_field *trailers, size_t n)
{
	AUTO_BUF struct buf text = BUF(HTTP_HEAD_MAX * 2);

	h1_write_last_chunk(&text, trailers, n);
	put(x, buf_str(&text));
}

void exchange_trailers(struct exchange *x)
{
	const struct http_head *head = h2_head(x->stream);
	struct http_head out;
	struct err err;

	if (x->down == DOWN_ENDED || x->up == UP_ENDED || x->up_kind != HTTP_BODY_CHUNKED) {
		return;
	}
	arena_reset(x->serve->arena);
	if (!rewrite_trailers(head, x->serve->arena, &out, &err)) {
		break_request(x, "the trailers are too large");
		return;
	}
	x->up = UP_ENDED;
	put_last_chunk(x, out.fields, out.n_fields);
	exchange_credit(x);
}

void exchange_up_ended(struct exchange *x)
{
	if (x->down == DOWN_ENDED) {
		exchange_free(x); /* answered early, and now both sides are done */
		return;
	}
	if (x->up == UP_ENDED) {
		return;
	}
	if (x->up_kind == HTTP_BODY_LENGTH && x->up_left > 0) {
		break_request(x, "the body is shorter than its Content-Length");
		return;
	}
	x->up = UP_ENDED;
	if (x->up_kind == HTTP_BODY_CHUNKED) {
		put(x, STR("0\r\n\r\n"));
	}
}
