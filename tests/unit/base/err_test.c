#include "base/err.h"

#include <errno.h>

#include "unit/unit.h"

TEST(setting_returns_false_and_keeps_kind_and_text)
{
	struct err err = {0};
	assert_false(err_set(&err, ERR_LIMIT, "%d of %d", 3, 2));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.text, "3 of 2");
}

TEST(wrapping_puts_the_place_before_the_cause)
{
	struct err err = {0};
	err_set(&err, ERR_NETWORK, "refused");
	assert_false(err_wrap(&err, "relay %s", "eu1"));
	assert_int_equal(err.kind, ERR_NETWORK);
	assert_string_equal(err.text, "relay eu1: refused");
	/* the text itself may be an argument */
	err_set(&err, ERR_NETWORK, "again: %s", err.text);
	assert_string_equal(err.text, "again: relay eu1: refused");
}

TEST(a_long_text_is_cut_at_a_character)
{
	struct err err = {0};
	char text[600];
	for (size_t lead = 0; lead < 4; lead++) {
		memset(text, 'x', lead);
		for (size_t i = lead; i + 3 < sizeof text; i += 3) {
			memcpy(text + i, "\xe2\x82\xac", 3);
			text[i + 3] = '\0';
		}
		err_set(&err, ERR_CONFIG, "%s", text);
		assert_true(strlen(err.text) > sizeof(err.text) - 4);
		assert_true(str_is_utf8(str_of(err.text)));
		err_wrap(&err, "y");
		assert_true(str_is_utf8(str_of(err.text)));
	}
}

TEST(errno_is_told_and_kept)
{
	struct err err = {0};
	errno = ENOENT;
	assert_false(err_errno(&err, ERR_SYSTEM, "open %s", "/x"));
	assert_string_equal(err.text, "open /x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(setting_returns_false_and_keeps_kind_and_text),
	cmocka_unit_test(wrapping_puts_the_place_before_the_cause),
	cmocka_unit_test(a_long_text_is_cut_at_a_character),
	cmocka_unit_test(errno_is_told_and_kept),
};
UNIT_MAIN(tests)
