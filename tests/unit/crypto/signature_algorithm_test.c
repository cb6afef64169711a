#include "crypto/tenant_key.h"

#include "unit/crypto/testca.h"

static void every_spelling_is_understood(UNUSED void **state)
{
	static const struct {
		const char *spelling, *key, *digest;
	} rows[] = {
		{"SHA-512/RSA", "RSA", "SHA512"},
		{"SHA-1/RSA", "RSA", "SHA1"},
		{"SHA256/RSA", "RSA", "SHA256"},
		{"SHA256withRSA", "RSA", "SHA256"},
		{"SHA384WithRSA", "RSA", "SHA384"},
		{"sha-224/rsa", "RSA", "SHA224"},
		{"SHA-256/DSA", "DSA", "SHA256"},
		{"SHA-256/ECDSA", "EC", "SHA256"},
		{"SHA512withECDSA", "EC", "SHA512"},
		{"SHA256/EC", "EC", "SHA256"},
		{"Ed25519", "Ed25519", ""},
		{"Ed448", "Ed448", ""},
		{"SHA256/RSA", "RSASSA-PSS", "SHA256"},
		{NULL, "RSA", "SHA512"},
		{"", "EC", "SHA256"},
		{NULL, "Ed448", ""},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signature_algorithm s = {0};
		struct err err = {0};
		if (!signature_algorithm_read(rows[i].spelling, rows[i].key, &s, &err)) {
			fail_msg("%s: %s", rows[i].spelling, err.text);
		}
		assert_string_equal(s.digest, rows[i].digest);
	}
}

static void what_does_not_fit_is_refused(UNUSED void **state)
{
	static const struct {
		const char *spelling, *key;
	} rows[] = {
		{"SHA-256/RSA", "EC"}, {"SHA-256/ECDSA", "RSA"}, {"MD5withRSA", "RSA"},
		{"SHA-256", "RSA"},    {"SHA-257/RSA", "RSA"},   {"SHA/RSA", "RSA"},
		{"/RSA", "RSA"},       {"with", "RSA"},          {"SHA-256/", "RSA"},
		{"Ed25519", "Ed448"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct signature_algorithm s = {0};
		struct err err = {0};
		assert_false(signature_algorithm_read(rows[i].spelling, rows[i].key, &s, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_string_equal(s.digest, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_is_understood),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
