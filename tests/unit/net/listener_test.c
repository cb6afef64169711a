#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/unit.h"

static int accepted[8];
static size_t n_accepted;

static void on_connection(void *user UNUSED, int take_fd, const struct address *peer)
{
	char text[64];

	address_format(peer, text, sizeof(text));
	assert_true(str_starts(str_of(text), STR("127.0.0.1:")));
	accepted[n_accepted++] = take_fd;
}

static void close_all(void)
{
	while (n_accepted > 0) {
		close(accepted[--n_accepted]);
	}
}

static int dial(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

TEST(a_connection_is_handed_over_ready_for_use)
{
	struct loop *l = NULL;
	struct listener *listener = NULL;
	struct err err;
	int on = 0;
	socklen_t len = sizeof(on);

	assert_ok(loop_new(&l, &err), &err);
	assert_ok(listener_open(l, "127.0.0.1:0", false, on_connection, NULL, &listener, &err),
		  &err);
	int fd = dial(listener_port(listener));
	while (n_accepted == 0) {
		loop_turn(l, 1000);
	}
	assert_int_equal(n_accepted, 1);
	assert_true(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_equal(on, 1);
	close(fd);
	close_all();
	listener_close(listener);
	loop_free(l);
}

TEST(finishing_hands_over_who_waits_in_the_queue)
{
	struct loop *l = NULL;
	struct listener *listener = NULL;
	struct err err;
	int fds[4];

	assert_ok(loop_new(&l, &err), &err);
	assert_ok(listener_open(l, "127.0.0.1:0", false, on_connection, NULL, &listener, &err),
		  &err);
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = dial(listener_port(listener));
	}
	listener_finish(listener);
	assert_int_equal(n_accepted, COUNT(fds));
	close_all();
	for (size_t i = 0; i < COUNT(fds); i++) {
		char c;
		assert_int_equal(read(fds[i], &c, 1), 0); /* closed by close_all(), not reset */
		close(fds[i]);
	}
	loop_free(l);
}

TEST(two_loops_share_an_address_and_strangers_are_told_that_it_is_taken)
{
	struct loop *l = NULL;
	struct listener *a = NULL, *b = NULL, *c = NULL;
	struct err err;
	char where[32];

	assert_ok(loop_new(&l, &err), &err);
	assert_ok(listener_open(l, "127.0.0.1:0", true, on_connection, NULL, &a, &err), &err);
	snprintf(where, sizeof(where), "127.0.0.1:%u", listener_port(a));
	assert_ok(listener_open(l, where, true, on_connection, NULL, &b, &err), &err);
	assert_err(listener_open(l, where, false, on_connection, NULL, &c, &err), &err, ERR_CONFIG,
		   where);
	listener_close(a);
	listener_close(b);
	listener_close(NULL);
	loop_free(l);
}

TEST(an_address_can_be_tried_without_keeping_it)
{
	struct loop *l = NULL;
	struct listener *a = NULL;
	struct err err;
	char where[32];

	assert_ok(loop_new(&l, &err), &err);
	assert_ok(listener_open(l, "127.0.0.1:0", true, on_connection, NULL, &a, &err), &err);
	snprintf(where, sizeof(where), "127.0.0.1:%u", listener_port(a));
	assert_err(listener_check(where, false, true, &err), &err, ERR_CONFIG,
		   "another program does");
	assert_ok(listener_check(where, true, true, &err), &err);
	assert_ok(listener_check(where, false, false, &err), &err);
	assert_ok(listener_check("127.0.0.1:0", false, true, &err), &err);
	listener_close(a);
	loop_free(l);
}

TEST(an_address_of_another_machine_is_refused_with_the_next_step)
{
	struct err err;

	assert_ok(listener_check("192.0.2.1:80", false, false, &err), &err);
	assert_err(listener_check("192.0.2.1:0", false, true, &err), &err, ERR_CONFIG,
		   "this machine does not have that address");
	assert_err(listener_check("127.0.0.1:70000", false, false, &err), &err, ERR_CONFIG,
		   "is no address to listen on");
}

TEST(two_spellings_of_one_address_are_the_same)
{
	assert_true(listener_is_same("127.0.0.1:80", "127.0.0.1:80"));
	assert_true(listener_is_same("[::1]:80", "[0::1]:80"));
	assert_false(listener_is_same("127.0.0.1:80", "127.0.0.1:81"));
	assert_false(listener_is_same("127.0.0.1:80", "127.0.0.2:80"));
	assert_false(listener_is_same("0.0.0.0:80", "[::]:80"));
	assert_false(listener_is_same("127.0.0.1:0", "127.0.0.1:0"));
	assert_false(listener_is_same("localhost:80", "localhost:80"));
}

TEST(an_address_that_makes_no_sense_is_refused_with_an_example)
{
	const char *bad[] = {"", "20003", "localhost:80", "127.0.0.1", "127.0.0.1:70000", "::1"};
	struct loop *l = NULL;
	struct listener *out = NULL;
	struct err err;

	assert_ok(loop_new(&l, &err), &err);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_err(listener_open(l, bad[i], false, on_connection, NULL, &out, &err), &err,
			   ERR_CONFIG, "127.0.0.1:20003");
	}
	loop_free(l);
}

TEST(accepting_pauses_without_descriptors_and_goes_on_later)
{
	struct loop *l = NULL;
	struct listener *listener = NULL;
	struct err err;
	struct rlimit before, low;

	assert_ok(loop_new_simulated(1000, &l, &err), &err);
	assert_ok(listener_open(l, "127.0.0.1:0", false, on_connection, NULL, &listener, &err),
		  &err);
	int fd = dial(listener_port(listener));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	loop_turn(l, 1000);
	assert_int_equal(n_accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	loop_turn(l, 0);
	assert_int_equal(n_accepted, 0); /* still in its pause */
	loop_clock_set(l, 1100);
	loop_turn(l, 0);
	while (n_accepted == 0) {
		loop_turn(l, 1000);
	}
	assert_int_equal(n_accepted, 1);
	close(fd);
	close_all();
	listener_close(listener);
	loop_free(l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_connection_is_handed_over_ready_for_use),
	cmocka_unit_test(finishing_hands_over_who_waits_in_the_queue),
	cmocka_unit_test(two_loops_share_an_address_and_strangers_are_told_that_it_is_taken),
	cmocka_unit_test(an_address_can_be_tried_without_keeping_it),
	cmocka_unit_test(an_address_of_another_machine_is_refused_with_the_next_step),
	cmocka_unit_test(two_spellings_of_one_address_are_the_same),
	cmocka_unit_test(an_address_that_makes_no_sense_is_refused_with_an_example),
	cmocka_unit_test(accepting_pauses_without_descriptors_and_goes_on_later),
};
UNIT_MAIN(tests)
