#include "base/str.h"

#include "unit/unit.h"

TEST(only_ascii_is_folded)
{
	assert_true(str_eq_nocase(STR("Content-Type"), STR("content-tYPE")));
	assert_false(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
	assert_false(str_eq_nocase(STR("@["), STR("`{")));
	assert_true(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
	assert_false(str_starts_nocase(STR("Be"), STR("bearer ")));
}

TEST(every_pair_of_bytes_is_folded_alike_at_every_place)
{
	for (unsigned pair = 0; pair < 65536; pair++) {
		char x = (char)(pair >> 8);
		char y = (char)pair;
		bool letters = ((x | 0x20) >= 'a' && (x | 0x20) <= 'z');
		bool same = x == y || (letters && (x ^ y) == 0x20);
		char a[11] = "abcdefghij";
		char b[11] = "ABCDEFGHIJ";
		size_t at = pair % 10;
		a[at] = x;
		b[at] = y;
		assert_int_equal(str_eq_nocase(str_make(a, 10), str_make(b, 10)), same);
	}
}

TEST(empty_strings_are_equal_wherever_they_point)
{
	assert_true(str_eq(STR_NONE, STR("")));
	assert_true(str_starts(STR_NONE, STR("")));
	assert_true(str_contains(STR_NONE, STR_NONE));
	assert_int_equal(str_find(STR_NONE, 'x'), 0);
	assert_int_equal(str_cmp(STR("a"), STR("ab")), -1);
	assert_true(str_cmp(STR("b"), STR("ab")) > 0);
}

TEST(cutting_stays_inside)
{
	assert_str(str_skip(STR("abc"), 9), "");
	assert_str(str_first(STR("abc"), 9), "abc");
	assert_str(str_trim(STR(" \t a b \t")), "a b");
	assert_int_equal(str_find_last(STR("a.b.c"), '.'), 3);
	assert_true(str_ends(STR("x.pem"), STR(".pem")));
}

TEST(parts_come_one_by_one_with_empty_ones)
{
	struct str rest = STR("a::b:");
	struct str part = STR_NONE;
	assert_true(str_next(&rest, ':', &part));
	assert_str(part, "a");
	assert_true(str_next(&rest, ':', &part));
	assert_str(part, "");
	assert_true(str_next(&rest, ':', &part));
	assert_str(part, "b");
	assert_true(str_next(&rest, ':', &part));
	assert_str(part, "");
	assert_false(str_next(&rest, ':', &part));
}

TEST(a_list_skips_empty_members)
{
	struct str rest = STR(" , gzip,, \tchunked ,");
	struct str member = STR_NONE;
	assert_true(str_next_listed(&rest, &member));
	assert_str(member, "gzip");
	assert_true(str_next_listed(&rest, &member));
	assert_str(member, "chunked");
	assert_false(str_next_listed(&rest, &member));
}

TEST(numbers_are_digits_only)
{
	uint64_t n = 7;
	assert_true(str_to_u64(STR("18446744073709551615"), &n));
	assert_true(n == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &n));
	static const char *const bad[] = {"", "+1", "-1", " 1", "1 ", "0x1", "1e3"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(str_to_u64(str_of(bad[i]), &n));
	}
	assert_true(n == UINT64_MAX);
	uint16_t port = 0;
	assert_true(str_to_port(STR("65535"), &port));
	assert_int_equal(port, 65535);
	assert_false(str_to_port(STR("65536"), &port));
	assert_false(str_to_port(STR("0"), &port));
}

TEST(hex_needs_every_digit)
{
	uint8_t bytes[2] = {9, 9};
	assert_true(str_to_hex_bytes(STR("aBc0"), bytes, 2));
	assert_int_equal(bytes[0], 0xAB);
	assert_int_equal(bytes[1], 0xC0);
	assert_false(str_to_hex_bytes(STR("abc"), bytes, 2));
	assert_false(str_to_hex_bytes(STR("abcg"), bytes, 2));
	assert_int_equal(bytes[0], 0xAB);
}

TEST(a_copy_that_does_not_fit_leaves_an_empty_text)
{
	char into[4] = "xyz";
	assert_true(str_copy(STR("abc"), into, sizeof into));
	assert_string_equal(into, "abc");
	assert_false(str_copy(STR("abcd"), into, sizeof into));
	assert_string_equal(into, "");
	AUTO_FREE char *copy = str_dup(STR_NONE);
	assert_string_equal(copy, "");
}

TEST(secrets_compare_by_content)
{
	assert_true(str_eq_secret(STR("s3cret"), STR("s3cret")));
	assert_false(str_eq_secret(STR("s3cret"), STR("s3creT")));
	assert_false(str_eq_secret(STR("s3cret"), STR("s3cre")));
	assert_true(str_eq_secret(STR_NONE, STR("")));
}

TEST(malformed_utf8_is_refused)
{
	assert_true(str_is_utf8(STR("z\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x89")));
	static const char *const bad[] = {"\x80",
					  "\xc0\xaf",
					  "\xe0\x80\xaf",
					  "\xed\xa0\x80",
					  "\xf4\x90\x80\x80",
					  "\xf8\x88\x80\x80",
					  "\xe2\x82",
					  "\xff"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(str_is_utf8(str_of(bad[i])));
	}
}

TEST(a_hex_digit_has_its_value_and_other_bytes_have_none)
{
	for (int c = 0; c < 256; c++) {
		const char text[] = {(char)c, 0};
		char *end = NULL;
		bool is_digit = strspn(text, "0123456789abcdefABCDEF") == 1;
		assert_int_equal(str_hex_digit((char)c),
				 is_digit ? (int)strtol(text, &end, 16) : -1);
	}
}

TEST(a_uuid_has_its_dashes_in_place)
{
	assert_true(str_is_uuid(STR("0f9a7c1e-5b1d-4c3e-9B1a-000000000001")));
	assert_false(str_is_uuid(STR("0f9a7c1e-5b1d-4c3e-9b1a-00000000000")));
	assert_false(str_is_uuid(STR("0f9a7c1e05b1d-4c3e-9b1a-000000000001")));
	assert_false(str_is_uuid(STR("0f9a7c1g-5b1d-4c3e-9b1a-000000000001")));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(only_ascii_is_folded),
	cmocka_unit_test(every_pair_of_bytes_is_folded_alike_at_every_place),
	cmocka_unit_test(empty_strings_are_equal_wherever_they_point),
	cmocka_unit_test(cutting_stays_inside),
	cmocka_unit_test(parts_come_one_by_one_with_empty_ones),
	cmocka_unit_test(a_list_skips_empty_members),
	cmocka_unit_test(numbers_are_digits_only),
	cmocka_unit_test(hex_needs_every_digit),
	cmocka_unit_test(a_copy_that_does_not_fit_leaves_an_empty_text),
	cmocka_unit_test(secrets_compare_by_content),
	cmocka_unit_test(malformed_utf8_is_refused),
	cmocka_unit_test(a_hex_digit_has_its_value_and_other_bytes_have_none),
	cmocka_unit_test(a_uuid_has_its_dashes_in_place),
};
UNIT_MAIN(tests)
