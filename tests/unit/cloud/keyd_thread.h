#pragma once
/*
 * A real key process, as a thread: its dispatcher over socket pairs and a folder of its own, and a
 * client on the other end. For the rooms that need keys; keyd itself is tested in tests/unit/keyd.
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "keyd/serve.h"
#include "keys/client.h"
#include "net/packet.h"
#include "unit/unit.h"

struct keyd_thread {
	char path[64];
	int control; /* the monitor's end */
	int sockets[2];
	struct vault *vault;
	struct serials *serials;
	struct keyring *ring;
	struct dispatch dispatch;
	pthread_t thread;
	struct keys_client *client;
};

static void *keyd_thread_run(void *user)
{
	struct keyd_thread *k = user;
	struct err err = {0};

	(void)!serve(&k->dispatch, k->sockets, 2, &err);
	return NULL;
}

static inline void keyd_thread_start(struct keyd_thread *k)
{
	struct err err = {0};
	char hex[65];
	int control[2], pair[2], far[2];

	snprintf(k->path, sizeof k->path, "/tmp/drawbridge-keyd-XXXXXX");
	assert_non_null(mkdtemp(k->path));
	int dir = open(k->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(hex, 'a', 64);
	hex[64] = '\0';
	assert_ok(vault_open(str_of(hex), ~0u, &k->vault, &err), &err);
	assert_ok(serials_open(dir, &k->serials, &err), &err);
	close_fd(dir);
	k->ring = keyring_new(16);
	k->dispatch = (struct dispatch){k->vault, k->ring, k->serials, clock_unix};
	for (int i = 0; i < 2; i++) {
		assert_ok(packet_pair(pair, &err), &err);
		k->sockets[i] = pair[0];
		far[i] = pair[1];
	}
	assert_ok(packet_pair(control, &err), &err);
	k->control = control[0];
	assert_int_equal(packet_send(k->control, STR("s"), far, 2, &err), PACKET_OK);
	close_fd(far[0]);
	close_fd(far[1]);
	assert_int_equal(pthread_create(&k->thread, NULL, keyd_thread_run, k), 0);
	assert_ok(keys_client_new(control[1], &k->client, &err), &err);
}

static inline void keyd_thread_stop(struct keyd_thread *k)
{
	char file[96];

	keys_client_free(k->client); /* its sockets close: serve() returns */
	pthread_join(k->thread, NULL);
	close_fd(k->control);
	keyring_free(k->ring);
	serials_close(k->serials);
	vault_free(k->vault);
	snprintf(file, sizeof file, "%s/serials", k->path);
	unlink(file);
	rmdir(k->path);
}
