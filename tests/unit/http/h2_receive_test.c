/* What a hostile or broken peer may send. */
#include "unit/http/h2_wire.h"

/* One frame: a head of 9 bytes and the payload. */
static void add_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t id, struct str payload)
{
	const uint8_t head[9] = {
		(uint8_t)(payload.len >> 16),
		(uint8_t)(payload.len >> 8),
		(uint8_t)payload.len,
		type,
		flags,
		(uint8_t)(id >> 24),
		(uint8_t)(id >> 16),
		(uint8_t)(id >> 8),
		(uint8_t)id,
	};
	buf_add(b, head, sizeof head);
	buf_add_str(b, payload);
}

static void add_preface(struct buf *b)
{
	buf_add_str(b, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	add_frame(b, NGHTTP2_SETTINGS, 0, 0, STR_NONE);
}

/* GET http / with :authority h, from HPACK's static table. */
static const struct str get = {"\x82\x86\x84\x41\x01h", 6};

enum verdict {
	FINE,
	BAD_AT_FEED,
	BAD_AT_DRAIN,
};

/* Feeds a server without draining it, then drains once. */
static enum verdict verdict_of(struct str bytes, enum err_kind *kind)
{
	struct wire w;
	AUTO_BUF struct buf out = BUF(MIB(16));
	enum verdict verdict = FINE;
	wire_open(&w, 1);
	if (!h2_feed(w.server, bytes, &w.err)) {
		verdict = BAD_AT_FEED;
	} else if (!h2_drain(w.server, &out, MIB(16), &w.err)) {
		verdict = BAD_AT_DRAIN;
	}
	*kind = verdict == FINE ? ERR_NONE : w.err.kind;
	wire_close(&w);
	return verdict;
}

TEST(who_does_not_speak_http_2_is_told_so)
{
	enum err_kind kind;
	assert_int_equal(verdict_of(STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), &kind), BAD_AT_FEED);
	assert_int_equal(kind, ERR_PROTOCOL);
}

TEST(a_failure_is_sticky)
{
	struct wire w;
	AUTO_BUF struct buf out = BUF(KIB(64));
	wire_open(&w, 1);
	assert_err(h2_feed(w.server, STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), &w.err), &w.err,
		   ERR_PROTOCOL, "HTTP/2");
	assert_err(h2_feed(w.server, STR("PRI"), &w.err), &w.err, ERR_PROTOCOL, "HTTP/2");
	assert_err(h2_drain(w.server, &out, KIB(64), &w.err), &w.err, ERR_PROTOCOL, "HTTP/2");
	wire_close(&w);
}

TEST(floods_of_pings_and_settings_end_the_connection)
{
	static const struct {
		uint8_t type;
		struct str payload;
	} cases[] = {
		{NGHTTP2_PING, STR("12345678")},
		{NGHTTP2_SETTINGS, STR_NONE},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF struct buf in = BUF(MIB(1));
		enum err_kind kind;
		add_preface(&in);
		for (size_t n = 0; n < 5000; n++) {
			add_frame(&in, cases[i].type, 0, 0, cases[i].payload);
		}
		assert_int_equal(verdict_of(buf_str(&in), &kind), BAD_AT_FEED);
		assert_int_equal(kind, ERR_LIMIT);
	}
}

TEST(resets_that_we_are_made_to_send_are_a_flood_too)
{
	AUTO_BUF struct buf in = BUF(MIB(4));
	enum err_kind kind;
	add_preface(&in);
	for (uint32_t n = 0; n < 10000; n++) {
		/* A request with an upper-case field name: the stream is reset by our side. */
		add_frame(&in, NGHTTP2_HEADERS, 5, 2 * n + 1,
			  STR("\x82\x86\x84\x41\x01h\x40\x01"
			      "A\x01"
			      "b"));
	}
	assert_int_equal(verdict_of(buf_str(&in), &kind), BAD_AT_FEED);
	assert_int_equal(kind, ERR_LIMIT);
}

TEST(a_flood_of_continuations_ends_the_connection)
{
	AUTO_BUF struct buf in = BUF(MIB(4));
	enum err_kind kind;
	add_preface(&in);
	add_frame(&in, NGHTTP2_HEADERS, 0, 1, get);
	for (size_t n = 0; n < 1000; n++) {
		add_frame(&in, NGHTTP2_CONTINUATION, 0, 1, STR_NONE);
	}
	assert_int_not_equal(verdict_of(buf_str(&in), &kind), FINE);
}

