#include "cloud/relay/front.h"

#include "cloud/relay/front_priv.h"
#include "unit/cloud/relay/stage.h"

TEST(a_request_goes_through_and_its_answer_comes_back)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s,
		  "GET http://erp:80/a?x=1 HTTP/1.1\r\nHost: erp:80\r\n@"
		  "SAP-Connectivity-Authentication: Bearer u\r\nConnection: keep-alive, x-hop\r\n"
		  "X-Hop: 1\r\nDrawbridge-Fact: forged\r\nProxy-Connection: keep-alive\r\n"
		  "Authorization: Basic Zm9v\r\nX-Kept: yes\r\n\r\n");
	assert_string_equal(s.connector.head, "GET http erp:80 /a?x=1\n"
					      "authorization: Basic Zm9v\nx-kept: yes\n");
	assert_true(s.connector.ended);
	stage_answer(&s, "hello");
	assert_str(buf_str(&s.answer), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	assert_int_equal(s.worker->counters.requests_total, 1);
	assert_int_equal(s.worker->counters.requests_open, 0);
	assert_int_equal(s.worker->counters.bytes_down_total, 5);
	stage_stop(&s);
}

TEST(a_lone_request_leaves_in_the_turn_in_which_it_came)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_connect(&s);
	stage_send(&s, STAGE_GET);
	loop_turn(s.loop, 0); /* the relay reads it and sends it on */
	assert_int_equal(s.worker->counters.requests_open, 1);
	loop_turn(s.loop, 0); /* the connector's end, on the same loop, reads it */
	assert_int_equal(s.connector.requests, 1);
	stage_stop(&s);
}

TEST(pipelined_requests_are_served_one_after_the_other)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET "POST http://erp:80/b HTTP/1.1\r\nHost: erp:80\r\n"
				"Content-Length: 3\r\n@\r\nabc" STAGE_GET);
	assert_int_equal(s.connector.requests, 1);
	stage_answer(&s, "1");
	assert_int_equal(s.connector.requests, 2);
	assert_true(str_starts(str_of(s.connector.head), STR("POST http erp:80 /b\n")));
	assert_str(buf_str(&s.connector.body), "abc");
	stage_answer(&s, "2");
	assert_int_equal(s.connector.requests, 3);
	stage_answer(&s, "3");
	assert_true(str_ends(buf_str(&s.answer), STR("\r\n\r\n3")));
	assert_int_equal(s.worker->counters.clients, 1);
	stage_stop(&s);
}

TEST(a_client_that_authenticates_its_connection_is_named_from_then_on)
{
	struct stage s;
	char first[sizeof s.connector.head];

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s,
		  "GET http://erp/ HTTP/1.1\r\nHost: erp\r\nDrawbridge-Client: forged\r\n@\r\n");
	assert_null(strstr(s.connector.head, "drawbridge-client"));
	stage_answer(&s, "1");
	stage_ask(&s, "GET http://erp/ HTTP/1.1\r\nHost: erp\r\nAuthorization: NTLM TlRM\r\n@\r\n");
	const char *named = strstr(s.connector.head, "drawbridge-client: ");
	assert_non_null(named);
	snprintf(first, sizeof first, "%.51s", named);
	stage_answer(&s, "2");
	stage_ask(&s, STAGE_GET);
	assert_non_null(strstr(s.connector.head, first));
	stage_answer(&s, "3");
	stage_stop(&s);
}

