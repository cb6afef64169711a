#include "base/json.h"

#include "unit/unit.h"

static void assert_mended(const char *text, const char *expected)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	if (!json_parse_lenient(str_of(text), 1000, &j, &err)) {
		fail_msg("%s: %s", text, err.text);
	}
	AUTO_BUF struct buf b = BUF(1000);
	struct jsonw w = jsonw_to(&b);
	jsonw_tree(&w, j);
	assert_str(buf_str(&b), expected);
}

TEST(what_the_originals_samples_send_is_understood)
{
	assert_mended("{\"oldPassword\"=\"manage\",\"newPassword\"=\"a=b:c\"}",
		      "{\"oldPassword\":\"manage\",\"newPassword\":\"a=b:c\"}");
	assert_mended("{level=\"ALL\"}", "{\"level\":\"ALL\"}");
	assert_mended("master", "\"master\"");
	assert_mended("\"master\"", "\"master\"");
	assert_mended(
		"{ op : SWITCH , n = 5 , on=true, list=[a,{b=null}], true=1 }",
		"{\"op\":\"SWITCH\",\"n\":5,\"on\":true,\"list\":[\"a\",{\"b\":null}],\"true\":1}");
	assert_mended("{a=-12, b=1.5, c=-x, d=\"\\\"=\"}",
		      "{\"a\":-12,\"b\":1.5,\"c\":\"-x\",\"d\":\"\\\"=\"}");
}

TEST(leniency_does_not_reach_duplicates_or_broken_structure)
{
	static const char *const bad[] = {"{a=1,\"a\"=2}", "{a=1",   "{a b=1}", "{=1}",
					  "{a=}",          "a b",    "{a=\"x}", "[1 2]",
					  "\x01",          "{a=01}", ""};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct json *j = NULL;
		struct err err = {0};
		if (json_parse_lenient(str_of(bad[i]), 1000, &j, &err)) {
			fail_msg("%s was taken", bad[i]);
		}
		assert_int_equal(err.kind, ERR_CONFIG);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_the_originals_samples_send_is_understood),
	cmocka_unit_test(leniency_does_not_reach_duplicates_or_broken_structure),
};
UNIT_MAIN(tests)
