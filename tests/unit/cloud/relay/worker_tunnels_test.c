#include "unit/cloud/relay/stage.h"

/* A tunnel whose far end is a bare socket: it says nothing by itself. */
static int take_mute(struct stage *s, bool replaces)
{
	const struct worker_tunnel_facts facts = {.id = 2,
						  .subaccount = FAKE_SUBACCOUNT,
						  .instance = FAKE_INSTANCE,
						  .serial = "01",
						  .replaces = replaces};
	struct stream_parts parts = {.unread = BUF(SIZE_MAX / 2)};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	parts.fd = fd[0];
	worker_take_tunnel(s->worker, &facts, &parts);
	stage_settle(s);
	return fd[1];
}

static void say_settings(int fd)
{
	assert_int_equal(send(fd, "\0\0\0\4\0\0\0\0\0", 9, 0), 9);
}

static uint64_t tunnels_up(const struct stage *s)
{
	struct relay_counters now = {.tunnels = 0};

	worker_count(s->worker, &now);
	return now.tunnels;
}

/* Otherwise a connector could leave a tunnel in the registry that is gone. */
TEST(a_tunnel_that_is_replaced_as_its_settings_come_is_never_up)
{
	struct stage s;

	stage_start(&s);
	int old = take_mute(&s, false);
	int fresh = take_mute(&s, true);
	say_settings(fresh); /* both are read in one turn: it replaces the one that comes next */
	say_settings(old);
	stage_settle(&s);
	assert_int_equal(tunnels_up(&s), 1);
	close(old);
	stage_settle(&s);
	assert_int_equal(tunnels_up(&s), 1);
	close(fresh);
	stage_settle(&s);
	assert_true(worker_is_empty(s.worker));
	stage_ask(&s, STAGE_GET);
	stage_wait(&s, WORKER_REJOIN_MS);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	stage_stop(&s);
}

TEST(a_connector_that_was_just_there_is_waited_for_but_not_for_ever)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	tunnel_close(TAKE(s.connector.tunnel));
	stage_settle(&s);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.worker->counters.requests_waiting, 1);
	stage_wait(&s, WORKER_REJOIN_MS + 100);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	assert_int_equal(s.worker->counters.requests_waiting, 0);
	assert_int_equal(s.worker->counters.refused_no_tunnel_total, 1);
	stage_stop(&s);
}

TEST(a_connector_that_left_in_order_is_not_waited_for)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	tunnel_drain(s.connector.tunnel, 1000);
	stage_settle(&s);
	stage_ask(&s, STAGE_GET);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	assert_int_equal(s.worker->counters.refused_no_tunnel_total, 1);
	stage_stop(&s);
}

TEST(requests_beyond_the_peers_streams_wait_for_room)
{
	struct stage s;
	enum {
		MANY = H2_STREAMS_MAX + 2,
	};
	int *clients = NEW_ARRAY(int, MANY);

	stage_start(&s);
	stage_tunnel_up(&s);
	for (int i = 0; i < MANY; i++) {
		s.client = -1;
		stage_connect(&s);
		clients[i] = s.client;
		s.now++;
		stage_send(&s, STAGE_GET);
		loop_turn(s.loop, 0);
	}
	stage_settle(&s);
	assert_int_equal(s.connector.requests, H2_STREAMS_MAX);
	assert_int_equal(s.worker->counters.requests_waiting, 2);
	stage_answer(&s, "x");
	assert_int_equal(s.connector.requests, H2_STREAMS_MAX + 1);
	assert_int_equal(s.worker->counters.requests_waiting, 1);
	stage_wait(&s, WORKER_QUEUE_WAIT_MS + 1000);
	assert_int_equal(s.worker->counters.refused_queue_total, 1);
	for (int i = 0; i < MANY - 1; i++) {
		close(clients[i]);
	}
	free(clients);
	stage_stop(&s);
}

TEST(a_locked_subaccount_gets_403_and_a_revoked_tunnel_is_cut)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	stage_ask(&s, "POST http://erp/ HTTP/1.1\r\nHost: erp\r\nContent-Length: 1\r\n@\r\nx");
	struct directory_snapshot *snap = fake_snapshot(&s.fake);
	snap->judgement = DIRECTORY_REVOKED;
	snap->subaccount.locked = true;
	snapshot_publish(&s.fake.cell, &snap->base);
	stage_wait(&s, WORKER_SWEEP_MS);
	assert_answer_starts(&s, "HTTP/1.1 502 ");
	assert_answer_has(&s, "does not admit");
	assert_int_equal(s.worker->counters.tunnels, 0);
	assert_int_equal(s.worker->counters.tunnels_cut_total, 1);
	buf_reset(&s.answer);
	stage_ask(&s, STAGE_GET);
	assert_answer_starts(&s, "HTTP/1.1 403 ");
	stage_stop(&s);
}

TEST(a_revoked_tunnel_takes_no_request_even_before_the_sweep)
{
	struct stage s;

	stage_start(&s);
	stage_tunnel_up(&s);
	struct directory_snapshot *snap = fake_snapshot(&s.fake);
	snap->judgement = DIRECTORY_REVOKED;
	snapshot_publish(&s.fake.cell, &snap->base);
	stage_ask(&s, STAGE_GET);
	assert_int_equal(s.connector.requests, 0);
	stage_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_that_is_replaced_as_its_settings_come_is_never_up),
		cmocka_unit_test(a_connector_that_was_just_there_is_waited_for_but_not_for_ever),
		cmocka_unit_test(a_connector_that_left_in_order_is_not_waited_for),
		cmocka_unit_test(requests_beyond_the_peers_streams_wait_for_room),
		cmocka_unit_test(a_locked_subaccount_gets_403_and_a_revoked_tunnel_is_cut),
		cmocka_unit_test(a_revoked_tunnel_takes_no_request_even_before_the_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
