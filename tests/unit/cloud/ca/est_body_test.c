#include "cloud/ca/est_body.h"

#include "unit/crypto/testca.h"

static struct testcert client;
static struct buf der, text;

static int make_all(UNUSED void **state)
{
	struct err err = {0};

	testcert_key(&client, KEY_KIND_P256);
	der = BUF(KIB(4));
	text = BUF(KIB(8));
	return csr_make(client.key, "CN=x", &der, &err) ? 0 : -1;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&client);
	buf_fini(&der);
	buf_fini(&text);
	return 0;
}

static void expect_read(struct str body)
{
	struct csr_facts facts;
	struct err err = {0};

	if (!est_read_csr(body, &facts, &err)) {
		fail_msg("%s", err.text);
	}
	assert_string_equal(facts.common_name, "x");
}

static void expect_refused(struct str body)
{
	struct csr_facts facts;
	struct err err = {0};

	assert_false(est_read_csr(body, &facts, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
}

static void base64_is_read_in_lines_and_without(UNUSED void **state)
{
	buf_reset(&text);
	est_write(&text, buf_str(&der));
	assert_non_null(strstr(text.at, "\r\n"));
	expect_read(buf_str(&text));
	buf_reset(&text);
	buf_add_base64(&text, der.at, der.len);
	expect_read(buf_str(&text));
}

static void der_and_pem_are_read_too(UNUSED void **state)
{
	expect_read(buf_str(&der));
	buf_reset(&text);
	buf_add_str(&text, STR("-----BEGIN CERTIFICATE REQUEST-----\n"));
	est_write(&text, buf_str(&der));
	buf_add_str(&text, STR("-----END CERTIFICATE REQUEST-----\n"));
	expect_read(buf_str(&text));
}

static void what_is_no_request_is_refused(UNUSED void **state)
{
	expect_refused(STR(""));
	expect_refused(STR("!!!!"));
	expect_refused(STR("AAAA"));
	expect_refused(STR("-----BEGIN CERTIFICATE REQUEST-----"));
	expect_refused(STR("-----BEGIN CERTIFICATE REQUEST----------END CERTIFICATE REQUEST-----"));
	expect_refused(STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
	buf_reset(&text);
	buf_add_base64(&text, der.at, der.len - 1);
	expect_refused(buf_str(&text));
}

static void a_body_over_the_limit_is_refused(UNUSED void **state)
{
	static char big[EST_BODY_MAX + 1];
	struct csr_facts facts;
	struct err err = {0};

	memset(big, 'A', sizeof big);
	assert_false(est_read_csr(str_make(big, sizeof big), &facts, &err));
	assert_non_null(strstr(err.text, "32768"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_read_in_lines_and_without),
		cmocka_unit_test(der_and_pem_are_read_too),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(a_body_over_the_limit_is_refused),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
