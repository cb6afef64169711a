#include "crypto/key.h"

#include "unit/crypto/testca.h"

static void a_key_signs_by_its_callback(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_false(key_is_rsa(c.key));
	assert_true(str_eq(key_spki(c.key), buf_str(&c.spki)));
	assert_true(key_sign(c.key, KEY_ECDSA_SHA256, STR("message"), &signature, &err));
	assert_true(signature.len > 60);
	testcert_free(&c);
}

static void too_much_to_sign_is_a_limit(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO_FREE char *big = calloc(1, KEY_TBS_MAX + 1);
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_false(key_sign(c.key, KEY_ECDSA_SHA256, str_make(big, KEY_TBS_MAX + 1), &signature,
			      &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	testcert_free(&c);
}

static void what_is_no_public_key_is_refused(UNUSED void **state)
{
	struct key *k = NULL;
	struct testcert c = {0};
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	for (size_t n = 0; n < c.spki.len; n++) {
		assert_false(
			key_new(str_first(buf_str(&c.spki), n), local_key_signer, NULL, &k, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
	}
	/* X25519, RFC 8410, 10.3: well formed, but signs nothing. */
	AUTO_BUF struct buf x = BUF(KIB(1));
	assert_true(buf_add_decoded_base64(
		&x, STR("MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")));
	assert_false(key_new(buf_str(&x), local_key_signer, NULL, &k, &err));
	assert_non_null(strstr(err.text, "X25519"));
	testcert_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_signs_by_its_callback),
		cmocka_unit_test(too_much_to_sign_is_a_limit),
		cmocka_unit_test(what_is_no_public_key_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
