#include "http/h1_priv.h"

#include "unit/unit.h"

TEST(a_line_ends_with_cr_and_lf)
{
	struct str line;
	size_t used;
	assert_int_equal(h1_take_line(STR("ab\r\ncd"), 10, &line, &used), H1_LINE_OK);
	assert_true(str_eq(line, STR("ab")));
	assert_int_equal(used, 4);
	assert_int_equal(h1_take_line(STR("ab\n"), 10, &line, &used), H1_LINE_BARE_LF);
	assert_int_equal(h1_take_line(STR("\n"), 10, &line, &used), H1_LINE_BARE_LF);
	assert_int_equal(h1_take_line(STR("ab\r"), 10, &line, &used), H1_LINE_MORE);
	assert_int_equal(h1_take_line(STR(""), 10, &line, &used), H1_LINE_MORE);
}

TEST(a_line_of_just_the_maximum_passes)
{
	struct str line;
	size_t used;
	assert_int_equal(h1_take_line(STR("abc\r\n"), 3, &line, &used), H1_LINE_OK);
	assert_int_equal(h1_take_line(STR("abcd\r\n"), 3, &line, &used), H1_LINE_LONG);
	assert_int_equal(h1_take_line(STR("abc\r"), 3, &line, &used), H1_LINE_MORE);
	assert_int_equal(h1_take_line(STR("abcd\r"), 3, &line, &used), H1_LINE_LONG);
}

TEST(a_field_is_cut_at_its_colon)
{
	struct http_field f;
	assert_null(h1_parse_field(STR("Name: \t value with: colon\t "), &f));
	assert_true(str_eq(f.name, STR("Name")));
	assert_true(str_eq(f.value, STR("value with: colon")));
	assert_false(f.sensitive);
	assert_null(h1_parse_field(STR("cookie:a"), &f));
	assert_true(f.sensitive);
	assert_null(h1_parse_field(STR("a:"), &f));
	assert_int_equal(f.value.len, 0);
}

TEST(every_control_character_is_found_wherever_it_stands)
{
	char line[] = "n: 0123456789abcdefghij";
	for (size_t at = 3; at < sizeof line - 1; at++) {
		for (unsigned c = 0; c < 256; c++) {
			char kept = line[at];
			line[at] = (char)c;
			bool control = (c < 0x20 && c != '\t') || c == 0x7f;
			struct http_field f;
			bool refused = h1_parse_field(str_make(line, sizeof line - 1), &f) != NULL;
			assert_int_equal(refused, control);
			line[at] = kept;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_ends_with_cr_and_lf),
		cmocka_unit_test(a_line_of_just_the_maximum_passes),
		cmocka_unit_test(a_field_is_cut_at_its_colon),
		cmocka_unit_test(every_control_character_is_found_wherever_it_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
