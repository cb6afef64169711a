#include "cloud/keystore/keystore_priv.h"
#include "unit/unit.h"

TEST(an_alias_may_be_what_live_ones_are)
{
	struct err err;

	assert_ok(keystore_alias_check(STR("baltimore cybertrust root"), &err), &err);
	assert_ok(keystore_alias_check(STR("a/b\\c;d:e.f"), &err), &err);
	assert_ok(keystore_alias_check(STR("Größe"), &err), &err);
}

TEST(the_rule_that_an_alias_breaks_is_named)
{
	char text[1100];
	struct err err;

	assert_err(keystore_alias_check(STR(""), &err), &err, ERR_CONFIG, "empty");
	assert_err(keystore_alias_check(STR("a\nb"), &err), &err, ERR_CONFIG, "control");
	assert_err(keystore_alias_check(STR("a\xc2\x85"), &err), &err, ERR_CONFIG, "control");
	assert_err(keystore_alias_check(STR("a\xff"), &err), &err, ERR_CONFIG, "UTF-8");
	memset(text, 'a', 251);
	assert_ok(keystore_alias_check(str_make(text, 250), &err), &err);
	assert_err(keystore_alias_check(str_make(text, 251), &err), &err, ERR_CONFIG, "250");
}

TEST(characters_are_counted_and_not_bytes)
{
	char text[1001];
	struct err err;

	for (int i = 0; i < 500; i += 2) {
		memcpy(text + i, "\xc3\xa4", 2);
	}
	assert_ok(keystore_alias_check(str_make(text, 500), &err), &err);
}

TEST(only_ascii_is_folded)
{
	AUTO_BUF struct buf out = BUF(100);

	keystore_alias_fold(STR("ABz\xc3\x84"), &out);
	assert_str(buf_str(&out), "abz\xc3\x84");
}

TEST(reserved_names_are_prefixes_or_whole_in_any_case)
{
	struct keystore k = {.reserved = (char[]){"sap_*, hcicertificate"}};

	assert_true(keystore_alias_is_reserved(&k, STR("SAP_x")));
	assert_true(keystore_alias_is_reserved(&k, STR("sap_")));
	assert_true(keystore_alias_is_reserved(&k, STR("HciCertificate")));
	assert_false(keystore_alias_is_reserved(&k, STR("hcicertificate1")));
	assert_false(keystore_alias_is_reserved(&k, STR("sap")));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_alias_may_be_what_live_ones_are),
	cmocka_unit_test(the_rule_that_an_alias_breaks_is_named),
	cmocka_unit_test(characters_are_counted_and_not_bytes),
	cmocka_unit_test(only_ascii_is_folded),
	cmocka_unit_test(reserved_names_are_prefixes_or_whole_in_any_case),
};

UNIT_MAIN(tests)
