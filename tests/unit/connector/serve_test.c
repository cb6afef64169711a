/*
 * The whole way of a request through the connector, with real sockets to a scripted back end and
 * two HTTP/2 engines back to back in place of the tunnel.
 */
#include "connector/serve.h"

#include "unit/connector/origin.h"

enum {
	CALLS = 32,
	DRAIN = 256 * 1024,
};

struct call {
	struct h2_stream *stream;
	unsigned status, interim;
	struct buf head, body;    /* "name: value\n" … */
	bool ended, closed, hold; /* hold: gives no credit */
	uint32_t code;
	size_t unread;
};

static struct loop *loop;
static struct jobs *jobs;
static struct snapshot_cell cell;
static struct serve_settings settings;
static struct serve *serve;
static struct origin origin;
static struct h2_engine *near_end, *far_end; /* the connector's (server), the relay's (client) */
static struct call calls[CALLS];
static size_t n_calls;
static size_t n_flushes;
static char denied[400];

/* ---- the tunnel ---- */

static void flush(void *user)
{
	(void)user;
	n_flushes++;
}

static void on_near(struct h2_engine *e, const struct h2_notice *notice, void *user)
{
	const struct serve_source from = {
		.subaccount = STR("sa@region"), .flush = flush, .user = NULL};

	(void)e;
	(void)user;
	serve_on_stream(serve, notice, &from);
}

static void keep_head(struct call *c)
{
	const struct http_head *head = h2_head(c->stream);

	for (size_t i = 0; i < head->n_fields; i++) {
		buf_addf(&c->head, "%.*s: %.*s\n", STR_ARGS(head->fields[i].name),
			 STR_ARGS(head->fields[i].value));
	}
}

static void on_far(struct h2_engine *e, const struct h2_notice *notice, void *user)
{
	struct call *c = notice->stream ? h2_user(notice->stream) : NULL;

	(void)e;
	(void)user;
	if (c == NULL) {
		return;
	}
	if (notice->event == H2_HEAD && h2_head(c->stream)->status < 200) {
		c->interim = h2_head(c->stream)->status;
	} else if (notice->event == H2_HEAD) {
		c->status = h2_head(c->stream)->status;
		keep_head(c);
	} else if (notice->event == H2_TRAILERS) {
		keep_head(c);
	} else if (notice->event == H2_DATA) {
		buf_add_str(&c->body, notice->data);
		c->unread += notice->data.len;
		if (!c->hold) {
			h2_consume(c->stream, c->unread);
			c->unread = 0;
		}
	} else if (notice->event == H2_END) {
		c->ended = true;
	} else if (notice->event == H2_CLOSED || notice->event == H2_REFUSED) {
		c->closed = true;
		c->code = notice->code;
		c->stream = NULL;
	}
}

static bool carry(struct h2_engine *from, struct h2_engine *to)
{
	AUTO_BUF struct buf bytes = BUF(MIB(8));
	struct err err;

	assert_ok(h2_drain(from, &bytes, DRAIN, &err), &err);
	if (bytes.len == 0) {
		return false;
	}
	assert_ok(h2_feed(to, buf_str(&bytes), &err), &err);
	return true;
}

static void carry_all(void)
{
	bool moved = true;

	while (moved) {
		moved = carry(far_end, near_end);
		moved = carry(near_end, far_end) || moved;
	}
}

static void turn(void)
{
	carry_all();
	loop_turn(loop, 5);
	carry_all();
}

#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		msec_t start_ = clock_now();                                                       \
		while (!(condition)) {                                                             \
			turn();                                                                    \
			if (clock_now() - start_ > 60000) {                                        \
				fail_msg("waited too long for %s", #condition);                    \
			}                                                                          \
		}                                                                                  \
	} while (0)

/* ---- configuration ---- */

