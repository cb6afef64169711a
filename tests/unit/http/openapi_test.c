#include "http/server_priv.h"
#include "unit/unit.h"

static void nothing(struct http_call *call UNUSED)
{
}

static const struct http_route items[] = {
	{.method = "GET",
	 .pattern = "/items/{id}",
	 .handler = nothing,
	 .summary = "One",
	 .answer = "text/csv"},
	{.method = "GET", .pattern = "/f/{rest*}", .handler = nothing, .summary = "File"},
	{.method = "GET",
	 .pattern = "/o/Items('{key}')/$value",
	 .handler = nothing,
	 .summary = "Framed"},
	{.method = "PUT",
	 .pattern = "/items/{id}",
	 .handler = nothing,
	 .summary = "Change",
	 .request = "application/json"},
	{NULL},
};
static const struct http_route *const tables[] = {items, NULL};

TEST(every_operation_is_described_under_its_path)
{
	AUTO_BUF struct buf text = BUF(100000);
	http_openapi_write(tables, "Unit", &text);
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	assert_ok(json_parse(buf_str(&text), 100000, &j, &err), &err);
	struct str value = STR_NONE;
	assert_true(json_get_str(json_get(j, "info"), "title", &value));
	assert_str(value, "Unit");
	const struct json *paths = json_get(j, "paths");
	const struct json *one = json_get(paths, "/items/{id}");
	assert_true(json_get_str(json_get(one, "put"), "summary", &value));
	assert_str(value, "Change");
	assert_non_null(json_get(json_get(json_get(one, "put"), "requestBody"), "content"));
	assert_true(json_get_str(json_at(json_get(json_get(one, "get"), "parameters"), 0), "name",
				 &value));
	assert_str(value, "id");
	assert_non_null(json_get(paths, "/f/{rest}"));
	const struct json *framed = json_get(json_get(paths, "/o/Items('{key}')/$value"), "get");
	assert_true(json_get_str(json_at(json_get(framed, "parameters"), 0), "name", &value));
	assert_str(value, "key");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_operation_is_described_under_its_path),
};
UNIT_MAIN(tests)
