#include "base/buf.h"

#include "unit/unit.h"

TEST(appending_keeps_a_nul_behind_the_bytes)
{
	AUTO_BUF struct buf b = BUF(1000);
	buf_add_str(&b, STR("port "));
	buf_add_u64(&b, 0);
	buf_add_c(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	buf_addf(&b, " %s", "x");
	assert_string_equal(b.at, "port 0 18446744073709551615 x");
	assert_int_equal(b.len, strlen(b.at));
}

TEST(past_the_maximum_nothing_is_taken_any_more)
{
	AUTO_BUF struct buf b = BUF(4);
	buf_add_str(&b, STR("abcd"));
	assert_false(buf_failed(&b));
	buf_add_c(&b, 'e');
	assert_true(buf_failed(&b));
	buf_drop_front(&b, 4);
	buf_add_c(&b, 'f');
	assert_true(buf_failed(&b));
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_addf(&b, "%d", 1234);
	assert_string_equal(b.at, "1234");
	buf_addf(&b, "%d", 5);
	assert_true(buf_failed(&b));
	assert_null(buf_reserve(&b, SIZE_MAX));
}

TEST(dropping_the_front_moves_the_rest_down)
{
	AUTO_BUF struct buf b = BUF(100);
	buf_add_str(&b, STR("abcdef"));
	buf_drop_front(&b, 4);
	assert_str(buf_str(&b), "ef");
	buf_drop_front(&b, 9);
	assert_str(buf_str(&b), "");
}

TEST(a_secret_leaves_no_trace_in_memory_that_was_reset)
{
	AUTO_BUF struct buf b = BUF_SECRET(1000);
	buf_add_str(&b, STR("hunter2"));
	buf_reset(&b);
	for (size_t i = 0; i < b.cap; i++) {
		assert_int_equal(b.at[i], 0);
	}
	buf_add_str(&b, STR("hunter2 and a tail"));
	buf_drop_front(&b, 8);
	assert_null(memmem(b.at + b.len, b.cap - b.len, "tail", 4));
	for (int i = 0; i < 100; i++) {
		buf_add_str(&b, STR("grow"));
	}
	assert_str(str_first(buf_str(&b), 10), "and a tail");
}

TEST(base64_of_the_rfc)
{
	/* RFC 4648, section 10 */
	static const struct {
		const char *bytes, *text;
	} rows[] = {{"", ""},
		    {"f", "Zg=="},
		    {"fo", "Zm8="},
		    {"foo", "Zm9v"},
		    {"foob", "Zm9vYg=="},
		    {"fooba", "Zm9vYmE="},
		    {"foobar", "Zm9vYmFy"}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf b = BUF(100);
		buf_add_base64(&b, rows[i].bytes, strlen(rows[i].bytes));
		assert_str(buf_str(&b), rows[i].text);
		AUTO_BUF struct buf back = BUF(100);
		assert_true(buf_add_decoded_base64(&back, str_of(rows[i].text)));
		assert_str(buf_str(&back), rows[i].bytes);
	}
}

TEST(base64url_has_its_own_alphabet_and_needs_no_padding)
{
	AUTO_BUF struct buf b = BUF(100);
	buf_add_base64url(&b, "\xfb\xff\xfe\x01", 4);
	assert_str(buf_str(&b), "-__-AQ");
	AUTO_BUF struct buf back = BUF(100);
	assert_true(buf_add_decoded_base64url(&back, STR("-__-AQ")));
	assert_true(buf_add_decoded_base64url(&back, STR("-__-AQ==")));
	assert_int_equal(back.len, 8);
	assert_memory_equal(back.at, "\xfb\xff\xfe\x01\xfb\xff\xfe\x01", 8);
	assert_false(buf_add_decoded_base64url(&back, STR("+//+AQ")));
	assert_false(buf_add_decoded_base64url(&back, STR("-__- AQ")));
}

TEST(base64_that_is_not_exact_appends_nothing)
{
	AUTO_BUF struct buf b = BUF(100);
	buf_add_str(&b, STR("kept"));
	static const char *const bad[] = {
		"A", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=v", "Zm9v!", "-__-"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(buf_add_decoded_base64(&b, str_of(bad[i])));
		assert_str(buf_str(&b), "kept");
	}
	assert_true(buf_add_decoded_base64(&b, STR("Zm\r\n 9v\n")));
	assert_str(buf_str(&b), "keptfoo");
	AUTO_BUF struct buf small = BUF(2);
	assert_false(buf_add_decoded_base64(&small, STR("Zm9v")));
}

TEST(taken_bytes_belong_to_the_taker)
{
	struct buf b = BUF(100);
	buf_add_hex(&b, "\x00\xff", 2);
	AUTO_FREE char *text = buf_take(&b);
	assert_string_equal(text, "00ff");
	assert_null(b.at);
	AUTO_FREE char *none = buf_take(&b);
	assert_string_equal(none, "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(appending_keeps_a_nul_behind_the_bytes),
	cmocka_unit_test(past_the_maximum_nothing_is_taken_any_more),
	cmocka_unit_test(dropping_the_front_moves_the_rest_down),
	cmocka_unit_test(a_secret_leaves_no_trace_in_memory_that_was_reset),
	cmocka_unit_test(base64_of_the_rfc),
	cmocka_unit_test(base64url_has_its_own_alphabet_and_needs_no_padding),
	cmocka_unit_test(base64_that_is_not_exact_appends_nothing),
	cmocka_unit_test(taken_bytes_belong_to_the_taker),
};
UNIT_MAIN(tests)
