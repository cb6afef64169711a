/* What the proxy refuses or gives up, over the sockets of cloud/relay/front. */
#include "cloud/relay/front.h"

#include "cloud/relay/front_priv.h"
#include "unit/cloud/relay/stage.h"

TEST(without_a_tunnel_the_answer_says_what_is_missing_and_what_to_do)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "GET http://erp/ HTTP/1.1\r\nHost: erp\r\n"
		      "SAP-Connectivity-SCC-Location_ID: plant1\r\n@\r\n");
	assert_answer_starts(&s, "HTTP/1.1 503 Service Unavailable\r\n");
	assert_answer_has(&s, "\r\nRetry-After: 2\r\n");
	assert_answer_has(&s, "no connector connected for subaccount " FAKE_SUBACCOUNT
			      " and location ID \"plant1\"");
	buf_reset(&s.answer);
	stage_ask(&s, STAGE_GET); /* the connection goes on */
	stage_answer(&s, "x");
	assert_answer_starts(&s, "HTTP/1.1 200 ");
	stage_stop(&s);
}

struct refusal {
	const char *request, *status, *part;
};

TEST(what_the_proxy_does_not_serve_is_refused_with_the_reason)
{
	static const struct refusal refusals[] = {
		{"GET https://erp/ HTTP/1.1\r\nHost: erp\r\n@\r\n", "405", "https:// targets"},
		{"CONNECT erp:443 HTTP/1.1\r\nHost: erp:443\r\n@\r\n", "405", "CONNECT"},
		{"GET /a HTTP/1.1\r\nHost: erp\r\n@\r\n", "400", "absolute form"},
		{"OPTIONS * HTTP/1.1\r\nHost: erp\r\n@\r\n", "400", "absolute form"},
		{"GET ftp://erp/ HTTP/1.1\r\nHost: erp\r\n@\r\n", "400", "scheme"},
		{"GET http://erp/ HTTP/1.1\r\nHost: erp\r\n\r\n", "407", "No token"},
		{"GET http://erp/ HTTP/1.1\r\nHost: erp\r\nProxy-Authorization: Bearer x\r\n\r\n",
		 "407", "not accepted"},
		{"GET http://erp/ HTTP/1.1\r\nHost: erp\r\nProxy-Authorization: Digest x\r\n\r\n",
		 "407", "Bearer <token>"},
		{"GET http://erp/ HTTP/1.1\r\nHost: erp\r\n"
		 "SAP-Connectivity-SCC-Location_ID: a\r\nSAP-Connectivity-SCC-Location_ID: b\r\n@"
		 "\r\n",
		 "400", "must come once"},
		{"GET http://erp/ HTTP/1.1\r\nHost: other\r\n@\r\n", "400", "Host"},
		{"GET http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 1\r\n"
		 "Content-Length: 1\r\n@\r\n",
		 "400", "Content-Length"},
		{"GET http://erp/ HTTP/1.1\nHost: erp\n\n", "400", "bare LF"},
	};
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	for (size_t i = 0; i < COUNT(refusals); i++) {
		char start[32];
		stage_connect(&s);
		stage_ask(&s, refusals[i].request);
		snprintf(start, sizeof(start), "HTTP/1.1 %s ", refusals[i].status);
		assert_answer_starts(&s, start);
		assert_answer_has(&s, refusals[i].part);
		if (str_eq(str_of(refusals[i].status), STR("407"))) {
			assert_answer_has(&s, "\r\nProxy-Authenticate: Bearer ");
		}
	}
	assert_int_equal(s.connector.requests, 0);
	assert_int_equal(s.worker->counters.refused_token_total, 3);
	assert_int_equal(s.worker->counters.refused_method_total, 2);
	stage_stop(&s);
}

TEST(a_head_without_end_is_431_and_a_slow_one_408)
{
	struct stage s;
	AUTO_FREE char *big = must_alloc(HTTP_HEAD_MAX);

	stage_start(&s);
	stage_ask(&s, "GET http://erp/ HTTP/1.1\r\nHost: erp\r\n");
	for (int i = 0; i < 12; i++) {
		memset(big, 'a', 7000);
		memcpy(big, "X-Big: ", 7);
		memcpy(big + 6998, "\r\n", 2);
		(void)!send(s.client, big, 7000, MSG_NOSIGNAL);
		stage_turns(&s, 2);
	}
	assert_answer_starts(&s, "HTTP/1.1 431 ");
	stage_connect(&s);
	stage_ask(&s, "GET http://erp/ HT");
	stage_wait(&s, FRONT_HEAD_MS / 2);
	stage_put(&s, STR("TP/1.1\r\n"));
	stage_wait(&s, FRONT_HEAD_MS / 2);
	assert_answer_starts(&s, "HTTP/1.1 408 ");
	assert_int_equal(s.worker->counters.refused_slow_total, 1);
	stage_stop(&s);
}