TEST(head_keeps_the_length_and_the_connection)
{
	struct stage s;
	struct http_head head = {.status = 200,
				 .body = HTTP_BODY_NONE,
				 .declared = HTTP_BODY_LENGTH,
				 .content_length = 12345};

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "HEAD http://erp/ HTTP/1.1\r\nHost: erp\r\n@\r\n");
	stage_respond(&s, &head, false);
	assert_str(buf_str(&s.answer), "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
	buf_reset(&s.answer);
	stage_ask(&s, STAGE_GET);
	stage_answer(&s, "x");
	assert_answer_starts(&s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n");
	stage_stop(&s);
}

TEST(chunks_and_trailers_pass_in_both_directions)
{
	struct stage s;
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};
	struct http_field trailer = {.name = STR("x-sum"), .value = STR("42")};

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nTransfer-Encoding: chunked\r\n@"
		      "\r\n3\r\nabc\r\n");
	assert_str(buf_str(&s.connector.body), "abc");
	assert_false(s.connector.ended);
	stage_put(&s, STR("2;x=y\r\nde\r\n0\r\nX-Up: 7\r\n\r\n"));
	assert_str(buf_str(&s.connector.body), "abcde");
	assert_true(s.connector.ended);
	assert_string_equal(s.connector.trailers, "x-up: 7");
	struct h2_stream *request = s.connector.request;
	stage_respond(&s, &head, true);
	h2_send(request, STR("hello"));
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_true(str_ends(buf_str(&s.answer), STR("5\r\nhello\r\n")));
	h2_end(request, &trailer, 1);
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_true(str_ends(buf_str(&s.answer), STR("hello\r\n0\r\nx-sum: 42\r\n\r\n")));
	stage_stop(&s);
}

TEST(http_10_gets_a_body_until_the_close)
{
	struct stage s;
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "GET http://erp/ HTTP/1.0\r\nHost: erp\r\n@\r\n");
	struct h2_stream *request = s.connector.request;
	stage_respond(&s, &head, true);
	h2_send(request, STR("hello"));
	h2_end(request, NULL, 0);
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_true(str_ends(buf_str(&s.answer), STR("Connection: close\r\n\r\nhello")));
	assert_true(s.client_eof);
	stage_stop(&s);
}

TEST(the_back_ends_100_reaches_the_application_before_its_body_is_sent)
{
	struct stage s;
	struct http_head interim = {.status = 100};

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "PUT http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 3\r\n"
		      "Expect: 100-continue\r\n@\r\n");
	assert_true(str_contains(str_of(s.connector.head), STR("expect: 100-continue")));
	assert_str(buf_str(&s.answer), "");
	stage_respond(&s, &interim, false);
	assert_str(buf_str(&s.answer), "HTTP/1.1 100 Continue\r\n\r\n");
	stage_put(&s, STR("abc"));
	assert_str(buf_str(&s.connector.body), "abc");
	stage_answer(&s, "ok");
	assert_true(str_ends(buf_str(&s.answer), STR("ok")));
	stage_stop(&s);
}

TEST(an_early_answer_ends_the_upload_and_the_connection)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 1000000\r\n@"
		      "\r\nabc");
	stage_answer(&s, "too much");
	assert_answer_has(&s, "too much");
	stage_settle(&s);
	assert_int_equal(s.connector.closed, 1);
	assert_int_equal(s.worker->counters.requests_open, 0);
	assert_int_equal(s.worker->counters.broken_answers_total, 0);
	assert_true(s.client_eof);
	stage_stop(&s);
}

TEST(an_upload_stops_when_the_back_end_takes_nothing)
{
	struct stage s;
	AUTO_FREE char *piece = must_alloc(KIB(64));
	size_t taken = 0;

	stage_start(&s);
	stage_tunnel_up(&s);
	s.connector.keeps_credit = true;
	stage_ask(&s,
		  "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 100000000\r\n@\r\n");
	for (int i = 0; i < 400; i++) {
		ssize_t n = send(s.client, piece, KIB(64), MSG_DONTWAIT);
		taken += n > 0 ? (size_t)n : 0;
		stage_turns(&s, 2);
	}
	/* Its window, our queue, what the front keeps, and the sockets: not 25 MB. */
	assert_true(taken < MIB(3));
	assert_true(s.connector.body.len <= H2_WINDOW_START);
	h2_consume(s.connector.request, s.connector.body.len);
	tunnel_flush(s.connector.tunnel);
	size_t before = s.connector.body.len;
	stage_settle(&s);
	assert_true(s.connector.body.len > before);
	stage_stop(&s);
}

TEST(a_large_answer_arrives_in_order_whatever_its_pieces)
{
	struct stage s;
	struct http_head head = {
		.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 5 * 50001};
	AUTO_BUF struct buf sent = BUF(MIB(1));

	for (size_t i = 0; i < 5 * 50001; i++) {
		buf_add(&sent, &(char){(char)(i * 7 + i / 251)}, 1);
	}
	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	stage_respond(&s, &head, true);
	for (size_t i = 0; i < 5; i++) { /* frames of 16 KiB, and a small one after three */
		h2_send(s.connector.request, str_make(sent.at + i * 50001, 50001));
		tunnel_flush(s.connector.tunnel);
		stage_turns(&s, i % 2 ? 0 : 4);
	}
	h2_end(s.connector.request, NULL, 0);
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_true(s.answer.len > sent.len);
	assert_memory_equal(s.answer.at + s.answer.len - sent.len, sent.at, sent.len);
	stage_stop(&s);
}

