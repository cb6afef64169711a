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
	stage_ask(&s, "GET http://erp:80/x HTTP/1.1\r\nHost: erp:80\r\n@\r\n");
	stage_wait(&s, WORKER_REJOIN_MS);
	assert_answer_starts(&s, "HTTP/1.1 503 ");
	stage_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_that_is_replaced_as_its_settings_come_is_never_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
