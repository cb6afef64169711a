#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/seal.h"

static const uint8_t key[32] = {1, 2, 3};

static void what_was_sealed_opens_again(UNUSED void **state)
{
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));
	struct err err = {0};

	assert_true(seal(key, STR("a secret"), STR("label"), &sealed, &err));
	assert_int_equal(sealed.len, 8 + SEAL_OVERHEAD);
	assert_true(unseal(key, buf_str(&sealed), STR("label"), &plain, &err));
	assert_true(str_eq(buf_str(&plain), STR("a secret")));
}

static void an_empty_text_can_be_sealed(UNUSED void **state)
{
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));
	struct err err = {0};

	assert_true(seal(key, STR_NONE, STR_NONE, &sealed, &err));
	assert_true(unseal(key, buf_str(&sealed), STR_NONE, &plain, &err));
	assert_int_equal(plain.len, 0);
}

static void every_changed_byte_is_refused(UNUSED void **state)
{
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	struct err err = {0};

	assert_true(seal(key, STR("abc"), STR("label"), &sealed, &err));
	for (size_t i = 0; i < sealed.len; i++) {
		AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));
		sealed.at[i] ^= 1;
		assert_false(unseal(key, buf_str(&sealed), STR("label"), &plain, &err));
		assert_int_equal(err.kind, ERR_DENIED);
		assert_int_equal(plain.len, 0);
		sealed.at[i] ^= 1;
	}
}

static void another_key_label_or_length_is_refused(UNUSED void **state)
{
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));
	const uint8_t other[32] = {1, 2, 4};
	struct err err = {0};

	assert_true(seal(key, STR("abc"), STR("label"), &sealed, &err));
	assert_false(unseal(other, buf_str(&sealed), STR("label"), &plain, &err));
	assert_false(unseal(key, buf_str(&sealed), STR("lapel"), &plain, &err));
	assert_false(unseal(key, str_first(buf_str(&sealed), sealed.len - 1), STR("label"), &plain,
			    &err));
	assert_false(unseal(key, STR_NONE, STR("label"), &plain, &err));
}

static void a_buffer_that_is_too_small_is_a_limit(UNUSED void **state)
{
	AUTO_BUF struct buf sealed = BUF(10);
	struct err err = {0};

	assert_false(seal(key, STR("abc"), STR("label"), &sealed, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void a_password_verifies_only_itself(UNUSED void **state)
{
	char hash[128];
	struct err err = {0};

	assert_true(password_hash(STR("correct horse"), hash, &err));
	assert_true(str_starts(str_of(hash), STR("$argon2id$")));
	assert_true(password_verify(hash, STR("correct horse")));
	assert_false(password_verify(hash, STR("correct hors")));
	assert_false(password_verify("", STR("correct horse")));
	assert_false(password_verify("$argon2id$nonsense", STR("")));
}

static void digests_are_those_of_the_standards(UNUSED void **state)
{
	AUTO_BUF struct buf hex = BUF(KIB(1));
	uint8_t out[32];

	digest_sha256(STR("abc"), out); /* FIPS 180-2, B.1 */
	buf_add_hex(&hex, out, 32);
	assert_string_equal(hex.at,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out); /* RFC 4231, 4.3 */
	buf_reset(&hex);
	buf_add_hex(&hex, out, 32);
	assert_string_equal(hex.at,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_true(equal_secret("abc", "abc", 3));
	assert_false(equal_secret("abc", "abd", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens_again),
		cmocka_unit_test(an_empty_text_can_be_sealed),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(another_key_label_or_length_is_refused),
		cmocka_unit_test(a_buffer_that_is_too_small_is_a_limit),
		cmocka_unit_test(a_password_verifies_only_itself),
		cmocka_unit_test(digests_are_those_of_the_standards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
