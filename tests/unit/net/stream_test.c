#include "net/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "unit/net/seen.h"

static struct loop *l;

static void start(void)
{
	struct err err;
	assert_ok(loop_new_simulated(1000, &l, &err), &err);
}

static void stop(void)
{
	loop_free(l);
	l = NULL;
}

/* A stream whose peer is a bare socket. */
static struct stream *stream_and_peer(struct seen *seen, int *peer)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	*peer = fd[1];
	seen->stream = stream_adopt(l, fd[0], on_stream, seen);
	return seen->stream;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static struct str get(int fd)
{
	static char text[1000];
	ssize_t n = read(fd, text, sizeof(text));
	return str_make(text, n > 0 ? (size_t)n : 0);
}

TEST(small_writes_of_a_turn_leave_in_one_piece_at_its_end)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_write(s, STR("one "));
	stream_write(s, STR("two"));
	assert_str(get(peer), "");
	assert_int_equal(stream_queued(s), 7);
	loop_turn(l, 0);
	assert_str(get(peer), "one two");
	assert_int_equal(stream_sent(s), 7);
	assert_string_equal(seen.trace, "s");
	stream_close(s);
	close(peer);
	stop();
}

static void fill_once(struct stream *s, void *user UNUSED)
{
	memcpy(stream_reserve(s, 4), "fill", 4);
	stream_wrote(s, 4);
}

TEST(the_filler_writes_into_the_same_send)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_set_filler(s, fill_once);
	stream_write(s, STR("x"));
	loop_turn(l, 0);
	assert_str(get(peer), "xfill");
	stream_wants_flush(s);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_str(get(peer), "fill");
	stream_close(s);
	close(peer);
	stop();
}

TEST(a_large_write_reaches_the_socket_at_once_behind_what_was_queued)
{
	struct seen seen = SEEN;
	int peer;
	char *big = must_alloc(20000);

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_write(s, STR("head"));
	const struct str parts[] = {STR("ab"), str_make(big, 20000), STR("cd")};
	stream_writev(s, parts, 3);
	assert_int_equal(stream_queued(s), 0);
	assert_int_equal(stream_sent(s), 20008);
	assert_true(str_starts(get(peer), STR("headab")));
	loop_turn(l, 0);
	assert_string_equal(seen.trace, "s");
	stream_close(s);
	close(peer);
	free(big);
	stop();
}

TEST(what_the_kernel_does_not_take_is_queued_and_follows_in_order)
{
	struct seen seen = SEEN;
	int peer;
	const size_t size = MIB(4);
	unsigned char *big = must_alloc(size), *back = must_alloc(size);
	size_t got = 0;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	for (size_t i = 0; i < size; i++) {
		big[i] = (unsigned char)((i * 2654435761U) >> 24);
	}
	stream_write(s, STR("!"));
	stream_write(s, str_make(big, size));
	assert_true(stream_queued(s) > 0);
	stream_write(s, STR("?"));
	while (got < size + 2) {
		char c[70000];
		ssize_t n = read(peer, c, sizeof(c));
		for (ssize_t i = 0; i < n; i++, got++) {
			if (got > 0 && got <= size) {
				back[got - 1] = (unsigned char)c[i];
			}
		}
		loop_turn(l, 0);
	}
	assert_memory_equal(big, back, size);
	assert_int_equal(stream_queued(s), 0);
	assert_int_equal(stream_sent(s), size + 2);
	stream_close(s);
	close(peer);
	free(big);
	free(back);
	stop();
}

TEST(unread_bytes_are_kept_and_stop_the_reading_at_the_limit)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_set_read_limit(s, 6);
	seen.take = 0;
	put(peer, "abcd");
	loop_turn(l, 0);
	put(peer, "efgh");
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_str(stream_peek(s), "abcdef");
	assert_string_equal(seen.trace, "rr");
	stream_consume(s, 5);
	loop_turn(l, 0);
	assert_str(stream_peek(s), "fgh");
	stream_consume(s, 3);
	assert_int_equal(stream_peek(s).len, 0);
	stream_close(s);
	close(peer);
	stop();
}

TEST(the_end_of_the_peer_is_told_once_and_writing_goes_on)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	put(peer, "last");
	shutdown(peer, SHUT_WR);
	for (int i = 0; i < 3; i++) {
		loop_turn(l, 0);
	}
	assert_string_equal(seen.trace, "re");
	assert_string_equal(seen.text, "last");
	stream_write(s, STR("answer"));
	loop_turn(l, 0);
	assert_str(get(peer), "answer");
	stream_close_after_flush(s, SEC(1));
	loop_turn(l, 0);
	char c;
	assert_int_equal(read(peer, &c, 1), 0);
	close(peer);
	stop();
}

TEST(an_answer_is_read_before_the_failure_to_send_is_told)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_write(s, STR("long upload"));
	put(peer, "413");
	close(peer);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_string_equal(seen.text, "413");
	assert_int_equal(seen.trace[strlen(seen.trace) - 1], 'f');
	assert_false(stream_is_open(s));
	assert_true(stream_failure(s)->kind == ERR_NETWORK);
	stream_close(s);
	stop();
}

TEST(closing_inside_the_event_is_the_last_that_is_heard)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	seen.close_at_read = true;
	stream_write(s, STR("never flushed"));
	put(peer, "x");
	shutdown(peer, SHUT_WR);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_string_equal(seen.trace, "r");
	close(peer);
	(void)s;
	stop();
}

