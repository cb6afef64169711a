#include "base/log.h"

#include "base/buf.h"
#include "unit/capture.h"
#include "unit/unit.h"

TEST(a_text_line_has_level_sentence_and_fields)
{
	char line[4096];
	log_setup(LOG_INFO, false, "unit");
	CAPTURE(line, log_info("tunnel is up", LOG_TEXT("host", "eu1"), LOG_INT("n", -3),
			       LOG_STR("none", STR_NONE)));
	assert_non_null(strstr(line, "Z info    tunnel is up host=eu1 n=-3 none=\"\"\n"));
}

TEST(bytes_of_a_peer_cannot_forge_a_line_or_steer_a_terminal)
{
	char line[4096];
	log_setup(LOG_INFO, false, "unit");
	CAPTURE(line, log_info("head", LOG_STR("path", STR("a\n\x1b[2J\"\\\xff\xc2\x9b"))));
	assert_non_null(strstr(line, "path=\"a\\u000a\\u001b[2J\\\"\\\\\\ufffd\\u009b\"\n"));
	assert_int_equal(str_find(str_of(line), '\n'), strlen(line) - 1);
}

TEST(a_long_field_is_cut)
{
	char line[4096], text[2000];
	memset(text, 'x', sizeof text);
	log_setup(LOG_INFO, true, "unit");
	CAPTURE(line, log_info("head", LOG_STR("path", str_make(text, sizeof text))));
	assert_true(strlen(line) < LOG_FIELD_MAX + 200);
	assert_non_null(strstr(line, "xxx...\"}\n"));
}

TEST(a_json_line_is_json)
{
	char line[4096];
	log_setup(LOG_INFO, true, "unit");
	CAPTURE(line, log_error("said \"no\"", LOG_TEXT("why", "\t"), LOG_INT("n", 5)));
	assert_non_null(strstr(line, "\"level\":\"error\",\"program\":\"unit\",\"message\":\"said "
				     "\\\"no\\\"\",\"why\":\"\\u0009\",\"n\":5}\n"));
}

TEST(what_is_below_the_level_is_not_written)
{
	char line[4096];
	log_setup(LOG_WARNING, false, "unit");
	CAPTURE(line, log_info("quiet"));
	assert_string_equal(line, "");
	assert_false(log_wants(LOG_DEBUG));
	assert_true(log_wants(LOG_ERROR));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_text_line_has_level_sentence_and_fields),
	cmocka_unit_test(bytes_of_a_peer_cannot_forge_a_line_or_steer_a_terminal),
	cmocka_unit_test(a_long_field_is_cut),
	cmocka_unit_test(a_json_line_is_json),
	cmocka_unit_test(what_is_below_the_level_is_not_written),
};
UNIT_MAIN(tests)
