#include "crypto/names.h"

#include "crypto/csr.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

static void note(const char *type, struct str value, void *user)
{
	buf_addf(user, "%s=%.*s ", type, STR_ARGS(value));
}

TEST(names_of_a_certificate_are_told_with_their_kind)
{
	struct testcert self;
	const struct issue_facts facts = {.profile = ISSUE_SERVER,
					  .subject = "CN=ui",
					  .sans = {"plant.example", "10.1.2.3", "2001:db8::1"},
					  .n_sans = 3,
					  .not_before = clock_unix(),
					  .not_after = clock_unix() + 1000,
					  .serial = {1}};
	AUTO_BUF struct buf der = BUF(KIB(8)), told = BUF(KIB(1));
	struct err err;

	testcert_key(&self, KEY_KIND_P256);
	assert_ok(issue_certificate(&facts, buf_str(&self.spki), STR_NONE, self.local, &der, &err),
		  &err);
	assert_ok(cert_each_name(buf_str(&der), note, &told, &err), &err);
	assert_str(buf_str(&told), "DNS=plant.example IP=10.1.2.3 IP=2001:db8::1 ");
	testcert_free(&self);
}

TEST(what_is_no_certificate_has_no_names)
{
	struct err err;

	assert_err(cert_each_name(STR("x"), note, NULL, &err), &err, ERR_CONFIG, "");
}

TEST(hosts_have_no_spaces_and_an_end)
{
	char text[300];

	memset(text, 'a', sizeof text);
	assert_true(cert_is_host(STR("a-b.example")));
	assert_false(cert_is_host(STR("")));
	assert_false(cert_is_host(STR("a b")));
	assert_false(cert_is_host(STR("a\nb")));
	assert_true(cert_is_host(str_make(text, 253)));
	assert_false(cert_is_host(str_make(text, 254)));
}

TEST(a_request_may_wish_for_names_and_is_written_as_pem)
{
	struct testcert self;
	const char *const hosts[] = {"plant.example", "10.1.2.3"};
	const char *const bad[] = {"a b"};
	AUTO_BUF struct buf der = BUF(CSR_DER_MAX), plain = BUF(CSR_DER_MAX), pem = BUF(KIB(32));
	struct csr_facts facts;
	struct err err;

	testcert_key(&self, KEY_KIND_P256);
	assert_ok(csr_make(self.key, "CN=ui", &plain, &err), &err);
	assert_ok(csr_make_for_hosts(self.key, "CN=ui", hosts, 2, &der, &err), &err);
	assert_ok(csr_read(buf_str(&der), &facts, &err), &err);
	assert_string_equal(facts.common_name, "ui");
	assert_true(der.len > plain.len + 20);
	assert_true(str_contains(buf_str(&der), STR("plant.example")));
	csr_add_pem(&pem, buf_str(&der));
	assert_true(str_starts(buf_str(&pem), STR("-----BEGIN CERTIFICATE REQUEST-----\nMI")));
	assert_true(str_ends(buf_str(&pem), STR("\n-----END CERTIFICATE REQUEST-----\n")));
	assert_false(csr_make_for_hosts(self.key, "CN=ui", bad, 1, &plain, &err));
	testcert_free(&self);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names_of_a_certificate_are_told_with_their_kind),
	cmocka_unit_test(what_is_no_certificate_has_no_names),
	cmocka_unit_test(hosts_have_no_spaces_and_an_end),
	cmocka_unit_test(a_request_may_wish_for_names_and_is_written_as_pem),
};

UNIT_MAIN(tests)
