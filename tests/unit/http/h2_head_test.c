#include "http/h2_priv.h"
#include "unit/unit.h"

TEST(heads_that_http_2_cannot_carry_are_named)
{
	static const struct {
		const char *part; /* of the reason; NULL: can be carried */
		struct http_head head;
	} cases[] = {
		{NULL, {.method = STR("GET"), .path = STR("/a?b"), .authority = STR("h:80")}},
		{NULL, {.method = STR("OPTIONS"), .path = STR("*"), .authority = STR("h")}},
		{NULL, {.method = STR("CONNECT"), .authority = STR("h:22")}},
		{NULL,
		 {.method = STR("CONNECT"),
		  .authority = STR("h"),
		  .path = STR("/"),
		  .protocol = STR("websocket")}},
		{NULL, {.status = 200}},
		{"method", {.method = STR("G T"), .path = STR("/"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR("/a b"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR("*"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR("http://h/"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR("/#x"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR("/\xc3\xa4"), .authority = STR("h")}},
		{"path", {.method = STR("GET"), .path = STR(""), .authority = STR("h")}},
		{"host", {.method = STR("GET"), .path = STR("/")}},
		{"host", {.method = STR("GET"), .path = STR("/"), .authority = STR("a b")}},
		{"host", {.method = STR("GET"), .path = STR("/"), .authority = STR("a/b")}},
		{"protocol",
		 {.method = STR("GET"),
		  .path = STR("/"),
		  .authority = STR("h"),
		  .protocol = STR("websocket")}},
		{"101", {.status = 101}},
		{"status", {.status = 99}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err;
		if (cases[i].part == NULL) {
			assert_ok(h2_can_carry(&cases[i].head, &err), &err);
		} else {
			assert_err(h2_can_carry(&cases[i].head, &err), &err, ERR_PROTOCOL,
				   cases[i].part);
		}
	}
}

TEST(strange_fields_are_named)
{
	static struct http_field fields[] = {
		{STR("a b"), STR("x"), false},  {STR(""), STR("x"), false},
		{STR("a:"), STR("x"), false},   {STR("a"), STR(" x"), false},
		{STR("a"), STR("x\t"), false},  {STR("a"), STR("x\ny"), false},
		{STR("a"), STR("x\0y"), false}, {STR("a"), STR("\x7f"), false},
	};
	for (size_t i = 0; i < COUNT(fields); i++) {
		struct err err;
		struct http_head head = {.status = 200, .fields = &fields[i], .n_fields = 1};
		assert_err(h2_can_carry(&head, &err), &err, ERR_PROTOCOL, "");
	}
}

static struct h2_engine engine; /* only the builders' scratch is used */

static struct str built(size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const nghttp2_nv *nv = &engine.nv[i];
		if (str_eq(str_make(nv->name, nv->namelen), str_of(name))) {
			return str_make(nv->value, nv->valuelen);
		}
	}
	return STR_NONE;
}

TEST(what_concerns_one_hop_stays_behind)
{
	struct http_field fields[] = {
		{STR("Connection"), STR("close"), false}, {STR("Keep-Alive"), STR("1"), false},
		{STR("Host"), STR("old"), false},         {STR("Content-Length"), STR("9"), false},
		{STR("TE"), STR("gzip"), false},          {STR("te"), STR("trailers"), false},
		{STR("Cookie"), STR("secret"), true},     {STR("accept"), STR("a"), false},
	};
	struct http_head head = {.method = STR("POST"),
				 .path = STR("/"),
				 .authority = STR("h"),
				 .fields = fields,
				 .n_fields = COUNT(fields),
				 .body = HTTP_BODY_LENGTH,
				 .content_length = 1234567890};
	size_t n = h2_build_request(&engine, &head);
	assert_int_equal(n, 8);
	assert_str(built(n, ":method"), "POST");
	assert_str(built(n, ":scheme"), "http");
	assert_str(built(n, ":path"), "/");
	assert_str(built(n, ":authority"), "h");
	assert_str(built(n, "te"), "trailers");
	assert_str(built(n, "accept"), "a");
	assert_str(built(n, "content-length"), "1234567890");
	for (size_t i = 0; i < n; i++) {
		bool cookie = engine.nv[i].namelen == 6 && engine.nv[i].name[0] == 'C';
		assert_int_equal(cookie, (engine.nv[i].flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
	}
}

TEST(a_status_is_three_digits)
{
	struct http_head head = {.status = 503};
	size_t n = h2_build_response(&engine, &head);
	assert_int_equal(n, 1);
	assert_str(built(n, ":status"), "503");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_that_http_2_cannot_carry_are_named),
		cmocka_unit_test(strange_fields_are_named),
		cmocka_unit_test(what_concerns_one_hop_stays_behind),
		cmocka_unit_test(a_status_is_three_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