TEST(a_body_that_stops_coming_is_408_and_an_idle_connection_is_closed)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 10\r\n@\r\nabc");
	stage_wait(&s, FRONT_STALL_MS + 1000);
	assert_answer_starts(&s, "HTTP/1.1 408 ");
	assert_int_equal(s.connector.code, 8);
	stage_connect(&s);
	stage_wait(&s, FRONT_IDLE_MS + 1000);
	assert_true(s.client_eof);
	assert_int_equal(s.worker->counters.clients, 0);
	stage_stop(&s);
}

TEST(a_tunnel_that_stays_silent_gives_504_and_cancels_the_request)
{
	const struct relay_limits limits = {.answer = 5000};
	struct stage s;

	stage_start_with(&s, &limits);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	stage_wait(&s, 4500);
	assert_int_equal(s.answer.len, 0);
	stage_wait(&s, 1000);
	assert_answer_starts(&s, "HTTP/1.1 504 ");
	assert_int_equal(s.worker->counters.silent_answers_total, 1);
	assert_int_equal(s.connector.code, 8);
	/* An answer that has begun is broken off instead, and a byte in time starts anew. */
	stage_connect(&s);
	stage_ask(&s, STAGE_GET);
	stage_wait(&s, 4500);
	struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 10};
	stage_respond(&s, &head, true);
	stage_wait(&s, 4500);
	assert_answer_starts(&s, "HTTP/1.1 200 ");
	assert_false(s.client_eof || s.client_reset);
	stage_wait(&s, 1000);
	assert_true(s.client_eof || s.client_reset);
	stage_stop(&s);
}

/*
 * Each refusal is some eight times as long as the request that provokes it. They were queued as
 * fast as requests came, without regard to a client that reads none: memory without a bound, and
 * no token needed.
 */
TEST(pipelined_requests_wait_while_the_client_does_not_read_answers)
{
	static const char request[] = "GET http://e/ HTTP/1.1\r\nHost: e\r\n\r\n";
	enum {
		REQUESTS = 4000
	};
	struct stage s;
	AUTO_BUF struct buf all = BUF(MIB(1));
	size_t at = 0, most = 0;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_connect(&s);
	for (int i = 0; i < REQUESTS; i++) {
		buf_add_str(&all, str_of(request));
	}
	for (int i = 0; i < 100; i++) { /* nobody reads */
		ssize_t n = send(s.client, all.at + at, all.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		at += n > 0 ? (size_t)n : 0;
		loop_turn(s.loop, 0);
		size_t queued = stream_queued(s.worker->fronts->stream);
		most = queued > most ? queued : most;
	}
	assert_in_range(most, 1, FRONT_ANSWERS_MAX + 1024);
	assert_true(s.worker->counters.requests_total < REQUESTS);
	stage_put(&s, str_skip(buf_str(&all), at));
	for (int i = 0; i < 1000 && s.worker->counters.requests_total < REQUESTS; i++) {
		stage_turns(&s, 1);
	}
	stage_settle(&s);
	assert_int_equal(s.worker->counters.refused_token_total, REQUESTS);
	assert_int_equal(stream_queued(s.worker->fronts->stream), 0);
	stage_stop(&s);
}

/* Heads have no flow control: a connector could fill the relay with 1xx for a client that sleeps.
 */
TEST(interim_answers_without_end_are_502)
{
	struct stage s;
	struct http_head early = {.status = 103};
	struct err err;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	for (int i = 0; i < FRONT_INTERIM_MAX; i++) {
		assert_ok(h2_respond(s.connector.request, &early, false, &err), &err);
	}
	stage_respond(&s, &early, false);
	assert_true(str_contains(buf_str(&s.answer), STR("HTTP/1.1 502 ")));
	assert_null(s.connector.request);
	assert_int_equal(s.connector.code, FRONT_H2_CANCEL);
	buf_reset(&s.answer);
	stage_ask(&s, STAGE_GET);
	stage_answer(&s, "next");
	assert_true(str_ends(buf_str(&s.answer), STR("next")));
	stage_stop(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_a_tunnel_the_answer_says_what_is_missing_and_what_to_do),
	cmocka_unit_test(what_the_proxy_does_not_serve_is_refused_with_the_reason),
	cmocka_unit_test(a_head_without_end_is_431_and_a_slow_one_408),
	cmocka_unit_test(a_body_that_stops_coming_is_408_and_an_idle_connection_is_closed),
	cmocka_unit_test(a_tunnel_that_stays_silent_gives_504_and_cancels_the_request),
	cmocka_unit_test(pipelined_requests_wait_while_the_client_does_not_read_answers),
	cmocka_unit_test(interim_answers_without_end_are_502),
};
UNIT_MAIN(tests)
