#include "unit/cloud/keystore/odata_fixture.h"

static const char *split(const char *list, size_t max)
{
	static char joined[300];
	AUTO(arena_free) struct arena *a = arena_new(1000, 10000);
	struct str out[8];
	size_t n, at = 0;

	if (!odata_split_aliases(str_of(list), a, out, max, &n)) {
		return "refused";
	}
	joined[0] = 0;
	for (size_t i = 0; i < n; i++) {
		at += (size_t)snprintf(joined + at, sizeof(joined) - at, "<%.*s>",
				       STR_ARGS(out[i]));
	}
	return joined;
}

TEST(lists_of_aliases_have_escapes)
{
	assert_string_equal(split("a;b c", 8), "<a><b c>");
	assert_string_equal(split("old-1;Company A\\; B", 8), "<old-1><Company A; B>");
	assert_string_equal(split("back\\\\slash;\\\\\\;", 8), "<back\\slash><\\;>");
	assert_string_equal(split(";;a;", 8), "<a>");
	assert_string_equal(split("", 8), "");
	assert_string_equal(split("a\\b", 8), "refused");
	assert_string_equal(split("a\\", 8), "refused");
	assert_string_equal(split("a;b;c", 2), "refused");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lists_of_aliases_have_escapes),
};
UNIT_MAIN(tests)
