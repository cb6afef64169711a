#include "programs/cli_keystore.h"
#include "unit/unit.h"

TEST(an_alias_goes_as_upper_case_hex)
{
	AUTO_BUF struct buf path = BUF(1000);

	keystore_add_entry(&path, "KeystoreEntries", STR("my a\xc3\xa4/'"));
	keystore_add_query(&path, "renameAlias", STR("a b&c=d/"));
	keystore_add_query(&path, "x", STR("1"));
	assert_str(buf_str(&path),
		   "KeystoreEntries('6D792061C3A42F27')?renameAlias=a%20b%26c%3Dd%2F"
		   "&x=1");
}

TEST(a_date_is_read_with_and_without_a_zone)
{
	int64_t ms = 0;

	assert_true(keystore_date(STR("/Date(1492098664000)/"), &ms));
	assert_int_equal(ms, 1492098664000);
	assert_true(keystore_date(STR("/Date(1492098664001+0000)/"), &ms));
	assert_int_equal(ms, 1492098664001);
	assert_false(keystore_date(STR("1492098664000"), &ms));
	assert_false(keystore_date(STR("/Date()/"), &ms));
	assert_false(keystore_date(STR("/Date(99999999999999999999)/"), &ms));
}

TEST(an_entry_is_shown_without_links_and_with_readable_dates)
{
	static const char entry[] =
		"{\"__metadata\":{\"uri\":\"x\"},\"Alias\":\"a\",\"KeySize\":256,"
		"\"ValidNotAfter\":\"/Date(1795315570000)/\",\"Validity\":null,"
		"\"Certificate\":{\"__deferred\":{\"uri\":\"y\"}}}";
	AUTO(json_free) struct json *json = NULL;
	AUTO_BUF struct buf out = BUF(1000);
	struct err err = {0};
	struct jsonw w = jsonw_to(&out);

	assert_ok(json_parse(str_of(entry), 1000, &json, &err), &err);
	keystore_add_clean(&w, json);
	assert_str(buf_str(&out), "{\"Alias\":\"a\",\"KeySize\":256,"
				  "\"ValidNotAfter\":\"2026-11-22T02:46:10Z\",\"Validity\":null}");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_alias_goes_as_upper_case_hex),
	cmocka_unit_test(a_date_is_read_with_and_without_a_zone),
	cmocka_unit_test(an_entry_is_shown_without_links_and_with_readable_dates),
};
UNIT_MAIN(tests)