TEST(an_application_that_does_not_read_gets_no_more_credit)
{
	struct stage s;
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};
	AUTO_FREE char *piece = must_alloc(KIB(64));

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	struct h2_stream *request = s.connector.request;
	stage_respond(&s, &head, true);
	int client = s.client;
	s.client = -1; /* the stage does not read for it */
	for (int i = 0; i < 200; i++) {
		if (h2_queued(request) < H2_STREAM_QUEUE_HIGH) {
			h2_send(request, str_make(piece, KIB(64)));
		}
		tunnel_flush(s.connector.tunnel);
		stage_turns(&s, 2);
	}
	assert_true(s.worker->counters.bytes_down_total < MIB(1));
	assert_true(s.worker->counters.bytes_down_total >= H2_WINDOW_START);
	s.client = client;
	size_t before = s.worker->counters.bytes_down_total;
	stage_settle(&s);
	assert_true(s.worker->counters.bytes_down_total > before);
	/* And for ever is too long. */
	s.client = -1;
	for (int i = 0; i < 20; i++) {
		h2_send(request, str_make(piece, KIB(64)));
		stage_turns(&s, 2);
	}
	stage_wait(&s, 2 * FRONT_STALL_MS);
	assert_int_equal(s.worker->counters.stalled_total, 1);
	assert_int_equal(s.worker->counters.clients, 0);
	assert_null(s.connector.request);
	s.client = client;
	stage_stop(&s);
}

TEST(an_application_that_goes_away_cancels_the_request_at_the_back_end)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.connector.requests, 1);
	stage_hang_up(&s);
	assert_int_equal(s.connector.closed, 1);
	assert_int_equal(s.connector.code, 8);
	assert_int_equal(s.worker->counters.cancelled_total, 1);
	assert_int_equal(s.worker->counters.clients, 0);
	assert_int_equal(s.worker->counters.requests_open, 0);
	stage_stop(&s);
}

TEST(a_subaccount_that_gives_up_too_many_requests_waits)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	for (int i = 0; i < CANCELS_BURST - 1; i++) {
		cancels_note(s.worker->cancels, STR(FAKE_SUBACCOUNT), s.now);
	}
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.connector.requests, 1);
	stage_hang_up(&s);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.connector.requests, 1);
	assert_true(str_contains(buf_str(&s.answer), STR("HTTP/1.1 429 Too Many Requests\r\n")));
	assert_true(str_contains(buf_str(&s.answer), STR("Retry-After: 1\r\n")));
	assert_int_equal(s.worker->counters.refused_cancels_total, 1);
	stage_wait(&s, CANCELS_COST_MS);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.connector.requests, 2);
	stage_stop(&s);
}

TEST(an_answer_that_breaks_off_breaks_the_connection)
{
	struct stage s;
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	struct h2_stream *request = s.connector.request;
	stage_respond(&s, &head, true);
	h2_send(request, STR("half"));
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	h2_reset(request, 2);
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_true(str_ends(buf_str(&s.answer), STR("half\r\n"))); /* and no last chunk */
	assert_true(s.client_eof);
	assert_int_equal(s.worker->counters.broken_answers_total, 1);
	stage_stop(&s);
}

TEST(a_tunnel_that_dies_before_an_answer_gives_502_with_the_reason)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 1\r\n@\r\nx");
	tunnel_close(TAKE(s.connector.tunnel));
	stage_settle(&s);
	assert_answer_starts(&s, "HTTP/1.1 502 ");
	assert_answer_has(&s, "The tunnel to the connector was lost before an answer came: the "
			      "other end closed the connection");
	assert_int_equal(s.worker->counters.failed_in_tunnel_total, 1);
	assert_int_equal(s.worker->counters.tunnels, 0);
	stage_stop(&s);
}

