#include "cloud/directory/directory_priv.h"

#include "unit/unit.h"

TEST(labels_are_lower_case_letters_digits_and_inner_hyphens)
{
	assert_true(directory_is_label(STR("plant-1")));
	assert_true(directory_is_label(STR("0")));
	assert_false(directory_is_label(STR("")));
	assert_false(directory_is_label(STR("-a")));
	assert_false(directory_is_label(STR("a-")));
	assert_false(directory_is_label(STR("A")));
	assert_false(directory_is_label(STR("a.b")));
	char longest[65];
	memset(longest, 'a', sizeof(longest));
	assert_true(directory_is_label(str_make(longest, 63)));
	assert_false(directory_is_label(str_make(longest, 64)));
}

TEST(hosts_are_labels_and_dots)
{
	assert_true(directory_is_host(STR("cloud.example")));
	assert_true(directory_is_host(STR("127.0.0.1")));
	assert_false(directory_is_host(STR("cloud..example")));
	assert_false(directory_is_host(STR("cloud.example:443")));
	assert_false(directory_is_host(STR("")));
}

TEST(texts_are_bounded_and_without_control_characters)
{
	struct err err;

	assert_true(directory_check_text("x", STR("ok"), 1, 3, &err));
	assert_err(directory_check_text("x", STR("abc"), 1, 3, &err), &err, ERR_CONFIG, "longer");
	assert_err(directory_check_text("x", STR(""), 1, 3, &err), &err, ERR_CONFIG, "at least");
	assert_err(directory_check_text("x", STR("a\n"), 1, 9, &err), &err, ERR_CONFIG, "control");
	assert_err(directory_check_text("x", STR("\xff"), 1, 9, &err), &err, ERR_CONFIG, "UTF-8");
}

TEST(names_that_no_path_could_hold_are_none)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a\\b", " a", "a "};

	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(directory_is_segment(str_of(bad[i])));
	}
	assert_true(directory_is_segment(STR("olga@plant.example")));
	assert_true(directory_is_segment(STR("a b%...")));
}

TEST(a_page_has_a_limit)
{
	assert_int_equal(directory_limit(0), DIRECTORY_PAGE_MAX);
	assert_int_equal(directory_limit(5), 5);
	assert_int_equal(directory_limit(100000), DIRECTORY_PAGE_MAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(labels_are_lower_case_letters_digits_and_inner_hyphens),
	cmocka_unit_test(hosts_are_labels_and_dots),
	cmocka_unit_test(texts_are_bounded_and_without_control_characters),
	cmocka_unit_test(names_that_no_path_could_hold_are_none),
	cmocka_unit_test(a_page_has_a_limit),
};
UNIT_MAIN(tests)