static void publish(bool exposed, enum access_protocol protocol, struct tls_config *tls)
{
	struct access *a = access_new();
	struct err err;
	unsigned slot;
	struct access_mapping m = {.virtual_host = STR("erp.virtual"),
				   .virtual_port = 44300,
				   .internal_host = STR("127.0.0.1"),
				   .internal_port = origin.port,
				   .protocol = protocol};
	struct access_resource r = {.path = STR("/ok"), .enabled = true};

	assert_ok(access_add_subaccount(a, STR("sa@region"), STR("Plant"), STR(""), &err), &err);
	if (tls != NULL) {
		access_set_tls(a, tls_config_ref(tls), STR("store 1"));
	}
	assert_ok(access_add_mapping(a, STR("sa@region"), &m, &slot, &err), &err);
	if (exposed) {
		assert_ok(access_add_resource(a, slot, &r, &err), &err);
	}
	assert_ok(access_seal(a, &err), &err);
	snapshot_publish(&cell, access_snapshot(a));
}

static void on_denied(void *user, const struct serve_denial *denial)
{
	(void)user;
	snprintf(denied, sizeof denied, "%u %.*s%.*s", denial->status, STR_ARGS(denial->authority),
		 STR_ARGS(denial->path));
}

static int set_up(void **state UNUSED)
{
	struct err err;

	memset(calls, 0, sizeof calls);
	n_calls = 0;
	assert_ok(loop_new(&loop, &err), &err);
	assert_ok(jobs_new("jobs", 1, 100, &jobs, &err), &err);
	origin_open(&origin, loop, origin_reply);
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	snapshot_cell_init(&cell);
	settings = serve_settings_of(loop, jobs, &cell);
	settings.linger = 20;
	settings.on_denied = on_denied;
	serve = serve_new(&settings);
	assert_ok(h2_new(true, on_near, NULL, &near_end, &err), &err);
	assert_ok(h2_new(false, on_far, NULL, &far_end, &err), &err);
	publish(true, ACCESS_HTTP, NULL);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	h2_free(far_end);
	h2_free(near_end);
	assert_int_equal(serve_count(serve).running, 0);
	serve_free(serve);
	origin_close(&origin);
	jobs_free(jobs);
	for (int i = 0; i < 5; i++) {
		loop_turn(loop, 0);
	}
	loop_free(loop);
	snapshot_cell_fini(&cell);
	for (size_t i = 0; i < n_calls; i++) {
		buf_fini(&calls[i].head);
		buf_fini(&calls[i].body);
	}
	return 0;
}

/* ---- calls ---- */

struct ask {
	const char *method, *path, *authority;
	const char *body; /* NULL: none */
	const char *field, *value;
	bool open; /* the body goes on */
	bool length;
};

static struct call *ask(struct ask a)
{
	struct call *c = &calls[n_calls++];
	struct http_field fields[2] = {{STR("accept"), STR("*/*"), false}};
	struct http_head head = {
		.method = str_of(a.method ? a.method : "GET"),
		.path = str_of(a.path ? a.path : "/ok"),
		.authority = str_of(a.authority ? a.authority : "erp.virtual:44300"),
		.scheme = STR("http"),
		.fields = fields,
		.n_fields = 1,
	};
	bool has_body = a.body != NULL || a.open;

	assert_true(n_calls <= CALLS);
	if (a.field != NULL) {
		fields[head.n_fields++] =
			(struct http_field){str_of(a.field), str_of(a.value), false};
	}
	if (has_body) {
		head.body = a.length ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED;
		head.content_length = a.length ? strlen(a.body) : 0;
	}
	*c = (struct call){.head = BUF(KIB(64)), .body = BUF(MIB(64))};
	c->stream = h2_request(far_end, &head, has_body, c);
	assert_non_null(c->stream);
	if (a.body != NULL) {
		h2_send(c->stream, str_of(a.body));
	}
	if (has_body && !a.open) {
		h2_end(c->stream, NULL, 0);
	}
	return c;
}

#define ASK(...) ask((struct ask){__VA_ARGS__})

static void expect(struct call *c, unsigned status, const char *body)
{
	UNTIL(c->closed);
	if (c->status != status || !str_eq(buf_str(&c->body), str_of(body))) {
		fail_msg("%u (code %u): %.*s", c->status, c->code, STR_ARGS(buf_str(&c->body)));
	}
	assert_true(c->ended);
}