TEST(an_idempotent_request_waits_for_the_next_tunnel_when_its_own_died)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	tunnel_close(TAKE(s.connector.tunnel));
	stage_settle(&s);
	assert_str(buf_str(&s.answer), "");
	assert_int_equal(s.worker->counters.requests_waiting, 1);
	stage_tunnel_up(&s);
	assert_int_equal(s.connector.requests, 2);
	assert_int_equal(s.worker->counters.requests_retried_total, 1);
	stage_answer(&s, "again");
	assert_true(str_ends(buf_str(&s.answer), STR("again")));
	stage_stop(&s);
}

TEST(a_refused_stream_is_sent_again_also_with_a_body)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 5\r\n@\r\nhello");
	h2_reset(s.connector.request, 7); /* REFUSED_STREAM */
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_int_equal(s.connector.requests, 2);
	assert_str(buf_str(&s.connector.body), "hello");
	stage_answer(&s, "ok");
	assert_true(str_ends(buf_str(&s.answer), STR("ok")));
	assert_int_equal(s.worker->counters.requests_total, 1);
	stage_stop(&s);
}

/*
 * The end of the stream in a frame of its own made the answer a chunked one, and its last chunk
 * ("0") stood where the client expects the next answer: perhaps another tenant's.
 */
TEST(an_answer_that_has_no_body_gets_no_last_chunk)
{
	static const struct {
		const char *method;
		unsigned status;
	} rows[] = {{"HEAD", 200}, {"GET", 204}, {"GET", 304}};
	struct http_field trailer = {.name = STR("x-sum"), .value = STR("42")};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct stage s;
		struct http_head head = {.status = rows[i].status, .body = HTTP_BODY_CHUNKED};
		char text[80];

		stage_start(&s);
		stage_tunnel_up(&s);
		snprintf(text, sizeof text, "%s http://erp/ HTTP/1.1\r\nHost: erp\r\n@\r\n",
			 rows[i].method);
		stage_ask(&s, text);
		struct h2_stream *request = s.connector.request;
		stage_respond(&s, &head, true);
		h2_end(request, &trailer, 1);
		tunnel_flush(s.connector.tunnel);
		stage_settle(&s);
		assert_true(str_ends(buf_str(&s.answer), STR("\r\n\r\n")));
		assert_false(str_contains(buf_str(&s.answer), STR("\r\n\r\n0")));
		assert_false(str_contains(buf_str(&s.answer), STR("chunked")));
		assert_int_equal(s.worker->counters.requests_open, 0);
		stage_stop(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_request_goes_through_and_its_answer_comes_back),
	cmocka_unit_test(a_lone_request_leaves_in_the_turn_in_which_it_came),
	cmocka_unit_test(pipelined_requests_are_served_one_after_the_other),
	cmocka_unit_test(a_client_that_authenticates_its_connection_is_named_from_then_on),
	cmocka_unit_test(head_keeps_the_length_and_the_connection),
	cmocka_unit_test(chunks_and_trailers_pass_in_both_directions),
	cmocka_unit_test(http_10_gets_a_body_until_the_close),
	cmocka_unit_test(the_back_ends_100_reaches_the_application_before_its_body_is_sent),
	cmocka_unit_test(an_early_answer_ends_the_upload_and_the_connection),
	cmocka_unit_test(an_upload_stops_when_the_back_end_takes_nothing),
	cmocka_unit_test(a_large_answer_arrives_in_order_whatever_its_pieces),
	cmocka_unit_test(an_application_that_does_not_read_gets_no_more_credit),
	cmocka_unit_test(an_application_that_goes_away_cancels_the_request_at_the_back_end),
	cmocka_unit_test(a_subaccount_that_gives_up_too_many_requests_waits),
	cmocka_unit_test(an_answer_that_breaks_off_breaks_the_connection),
	cmocka_unit_test(a_tunnel_that_dies_before_an_answer_gives_502_with_the_reason),
	cmocka_unit_test(an_idempotent_request_waits_for_the_next_tunnel_when_its_own_died),
	cmocka_unit_test(a_refused_stream_is_sent_again_also_with_a_body),
	cmocka_unit_test(an_answer_that_has_no_body_gets_no_last_chunk),
};
UNIT_MAIN(tests)
