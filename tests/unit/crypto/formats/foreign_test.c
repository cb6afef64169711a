#include "crypto/formats/format.h"
#include "unit/crypto/formats/material.h"

static void formats_are_recognised_by_their_first_bytes(UNUSED void **state)
{
	static const struct {
		struct str bytes;
		enum container_format format;
	} rows[] = {
		{{"\xfe\xed\xfe\xed\0\0\0\2", 8}, CONTAINER_JKS},
		{{"\xce\xce\xce\xce\0\0\0\2", 8}, CONTAINER_JCEKS},
		{{"\0\0\0\2\0\0\0\x14", 8}, CONTAINER_BKS},
		{{"\0\0\0\1\0\0\0\x14", 8}, CONTAINER_BKS},
		{{"\0\0\0\3\0\0\0\x14", 8}, CONTAINER_UNKNOWN},
		{{"PK\x03\x04", 4}, CONTAINER_ZIP},
		{{"PuTTY-User-Key-File-3: ssh-rsa", 30}, CONTAINER_PPK},
		{{"-----BEGIN PGP PRIVATE KEY BLOCK-----", 37}, CONTAINER_PGP},
		{{"\x95\x01\xd8\x04", 4}, CONTAINER_PGP},
		{{"\xc5\x60\x04", 3}, CONTAINER_PGP},
		{{"\x95\x01", 2}, CONTAINER_UNKNOWN},
		{{" {\"kty\":\"RSA\"}", 14}, CONTAINER_JWK},
		{{"{\"keys\":[]}", 11}, CONTAINER_JWK},
		{{"{\"a\":1}", 7}, CONTAINER_UNKNOWN},
		{{"-----BEGIN NEW CERTIFICATE REQUEST-----", 39}, CONTAINER_CSR},
		{{"ssh-ed25519 AAAA", 16}, CONTAINER_SSH_PUBLIC_KEY},
		{{"", 0}, CONTAINER_UNKNOWN},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(foreign_detect(rows[i].bytes), rows[i].format);
	}
}

static void every_format_has_a_name(UNUSED void **state)
{
	for (int i = 0; i < CONTAINER_FORMATS; i++) {
		assert_non_null(container_format_name((enum container_format)i));
		assert_int_equal(i == 0, strcmp(container_format_name((enum container_format)i),
						"unknown") == 0);
	}
	assert_string_equal(container_format_name((enum container_format)99), "unknown");
}

static void a_revocation_list_is_no_certificate(UNUSED void **state)
{
	/* version, algorithm, issuer, thisUpdate */
	static const char crl[] = "\x30\x1b\x30\x19\x02\x01\x01\x30\x03\x06\x01\x2a\x30\x00"
				  "\x17\x0d"
				  "260101000000Z";

	assert_int_equal(container_detect(str_make(crl, sizeof crl - 1)), CONTAINER_CRL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_recognised_by_their_first_bytes),
		cmocka_unit_test(every_format_has_a_name),
		cmocka_unit_test(a_revocation_list_is_no_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
