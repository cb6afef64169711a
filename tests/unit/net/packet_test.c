#include "net/packet.h"

#include <unistd.h>

#include "unit/unit.h"

static struct err err;

static void pair_of(int fds[static 2])
{
	assert_ok(packet_pair(fds, &err), &err);
	assert_ok(packet_set_timeout(fds[1], SEC(5), &err), &err);
}

TEST(a_message_arrives_whole_with_its_descriptors)
{
	int fds[2], pipes[2], got[2];
	char text[64], byte = 0;
	size_t len = 0, n = 0;

	pair_of(fds);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(packet_send(fds[0], STR("hello"), &pipes[1], 1, &err), PACKET_OK);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, got, 2, &n, &err),
			 PACKET_OK);
	assert_str(str_make(text, len), "hello");
	assert_int_equal(n, 1);
	assert_int_equal(write(got[0], "x", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close_fd(got[0]);
	close_fd(pipes[0]);
	close_fd(pipes[1]);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

TEST(descriptors_that_nobody_wants_are_closed)
{
	int fds[2], pipes[2];
	char text[8];
	size_t len = 0;

	pair_of(fds);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(packet_send(fds[0], STR("x"), &pipes[1], 1, &err), PACKET_OK);
	close_fd(pipes[1]);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, NULL, 0, NULL, &err),
			 PACKET_OK);
	/* The last writer is gone, so the pipe ends. */
	assert_int_equal(read(pipes[0], text, 1), 0);
	close_fd(pipes[0]);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

TEST(a_message_that_does_not_fit_is_too_long_and_lost)
{
	int fds[2];
	char text[4];
	size_t len = 0;

	pair_of(fds);
	assert_int_equal(packet_send(fds[0], STR("12345"), NULL, 0, &err), PACKET_OK);
	assert_int_equal(packet_send(fds[0], STR("123"), NULL, 0, &err), PACKET_OK);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, NULL, 0, NULL, &err),
			 PACKET_TOO_LONG);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, NULL, 0, NULL, &err),
			 PACKET_OK);
	assert_str(str_make(text, len), "123");
	close_fd(fds[0]);
	close_fd(fds[1]);
}

TEST(the_end_of_the_other_side_and_silence_are_told_apart)
{
	int fds[2];
	char text[4];
	size_t len = 0;

	pair_of(fds);
	assert_ok(packet_set_timeout(fds[1], 10, &err), &err);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, NULL, 0, NULL, &err),
			 PACKET_TIMEOUT);
	close_fd(fds[0]);
	assert_int_equal(packet_receive(fds[1], text, sizeof(text), &len, NULL, 0, NULL, &err),
			 PACKET_END);
	assert_int_equal(packet_send(fds[1], STR("x"), NULL, 0, &err), PACKET_END);
	close_fd(fds[1]);
}

TEST(empty_messages_and_too_many_descriptors_are_refused)
{
	int fds[2], many[PACKET_FDS_MAX + 1] = {0};

	pair_of(fds);
	assert_int_equal(packet_send(fds[0], STR_NONE, NULL, 0, &err), PACKET_FAILED);
	assert_int_equal(packet_send(fds[0], STR("x"), many, COUNT(many), &err), PACKET_FAILED);
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_arrives_whole_with_its_descriptors),
	cmocka_unit_test(descriptors_that_nobody_wants_are_closed),
	cmocka_unit_test(a_message_that_does_not_fit_is_too_long_and_lost),
	cmocka_unit_test(the_end_of_the_other_side_and_silence_are_told_apart),
	cmocka_unit_test(empty_messages_and_too_many_descriptors_are_refused),
};
UNIT_MAIN(tests)
