#include "crypto/cert.h"

#include "unit/crypto/testca.h"

static struct testcert root, issuing, leaf;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=Test Root,O=Drawbridge");
	testcert_key(&issuing, KEY_KIND_P256);
	testcert_issue(
		&issuing, &root,
		(struct issue_facts){.profile = ISSUE_INTERMEDIATE, .subject = "CN=Issuing"});
	testcert_key(&leaf, KEY_KIND_P256);
	testcert_issue(&leaf, &issuing,
		       (struct issue_facts){.profile = ISSUE_CONNECTOR,
					    .subject = "CN=connector",
					    .uri = "spiffe://eu1.example/subaccount/s/connector/c",
					    .not_before = 1700000000,
					    .not_after = 1700003600,
					    .serial = {0x5a, 0x01}});
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&issuing);
	testcert_free(&leaf);
	return 0;
}

static void facts_are_read(UNUSED void **state)
{
	struct cert_facts facts;
	struct err err = {0};

	assert_true(cert_read_der(buf_str(&leaf.der), &facts, &err));
	assert_string_equal(facts.subject, "CN=connector");
	assert_string_equal(facts.issuer, "CN=Issuing");
	assert_string_equal(facts.uri, "spiffe://eu1.example/subaccount/s/connector/c");
	assert_string_equal(facts.key_type, "EC P-256");
	assert_int_equal(facts.not_before, 1700000000);
	assert_int_equal(facts.not_after, 1700003600);
	assert_false(facts.is_ca);
	assert_string_equal(facts.serial, "5a:01:00:00:00:00:00:00:00:00:00:00:00:00:00:00");
	assert_true(cert_read_pem(buf_str(&root.pem), &facts, &err));
	assert_string_equal(facts.subject, "CN=Test Root,O=Drawbridge");
	assert_true(facts.is_ca);
	assert_string_equal(facts.uri, "");
}

static void no_cut_of_a_certificate_is_read(UNUSED void **state)
{
	struct cert_facts facts;
	struct err err = {0};

	for (size_t n = 0; n < leaf.der.len; n++) {
		AUTO_FREE char *exact = malloc(n + 1);
		memcpy(exact, leaf.der.at, n);
		assert_false(cert_read_der(str_make(exact, n), &facts, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
	}
	AUTO_BUF struct buf longer = BUF(KIB(64));
	buf_add_str(&longer, buf_str(&leaf.der));
	buf_add_c(&longer, 'x');
	assert_false(cert_read_der(buf_str(&longer), &facts, &err));
}

static bool count(UNUSED struct str der, void *user, UNUSED struct err *err)
{
	++*(int *)user;
	return true;
}

static void a_pem_text_is_walked_in_order(UNUSED void **state)
{
	AUTO_BUF struct buf pem = BUF(KIB(64));
	struct err err = {0};
	int n = 0;

	buf_add_str(&pem, STR("a comment before\n"));
	buf_add_str(&pem, buf_str(&leaf.pem));
	buf_add_str(&pem, buf_str(&issuing.pem));
	assert_true(cert_each_pem(buf_str(&pem), count, &n, &err));
	assert_int_equal(n, 2);
	assert_false(cert_each_pem(STR("nothing here"), count, &n, &err));
	pem.at[pem.len - 40] = '!';
	assert_false(cert_each_pem(buf_str(&pem), count, &n, &err));
	assert_int_equal(n, 2);
}

static void a_chain_travels_as_pkcs7(UNUSED void **state)
{
	AUTO_BUF struct buf chain = BUF(KIB(64));
	AUTO_BUF struct buf der = BUF(KIB(64));
	AUTO_BUF struct buf back = BUF(KIB(64));
	struct err err = {0};
	int n = 0;

	buf_add_str(&chain, buf_str(&leaf.pem));
	buf_add_str(&chain, buf_str(&issuing.pem));
	assert_true(cert_pem_to_pkcs7(buf_str(&chain), &der, &err));
	assert_true(cert_pkcs7_to_pem(buf_str(&der), &back, &err));
	assert_true(cert_each_pem(buf_str(&back), count, &n, &err));
	assert_int_equal(n, 2);
	for (size_t cut = 0; cut < der.len; cut++) {
		AUTO_BUF struct buf out = BUF(KIB(64));
		assert_false(cert_pkcs7_to_pem(str_first(buf_str(&der), cut), &out, &err));
	}
	assert_false(cert_pem_to_pkcs7(STR(""), &der, &err));
}

static void a_chain_verifies_to_its_anchor_only(UNUSED void **state)
{
	AUTO_BUF struct buf chain = BUF(KIB(64));
	struct testcert other = {0};
	struct err err = {0};

	testcert_root(&other, "CN=Test Root,O=Drawbridge");
	buf_add_str(&chain, buf_str(&leaf.pem));
	assert_false(cert_verify_chain(buf_str(&chain), buf_str(&root.pem), 0, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	buf_add_str(&chain, buf_str(&issuing.pem));
	assert_true(cert_verify_chain(buf_str(&chain), buf_str(&root.pem), 0, &err));
	assert_false(cert_verify_chain(buf_str(&chain), buf_str(&other.pem), 0, &err));
	assert_true(cert_verify_chain(buf_str(&leaf.pem), buf_str(&issuing.pem), 0, &err));
	testcert_free(&other);
}

static void the_clock_is_judged_when_it_is_given(UNUSED void **state)
{
	struct err err = {0};

	assert_false(
		cert_verify_chain(buf_str(&leaf.pem), buf_str(&issuing.pem), clock_unix(), &err));
	assert_non_null(strstr(err.text, "expired"));
	assert_true(cert_verify_chain(buf_str(&root.pem), buf_str(&root.pem), clock_unix(), &err));
}

static void renewal_is_at_two_thirds_or_a_little_before(UNUSED void **state)
{
	assert_int_equal(cert_renewal_time(1000, 4000, 0), 3000);
	assert_int_equal(cert_renewal_time(1000, 4000, UINT32_MAX), 3000 - 30);
	assert_int_equal(cert_renewal_time(1000, 500, 0), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_are_read),
		cmocka_unit_test(no_cut_of_a_certificate_is_read),
		cmocka_unit_test(a_pem_text_is_walked_in_order),
		cmocka_unit_test(a_chain_travels_as_pkcs7),
		cmocka_unit_test(a_chain_verifies_to_its_anchor_only),
		cmocka_unit_test(the_clock_is_judged_when_it_is_given),
		cmocka_unit_test(renewal_is_at_two_thirds_or_a_little_before),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
