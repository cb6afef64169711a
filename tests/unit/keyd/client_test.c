/* keys/client against the threads of keyd/serve, in one process: the test is the monitor. */
#include "keys/client.h"

#include <pthread.h>

#include "base/log.h"
#include "keyd/serve.h"
#include "net/packet.h"
#include "unit/keyd/place.h"
#include "unit/unit.h"

enum {
	SOCKETS = 2,
};

static struct place place;
static int control;
static struct keys_client *client;
static struct err err;

struct keyd {
	pthread_t thread;
	int fds[SOCKETS];
};
static struct keyd keyd;

static void *run_keyd(void *user)
{
	struct keyd *k = user;
	struct err why;

	return serve(&place.dispatch, k->fds, SOCKETS, &why) ? NULL : k;
}

static void start_keyd(void)
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
static void restart_keyd(void)
{
	for (int i = 0; i < SOCKETS; i++) {
		packet_hang_up(keyd.fds[i]);
	}
	pthread_join(keyd.thread, NULL);
	keyring_free(place.keys);
	place.keys = keyring_new(8);
	place.dispatch.keys = place.keys;
	start_keyd();
}

static int open_all(void **state UNUSED)
{
	int pair[2];

	log_setup(LOG_ERROR, false, "test");
	place = (struct place){0};
	place_open(&place);
	assert_ok(packet_pair(pair, &err), &err);
	control = pair[0];
	start_keyd();
	assert_ok(keys_client_new(pair[1], &client, &err), &err);
	return 0;
}

static int close_all(void **state UNUSED)
{
	keys_client_free(client);
	pthread_join(keyd.thread, NULL);
	close_fd(control);
	place_close(&place);
	return 0;
}

TEST(a_generated_key_signs_and_survives_a_new_keyd)
{
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO(key_free) struct key *k = NULL;

	assert_ok(keys_generate(client, KEYS_CLASS_TOKEN, KEY_KIND_P256, &sealed, &spki, &err),
		  &err);
	assert_ok(keys_open(client, buf_str(&sealed), buf_str(&spki), KEYS_FOR_TOKEN, &k, &err),
		  &err);
	assert_ok(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err);
	assert_true(signature.len > 60);
	restart_keyd();
	buf_reset(&signature);
	assert_ok(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err);
	assert_true(signature.len > 60);
	assert_int_equal(keys_count(client).replaced, 1);
}

TEST(a_refusal_is_denied_with_the_reason_of_keyd)
{
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO(key_free) struct key *k = NULL;

	assert_ok(keys_generate(client, KEYS_CLASS_CA, KEY_KIND_P256, &sealed, &spki, &err), &err);
	assert_ok(keys_open(client, buf_str(&sealed), buf_str(&spki), KEYS_FOR_CSR, &k, &err),
		  &err);
	assert_err(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err, ERR_DENIED,
		   "class ca does not sign");
	assert_int_equal(keys_count(client).refused, 1);
}

TEST(secrets_go_there_and_back)
{
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));

	assert_ok(keys_seal(client, "password:proxy", STR("geheim"), &sealed, &err), &err);
	assert_ok(keys_unseal(client, "password:proxy", buf_str(&sealed), &plain, &err), &err);
	assert_str(buf_str(&plain), "geheim");
	sealed.at[sealed.len - 1] ^= 1;
	assert_err(keys_unseal(client, "password:proxy", buf_str(&sealed), &plain, &err), &err,
		   ERR_DENIED, "");
}

TEST(a_request_longer_than_a_message_is_a_limit)
{
	AUTO_BUF struct buf sealed = BUF(MIB(1)), big = BUF(MIB(1));

	memset(buf_reserve(&big, KEYS_MESSAGE_MAX), 'x', KEYS_MESSAGE_MAX);
	buf_commit(&big, KEYS_MESSAGE_MAX);
	assert_err(keys_seal(client, "password", buf_str(&big), &sealed, &err), &err, ERR_LIMIT,
		   "longer");
}

#define CLIENT_TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
static const struct CMUnitTest tests[] = {
	CLIENT_TEST(a_generated_key_signs_and_survives_a_new_keyd),
	CLIENT_TEST(a_refusal_is_denied_with_the_reason_of_keyd),
	CLIENT_TEST(secrets_go_there_and_back),
	CLIENT_TEST(a_request_longer_than_a_message_is_a_limit),
};
UNIT_MAIN(tests)
