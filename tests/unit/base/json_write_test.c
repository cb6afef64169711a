#include "base/json.h"

#include "unit/unit.h"

TEST(commas_come_by_themselves)
{
	AUTO_BUF struct buf b = BUF(1000);
	struct jsonw w = jsonw_to(&b);
	jsonw_object(&w);
	jsonw_key(&w, "list");
	jsonw_array(&w);
	jsonw_int(&w, INT64_MIN);
	jsonw_array(&w);
	jsonw_array_end(&w);
	jsonw_null(&w);
	jsonw_array_end(&w);
	jsonw_key_bool(&w, "yes", true);
	jsonw_key_int(&w, "n", 7);
	jsonw_key_text(&w, "none", NULL);
	jsonw_key(&w, "raw");
	jsonw_raw(&w, STR("{}"));
	jsonw_object_end(&w);
	assert_str(buf_str(&b), "{\"list\":[-9223372036854775808,[],null],\"yes\":true,\"n\":7,"
				"\"none\":\"\",\"raw\":{}}");
}

TEST(what_was_written_reads_back_whatever_the_bytes)
{
	char bytes[255];
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (char)(i + 1);
	}
	AUTO_BUF struct buf b = BUF(4000);
	struct jsonw w = jsonw_to(&b);
	jsonw_str(&w, str_make(bytes, sizeof bytes));
	assert_true(str_contains(buf_str(&b), STR("\\t\\n\\u000b\\f\\r")));
	assert_true(str_contains(buf_str(&b), STR("\\\"#$")));
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	assert_ok(json_parse(buf_str(&b), 4000, &j, &err), &err);
	struct str back = STR_NONE;
	assert_true(json_str(j, &back));
	assert_int_equal(back.len, 127 + 128 * 3); /* each byte above 0x7F became U+FFFD */
	assert_memory_equal(back.at, bytes, 127);
}

/* The writer looks at eight bytes at once: what is special is found wherever it stands. */
TEST(each_byte_is_escaped_or_not_at_every_place)
{
	for (size_t at = 0; at < 20; at++) {
		for (int c = 1; c < 0x80; c++) {
			AUTO_BUF struct buf b = BUF(100);
			struct jsonw w = jsonw_to(&b);
			char text[21] = "aaaaaaaaaaaaaaaaaaaa";
			struct str back = STR_NONE;
			struct err err = {0};
			text[at] = (char)c;
			jsonw_str(&w, str_make(text, 20));
			bool plain = c >= 0x20 && c != '"' && c != '\\' && c != 0x7F;
			assert_int_equal(b.len == 22, plain);
			AUTO(json_free) struct json *j = NULL;
			assert_ok(json_parse(buf_str(&b), 100, &j, &err), &err);
			assert_true(json_str(j, &back));
			assert_str(back, text);
		}
	}
}

TEST(a_text_fills_the_buffer_to_the_last_byte)
{
	for (size_t max = 0; max < 40; max++) {
		AUTO_BUF struct buf b = BUF(max);
		struct jsonw w = jsonw_to(&b);
		jsonw_object(&w);
		jsonw_key_str(&w, "k", STR("aaaaaaaaaaaaaaaaaaaa"));
		jsonw_object_end(&w);
		assert_int_equal(buf_failed(&b), max < 28);
		assert_true(b.len <= max);
	}
}

TEST(utf8_passes_unchanged)
{
	AUTO_BUF struct buf b = BUF(100);
	struct jsonw w = jsonw_to(&b);
	jsonw_str(&w, STR("z\xc3\xa4\xf0\x9f\x8c\x89"));
	assert_str(buf_str(&b), "\"z\xc3\xa4\xf0\x9f\x8c\x89\"");
}

TEST(a_time_is_of_rfc_3339_and_null_when_there_is_none)
{
	AUTO_BUF struct buf out = BUF(1000);
	struct jsonw w = jsonw_to(&out);

	jsonw_object(&w);
	jsonw_key_time(&w, "a", 1795315570);
	jsonw_key_time(&w, "b", 0);
	jsonw_key_time_ms(&w, "c", 1795315570001);
	jsonw_key_time_ms(&w, "d", 0);
	jsonw_object_end(&w);
	assert_str(buf_str(&out), "{\"a\":\"2026-11-22T02:46:10Z\",\"b\":null,"
				  "\"c\":\"2026-11-22T02:46:10.001Z\",\"d\":null}");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(commas_come_by_themselves),
	cmocka_unit_test(what_was_written_reads_back_whatever_the_bytes),
	cmocka_unit_test(each_byte_is_escaped_or_not_at_every_place),
	cmocka_unit_test(a_text_fills_the_buffer_to_the_last_byte),
	cmocka_unit_test(utf8_passes_unchanged),
	cmocka_unit_test(a_time_is_of_rfc_3339_and_null_when_there_is_none),
};
UNIT_MAIN(tests)
