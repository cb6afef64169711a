#include "base/json.h"

#include "unit/unit.h"

static const char sample[] = "{\"a\":[1,\"17\",-9223372036854775808,1.5,null],"
			     "\"t\":\"true\",\"f\":false,\"n\":null,\"o\":{\"x\":\"\xc3\xa4\"}}";

TEST(members_and_elements_are_found_by_type)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	assert_ok(json_parse(str_of(sample), 1000, &j, &err), &err);
	const struct json *a = json_get(j, "a");
	int64_t n = 0;
	bool b = false;
	struct str s = STR_NONE;
	assert_true(json_is_object(j) && json_is_array(a) && json_is_null(json_get(j, "n")));
	assert_int_equal(json_count(a), 5);
	assert_true(json_int(json_at(a, 0), &n) && n == 1);
	assert_true(json_int(json_at(a, 1), &n) && n == 17);
	assert_true(json_int(json_at(a, 2), &n) && n == INT64_MIN);
	assert_false(json_int(json_at(a, 3), &n));
	assert_false(json_int(json_at(a, 9), &n));
	assert_true(json_get_bool(j, "t", &b) && b);
	assert_true(json_get_bool(j, "f", &b) && !b);
	assert_false(json_get_bool(j, "n", &b));
	assert_false(json_get_str(j, "f", &s));
	assert_true(json_get_str(json_get(j, "o"), "x", &s));
	assert_str(s, "\xc3\xa4");
	assert_null(json_get(a, "x"));
	assert_null(json_get(NULL, "x"));
	assert_int_equal(json_count(j), 0);
}

TEST(a_walk_meets_every_member)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	assert_ok(json_parse(STR("{\"a\":1,\"b\":2}"), 100, &j, &err), &err);
	void *iter = NULL;
	struct str key;
	const struct json *value;
	int64_t sum = 0, n = 0;
	while (json_next(j, &iter, &key, &value)) {
		assert_true(json_int(value, &n));
		sum += n * (key.at[0] == 'a' ? 10 : 1);
	}
	assert_int_equal(sum, 12);
}

TEST(what_is_ambiguous_or_broken_is_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"\"\\u0000\"",
		"{\"a\\u0000b\":1}",
		"[1,]",
		"[1] x",
		"[01]",
		"\"\xff\"",
		"9223372036854775808",
		"1e999",
		"'a'",
		"\"\\ud800\"",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct json *j = NULL;
		struct err err = {0};
		assert_err(json_parse(str_of(bad[i]), 1000, &j, &err), &err, ERR_CONFIG, "line");
		assert_null(j);
	}
	struct json *j = NULL;
	struct err err = {0};
	assert_err(json_parse(str_make("\"a\0b\"", 5), 1000, &j, &err), &err, ERR_CONFIG, "");
}

TEST(depth_and_size_are_bounded)
{
	struct json *j = NULL;
	struct err err = {0};
	char deep[JSON_DEPTH_MAX * 2 + 2];
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	struct str too_deep = str_make(deep, sizeof deep);
	assert_err(json_parse(too_deep, 1000, &j, &err), &err, ERR_LIMIT, "deeper");
	assert_err(json_parse_lenient(too_deep, 1000, &j, &err), &err, ERR_LIMIT, "deeper");
	assert_ok(json_parse(str_make(deep + 1, sizeof(deep) - 2), 1000, &j, &err), &err);
	json_free(j);
	assert_err(json_parse(STR("[1,2]"), 4, &j, &err), &err, ERR_LIMIT, "limit of 4");
	/* brackets in a text do not nest */
	AUTO_BUF struct buf b = BUF(1000);
	buf_addf(&b, "\"\\\"%.*s\"", JSON_DEPTH_MAX + 1, deep);
	assert_ok(json_parse(buf_str(&b), 1000, &j, &err), &err);
	json_free(j);
}

static void assert_written(const struct json *j, const char *expected)
{
	AUTO_BUF struct buf b = BUF(1000);
	struct jsonw w = jsonw_to(&b);
	jsonw_tree(&w, j);
	assert_str(buf_str(&b), expected);
}

/* 32 MiB of "{}," in a small ZIP took 2.5 GiB: the connector was killed by an import. */
TEST(what_a_tree_takes_is_bounded)
{
	AUTO_BUF struct buf many = BUF(MIB(1)), some = BUF(MIB(1));
	AUTO(json_free) struct json *j = NULL;
	struct err err;

	for (buf_add_c(&many, '['); many.len < MIB(1) - 8;) {
		buf_add_str(&many, STR("{},"));
	}
	buf_add_str(&many, STR("1]"));
	assert_err(json_parse(buf_str(&many), MIB(1), &j, &err), &err, ERR_LIMIT, "values");
	for (buf_add_c(&some, '['); some.len < 2 * (JSON_VALUES_FREE - 1);) {
		buf_add_str(&some, STR("1,"));
	}
	buf_add_str(&some, STR("\",,,,,,\"]")); /* those are none */
	assert_ok(json_parse(buf_str(&some), MIB(1), &j, &err), &err);
}

TEST(a_tree_is_written_as_it_was_read)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	assert_ok(json_parse(str_of(sample), 1000, &j, &err), &err);
	assert_written(j, sample);
	assert_written(NULL, "null");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(members_and_elements_are_found_by_type),
	cmocka_unit_test(a_walk_meets_every_member),
	cmocka_unit_test(what_is_ambiguous_or_broken_is_refused),
	cmocka_unit_test(depth_and_size_are_bounded),
	cmocka_unit_test(what_a_tree_takes_is_bounded),
	cmocka_unit_test(a_tree_is_written_as_it_was_read),
};
UNIT_MAIN(tests)
