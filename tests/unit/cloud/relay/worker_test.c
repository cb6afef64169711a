#include "cloud/relay/front_priv.h"
#include "unit/cloud/relay/fake_runtime.h"
#include "unit/cloud/relay/stage.h"

TEST(the_limits_of_applications_are_settings)
{
	const struct relay_limits limits = {.head = 2000, .idle = 4000, .queue_max = 1};
	struct stage s;

	stage_start_with(&s, &limits);
	stage_tunnel_up(&s);
	tunnel_close(TAKE(s.connector.tunnel));
	stage_settle(&s);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.worker->counters.requests_waiting, 1);
	int first = s.client;
	s.client = -1;
	stage_ask(&s, STAGE_GET);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	assert_answer_has(&s, "1 requests wait for this connector already");
	close(first);
	stage_connect(&s);
	stage_ask(&s, "GET http://erp/ HT");
	stage_wait(&s, 2100);
	assert_answer_starts(&s, "HTTP/1.1 408 ");
	stage_connect(&s);
	stage_wait(&s, 3900);
	assert_false(s.client_eof);
	stage_wait(&s, 200);
	assert_true(s.client_eof);
	stage_stop(&s);
}

TEST(a_connection_moves_to_the_worker_that_has_the_tunnel)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	s.elsewhere_key = STR(FAKE_SUBACCOUNT "/there");
	stage_ask(&s, STAGE_GET "GET http://erp/ HTTP/1.1\r\nHost: erp\r\n"
				"SAP-Connectivity-SCC-Location_ID: there\r\n@\r\n");
	assert_int_equal(s.moved_to, -1); /* the first one is not answered yet */
	stage_answer(&s, "x");
	assert_int_equal(s.moved_to, 1);
	assert_true(str_ends(buf_str(&s.answer), STR("\r\n\r\nx")));
	assert_true(str_starts(buf_str(&s.moved.unread), STR("GET http://erp/ HTTP/1.1\r\n")));
	assert_int_equal(s.worker->counters.clients, 0);
	/* It arrives, here on the same worker, and is served as far as it can be. */
	s.elsewhere_key = STR_NONE;
	front_attach(s.worker, &s.moved, 1);
	stage_settle(&s);
	assert_answer_has(&s, "location ID \"there\"");
	assert_int_equal(s.worker->counters.requests_total, 2);
	stage_stop(&s);
}

TEST(a_drain_lets_the_answer_end_and_closes_what_is_idle)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_connect(&s);
	stage_settle(&s);
	int idle = s.client;
	s.client = -1;
	stage_ask(&s, STAGE_GET);
	worker_drain(s.worker, 5000);
	stage_settle(&s);
	char c;
	assert_int_equal(recv(idle, &c, 1, MSG_DONTWAIT), -1);
	stage_wait(&s, WORKER_LAST_CALL_MS);
	assert_int_equal(recv(idle, &c, 1, MSG_DONTWAIT), 0);
	stage_answer(&s, "last");
	assert_answer_has(&s, "Connection: close\r\n");
	assert_true(str_ends(buf_str(&s.answer), STR("last")));
	assert_true(s.client_eof);
	close(idle);
	stage_wait(&s, 6000);
	assert_true(worker_is_empty(s.worker));
	stage_stop(&s);
}

/* An idle connection whose last answer was still on its way was cut off. */
TEST(a_drain_leaves_an_answer_alone_that_is_on_its_way)
{
	enum {
		LENGTH = 250 * 1024
	};
	struct stage s;
	struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = LENGTH};
	AUTO_FREE char *body = must_alloc(LENGTH);
	struct err err;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	memset(body, 'x', LENGTH);
	assert_ok(h2_respond(s.connector.request, &head, true, &err), &err);
	h2_send(s.connector.request, str_make(body, LENGTH));
	h2_end(s.connector.request, NULL, 0);
	tunnel_flush(s.connector.tunnel);
	for (int i = 0; i < 40; i++) {
		loop_turn(s.loop, 0); /* nobody reads */
	}
	assert_int_equal(s.worker->counters.requests_open, 0);
	assert_true(stream_queued(s.worker->fronts->stream) > 0);
	worker_drain(s.worker, 5000);
	loop_clock_set(s.loop, s.now += WORKER_LAST_CALL_MS);
	stage_settle(&s);
	assert_true(s.answer.len > LENGTH);
	assert_true(s.client_eof);
	stage_stop(&s);
}

TEST(a_kept_alive_client_gets_one_more_answer_in_a_drain)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	worker_drain(s.worker, 5000);
	struct http_head head = {.status = 200, .body = HTTP_BODY_CHUNKED};
	struct h2_stream *first = s.connector.request;
	stage_respond(&s, &head, true);
	h2_end(first, NULL, 0);
	tunnel_flush(s.connector.tunnel);
	stage_settle(&s);
	assert_answer_has(&s, "Connection: close\r\n");
	assert_true(s.client_eof);

	stage_stop(&s);
	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, STAGE_GET);
	stage_answer(&s, "1");
	worker_drain(s.worker, 5000);
	stage_settle(&s);
	assert_false(s.client_eof);
	stage_ask(&s, STAGE_GET);
	stage_answer(&s, "2");
	assert_answer_has(&s, "Connection: close\r\n");
	assert_true(s.client_eof);
	stage_stop(&s);
}

TEST(after_the_last_call_a_half_head_and_a_waiting_request_are_told)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_connect(&s);
	stage_put(&s, STR("GET http://erp/ HTTP/1.1\r\nHo"));
	worker_drain(s.worker, 5000);
	stage_wait(&s, WORKER_LAST_CALL_MS);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	assert_answer_has(&s, "shut down");
	assert_true(s.client_eof);
	stage_stop(&s);

	stage_start(&s);
	stage_tunnel_up(&s);
	tunnel_close(TAKE(s.connector.tunnel));
	stage_settle(&s);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.worker->counters.requests_waiting, 1);
	worker_drain(s.worker, 5000);
	stage_wait(&s, WORKER_LAST_CALL_MS);
	assert_answer_has(&s, "shut down");
	assert_int_equal(s.worker->counters.requests_waiting, 0);
	stage_stop(&s);
}

TEST(a_worker_without_requests_lets_an_old_keystore_go)
{
	struct stage s;

	fake_runtime_freed = 0;
	stage_start(&s);
	stage_tunnel_up(&s);
	fake_runtime(&s.runtime, (struct runtime_tenant){.generation = 1});
	stage_ask(&s, STAGE_GET); /* looks whether a certificate is required */
	assert_int_equal(s.connector.requests, 1);
	fake_runtime(&s.runtime, (struct runtime_tenant){.generation = 2});
	assert_int_equal(fake_runtime_freed, 0);
	stage_wait(&s, WORKER_SWEEP_MS);
	assert_int_equal(fake_runtime_freed, 1);
	stage_stop(&s);
	assert_int_equal(fake_runtime_freed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limits_of_applications_are_settings),
		cmocka_unit_test(a_connection_moves_to_the_worker_that_has_the_tunnel),
		cmocka_unit_test(a_drain_lets_the_answer_end_and_closes_what_is_idle),
		cmocka_unit_test(a_drain_leaves_an_answer_alone_that_is_on_its_way),
		cmocka_unit_test(a_kept_alive_client_gets_one_more_answer_in_a_drain),
		cmocka_unit_test(after_the_last_call_a_half_head_and_a_waiting_request_are_told),
		cmocka_unit_test(a_worker_without_requests_lets_an_old_keystore_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
