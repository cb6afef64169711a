#include "unit/crypto/formats/material.h"

static void keys_find_their_certificates_in_any_order(UNUSED void **state)
{
	static const struct {
		const char *file, *password, *alias;
		size_t chain;
	} rows[] = {
		{"pem/key-and-chain.pem", NULL, "ec", 3},
		{"pem/pkcs1.pem", NULL, "rsa", 1},
		{"pem/encrypted-pkcs8.pem", "changeit", "rsa", 3},
		{"pem/encrypted-pkcs1.pem", "changeit", "rsa", 1},
		{"pem/scrypt.pem", "changeit", "ec", 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(container_free)
		struct container *c = opened_file(rows[i].file, rows[i].password);
		assert_int_equal(c->format, CONTAINER_PEM);
		assert_int_equal(c->n, 1);
		assert_string_equal(c->items[0].alias, rows[i].alias);
		assert_true(c->items[0].alias_is_made);
		assert_pair(&c->items[0]);
		assert_int_equal(c->items[0].n_chain, rows[i].chain);
	}
}

static void a_wrong_password_is_told_as_everywhere(UNUSED void **state)
{
	static const char *const files[] = {"pem/encrypted-pkcs8.pem", "pem/encrypted-pkcs1.pem",
					    "pem/scrypt.pem"};
	static const char *const passwords[] = {"wrong", "", NULL};

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i]);
		for (size_t k = 0; k < COUNT(passwords); k++) {
			struct err err;
			assert_int_equal(refused(buf_str(&bytes), passwords[k], NULL, &err),
					 CONTAINER_WRONG_PASSWORD);
			assert_int_equal(err.kind, ERR_DENIED);
		}
	}
}

static void a_key_alone_is_reported(UNUSED void **state)
{
	AUTO(container_free) struct container *c = opened_file("pem/key-alone.pem", NULL);

	assert_int_equal(c->n, 1);
	assert_int_equal(c->items[0].reason, CONTAINER_NO_CERTIFICATE);
	assert_string_equal(c->items[0].why, "a private key without a certificate");
}

static void text_around_and_notes_behind_are_left(UNUSED void **state)
{
	AUTO(container_free) struct container *c = opened_file("pem/trusted-with-text.pem", NULL);

	assert_int_equal(c->n, 1);
	assert_int_equal(c->items[0].kind, CONTAINER_CERTIFICATE);
	assert_string_equal(c->items[0].alias, "root");
}

static void scrypt_is_paid_by_its_price(UNUSED void **state)
{
	AUTO_BUF struct buf bytes = material("pem/scrypt.pem");
	const struct container_limits limits = {.iterations = 100000};
	struct err err;

	assert_int_equal(refused(buf_str(&bytes), "changeit", &limits, &err), CONTAINER_OVER_LIMIT);
	assert_non_null(strstr(err.text, "(iterations)"));
}

static void what_is_broken_is_malformed(UNUSED void **state)
{
	static const char *const texts[] = {
		"-----BEGIN CERTIFICATE-----\nMIIB\n",
		"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE\nMIIB\n-----END CERTIFICATE-----\n",
		"-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n",
		("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"
		 "-----END ENCRYPTED PRIVATE KEY-----\n"),
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct err err;
		assert_int_equal(refused(str_of(texts[i]), "x", NULL, &err), CONTAINER_MALFORMED);
	}
}

static void blocks_of_other_kinds_are_reported(UNUSED void **state)
{
	AUTO(container_free)
	struct container *c =
		opened(STR("text\n-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
			   "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
			   "-----END OPENSSH PRIVATE KEY-----\n"),
		       NULL);

	assert_int_equal(c->n, 2);
	assert_int_equal(c->items[0].kind, CONTAINER_SKIPPED);
	assert_string_equal(c->items[0].why, "a block \"X509 CRL\": not supported");
	assert_string_equal(c->items[1].why, "a block \"OPENSSH PRIVATE KEY\": not supported");
}

static void no_private_key_is_decoded_among_certificates(UNUSED void **state)
{
	static const char *const files[] = {"pem/key-and-chain.pem", "pem/encrypted-pkcs8.pem"};

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i]);
		struct container *c = NULL;
		struct err err = {0};
		assert_int_equal(container_read_certificates(buf_str(&bytes), NULL, &c, &err),
				 CONTAINER_NOT_READ);
		assert_null(c);
		assert_non_null(strstr(err.text, "private key"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_find_their_certificates_in_any_order),
		cmocka_unit_test(a_wrong_password_is_told_as_everywhere),
		cmocka_unit_test(a_key_alone_is_reported),
		cmocka_unit_test(text_around_and_notes_behind_are_left),
		cmocka_unit_test(scrypt_is_paid_by_its_price),
		cmocka_unit_test(what_is_broken_is_malformed),
		cmocka_unit_test(blocks_of_other_kinds_are_reported),
		cmocka_unit_test(no_private_key_is_decoded_among_certificates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
