#include "http/h2_engine.h"

#include "unit/http/h2_wire.h"

TEST(a_request_is_answered_with_every_cut_of_the_bytes)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct wire w;
		struct seen seen = {0};
		wire_open(&w, seed);
		w.server_app = wire_echo_path;
		assert_non_null(wire_get(&w, &seen, "/a?b=c"));
		wire_run(&w);
		assert_false(w.failed);
		assert_int_equal(seen.status, 200);
		assert_str(buf_str(&seen.body), "/a?b=c");
		assert_true(seen.closed);
		assert_int_equal(seen.code, 0);
		assert_int_equal(seen.ends, 1);
		assert_string_equal(w.at_server[0].method, "GET");
		assert_string_equal(w.at_server[0].authority, "h:80");
		assert_int_equal(w.at_server[0].body_kind, HTTP_BODY_NONE);
		assert_int_equal(h2_streams_open(w.client) + h2_streams_open(w.server), 0);
		assert_int_equal(w.settings, 1);
		assert_true(h2_peer_allows_connect_protocol(w.client));
		buf_fini(&seen.body);
		wire_close(&w);
	}
}

static void answer_with_5_mb(struct wire *w UNUSED, struct seen *seen, const struct h2_notice *n)
{
	struct err err;
	struct http_head head = {
		.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 5000000};
	if (n->event == H2_HEAD) {
		assert_ok(h2_respond(n->stream, &head, true, &err), &err);
		seen->to_send = 5000000;
		wire_top_up(seen);
	}
}

TEST(bodies_of_5_mb_go_both_ways_at_once)
{
	struct wire w;
	struct seen seen = {.to_send = 5000000};
	wire_open(&w, 7);
	w.server_app = answer_with_5_mb;
	assert_non_null(wire_get(&w, &seen, "/"));
	wire_run(&w);
	assert_false(w.failed);
	assert_int_equal(seen.body.len, 5000000);
	assert_int_equal(w.at_server[0].body.len, 5000000);
	assert_int_equal(seen.body_kind, HTTP_BODY_LENGTH);
	assert_int_equal(w.at_server[0].body_kind, HTTP_BODY_CHUNKED);
	assert_true(seen.closed);
	assert_int_equal(h2_unread(w.client) + h2_unread(w.server), 0);
	buf_fini(&seen.body);
	wire_close(&w);
}

static const struct http_field note = {STR("X-Note"), STR("kept"), false};

static void answer_with_hints_and_trailers(struct wire *w UNUSED, struct seen *seen UNUSED,
					   const struct h2_notice *n)
{
	struct err err;
	struct http_head hints = {.status = 103};
	struct http_head head = {.status = 200};
	if (n->event != H2_END) {
		return;
	}
	assert_ok(h2_respond(n->stream, &hints, false, &err), &err);
	assert_ok(h2_respond(n->stream, &hints, false, &err), &err);
	assert_ok(h2_respond(n->stream, &head, true, &err), &err);
	if (str_eq(str_of(seen->path), STR("/body"))) {
		h2_send(n->stream, STR("body"));
	}
	h2_end(n->stream, &note, 1);
}

TEST(hints_and_trailers_arrive_with_and_without_a_body)
{
	static const char *const paths[] = {"/body", "/none"};
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct wire w;
		struct seen seen = {0};
		wire_open(&w, i + 1);
		w.server_app = answer_with_hints_and_trailers;
		assert_non_null(wire_get(&w, &seen, paths[i]));
		wire_run(&w);
		assert_false(w.failed);
		assert_int_equal(seen.heads, 3);
		assert_string_equal(seen.note, "kept");
		assert_str(buf_str(&seen.body), i == 0 ? "body" : "");
		assert_int_equal(seen.ends, 1);
		assert_true(seen.closed);
		assert_int_equal(seen.code, 0);
		buf_fini(&seen.body);
		wire_close(&w);
	}
}

TEST(trailers_of_a_request_arrive)
{
	struct wire w;
	struct seen seen = {0};
	struct http_head head = {.method = STR("POST"), .path = STR("/"), .authority = STR("h")};
	wire_open(&w, 3);
	w.server_app = wire_echo_path;
	struct h2_stream *s = h2_request(w.client, &head, true, &seen);
	seen.body = BUF(100);
	h2_send(s, STR("abc"));
	wire_run(&w);
	assert_str(buf_str(&w.at_server[0].body), "abc");
	h2_end(s, &note, 1);
	wire_run(&w);
	assert_string_equal(w.at_server[0].note, "kept");
	assert_int_equal(seen.status, 200);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_reset_reaches_the_other_side_with_its_code)
{
	struct wire w;
	struct seen seen = {.to_send = 1000000};
	wire_open(&w, 3);
	assert_non_null(wire_get(&w, &seen, "/"));
	for (unsigned i = 0; i < 4; i++) {
		(void)wire_turn(&w, KIB(16));
	}
	h2_reset(seen.stream, NGHTTP2_CANCEL);
	wire_run(&w);
	assert_false(w.failed);
	assert_true(w.at_server[0].closed);
	assert_int_equal(w.at_server[0].code, NGHTTP2_CANCEL);
	assert_true(seen.closed);
	assert_int_equal(h2_streams_open(w.client), 0);
	assert_int_equal(h2_unread(w.server), 0);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_request_that_is_cancelled_before_it_left_is_closed)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 3);
	assert_non_null(wire_get(&w, &seen, "/"));
	h2_reset(seen.stream, NGHTTP2_CANCEL);
	wire_run(&w);
	assert_false(w.failed);
	assert_true(seen.closed);
	assert_int_equal(w.n_at_server, 0);
	assert_int_equal(h2_streams_open(w.client), 0);
	wire_close(&w);
}

