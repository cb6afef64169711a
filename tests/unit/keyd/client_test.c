#include <malloc.h>
#include <sched.h>

/* The calls of keys/client, see pair.h. */
#include "keys/client.h"

#include "unit/keyd/pair.h"

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

struct caller {
	pthread_t thread;
	struct buf sealed;
	struct err err;
	bool ok;
};

static void *seal_something(void *user)
{
	struct caller *c = user;

	c->sealed = BUF(KIB(1));
	c->ok = keys_seal(client, "password:test", STR("secret"), &c->sealed, &c->err);
	return NULL;
}

/* The first death is the one that it finds: only then sets come, so that each is asked. */
static void begin_without_keyd(struct caller *c)
{
	stop_keyd();
	assert_int_equal(pthread_create(&c->thread, NULL, seal_something, c), 0);
	while (keys_count(client).repeated == 0) {
		sched_yield();
	}
}

TEST(a_call_outlives_several_deaths_of_keyd)
{
	struct caller c = {.ok = false};

	begin_without_keyd(&c);
	for (int i = 1; i < KEYS_REPEATS; i++) {
		start_and_die();
	}
	start_keyd();
	pthread_join(c.thread, NULL);
	assert_ok(c.ok, &c.err);
	assert_int_equal(keys_count(client).repeated, KEYS_REPEATS);
	buf_fini(&c.sealed);
}

TEST(a_call_that_keyd_never_survives_is_given_up)
{
	struct caller c = {.ok = true};

	begin_without_keyd(&c);
	for (int i = 1; i <= KEYS_REPEATS; i++) {
		start_and_die();
	}
	pthread_join(c.thread, NULL);
	start_keyd();
	assert_false(c.ok);
	assert_int_equal(c.err.kind, ERR_SYSTEM);
	assert_non_null(strstr(c.err.text, "ended 5 times under"));
	buf_fini(&c.sealed);
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

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* Bytes that are allocated now. */
static size_t heap_in_use(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL
		       ? __sanitizer_get_current_allocated_bytes()
		       : mallinfo2().uordblks;
}

/* Each refresh of a certificate opens new keys, and a program runs for years. */
TEST(keys_that_are_done_with_leave_nothing_behind)
{
	enum {
		KEYS = 200,
		SEALED_BYTES = 8000,
	};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);
	struct key *k = NULL;

	assert_ok(keys_generate(client, KEYS_CLASS_CONNECTOR, KEY_KIND_P256, &sealed, &spki, &err),
		  &err);
	while (sealed.len < SEALED_BYTES) { /* it is not looked at before it signs */
		buf_add_c(&sealed, 'x');
	}
	size_t before = heap_in_use();
	for (uint32_t i = 0; i < KEYS; i++) {
		memcpy(sealed.at, &i, sizeof(i)); /* another key each time */
		assert_ok(
			keys_open(client, buf_str(&sealed), buf_str(&spki), KEYS_FOR_CSR, &k, &err),
			&err);
		key_free(k);
	}
	size_t after = heap_in_use();
	if (after > before + KEYS * SEALED_BYTES / 2) {
		fail_msg("%zu bytes are kept of %d keys", after - before, (int)KEYS);
	}
}

TEST(two_of_one_key_end_apart)
{
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	struct key *one = NULL;
	AUTO(key_free) struct key *other = NULL;

	assert_ok(keys_generate(client, KEYS_CLASS_TOKEN, KEY_KIND_P256, &sealed, &spki, &err),
		  &err);
	assert_ok(keys_open(client, buf_str(&sealed), buf_str(&spki), KEYS_FOR_TOKEN, &one, &err),
		  &err);
	assert_ok(keys_open(client, buf_str(&sealed), buf_str(&spki), KEYS_FOR_TOKEN, &other, &err),
		  &err);
	key_free(one);
	assert_ok(key_sign(other, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err);
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

static const struct CMUnitTest tests[] = {
	PAIR_TEST(a_generated_key_signs_and_survives_a_new_keyd),
	PAIR_TEST(a_call_outlives_several_deaths_of_keyd),
	PAIR_TEST(a_call_that_keyd_never_survives_is_given_up),
	PAIR_TEST(a_refusal_is_denied_with_the_reason_of_keyd),
	PAIR_TEST(keys_that_are_done_with_leave_nothing_behind),
	PAIR_TEST(two_of_one_key_end_apart),
	PAIR_TEST(secrets_go_there_and_back),
	PAIR_TEST(a_request_longer_than_a_message_is_a_limit),
};
UNIT_MAIN(tests)