TEST(broken_frames_end_the_connection_with_a_goaway)
{
	static const struct {
		const char *name;
		uint8_t type, flags;
		uint32_t id;
		struct str payload;
	} cases[] = {
		{"a PING of 7 bytes", NGHTTP2_PING, 0, 0, STR("1234567")},
		{"SETTINGS of 5 bytes", NGHTTP2_SETTINGS, 0, 0, STR("12345")},
		{"DATA on stream 0", NGHTTP2_DATA, 0, 0, STR("x")},
		{"DATA on an idle stream", NGHTTP2_DATA, 0, 5, STR("x")},
		{"HEADERS with an even id", NGHTTP2_HEADERS, 5, 2, STR("\x82\x86\x84\x41\x01h")},
		{"a broken header block", NGHTTP2_HEADERS, 5, 1, STR("\xff\xff\xff\xff\xff\xff")},
		{"a window that overflows", NGHTTP2_WINDOW_UPDATE, 0, 0, STR("\x7f\xff\xff\xff")},
		{"a lone CONTINUATION", NGHTTP2_CONTINUATION, 4, 1, STR("x")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF struct buf in = BUF(KIB(64));
		enum err_kind kind;
		add_preface(&in);
		add_frame(&in, cases[i].type, cases[i].flags, cases[i].id, cases[i].payload);
		if (verdict_of(buf_str(&in), &kind) == FINE || kind != ERR_PROTOCOL) {
			fail_msg("%s passes", cases[i].name);
		}
	}
}

static void count_only(struct wire *w UNUSED, struct seen *seen, const struct h2_notice *n UNUSED)
{
	seen->hold = true;
}

TEST(one_byte_beyond_the_window_is_an_error)
{
	struct wire w;
	AUTO_BUF struct buf in = BUF(MIB(1));
	AUTO_BUF struct buf out = BUF(MIB(1));
	AUTO_BUF struct buf piece = BUF(KIB(64));
	wire_open(&w, 1);
	w.server_app = count_only;
	add_preface(&in);
	add_frame(&in, NGHTTP2_HEADERS, 4, 1, get);
	assert_ok(h2_feed(w.server, buf_str(&in), &w.err), &w.err);
	assert_ok(h2_drain(w.server, &out, MIB(1), &w.err), &w.err);
	buf_reset(&in);
	add_frame(&in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, STR_NONE);
	memset(buf_reserve(&piece, KIB(16)), 'x', KIB(16));
	buf_commit(&piece, KIB(16));
	for (size_t sent = 0; sent < H2_WINDOW_START; sent += KIB(16)) {
		add_frame(&in, NGHTTP2_DATA, 0, 1, buf_str(&piece));
	}
	assert_ok(h2_feed(w.server, buf_str(&in), &w.err), &w.err);
	assert_ok(h2_drain(w.server, &out, MIB(1), &w.err), &w.err);
	assert_int_equal(w.at_server[0].body.len, H2_WINDOW_START);
	assert_false(w.at_server[0].closed);
	buf_reset(&in);
	add_frame(&in, NGHTTP2_DATA, 0, 1, STR("x"));
	bool fine =
		h2_feed(w.server, buf_str(&in), &w.err) && h2_drain(w.server, &out, MIB(1), &w.err);
	assert_true(!fine || w.at_server[0].closed);
	assert_int_equal(w.at_server[0].body.len, H2_WINDOW_START);
	wire_close(&w);
}

TEST(ten_thousand_cancelled_requests_do_not_end_the_tunnel)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 9);
	wire_run(&w);
	for (size_t i = 0; i < 10000; i++) {
		assert_non_null(wire_get(&w, &seen, "/"));
		assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
		h2_reset(seen.stream, NGHTTP2_CANCEL);
		assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
		if (i % 50 == 0) {
			(void)wire_turn(&w, KIB(64));
		}
	}
	wire_run(&w);
	assert_false(w.failed);
	assert_int_equal(w.n_at_server, 10000);
	w.server_app = wire_echo_path;
	assert_non_null(wire_get(&w, &seen, "/after"));
	wire_run(&w);
	assert_int_equal(seen.status, 200);
	buf_fini(&seen.body);
	wire_close(&w);
}

