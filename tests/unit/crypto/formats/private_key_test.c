#include "unit/crypto/formats/material.h"

static void every_form_is_read_and_reported_without_a_certificate(UNUSED void **state)
{
	static const char *const files[] = {"private_key/pkcs8.der", "private_key/encrypted.der",
					    "private_key/sec1.der", "private_key/pkcs1.der",
					    "private_key/dsa.der"};

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(container_free) struct container *c = opened_file(files[i], "changeit");
		assert_int_equal(c->format, CONTAINER_PRIVATE_KEY_DER);
		assert_int_equal(c->n, 1);
		assert_int_equal(c->items[0].reason, CONTAINER_NO_CERTIFICATE);
		assert_null(c->items[0].key.at);
	}
}

/* For callers that certify them. */
static void lone_keys_are_taken_when_asked_for(UNUSED void **state)
{
	static const char *const files[] = {"private_key/pkcs8.der", "private_key/encrypted.der",
					    "private_key/sec1.der", "pem/key-alone.pem"};
	const struct container_limits lone = {.lone_keys = true};
	const struct str password = STR("changeit");

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(container_free) struct container *c = NULL;
		AUTO_BUF struct buf bytes = material(files[i]);
		struct err err = {0};

		assert_int_equal(container_open(buf_str(&bytes), &password, &lone, &c, &err),
				 CONTAINER_OPENED);
		assert_int_equal(c->n, 1);
		assert_int_equal(c->items[0].kind, CONTAINER_KEY_PAIR);
		assert_int_equal(c->items[0].n_chain, 0);
		assert_string_equal(c->items[0].alias, "");
		assert_true(c->items[0].key.len > 0);
	}
}

static void a_wrong_password_is_told(UNUSED void **state)
{
	AUTO_BUF struct buf bytes = material("private_key/encrypted.der");
	struct err err;

	assert_int_equal(refused(buf_str(&bytes), "other", NULL, &err), CONTAINER_WRONG_PASSWORD);
	assert_int_equal(refused(buf_str(&bytes), NULL, NULL, &err), CONTAINER_WRONG_PASSWORD);
}

/* The public part says another key than the private one makes. */
static void a_key_whose_parts_differ_is_refused(UNUSED void **state)
{
	AUTO_BUF struct buf bytes = material("private_key/sec1.der");
	bool told = false;

	for (size_t i = 7; i < 39; i++) { /* the scalar */
		bytes.at[i] = (char)(bytes.at[i] ^ 4);
		AUTO(container_free) struct container *c = opened(buf_str(&bytes), NULL);
		bytes.at[i] = (char)(bytes.at[i] ^ 4);
		told |= c->items[0].reason == CONTAINER_KEY_REFUSED;
		assert_true(c->items[0].reason == CONTAINER_KEY_REFUSED ||
			    c->items[0].reason == CONTAINER_UNSUPPORTED);
	}
	assert_true(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read_and_reported_without_a_certificate),
		cmocka_unit_test(lone_keys_are_taken_when_asked_for),
		cmocka_unit_test(a_wrong_password_is_told),
		cmocka_unit_test(a_key_whose_parts_differ_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
