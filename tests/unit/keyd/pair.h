#pragma once
/*
 * keys/client against the threads of keyd/serve, in one process: the test is the monitor. For
 * tests of what a server calls; one pair per program.
 */
#include <pthread.h>

#include "base/log.h"
#include "keyd/serve.h"
#include "keys/client.h"
#include "net/packet.h"
#include "unit/keyd/place.h"
#include "unit/unit.h"

enum {
	SOCKETS = 3,
};

static struct place place;
static int control;
static struct keys_client *client;
static struct nursery *nursery;
static struct err err;

struct keyd {
	pthread_t thread;
	int fds[SOCKETS];
};
static struct keyd keyd;

static inline void *run_keyd(void *user)
{
	struct keyd *k = user;
	struct err why;

	return serve(&place.dispatch, k->fds, SOCKETS, &why) ? NULL : k;
}

static inline void start_keyd(void)
{
	int near[SOCKETS];

	for (int i = 0; i < SOCKETS; i++) {
		int pair[2];
		assert_ok(packet_pair(pair, &err), &err);
		near[i] = pair[0];
		keyd.fds[i] = pair[1];
	}
	assert_int_equal(packet_send(control, STR("s"), near, SOCKETS, &err), PACKET_OK);
	for (int i = 0; i < SOCKETS; i++) {
		close_fd(near[i]);
	}
	assert_int_equal(pthread_create(&keyd.thread, NULL, run_keyd, &keyd), 0);
}

/* As kill -9 does it: all sockets end, and a new process knows no keys. */
UNUSED static inline void stop_keyd(void)
{
	for (int i = 0; i < SOCKETS; i++) {
		packet_hang_up(keyd.fds[i]);
	}
	pthread_join(keyd.thread, NULL);
	keyring_free(place.keys);
	place.keys = keyring_new(8);
	place.dispatch.keys = place.keys;
}

UNUSED static inline void restart_keyd(void)
{
	stop_keyd();
	start_keyd();
}

/* In the place of keyd: one that dies as soon as it is asked. */
UNUSED static inline void start_and_die(void)
{
	char request[KIB(4)];
	size_t len = 0;
	int pair[2];

	assert_ok(packet_pair(pair, &err), &err);
	assert_int_equal(packet_send(control, STR("s"), pair, 1, &err), PACKET_OK);
	close_fd(pair[0]);
	assert_int_equal(
		packet_receive(pair[1], request, sizeof(request), &len, NULL, 0, NULL, &err),
		PACKET_OK);
	close_fd(pair[1]);
}

static inline int open_all(void **state UNUSED)
{
	int pair[2];

	log_setup(LOG_ERROR, false, "test");
	place = (struct place){0};
	place_open(&place);
	assert_ok(nursery_start(NULL, 0, &nursery, &err), &err); /* before the first thread */
	place.dispatch.nursery = nursery;
	assert_ok(packet_pair(pair, &err), &err);
	control = pair[0];
	start_keyd();
	assert_ok(keys_client_new(pair[1], &client, &err), &err);
	return 0;
}

static inline int close_all(void **state UNUSED)
{
	keys_client_free(client);
	pthread_join(keyd.thread, NULL);
	close_fd(control);
	nursery_free(nursery);
	place_close(&place);
	return 0;
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