TEST(closing_after_the_flush_sends_all_and_waits_for_a_peer_that_still_sends)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_write(s, STR("407"));
	put(peer, "body that nobody wants");
	stream_close_after_flush(s, SEC(5));
	loop_turn(l, 0);
	put(peer, "more of it"); /* would be EPIPE if it were closed already */
	assert_str(get(peer), "407");
	shutdown(peer, SHUT_WR);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	assert_string_equal(seen.trace, "");
	close(peer);
	stop();
}

TEST(a_peer_that_is_known_to_send_on_is_waited_for_though_nothing_is_here)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	stream_write(s, STR("413"));
	stream_expect_more(s);
	stream_close_after_flush(s, SEC(5));
	loop_turn(l, 0);
	put(peer, "the rest"); /* would be answered with a reset if it were closed already */
	loop_turn(l, 0);
	assert_str(get(peer), "413");
	shutdown(peer, SHUT_WR);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	close(peer);
	stop();
}

TEST(a_peer_that_never_ends_is_cut_after_the_time_for_lingering)
{
	struct seen seen = SEEN;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	put(peer, "unread");
	stream_close_after_flush(s, SEC(5));
	loop_turn(l, 0);
	put(peer, "x");
	loop_clock_set(l, 1000 + 2001);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	close(peer);
	stop();
}

TEST(a_moved_stream_takes_its_unread_bytes_along)
{
	struct seen seen = SEEN, other = SEEN;
	struct stream_parts parts;
	int peer;

	start();
	struct stream *s = stream_and_peer(&seen, &peer);
	seen.take = 2;
	put(peer, "GET /");
	loop_turn(l, 0);
	stream_write(s, STR("queued"));
	assert_false(stream_detach(s, &parts));
	loop_turn(l, 0);
	assert_str(get(peer), "queued");
	assert_true(stream_detach(s, &parts));
	other.stream = stream_attach(l, &parts, on_stream, &other);
	loop_turn(l, 0);
	assert_string_equal(other.text, "T /");
	put(peer, "more");
	loop_turn(l, 0);
	assert_string_equal(other.text, "T /more");
	stream_close(other.stream);
	close(peer);
	stop();
}

static void on_connection(void *user, int take_fd, const struct address *peer UNUSED)
{
	*(int *)user = take_fd;
}

static bool has_bytes(int fd)
{
	char c;
	return fd >= 0 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

TEST(connecting_goes_on_to_the_next_address)
{
	struct seen seen = SEEN;
	struct listener *listener = NULL;
	struct address where[2];
	struct err err;
	int fd = -1;

	start();
	assert_ok(listener_open(l, "127.0.0.1:0", false, on_connection, &fd, &listener, &err),
		  &err);
	assert_true(address_parse(STR("127.0.0.1"), 1, &where[0])); /* nobody listens there */
	assert_true(address_parse(STR("127.0.0.1"), listener_port(listener), &where[1]));
	struct stream *s = stream_connect(l, where, 2, SEC(5), on_stream, &seen);
	stream_write(s, STR("early"));
	while (!has_bytes(fd) && strpbrk(seen.trace, "fe") == NULL) {
		loop_turn(l, 100);
	}
	assert_true(seen.trace[0] == 'o');
	assert_true(stream_is_open(s));
	assert_str(get(fd), "early");
	stream_close(s);
	close(fd);
	listener_close(listener);
	stop();
}

TEST(a_failed_connection_names_the_last_address)
{
	struct seen seen = SEEN;
	struct address where;

	start();
	assert_true(address_parse(STR("127.0.0.1"), 1, &where));
	struct stream *s = stream_connect(l, &where, 1, SEC(5), on_stream, &seen);
	while (seen.trace[0] == '\0') {
		loop_turn(l, 100);
	}
	assert_string_equal(seen.trace, "f");
	assert_true(str_contains(str_of(stream_failure(s)->text), STR("127.0.0.1:1")));
	stream_close(s);
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(small_writes_of_a_turn_leave_in_one_piece_at_its_end),
	cmocka_unit_test(the_filler_writes_into_the_same_send),
	cmocka_unit_test(a_large_write_reaches_the_socket_at_once_behind_what_was_queued),
	cmocka_unit_test(what_the_kernel_does_not_take_is_queued_and_follows_in_order),
	cmocka_unit_test(unread_bytes_are_kept_and_stop_the_reading_at_the_limit),
	cmocka_unit_test(the_end_of_the_peer_is_told_once_and_writing_goes_on),
	cmocka_unit_test(an_answer_is_read_before_the_failure_to_send_is_told),
	cmocka_unit_test(closing_inside_the_event_is_the_last_that_is_heard),
	cmocka_unit_test(closing_after_the_flush_sends_all_and_waits_for_a_peer_that_still_sends),
	cmocka_unit_test(a_peer_that_is_known_to_send_on_is_waited_for_though_nothing_is_here),
	cmocka_unit_test(a_peer_that_never_ends_is_cut_after_the_time_for_lingering),
	cmocka_unit_test(a_moved_stream_takes_its_unread_bytes_along),
	cmocka_unit_test(connecting_goes_on_to_the_next_address),
	cmocka_unit_test(a_failed_connection_names_the_last_address),
};
UNIT_MAIN(tests)
