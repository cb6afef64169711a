#include "crypto/issue.h"

#include "unit/crypto/testca.h"

static struct testcert root, subject;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=Root");
	testcert_key(&subject, KEY_KIND_P256);
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&subject);
	return 0;
}

static struct issue_facts connector(void)
{
	return (struct issue_facts){.profile = ISSUE_CONNECTOR,
				    .subject = "CN=c",
				    .uri = "spiffe://h/subaccount/s/connector/c",
				    .not_before = clock_unix(),
				    .not_after = clock_unix() + 1000,
				    .serial = {0xff, 1}};
}

static bool issue(const struct issue_facts *facts, struct buf *der, struct err *err)
{
	return issue_certificate(facts, buf_str(&subject.spki), buf_str(&root.der), root.local, der,
				 err);
}

static void the_serial_is_positive_and_the_profile_fixed(UNUSED void **state)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct issue_facts facts = connector();
	struct cert_facts read;
	struct err err = {0};

	assert_true(issue(&facts, &der, &err));
	assert_true(cert_read_der(buf_str(&der), &read, &err));
	assert_true(str_starts(str_of(read.serial), STR("7f:01:00")));
	assert_false(read.is_ca);
	assert_string_equal(read.uri, facts.uri);
	assert_string_equal(read.issuer, "CN=Root");
}

static void the_end_is_capped_by_the_issuer(UNUSED void **state)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct cert_facts of_root, read;
	struct issue_facts facts = connector();
	struct err err = {0};

	assert_true(cert_read_der(buf_str(&root.der), &of_root, &err));
	facts.not_before = of_root.not_after - 100;
	facts.not_after = of_root.not_after + 100;
	assert_true(issue(&facts, &der, &err));
	assert_true(cert_read_der(buf_str(&der), &read, &err));
	assert_int_equal(read.not_after, of_root.not_after);
	facts.not_before = of_root.not_after + 50;
	assert_false(issue(&facts, &der, &err));
}

static void refused(struct issue_facts facts)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct err err = {0};

	assert_false(issue(&facts, &der, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_int_equal(der.len, 0);
}

static void facts_outside_the_profile_are_refused(UNUSED void **state)
{
	struct issue_facts f = connector();

	f.not_after = f.not_before + ISSUE_LEAF_SECONDS_MAX + 1;
	refused(f);
	f = connector();
	f.not_after = f.not_before;
	refused(f);
	f = connector();
	f.uri = NULL;
	refused(f);
	f.uri = "https://elsewhere";
	refused(f);
	f.uri = "spiffe://with space";
	refused(f);
	f = connector();
	memset(f.serial, 0, sizeof f.serial);
	refused(f);
	f = connector();
	f.profile = ISSUE_SERVER; /* without names */
	refused(f);
	f.n_sans = 1;
	f.sans[0] = "a,DNS:b c";
	refused(f);
}

static void a_key_that_is_not_the_issuers_is_refused(UNUSED void **state)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct issue_facts facts = connector();
	struct err err = {0};

	assert_false(issue_certificate(&facts, buf_str(&subject.spki), buf_str(&root.der),
				       subject.local, &der, &err));
	assert_non_null(strstr(err.text, "do not match"));
}

static void a_leaf_is_no_issuer(UNUSED void **state)
{
	struct testcert leaf = {0};
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct issue_facts facts = connector();
	struct err err = {0};

	testcert_client(&leaf, &root, 0, 0);
	assert_false(issue_certificate(&facts, buf_str(&subject.spki), buf_str(&leaf.der),
				       leaf.local, &der, &err));
	assert_non_null(strstr(err.text, "no CA"));
	testcert_free(&leaf);
}

static void only_a_root_or_a_server_signs_itself(UNUSED void **state)
{
	struct err err = {0};
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct issue_facts facts = connector();
	struct cert_facts read;

	assert_false(issue_certificate(&facts, buf_str(&subject.spki), STR_NONE, subject.local,
				       &der, &err));
	facts.profile = ISSUE_SERVER;
	facts.sans[facts.n_sans++] = "localhost";
	assert_true(issue_certificate(&facts, buf_str(&subject.spki), STR_NONE, subject.local, &der,
				      &err));
	assert_true(cert_read_der(buf_str(&der), &read, &err));
	assert_string_equal(read.subject, read.issuer);
	assert_false(read.is_ca);
	facts.profile = ISSUE_ROOT;
	assert_false(issue(&facts, &der, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_serial_is_positive_and_the_profile_fixed),
		cmocka_unit_test(the_end_is_capped_by_the_issuer),
		cmocka_unit_test(facts_outside_the_profile_are_refused),
		cmocka_unit_test(a_key_that_is_not_the_issuers_is_refused),
		cmocka_unit_test(a_leaf_is_no_issuer),
		cmocka_unit_test(only_a_root_or_a_server_signs_itself),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
