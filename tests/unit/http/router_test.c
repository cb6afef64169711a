#include "http/router.h"

#include "unit/unit.h"

static void nothing(struct http_call *call UNUSED)
{
}

static const struct http_route routes[] = {
	{.method = "GET", .pattern = "/api/items", .handler = nothing, .summary = "list"},
	{.method = "POST", .pattern = "/api/items", .handler = nothing, .summary = "add"},
	{.method = "GET", .pattern = "/api/items/{id}", .handler = nothing, .summary = "one"},
	{.method = "GET",
	 .pattern = "/api/items/corrupted",
	 .handler = nothing,
	 .summary = "bad ones"},
	{.method = "GET", .pattern = "/{rest*}", .handler = nothing, .summary = "files"},
	{.method = "DELETE", .pattern = "/a/{x}/c/{y}", .handler = nothing, .summary = "two"},
	{.method = "GET", .pattern = "/o/{set}", .handler = nothing, .summary = "set"},
	{.method = "GET", .pattern = "/o/Items('{key}')", .handler = nothing, .summary = "item"},
	{.method = "GET",
	 .pattern = "/o/Items('{key}')/$value",
	 .handler = nothing,
	 .summary = "value"},
	{.method = "GET", .pattern = "/o/Items('first')", .handler = nothing, .summary = "first"},
	{NULL},
};
static const struct http_route *const tables[] = {routes, NULL};

static struct str read_path(struct arena *a, const char *raw, struct http_path *path)
{
	struct err err = {0};
	return http_path_read(str_of(raw), a, path, &err) ? path->path : STR("refused");
}

TEST(a_path_is_decoded_segment_by_segment)
{
	AUTO(arena_free) struct arena *a = arena_new(1000, 10000);
	struct http_path path;
	assert_str(read_path(a, "/a/b%20c/%C3%A4?x=%2e%2e/y", &path), "/a/b c/\xc3\xa4");
	assert_int_equal(path.n, 3);
	assert_str(path.segments[1], "b c");
	assert_str(path.query, "x=%2e%2e/y");
	assert_str(read_path(a, "/", &path), "/");
	assert_int_equal(path.n, 1);
	assert_str(read_path(a, "/a+b/", &path), "/a+b/");
}

TEST(a_path_that_two_readers_could_read_differently_is_refused)
{
	static const char *const bad[] = {
		"",       "a",        "*",         "http:",  "/a/../b", "/a/..",
		"/.",     "/%2e%2e/", "/a/%2E./b", "/a//b",  "//a",     "/a%2fb",
		"/a%5cb", "/a\\b",    "/a%00b",    "/a%0ab", "/a%",     "/a%4",
		"/a%zz",  "/a%u0041", "/a#b",      "/a%ff",  "/%7f",    "/a/%c0%ae%c0%ae/b",
	};
	AUTO(arena_free) struct arena *a = arena_new(1000, 100000);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_path path;
		if (!str_eq(read_path(a, bad[i], &path), STR("refused"))) {
			fail_msg("%s was taken", bad[i]);
		}
	}
}

TEST(segments_are_bounded)
{
	AUTO(arena_free) struct arena *a = arena_new(1000, 100000);
	char raw[2 * HTTP_SEGMENTS_MAX + 3];
	for (size_t i = 0; i + 2 < sizeof raw; i += 2) {
		memcpy(raw + i, "/a", 3);
	}
	struct http_path path;
	assert_str(read_path(a, raw, &path), "refused");
	raw[2 * HTTP_SEGMENTS_MAX] = '\0';
	assert_str(read_path(a, raw, &path), raw);
}

static const char *found(const char *method, const char *raw, struct str *params, struct buf *allow)
{
	AUTO(arena_free) struct arena *a = arena_new(1000, 10000);
	static char texts[HTTP_PARAMS_MAX][64];
	struct err err = {0};
	struct http_path path;
	const struct http_route *route = NULL;
	assert_ok(http_path_read(str_of(raw), a, &path, &err), &err);
	enum route_outcome outcome =
		route_find(tables, &path, str_of(method), &route, params, allow);
	if (outcome != ROUTE_FOUND) {
		return outcome == ROUTE_NONE ? "none" : "method";
	}
	for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
		assert_true(str_copy(params[i], texts[i], sizeof texts[i]));
		params[i] = str_of(texts[i]);
	}
	return route->summary;
}