/* A failure: its status and a part of its text. */
static void expect_failure(struct call *c, unsigned status, const char *part)
{
	UNTIL(c->closed);
	if (c->status != status || !str_contains(buf_str(&c->body), str_of(part))) {
		fail_msg("%u (code %u): %.*s", c->status, c->code, STR_ARGS(buf_str(&c->body)));
	}
}

static bool origin_saw(const char *part)
{
	return str_contains(buf_str(&origin.seen), str_of(part));
}

static size_t count_seen(const char *part)
{
	size_t n = 0;

	for (const char *at = origin.seen.at; at != NULL && (at = strstr(at, part)) != NULL; at++) {
		n++;
	}
	return n;
}

/* ---- the ordinary ways ---- */

TEST(a_request_goes_to_the_back_end_and_its_answer_comes_back)
{
	struct call *c = ASK(.path = "/ok?q=1", .field = "sap-connectivity-x", .value = "secret");

	expect(c, 200, "hello");
	assert_true(origin_saw("GET /ok?q=1 HTTP/1.1\r\nHost: erp.virtual:44300\r\n"));
	assert_false(origin_saw("secret"));
	assert_true(n_flushes > 0);
	assert_int_equal(serve_count(serve).answered, 1);
}

TEST(connections_are_kept_alive_and_reused)
{
	for (int i = 0; i < 5; i++) {
		expect(ASK(), 200, "hello");
	}
	assert_int_equal(origin.n_conns, 1);
	assert_int_equal(serve_count(serve).backend.reused, 4);
}

TEST(many_at_once_are_served_side_by_side)
{
	for (int i = 0; i < 20; i++) {
		(void)ASK();
	}
	for (int i = 0; i < 20; i++) {
		expect(&calls[i], 200, "hello");
	}
}

TEST(a_body_with_a_length_arrives_with_it)
{
	expect(ASK(.method = "POST", .body = "12345", .length = true), 200, "hello");
	assert_true(origin_saw("Content-Length: 5\r\n"));
	UNTIL(origin_saw("\r\n\r\n12345"));
}

TEST(a_body_without_a_length_goes_in_chunks)
{
	expect(ASK(.method = "POST", .body = "12345"), 200, "hello");
	assert_true(origin_saw("Transfer-Encoding: chunked\r\n"));
	UNTIL(origin_saw("5\r\n12345\r\n0\r\n\r\n"));
}

TEST(an_empty_post_says_that_it_is_empty)
{
	expect(ASK(.method = "POST"), 200, "hello");
	assert_true(origin_saw("Content-Length: 0\r\n"));
}

TEST(trailers_pass_both_ways)
{
	origin.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "2\r\nab\r\n0\r\nX-Sum: 17\r\n\r\n";
	struct call *c = ASK(.method = "POST", .body = "12345", .open = true);
	struct http_field trailer = {STR("x-check"), STR("42"), false};
	h2_end(c->stream, &trailer, 1);
	expect(c, 200, "ab");
	assert_non_null(strstr(c->head.at, "x-sum: 17\n"));
	UNTIL(origin_saw("0\r\nx-check: 42\r\n\r\n"));
}

TEST(an_answer_to_head_has_a_length_and_no_body)
{
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
	struct call *c = ASK(.method = "HEAD");
	expect(c, 200, "");
	assert_non_null(strstr(c->head.at, "content-length: 5\n"));
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 1);
}

TEST(an_answer_without_length_ends_with_the_connection)
{
	origin.answer = origin_silence;
	struct call *c = ASK();
	UNTIL(origin.conns[0].in.len > 0);
	origin_say(&origin.conns[0], "HTTP/1.1 200 OK\r\n\r\nto the end");
	stream_close_after_flush(TAKE(origin.conns[0].stream), 1000);
	expect(c, 200, "to the end");
	assert_int_equal(serve_count(serve).backend.open, 0);
}

TEST(interim_answers_are_passed_on)
{
	origin.reply = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
		       "HTTP/1.1 204 No Content\r\n\r\n";
	struct call *c = ASK();
	expect(c, 204, "");
	assert_int_equal(c->interim, 103);
}

