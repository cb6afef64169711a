#include "crypto/csr.h"

#include "crypto/seal.h"
#include "unit/crypto/testca.h"

static void check_kind(enum key_kind kind, const char *type)
{
	struct testcert c = {0};
	AUTO_BUF struct buf der = BUF(KIB(16));
	struct csr_facts facts;
	struct err err = {0};
	uint8_t digest[32];

	testcert_key(&c, kind);
	assert_true(csr_make(c.key, "CN=my instance,O=Plant \\, north", &der, &err));
	if (!csr_read(buf_str(&der), &facts, &err)) {
		fail_msg("%s", err.text);
	}
	assert_string_equal(facts.common_name, "my instance");
	assert_string_equal(facts.subject, "CN=my instance,O=Plant \\, north");
	assert_string_equal(facts.key_type, type);
	digest_sha256(buf_str(&c.spki), digest);
	assert_memory_equal(facts.spki_sha256, digest, 32);
	assert_true(str_eq(str_make(facts.spki, facts.spki_len), buf_str(&c.spki)));
	testcert_free(&c);
}

static void a_request_is_signed_through_the_callback(UNUSED void **state)
{
	check_kind(KEY_KIND_P256, "EC P-256");
	check_kind(KEY_KIND_P384, "EC P-384");
	check_kind(KEY_KIND_RSA_2048, "RSA 2048");
}

static void every_changed_byte_is_refused(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf der = BUF(KIB(16));
	struct csr_facts facts;
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_true(csr_make(c.key, "CN=x", &der, &err));
	for (size_t i = 0; i < der.len; i++) {
		der.at[i] ^= 1;
		assert_false(csr_read(buf_str(&der), &facts, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
		der.at[i] ^= 1;
	}
	assert_true(csr_read(buf_str(&der), &facts, &err));
	buf_add_c(&der, 0);
	assert_false(csr_read(buf_str(&der), &facts, &err));
	testcert_free(&c);
}

static void a_huge_request_is_refused(UNUSED void **state)
{
	static char big[CSR_DER_MAX + 1];
	struct csr_facts facts;
	struct err err = {0};

	assert_false(csr_read(str_make(big, sizeof big), &facts, &err));
	assert_non_null(strstr(err.text, "16384"));
}

static void a_subject_that_is_no_name_is_refused(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf der = BUF(KIB(16));
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_false(csr_make(c.key, "", &der, &err));
	assert_false(csr_make(c.key, "nonsense", &der, &err));
	assert_false(csr_make(c.key, "CN=", &der, &err));
	assert_false(csr_make(c.key, "XX=y", &der, &err));
	testcert_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_signed_through_the_callback),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(a_huge_request_is_refused),
		cmocka_unit_test(a_subject_that_is_no_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