TEST(the_most_literal_pattern_wins)
{
	struct str params[HTTP_PARAMS_MAX] = {0};
	AUTO_BUF struct buf allow = BUF(1000);
	assert_string_equal(found("GET", "/api/items/corrupted", params, &allow), "bad ones");
	assert_string_equal(found("GET", "/api/items/a%20b", params, &allow), "one");
	assert_str(params[0], "a b");
	assert_string_equal(found("HEAD", "/api/items", params, &allow), "list");
	assert_string_equal(found("GET", "/api/other/x.js", params, &allow), "files");
	assert_str(params[0], "api/other/x.js");
	assert_string_equal(found("DELETE", "/a/1/c/2", params, &allow), "two");
	assert_str(params[1], "2");
	assert_string_equal(found("GET", "/", params, &allow), "files");
}

TEST(a_parameter_may_stand_between_literals)
{
	struct str params[HTTP_PARAMS_MAX] = {0};
	AUTO_BUF struct buf allow = BUF(1000);
	assert_string_equal(found("GET", "/o/Items('6D79')", params, &allow), "item");
	assert_str(params[0], "6D79");
	assert_string_equal(found("GET", "/o/Items(%2761%27)/%24value", params, &allow), "value");
	assert_str(params[0], "61");
	assert_string_equal(found("GET", "/o/Items('first')", params, &allow), "first");
	assert_string_equal(found("GET", "/o/Items('a')b')", params, &allow), "item");
	assert_str(params[0], "a')b");
	static const char *const others[] = {"/o/Items('')", "/o/Items('a'", "/o/Items(a)",
					     "/o/items('a')", "/o/Items'a')"};
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_string_equal(found("GET", others[i], params, &allow), "set");
	}
}

TEST(a_method_that_a_path_lacks_is_told_what_it_has)
{
	struct str params[HTTP_PARAMS_MAX] = {0};
	AUTO_BUF struct buf allow = BUF(1000);
	assert_string_equal(found("PUT", "/api/items", params, &allow), "method");
	assert_str(buf_str(&allow), "GET, HEAD, POST, GET, HEAD");
	buf_reset(&allow);
	assert_string_equal(found("get", "/api/items", params, &allow), "method");
}

TEST(parameters_have_places)
{
	assert_int_equal(route_param_index("/a/{x}/c/{rest*}", "x"), 0);
	assert_int_equal(route_param_index("/a/{x}/c/{rest*}", "rest"), 1);
	assert_int_equal(route_param_index("/a/{x}", "a"), -1);
	assert_int_equal(route_param_index("/a/{x}/Items('{key}')/b", "key"), 1);
	static const char *const bad[] = {"a", "/{a", "/a}b{", "/{a*}/b", "/{a}{b}", "/x{a*}"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_route r = {.pattern = bad[i], .handler = nothing};
		assert_false(route_is_valid(&r));
	}
	assert_true(route_is_valid(&routes[4]));
}

TEST(forms_are_decoded_or_absent)
{
	AUTO(arena_free) struct arena *a = arena_new(1000, 10000);
	assert_str(http_decode(STR("a+b%2B%c3%a4"), true, a), "a b+\xc3\xa4");
	assert_str(http_decode(STR("a+b"), false, a), "a+b");
	assert_non_null(http_decode(STR(""), true, a).at);
	assert_null(http_decode(STR("a%0"), true, a).at);
	assert_null(http_decode(STR("a%00"), true, a).at);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_path_is_decoded_segment_by_segment),
	cmocka_unit_test(a_path_that_two_readers_could_read_differently_is_refused),
	cmocka_unit_test(segments_are_bounded),
	cmocka_unit_test(the_most_literal_pattern_wins),
	cmocka_unit_test(a_parameter_may_stand_between_literals),
	cmocka_unit_test(a_method_that_a_path_lacks_is_told_what_it_has),
	cmocka_unit_test(parameters_have_places),
	cmocka_unit_test(forms_are_decoded_or_absent),
};
UNIT_MAIN(tests)