TEST(expect_100_continue_is_the_back_ends_to_answer)
{
	origin.answer = origin_silence;
	struct call *c =
		ASK(.method = "POST", .field = "expect", .value = "100-continue", .open = true);
	UNTIL(origin_saw("\r\n\r\n"));
	assert_true(origin_saw("expect: 100-continue"));
	origin_say(&origin.conns[0], "HTTP/1.1 100 Continue\r\n\r\n");
	UNTIL(c->interim == 100);
	h2_send(c->stream, STR("body"));
	h2_end(c->stream, NULL, 0);
	UNTIL(origin_saw("4\r\nbody\r\n0\r\n\r\n"));
	origin_say(&origin.conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	expect(c, 200, "");
}

/* ---- refusals ---- */

TEST(what_is_not_exposed_is_refused_with_the_rule)
{
	expect_failure(ASK(.path = "/secret"), 403,
		       "Access denied to system erp.virtual:44300: path /secret is not exposed");
	assert_string_equal(denied, "403 erp.virtual:44300/secret");
	expect_failure(ASK(.authority = "x.virtual"), 403, "no mapping for x.virtual:80");
	expect_failure(ASK(.path = "/ok/../secret"), 400, "\"..\" segment");
	assert_int_equal(origin.n_conns, 0);
	assert_int_equal(serve_count(serve).denied, 2);
	assert_int_equal(serve_count(serve).bad_requests, 1);
}

TEST(a_change_of_the_snapshot_is_live_for_the_next_request)
{
	expect(ASK(), 200, "hello");
	publish(false, ACCESS_HTTP, NULL);
	expect_failure(ASK(), 403, "not exposed");
	publish(true, ACCESS_HTTP, NULL);
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 1); /* the same target: its connection lives on */
}

TEST(a_refused_upload_is_answered_at_once_and_then_reset)
{
	struct call *c = ASK(.method = "POST", .path = "/secret", .body = "part", .open = true);
	UNTIL(c->ended);
	assert_int_equal(c->status, 403);
	UNTIL(c->closed);
	assert_int_equal(c->code, 0);
}

TEST(connect_is_refused_for_now)
{
	expect_failure(ASK(.method = "VERYVERYVERYLONGMETHODNAMETHATNOBODYUSES"), 501, "too long");
}

/* ---- back ends that fail ---- */

TEST(a_back_end_that_refuses_gives_502_with_the_reason)
{
	listener_close(origin.listener);
	origin.listener = NULL;
	expect_failure(ASK(), 502, "refused");
	assert_int_equal(serve_count(serve).failed_502, 1);
}

TEST(a_back_end_that_speaks_garbage_gives_502)
{
	origin.reply = "220 mail.example ESMTP\r\n";
	expect_failure(ASK(), 502, "does not speak HTTP/1.1");
	assert_int_equal(serve_count(serve).backend.open, 0);
}

static void close_at_once(struct origin_conn *c)
{
	origin_drop(c);
}

TEST(a_back_end_that_closes_without_an_answer_gives_502)
{
	origin.answer = close_at_once;
	expect_failure(ASK(), 502, "closed the connection without an answer");
	assert_int_equal(origin.n_conns, 1); /* a fresh connection: not repeated */
}

TEST(a_back_end_that_breaks_off_in_the_head_gives_502)
{
	origin.answer = origin_silence;
	struct call *c = ASK();
	UNTIL(origin.conns[0].in.len > 0);
	origin_say(&origin.conns[0], "HTTP/1.1 200 OK\r\nContent-Le");
	stream_close_after_flush(TAKE(origin.conns[0].stream), 1000);
	expect_failure(c, 502, "within the head");
}