/* A request with this field, sent without asking h2_can_carry(). */
static void send_field(struct wire *w, struct seen *seen, struct str name, struct str value)
{
	struct http_field field = {name, value, false};
	struct http_head head = {.method = STR("GET"),
				 .path = STR("/"),
				 .authority = STR("h"),
				 .fields = &field,
				 .n_fields = 1};
	*seen = (struct seen){.body = BUF(KIB(1))};
	seen->stream = h2_request(w->client, &head, false, seen);
	wire_run(w);
}

TEST(a_field_that_the_library_would_drop_resets_its_stream)
{
	struct wire w;
	struct seen seen;
	wire_open(&w, 1);
	w.server_app = wire_echo_path;
	send_field(&w, &seen, STR("bad name"), STR("x"));
	assert_true(seen.closed);
	assert_int_equal(seen.status, 0);
	send_field(&w, &seen, STR("name"), STR("a\rb"));
	assert_true(seen.closed);
	assert_int_equal(seen.status, 0);
	assert_int_equal(w.n_at_server, 0);
	send_field(&w, &seen, STR("name"), STR("fine"));
	assert_int_equal(seen.status, 200);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_header_block_that_is_too_large_resets_its_stream)
{
	struct wire w;
	struct seen seen;
	AUTO_BUF struct buf value = BUF(H2_HEAD_MAX);
	wire_open(&w, 1);
	w.server_app = wire_echo_path;
	memset(buf_reserve(&value, H2_HEAD_MAX), 'x', H2_HEAD_MAX);
	buf_commit(&value, H2_HEAD_MAX);
	send_field(&w, &seen, STR("a"), buf_str(&value));
	assert_true(seen.closed);
	assert_int_equal(seen.status, 0);
	send_field(&w, &seen, STR("a"), str_first(buf_str(&value), H2_HEAD_MAX - 100));
	assert_int_equal(seen.status, 200);
	assert_false(w.failed);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(too_many_fields_reset_their_stream)
{
	struct wire w;
	struct seen seen = {.body = BUF(KIB(1))};
	static struct http_field fields[H2_FIELDS_MAX];
	struct http_head head = {
		.method = STR("GET"), .path = STR("/"), .authority = STR("h"), .fields = fields};
	wire_open(&w, 1);
	w.server_app = wire_echo_path;
	for (size_t i = 0; i < COUNT(fields); i++) {
		fields[i] = (struct http_field){STR("a"), STR("b"), false};
	}
	head.n_fields = H2_FIELDS_MAX;
	assert_false(h2_can_carry(&head, &w.err));
	head.n_fields = H2_FIELDS_MAX - H2_PSEUDO_MAX;
	assert_ok(h2_can_carry(&head, &w.err), &w.err);
	assert_non_null(h2_request(w.client, &head, false, &seen));
	wire_run(&w);
	assert_int_equal(seen.status, 200);
	buf_fini(&seen.body);
	wire_close(&w);
}

static void answer_too_much(struct wire *w UNUSED, struct seen *seen UNUSED,
			    const struct h2_notice *n)
{
	struct err err;
	struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 3};
	if (n->event == H2_HEAD) {
		assert_ok(h2_respond(n->stream, &head, true, &err), &err);
		h2_send(n->stream, STR("four"));
		h2_end(n->stream, NULL, 0);
	}
}

TEST(an_answer_longer_than_it_said_ends_its_stream_only)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 1);
	w.server_app = answer_too_much;
	assert_non_null(wire_get(&w, &seen, "/"));
	wire_run(&w);
	assert_false(w.failed);
	assert_true(seen.closed);
	assert_int_not_equal(seen.code, 0);
	buf_fini(&seen.body);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_speak_http_2_is_told_so),
		cmocka_unit_test(a_failure_is_sticky),
		cmocka_unit_test(floods_of_pings_and_settings_end_the_connection),
		cmocka_unit_test(resets_that_we_are_made_to_send_are_a_flood_too),
		cmocka_unit_test(a_flood_of_continuations_ends_the_connection),
		cmocka_unit_test(broken_frames_end_the_connection_with_a_goaway),
		cmocka_unit_test(one_byte_beyond_the_window_is_an_error),
		cmocka_unit_test(ten_thousand_cancelled_requests_do_not_end_the_tunnel),
		cmocka_unit_test(a_field_that_the_library_would_drop_resets_its_stream),
		cmocka_unit_test(a_header_block_that_is_too_large_resets_its_stream),
		cmocka_unit_test(too_many_fields_reset_their_stream),
		cmocka_unit_test(an_answer_longer_than_it_said_ends_its_stream_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
