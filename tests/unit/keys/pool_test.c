#include "keys/pool.h"

#include <unistd.h>

#include "net/packet.h"
#include "unit/unit.h"

enum {
	SET = 2, /* sockets in a set */
};

static struct err err;

/* Hands a set over as the monitor does; keeps the far ends in `far`. */
static void hand_over(int control, int far[static SET])
{
	int near[SET];

	for (int i = 0; i < SET; i++) {
		int pair[2];
		assert_ok(packet_pair(pair, &err), &err);
		near[i] = pair[0];
		far[i] = pair[1];
	}
	assert_int_equal(packet_send(control, STR("s"), near, SET, &err), PACKET_OK);
	for (int i = 0; i < SET; i++) {
		close_fd(near[i]);
	}
}

static void close_set(int far[static SET])
{
	for (int i = 0; i < SET; i++) {
		close_fd(far[i]);
	}
}

TEST(a_pool_without_a_set_says_that_keyd_did_not_come)
{
	int control[2];
	struct keys_pool *p;

	assert_ok(packet_pair(control, &err), &err);
	assert_err(keys_pool_new(control[1], 20, &p, &err), &err, ERR_STORE, "did not come back");
	close_fd(control[0]);
}

TEST(a_pool_whose_monitor_is_gone_says_so)
{
	int control[2];
	struct keys_pool *p;

	assert_ok(packet_pair(control, &err), &err);
	close_fd(control[0]);
	assert_err(keys_pool_new(control[1], SEC(10), &p, &err), &err, ERR_SYSTEM, "monitor");
}

TEST(sockets_are_lent_one_by_one_and_come_back)
{
	int control[2], far[SET];
	struct keys_pool *p;
	struct keys_socket a, b, c;

	assert_ok(packet_pair(control, &err), &err);
	hand_over(control[0], far);
	assert_ok(keys_pool_new(control[1], SEC(10), &p, &err), &err);
	assert_ok(keys_pool_take(p, 0, SEC(10), &a, &err), &err);
	assert_ok(keys_pool_take(p, 0, SEC(10), &b, &err), &err);
	assert_int_not_equal(a.fd, b.fd);
	assert_err(keys_pool_take(p, 0, 20, &c, &err), &err, ERR_STORE, "busy");
	keys_pool_give(p, a, false);
	assert_ok(keys_pool_take(p, 0, SEC(10), &c, &err), &err);
	assert_int_equal(c.fd, a.fd);
	keys_pool_give(p, b, false);
	keys_pool_give(p, c, false);
	keys_pool_free(p);
	close_set(far);
	close_fd(control[0]);
}

TEST(after_a_break_only_a_newer_set_will_do)
{
	int control[2], far[SET], fresh[SET];
	struct keys_pool *p;
	struct keys_socket a, b;

	assert_ok(packet_pair(control, &err), &err);
	hand_over(control[0], far);
	assert_ok(keys_pool_new(control[1], SEC(10), &p, &err), &err);
	assert_ok(keys_pool_take(p, 0, SEC(10), &a, &err), &err);
	keys_pool_give(p, a, true);
	assert_err(keys_pool_take(p, a.set, 20, &b, &err), &err, ERR_STORE, "no free socket");
	hand_over(control[0], fresh);
	assert_ok(keys_pool_take(p, a.set, SEC(10), &b, &err), &err);
	assert_int_equal(b.set, a.set + 1);
	assert_int_equal(keys_pool_sets(p), 2);
	keys_pool_give(p, b, false);
	/* The old set's free sockets were closed. */
	char byte;
	assert_int_equal(read(far[0], &byte, 1), 0);
	assert_int_equal(read(far[1], &byte, 1), 0);
	keys_pool_free(p);
	close_set(far);
	close_set(fresh);
	close_fd(control[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_pool_without_a_set_says_that_keyd_did_not_come),
	cmocka_unit_test(a_pool_whose_monitor_is_gone_says_so),
	cmocka_unit_test(sockets_are_lent_one_by_one_and_come_back),
	cmocka_unit_test(after_a_break_only_a_newer_set_will_do),
};
UNIT_MAIN(tests)