TEST(a_back_end_that_resets_in_the_body_breaks_the_answer)
{
	origin.answer = origin_silence;
	struct call *c = ASK();
	UNTIL(origin.conns[0].in.len > 0);
	origin_say(&origin.conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
	UNTIL(c->body.len == 4);
	origin_reset(&origin.conns[0]);
	UNTIL(c->closed);
	assert_false(c->ended);
	assert_int_equal(c->code, 2);
	assert_int_equal(serve_count(serve).broken, 1);
}

TEST(a_body_that_is_cut_short_is_not_passed_as_whole)
{
	origin.answer = origin_silence;
	struct call *c = ASK();
	UNTIL(origin.conns[0].in.len > 0);
	origin_say(&origin.conns[0],
		   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart");
	stream_close_after_flush(TAKE(origin.conns[0].stream), 1000);
	UNTIL(c->closed);
	assert_false(c->ended);
}

TEST(bad_chunks_break_the_answer)
{
	origin.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
	struct call *c = ASK();
	UNTIL(c->closed);
	assert_false(c->ended);
}

TEST(a_back_end_that_hangs_gives_504)
{
	settings.answer_timeout = 30;
	serve_free(serve);
	serve = serve_new(&settings);
	origin.answer = origin_silence;
	expect_failure(ASK(), 504, "did not answer within");
	UNTIL(origin.n_closed == 1);
}

TEST(a_client_that_never_sends_its_body_is_let_go)
{
	settings.answer_timeout = 30;
	serve_free(serve);
	serve = serve_new(&settings);
	origin.answer = origin_silence;
	expect_failure(ASK(.method = "POST", .open = true), 408, "did not come");
	UNTIL(origin.n_closed == 1);
}

TEST(interim_answers_have_an_end)
{
	AUTO_BUF struct buf many = BUF(KIB(64));
	for (int i = 0; i < 100; i++) {
		buf_addf(&many, "HTTP/1.1 103 Early Hints\r\n\r\n");
	}
	origin.reply = many.at;
	expect_failure(ASK(), 502, "without end");
}

TEST(an_unasked_switch_of_protocols_is_refused)
{
	origin.reply =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
	expect_failure(ASK(), 502, "");
}

TEST(bytes_behind_an_answer_end_the_connection)
{
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"
		       "Content-Length: 6\r\n\r\nforged";
	expect(ASK(), 200, "hello");
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 2);
}

/* ---- stale connections ---- */

/* Answers the first request of a connection, and closes it at the second. */
static void close_at_the_second(struct origin_conn *c)
{
	if (c->answered > 0) {
		origin_drop(c);
	} else {
		origin_reply(c);
	}
}

TEST(an_idempotent_request_on_a_stale_connection_is_repeated_once)
{
	origin.answer = close_at_the_second;
	expect(ASK(), 200, "hello");
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 2);
	assert_int_equal(serve_count(serve).repeated, 1);
}

TEST(a_put_is_repeated_with_its_body)
{
	origin.answer = close_at_the_second;
	expect(ASK(), 200, "hello");
	expect(ASK(.method = "PUT", .body = "content"), 200, "hello");
	assert_int_equal(count_seen("7\r\ncontent\r\n"), 2);
}

TEST(a_post_that_was_sent_is_not_repeated)
{
	origin.answer = close_at_the_second;
	expect(ASK(), 200, "hello");
	expect_failure(ASK(.method = "POST", .body = "x"), 502, "without an answer");
	assert_int_equal(count_seen("POST"), 1);
}

static void answer_half_at_the_second(struct origin_conn *c)
{
	if (c->answered > 0) {
		origin_say(c, "HTTP/1.1 2");
		stream_close_after_flush(TAKE(c->stream), 1000);
	} else {
		origin_reply(c);
	}
}

TEST(nothing_is_repeated_after_the_answer_began)
{
	origin.answer = answer_half_at_the_second;
	expect(ASK(), 200, "hello");
	expect_failure(ASK(), 502, "within the head");
	assert_int_equal(serve_count(serve).repeated, 0);
}

/* ---- clients that go ---- */

TEST(a_client_that_cancels_closes_the_back_ends_connection)
{
	origin.answer = origin_silence;
	struct call *c = ASK();
	UNTIL(origin.conns[0].in.len > 0);
	h2_reset(c->stream, 8);
	UNTIL(origin.n_closed == 1);
	assert_int_equal(serve_count(serve).running, 0);
	assert_int_equal(serve_count(serve).cancelled, 1);
}

TEST(a_client_may_cancel_while_the_connection_is_made)
{
	struct call *c = ASK();
	(void)carry(far_end, near_end);
	assert_int_equal(serve_count(serve).running, 1);
	h2_reset(c->stream, 8);
	UNTIL(serve_count(serve).running == 0);
}