static void refuse(struct wire *w UNUSED, struct seen *seen UNUSED, const struct h2_notice *n)
{
	if (n->event == H2_HEAD) {
		h2_reset(n->stream, NGHTTP2_REFUSED_STREAM);
	}
}

TEST(a_refused_stream_is_told_apart)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 3);
	w.server_app = refuse;
	assert_non_null(wire_get(&w, &seen, "/"));
	wire_run(&w);
	assert_true(seen.refused);
	assert_int_equal(seen.code, NGHTTP2_REFUSED_STREAM);
	wire_close(&w);
}

TEST(streams_beyond_the_limit_are_never_queued)
{
	struct wire w;
	static struct seen seen[H2_STREAMS_MAX + 1];
	wire_open(&w, 3);
	for (size_t i = 0; i < H2_STREAMS_ASSUMED; i++) {
		assert_non_null(wire_get(&w, &seen[i], "/"));
	}
	assert_int_equal(h2_streams_free(w.client), 0);
	assert_null(wire_get(&w, &seen[H2_STREAMS_ASSUMED], "/"));
	wire_run(&w);
	assert_int_equal(h2_streams_free(w.client), H2_STREAMS_MAX - H2_STREAMS_ASSUMED);
	for (size_t i = H2_STREAMS_ASSUMED; i < H2_STREAMS_MAX; i++) {
		assert_non_null(wire_get(&w, &seen[i], "/"));
	}
	assert_null(wire_get(&w, &seen[H2_STREAMS_MAX], "/"));
	wire_run(&w);
	assert_false(w.failed);
	assert_int_equal(h2_streams_open(w.server), H2_STREAMS_MAX);
	wire_close(&w);
	for (size_t i = 0; i < H2_STREAMS_MAX; i++) {
		assert_int_equal(seen[i].code, 2);
		assert_true(seen[i].closed);
	}
}

TEST(a_server_that_drains_refuses_what_it_has_not_seen)
{
	struct wire w;
	struct seen first = {0};
	struct seen late = {0};
	wire_open(&w, 3);
	assert_non_null(wire_get(&w, &first, "/1"));
	wire_run(&w);
	h2_goaway(w.server, 0);
	assert_non_null(wire_get(&w, &late, "/2"));
	wire_run(&w);
	assert_int_equal(w.goaways_in, 1);
	assert_true(late.refused);
	assert_false(first.closed);
	assert_int_equal(h2_streams_free(w.client), 0);
	assert_null(wire_get(&w, &late, "/3"));
	struct http_head head = {.status = 204};
	assert_ok(h2_respond(w.at_server[0].stream, &head, false, &w.err), &w.err);
	wire_run(&w);
	assert_int_equal(first.status, 204);
	assert_int_equal(first.code, 0);
	assert_true(h2_is_done(w.server));
	wire_close(&w);
}

TEST(a_shutdown_notice_lets_what_is_under_way_pass)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 3);
	w.server_app = wire_echo_path;
	wire_run(&w);
	h2_shutdown_notice(w.server);
	assert_non_null(wire_get(&w, &seen, "/1"));
	wire_run(&w);
	assert_int_equal(seen.status, 200);
	assert_int_equal(w.goaways_in, 1);
	assert_int_equal(h2_streams_free(w.client), 0);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_client_that_drains_tells_the_server)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 3);
	assert_non_null(wire_get(&w, &seen, "/1"));
	wire_run(&w);
	h2_goaway(w.client, 0);
	wire_run(&w);
	assert_int_equal(w.server_goaways_in, 1);
	assert_int_equal(h2_streams_free(w.client), 0);
	struct http_head head = {.status = 204};
	assert_ok(h2_respond(w.at_server[0].stream, &head, false, &w.err), &w.err);
	wire_run(&w);
	assert_int_equal(seen.status, 204);
	assert_true(h2_is_done(w.client));
	wire_close(&w);
}

TEST(pings_are_answered)
{
	struct wire w;
	wire_open(&w, 3);
	h2_ping(w.client, (const uint8_t[8]){1});
	wire_run(&w);
	assert_int_equal(w.pongs, 1);
	wire_close(&w);
}

