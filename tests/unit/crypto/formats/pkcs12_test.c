#include <openssl/pkcs12.h>

#include "unit/crypto/formats/material.h"

static void all_that_others_write_is_read(UNUSED void **state)
{
	static const struct {
		const char *file, *password, *alias;
		size_t chain;
	} rows[] = {
		{"pkcs12/openssl-modern.p12", "changeit", "Orders Client", 3},
		{"pkcs12/openssl-ed25519.p12", "changeit", "ed", 3},
		{"pkcs12/openssl-3des.p12", "changeit", "triple", 1},
		{"pkcs12/openssl-rc2.p12", "changeit", "old", 1},
		{"pkcs12/openssl-nomac.p12", "changeit", "nomac", 1},
		{"pkcs12/openssl-empty-password.p12", "", "empty", 1},
		{"pkcs12/openssl-empty-password.p12", NULL, "empty", 1},
		{"pkcs12/openssl-unicode-password.p12", "pässwörd", "Schlüssel ключ 鍵", 1},
		{"pkcs12/openssl-unicode-3des.p12", "pässwörd", "uni", 1},
		{"pkcs12/openssl-plain.p12", "changeit", "plain", 1},
		{"pkcs12/openssl-nochain.p12", "changeit", "rsa", 1}, /* the CN */
		{"pkcs12/certtool.p12", "changeit", "gnutls", 2},
		{"pkcs12/pk12util.p12", "changeit", "Orders Client", 3},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(container_free)
		struct container *c = opened_file(rows[i].file, rows[i].password);
		assert_int_equal(c->format, CONTAINER_PKCS12);
		assert_int_equal(count_kind(c, CONTAINER_KEY_PAIR), 1);
		const struct container_item *item = item_named(c, rows[i].alias);
		assert_pair(item);
		assert_int_equal(item->n_chain, rows[i].chain);
		assert_int_equal(c->n, 1);
	}
}

static void weaknesses_are_told(UNUSED void **state)
{
	AUTO(container_free)
	struct container *rc2 = opened_file("pkcs12/openssl-rc2.p12", "changeit");
	AUTO(container_free)
	struct container *nomac = opened_file("pkcs12/openssl-nomac.p12", "changeit");
	AUTO(container_free)
	struct container *modern = opened_file("pkcs12/openssl-modern.p12", "changeit");

	assert_true(rc2->weak_cipher && !rc2->no_mac);
	assert_true(nomac->no_mac && !nomac->weak_cipher);
	assert_true(!modern->no_mac && !modern->weak_cipher);
}

static void a_java_keystore_gives_keys_trust_and_a_reason_for_the_rest(UNUSED void **state)
{
	AUTO(container_free)
	struct container *c = opened_file("pkcs12/keytool17.p12", "changeit");

	assert_int_equal(c->n, 5);
	assert_pair(item_named(c, "orders client"));
	assert_int_equal(item_named(c, "orders client")->n_chain, 3);
	assert_pair(item_named(c, "selfec"));
	assert_pair(item_named(c, "rsa3072"));
	const struct container_item *root = item_named(c, "Partner Root");
	assert_int_equal(root->kind, CONTAINER_CERTIFICATE);
	assert_int_equal(root->n_chain, 1);
	const struct container_item *secret = item_named(c, "secret");
	assert_int_equal(secret->kind, CONTAINER_SKIPPED);
	assert_int_equal(secret->reason, CONTAINER_SECRET_KEY);
	assert_string_equal(secret->why, "a secret key: not supported");
	assert_null(secret->key.at);
}

static void a_file_without_keys_gives_all_its_certificates(UNUSED void **state)
{
	AUTO(container_free)
	struct container *c = opened_file("pkcs12/openssl-certificates.p12", "changeit");

	assert_int_equal(c->n, 2);
	assert_int_equal(item_named(c, "root")->kind, CONTAINER_CERTIFICATE);
	assert_int_equal(item_named(c, "issuing")->kind, CONTAINER_CERTIFICATE);
	assert_true(item_named(c, "root")->alias_is_made);
}

static void every_wrong_password_gets_the_same_answer(UNUSED void **state)
{
	static const char *const files[] = {
		"pkcs12/openssl-modern.p12", "pkcs12/openssl-3des.p12", "pkcs12/openssl-nomac.p12",
		"pkcs12/keytool17.p12",      "pkcs12/certtool.p12",     "pkcs12/pk12util.p12",
	};
	static const char *const passwords[] = {"Changeit", "changeit ", "", NULL, "pässwörd"};

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i]);
		for (size_t k = 0; k < COUNT(passwords); k++) {
			struct err err;
			assert_int_equal(refused(buf_str(&bytes), passwords[k], NULL, &err),
					 CONTAINER_WRONG_PASSWORD);
			assert_int_equal(err.kind, ERR_DENIED);
			assert_string_equal(err.text,
					    "the password is wrong, or the file is damaged");
		}
	}
}

static void no_cut_of_a_file_is_opened(UNUSED void **state)
{
	AUTO_BUF struct buf bytes = material("pkcs12/openssl-3des.p12");

	for (size_t n = 0; n < bytes.len; n++) {
		struct err err;
		(void)refused(str_first(buf_str(&bytes), n), "changeit", NULL, &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_others_write_is_read),
		cmocka_unit_test(weaknesses_are_told),
		cmocka_unit_test(a_java_keystore_gives_keys_trust_and_a_reason_for_the_rest),
		cmocka_unit_test(a_file_without_keys_gives_all_its_certificates),
		cmocka_unit_test(every_wrong_password_gets_the_same_answer),
		cmocka_unit_test(no_cut_of_a_file_is_opened),
	};
	struct err err;
	if (!container_prepare(&err)) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