TEST(a_tunnel_that_breaks_ends_what_runs_on_it)
{
	struct err err;

	origin.answer = origin_silence;
	(void)ASK();
	UNTIL(origin.conns[0].in.len > 0);
	h2_free(near_end);
	assert_int_equal(serve_count(serve).running, 0);
	near_end = NULL;
	for (int i = 0; i < 20 && origin.n_closed == 0; i++) {
		loop_turn(loop, 50);
	}
	assert_int_equal(origin.n_closed, 1);
	assert_ok(h2_new(true, on_near, NULL, &near_end, &err), &err);
}

/* ---- early answers ---- */

TEST(an_early_answer_is_passed_on_while_the_upload_runs)
{
	origin.reply =
		"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
	struct call *c = ASK(.method = "POST", .body = "part", .open = true);
	UNTIL(c->ended);
	assert_int_equal(c->status, 413);
	UNTIL(c->closed);
	assert_int_equal(c->code, 0);
	assert_int_equal(serve_count(serve).backend.idle, 0);
}

/* ---- much ---- */

static void answer_much(struct origin_conn *c)
{
	static char block[64 * 1024];
	memset(block, 'x', sizeof block);
	origin_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
	for (int i = 0; i < 128; i++) {
		stream_write(c->stream, str_make(block, sizeof block));
	}
	buf_reset(&c->in);
}

TEST(a_slow_client_stops_the_reading_of_the_back_end)
{
	origin.answer = answer_much;
	struct call *c = ASK();
	c->hold = true;
	UNTIL(c->body.len >= H2_WINDOW_START);
	for (int i = 0; i < 50; i++) {
		turn();
	}
	assert_int_equal(c->body.len, H2_WINDOW_START);
	/* What waits here is bounded; the rest is the kernel's and the back end's. */
	assert_true(stream_queued(origin.conns[0].stream) > 0);
	c->hold = false;
	h2_consume(c->stream, c->unread);
	c->unread = 0;
	UNTIL(c->closed);
	assert_int_equal(c->body.len, 8388608);
	assert_true(c->ended);
}

TEST(a_back_end_that_does_not_read_stops_the_client)
{
	static char block[64 * 1024];
	memset(block, 'y', sizeof block);
	origin.hears_nothing = true;
	struct call *c = ASK(.method = "POST", .open = true);
	for (int i = 0; i < 256; i++) { /* 16 MiB */
		h2_send(c->stream, str_make(block, sizeof block - (i == 0)));
		turn();
	}
	for (int i = 0; i < 20; i++) {
		turn();
	}
	assert_true(h2_queued(c->stream) > MIB(4)); /* more than kernel and windows hold */
	origin.hears_nothing = false;
	origin.answer = origin_silence;
	UNTIL(origin.conns[0].stream != NULL);
	origin_event(origin.conns[0].stream, STREAM_READABLE, &origin.conns[0]);
	h2_reset(c->stream, 8);
	UNTIL(serve_count(serve).running == 0);
}

TEST(a_large_upload_arrives_whole)
{
	static char block[64 * 1024];
	memset(block, 'z', sizeof block);
	origin.answer = origin_silence;
	struct call *c = ASK(.method = "POST", .open = true);
	for (int i = 0; i < 64; i++) {
		h2_send(c->stream, str_make(block, sizeof block));
		buf_reset(&origin.conns[0].in);
		turn();
	}
	h2_end(c->stream, NULL, 0);
	UNTIL(str_ends(buf_str(&origin.seen), STR("\r\n0\r\n\r\n")));
	size_t z = 0;
	for (size_t i = 0; i < origin.seen.len; i++) {
		z += origin.seen.at[i] == 'z';
	}
	assert_int_equal(z, 64 * sizeof block);
	origin_say(&origin.conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	expect(c, 200, "");
}

/* ---- principals ---- */

TEST(a_connection_that_saw_ntlm_stays_with_its_client)
{
	origin.reply = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM abc\r\n"
		       "Content-Length: 0\r\n\r\n";
	expect(ASK(.field = "drawbridge-client", .value = "7"), 401, "");
	origin.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	expect(ASK(.field = "drawbridge-client", .value = "8"), 200, "hello");
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 2);
	assert_int_equal(origin.conns[0].answered, 1);
	expect(ASK(.field = "drawbridge-client", .value = "7"), 200, "hello");
	assert_int_equal(origin.conns[0].answered, 2);
	assert_false(origin_saw("rawbridge-client"));
}

