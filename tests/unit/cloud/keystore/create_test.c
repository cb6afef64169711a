#include "unit/cloud/keystore/fixture.h"

static struct keystore_request request(const char *alias)
{
	return (struct keystore_request){.alias = str_of(alias),
					 .key_type = STR("EC"),
					 .common_name = STR("edge, example"),
					 .organization = STR("A+B"),
					 .country = STR("DE")};
}

static void a_made_pair_certifies_itself(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_change c = by("user:alice");
	struct keystore_request r = request("edge");
	struct keystore_report report = {0};
	struct err err;

	assert_int_equal(keystore_create(k, &c, &r, &report, &err), KEYSTORE_DONE);
	assert_int_equal(report.rows[0].did, KEYSTORE_NEW);
	assert_ok(keystore_find(k, &here, STR("edge"), &l, &err), &err);
	const struct keystore_entry *e = keystore_list_at(l, 0);
	assert_int_equal(e->kind, KEYS_ENTRY_KEY_PAIR);
	assert_str(e->subject, "CN=edge\\, example,O=A\\+B,C=DE");
	assert_int_equal(e->not_before, NOW);
	assert_int_equal(e->not_after, NOW + (int64_t)3 * 365 * 86400 * 1000);
	keystore_report_fini(&report);
	keystore_close(k);
}

static void what_cannot_be_made_is_refused(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_request r = request("edge");
	struct err err;

	r.common_name = STR("");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_BAD);
	r = request("edge");
	r.country = STR("D");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_BAD);
	r = request("edge");
	r.not_after = NOW - 1;
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_BAD);
	r = request("edge");
	r.signature = STR("SHA-512/RSA");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_BAD);
	r = request("sap_edge");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_RESERVED);
	r = request("edge");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_DONE);
	r = request("Edge");
	assert_int_equal(keystore_create(k, &c, &r, NULL, &err), KEYSTORE_TAKEN);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_made_pair_certifies_itself),
	ON_BOTH(what_cannot_be_made_is_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