TEST(stream_ids_run_out_gently)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 3);
	w.server_app = wire_echo_path;
	h2_skip_to_id(w.client, 0x7fffffff);
	assert_non_null(wire_get(&w, &seen, "/last"));
	assert_null(wire_get(&w, &(struct seen){0}, "/none"));
	assert_int_equal(h2_streams_free(w.client), 0);
	wire_run(&w);
	assert_int_equal(seen.status, 200);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(an_answer_to_head_keeps_its_length)
{
	struct wire w;
	struct seen seen = {0};
	struct http_head request = {.method = STR("HEAD"), .path = STR("/"), .authority = STR("h")};
	struct http_head head = {
		.status = 200, .declared = HTTP_BODY_LENGTH, .content_length = 12345};
	wire_open(&w, 3);
	assert_non_null(h2_request(w.client, &request, false, &seen));
	wire_run(&w);
	assert_ok(h2_respond(w.at_server[0].stream, &head, false, &w.err), &w.err);
	wire_run(&w);
	assert_int_equal(seen.status, 200);
	assert_int_equal(seen.body_kind, HTTP_BODY_NONE);
	assert_int_equal(seen.declared, HTTP_BODY_LENGTH);
	wire_close(&w);
}

TEST(connect_carries_bytes_both_ways)
{
	struct wire w;
	struct seen seen = {.body = BUF(100)};
	struct http_head request = {.method = STR("CONNECT"), .authority = STR("h:22")};
	struct http_head head = {.status = 200};
	wire_open(&w, 3);
	struct h2_stream *s = h2_request(w.client, &request, true, &seen);
	h2_send(s, STR("ping"));
	wire_run(&w);
	assert_string_equal(w.at_server[0].authority, "h:22");
	assert_str(buf_str(&w.at_server[0].body), "ping");
	assert_ok(h2_respond(w.at_server[0].stream, &head, true, &w.err), &w.err);
	h2_send(w.at_server[0].stream, STR("pong"));
	h2_end(s, NULL, 0);
	wire_run(&w);
	assert_str(buf_str(&seen.body), "pong");
	assert_int_equal(w.at_server[0].ends, 1);
	assert_int_equal(seen.ends, 0);
	h2_end(w.at_server[0].stream, NULL, 0);
	wire_run(&w);
	assert_true(seen.closed);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_queue_that_nobody_bounds_ends_its_stream)
{
	struct wire w;
	struct seen seen = {0};
	struct http_head request = {.method = STR("POST"), .path = STR("/"), .authority = STR("h")};
	static char chunk[1024 * 1024];
	wire_open(&w, 3);
	struct h2_stream *s = h2_request(w.client, &request, true, &seen);
	for (size_t i = 0; i < 17; i++) {
		h2_send(s, (struct str){chunk, sizeof chunk});
	}
	wire_run(&w);
	assert_true(seen.closed);
	assert_int_equal(seen.code, NGHTTP2_INTERNAL_ERROR);
	assert_false(w.failed);
	wire_close(&w);
}

TEST(a_steady_state_asks_for_no_memory)
{
	struct wire w;
	struct seen seen = {0};
	uint64_t before = 0;
	wire_open(&w, 3);
	w.server_app = wire_echo_path;
	for (size_t i = 0; i < 200; i++) {
		assert_non_null(wire_get(&w, &seen, "/a"));
		wire_run(&w);
		assert_true(seen.closed);
		buf_fini(&seen.body);
		if (i == 20) {
			before = h2_memory_system_calls(w.client->memory) +
				 h2_memory_system_calls(w.server->memory);
		}
	}
	assert_int_equal(before, h2_memory_system_calls(w.client->memory) +
					 h2_memory_system_calls(w.server->memory));
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered_with_every_cut_of_the_bytes),
		cmocka_unit_test(bodies_of_5_mb_go_both_ways_at_once),
		cmocka_unit_test(hints_and_trailers_arrive_with_and_without_a_body),
		cmocka_unit_test(trailers_of_a_request_arrive),
		cmocka_unit_test(a_reset_reaches_the_other_side_with_its_code),
		cmocka_unit_test(a_request_that_is_cancelled_before_it_left_is_closed),
		cmocka_unit_test(a_refused_stream_is_told_apart),
		cmocka_unit_test(streams_beyond_the_limit_are_never_queued),
		cmocka_unit_test(a_server_that_drains_refuses_what_it_has_not_seen),
		cmocka_unit_test(a_shutdown_notice_lets_what_is_under_way_pass),
		cmocka_unit_test(a_client_that_drains_tells_the_server),
		cmocka_unit_test(pings_are_answered),
		cmocka_unit_test(stream_ids_run_out_gently),
		cmocka_unit_test(an_answer_to_head_keeps_its_length),
		cmocka_unit_test(connect_carries_bytes_both_ways),
		cmocka_unit_test(a_queue_that_nobody_bounds_ends_its_stream),
		cmocka_unit_test(a_steady_state_asks_for_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