TEST(negotiate_without_a_known_client_is_not_pooled)
{
	expect(ASK(.field = "authorization", .value = "Negotiate YII="), 200, "hello");
	assert_int_equal(serve_count(serve).backend.open, 0);
}

/* ---- HTTPS ---- */

TEST(https_back_ends_are_verified_and_the_missing_ca_is_named)
{
	struct origin_tls tls;

	origin_tls_open(&tls);
	origin.tls = tls.server;
	publish(true, ACCESS_HTTPS, tls.client);
	expect(ASK(), 200, "hello");
	expect(ASK(), 200, "hello");
	assert_int_equal(origin.n_conns, 1);
	publish(true, ACCESS_HTTPS, tls.stranger);
	serve_free(serve); /* the same key "store 1": a new pool */
	serve = serve_new(&settings);
	expect_failure(ASK(), 502, "CN=Plant CA");
	publish(true, ACCESS_HTTPS, NULL);
	expect_failure(ASK(), 502, "add one to the trust store");
	origin_tls_close(&tls);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_request_goes_to_the_back_end_and_its_answer_comes_back),
		CASE(connections_are_kept_alive_and_reused),
		CASE(many_at_once_are_served_side_by_side),
		CASE(a_body_with_a_length_arrives_with_it),
		CASE(a_body_without_a_length_goes_in_chunks),
		CASE(an_empty_post_says_that_it_is_empty),
		CASE(trailers_pass_both_ways),
		CASE(an_answer_to_head_has_a_length_and_no_body),
		CASE(an_answer_without_length_ends_with_the_connection),
		CASE(interim_answers_are_passed_on),
		CASE(expect_100_continue_is_the_back_ends_to_answer),
		CASE(what_is_not_exposed_is_refused_with_the_rule),
		CASE(a_change_of_the_snapshot_is_live_for_the_next_request),
		CASE(a_refused_upload_is_answered_at_once_and_then_reset),
		CASE(connect_is_refused_for_now),
		CASE(a_back_end_that_refuses_gives_502_with_the_reason),
		CASE(a_back_end_that_speaks_garbage_gives_502),
		CASE(a_back_end_that_closes_without_an_answer_gives_502),
		CASE(a_back_end_that_breaks_off_in_the_head_gives_502),
		CASE(a_back_end_that_resets_in_the_body_breaks_the_answer),
		CASE(a_body_that_is_cut_short_is_not_passed_as_whole),
		CASE(bad_chunks_break_the_answer),
		CASE(a_back_end_that_hangs_gives_504),
		CASE(a_client_that_never_sends_its_body_is_let_go),
		CASE(interim_answers_have_an_end),
		CASE(an_unasked_switch_of_protocols_is_refused),
		CASE(bytes_behind_an_answer_end_the_connection),
		CASE(an_idempotent_request_on_a_stale_connection_is_repeated_once),
		CASE(a_put_is_repeated_with_its_body),
		CASE(a_post_that_was_sent_is_not_repeated),
		CASE(nothing_is_repeated_after_the_answer_began),
		CASE(a_client_that_cancels_closes_the_back_ends_connection),
		CASE(a_client_may_cancel_while_the_connection_is_made),
		CASE(a_tunnel_that_breaks_ends_what_runs_on_it),
		CASE(an_early_answer_is_passed_on_while_the_upload_runs),
		CASE(a_slow_client_stops_the_reading_of_the_back_end),
		CASE(a_back_end_that_does_not_read_stops_the_client),
		CASE(a_large_upload_arrives_whole),
		CASE(a_connection_that_saw_ntlm_stays_with_its_client),
		CASE(negotiate_without_a_known_client_is_not_pooled),
		CASE(https_back_ends_are_verified_and_the_missing_ca_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
