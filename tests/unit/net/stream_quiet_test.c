#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

static void on_event(struct stream *s, enum stream_event event, void *user)
{
	(void)s;
	(void)event;
	(void)user;
}

struct pair {
	struct loop *loop;
	struct stream *stream;
	int peer;
};

static int set_up(void **state)
{
	static struct pair p;
	struct err err;
	int fds[2];

	assert_true(loop_new(&p.loop, &err));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	p.stream = stream_adopt(p.loop, fds[0], on_event, NULL);
	p.peer = fds[1];
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	stream_close(p->stream);
	loop_turn(p->loop, 0);
	loop_free(p->loop);
	close_fd(p->peer);
	return 0;
}

static void a_connection_without_news_is_quiet(void **state)
{
	struct pair *p = *state;

	assert_true(stream_is_quiet(p->stream));
}

static void bytes_in_the_kernel_are_seen_before_the_loop_tells(void **state)
{
	struct pair *p = *state;

	assert_int_equal(write(p->peer, "x", 1), 1);
	assert_false(stream_is_quiet(p->stream));
	loop_turn(p->loop, 0);
	assert_false(stream_is_quiet(p->stream)); /* now it is unread here */
	stream_consume(p->stream, 1);
	assert_true(stream_is_quiet(p->stream));
}

static void a_close_in_the_kernel_is_seen_before_the_loop_tells(void **state)
{
	struct pair *p = *state;

	assert_int_equal(shutdown(p->peer, SHUT_WR), 0);
	assert_false(stream_is_quiet(p->stream));
}

static void what_is_still_to_be_sent_is_not_quiet(void **state)
{
	struct pair *p = *state;

	stream_write(p->stream, STR("x"));
	assert_false(stream_is_quiet(p->stream));
	loop_turn(p->loop, 0);
	assert_true(stream_is_quiet(p->stream));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_without_news_is_quiet),
		TEST(bytes_in_the_kernel_are_seen_before_the_loop_tells),
		TEST(a_close_in_the_kernel_is_seen_before_the_loop_tells),
		TEST(what_is_still_to_be_sent_is_not_quiet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
