#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connector/rewrite.h"

struct fixture {
	struct access *access;
	struct arena *arena;
	const struct access_mapping *http, *https;
};

static const struct access_mapping *add(struct access *a, struct access_mapping m)
{
	struct err err;
	unsigned slot;
	struct access_resource r = {.path = STR("/"), .enabled = true};
	struct access_verdict verdict;

	assert_true(access_add_mapping(a, STR("sa"), &m, &slot, &err));
	assert_true(access_add_resource(a, slot, &r, &err));
	assert_true(access_seal(a, &err));
	char authority[100];
	snprintf(authority, sizeof authority, "%.*s:%u", STR_ARGS(m.virtual_host), m.virtual_port);
	struct access_request q = {STR("sa"), str_of(authority), STR("/"), false};
	assert_int_equal(access_check(a, &q, &verdict, &err), ACCESS_ALLOWED);
	return verdict.mapping;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct err err;

	f.arena = arena_new(KIB(4), KIB(64));
	f.access = access_new();
	assert_true(access_add_subaccount(f.access, STR("sa"), STR(""), STR(""), &err));
	f.http = add(f.access, (struct access_mapping){.virtual_host = STR("shop.virtual"),
						       .virtual_port = 80,
						       .internal_host = STR("shop.lan"),
						       .internal_port = 8080,
						       .protocol = ACCESS_HTTP});
	f.https = add(f.access, (struct access_mapping){.virtual_host = STR("erp.virtual"),
							.virtual_port = 44300,
							.internal_host = STR("erp.lan"),
							.internal_port = 443,
							.protocol = ACCESS_HTTPS,
							.host_internal = true});
	assert_true(access_add_cookie_domain(f.access, STR("sa"), STR(".corp.lan"), STR("virtual"),
					     &err));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	access_free(f->access);
	arena_free(f->arena);
	return 0;
}

static bool becomes(struct str got, const char *want)
{
	return want == NULL ? got.at == NULL : got.at != NULL && str_eq(got, str_of(want));
}

static void locations_inside_are_mapped_to_virtual_ones(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"http://shop.lan:8080/a?b#c", "http://shop.virtual/a?b#c"},
		{"HTTP://SHOP.LAN:8080", "http://shop.virtual"},
		{"https://erp.lan/x", "http://erp.virtual:44300/x"},
		{"https://erp.lan:443?q", "http://erp.virtual:44300?q"},
		{"//shop.lan:8080/a", "//shop.virtual/a"},
		{"http://shop.lan/a", NULL},
		{"http://elsewhere.example/", NULL},
		{"/relative", NULL},
		{"relative:8080/x", NULL},
		{"http://user@shop.lan:8080/", NULL},
		{"http://", NULL},
		{"ftp://shop.lan:8080/", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str got = rewrite_location(str_of(rows[i].from), f->http, f->arena);
		if (!becomes(got, rows[i].to)) {
			fail_msg("%s became %.*s", rows[i].from, STR_ARGS(got));
		}
	}
}

static void a_location_with_our_own_virtual_host_and_https_becomes_http(void **state)
{
	struct fixture *f = *state;

	assert_true(
		becomes(rewrite_location(STR("https://erp.virtual:44300/y"), f->https, f->arena),
			"http://erp.virtual:44300/y"));
	assert_true(becomes(rewrite_location(STR("http://erp.virtual:44300/y"), f->https, f->arena),
			    NULL));
}

static void cookie_domains_are_mapped_by_the_table_then_by_the_host(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"a=b; Domain=corp.lan; Path=/", "a=b; Domain=virtual; Path=/"},
		{"a=b;domain=.CORP.lan", "a=b;domain=virtual"},
		{"a=b; Domain = shop.lan ; Secure", "a=b; Domain = shop.virtual ; Secure"},
		{"a=b; Domain=.erp.lan", "a=b; Domain=erp.virtual"},
		{"a=b; Domain=other.example", NULL},
		{"a=b; Path=/", NULL},
		{"Domain=corp.lan", NULL},
		{"a=b; DomainX=corp.lan", NULL},
		{"a=b; Domain", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str got = rewrite_cookie(str_of(rows[i].from), f->http, f->arena);
		if (!becomes(got, rows[i].to)) {
			fail_msg("%s became %.*s", rows[i].from, STR_ARGS(got));
		}
	}
}

static const struct http_field request_fields[] = {
	{STR("accept"), STR("*/*"), false},
	{STR("SAP-Connectivity-SCC-Location_ID"), STR("x"), false},
	{STR("sap-cp-connectivity-service-token"), STR("x"), true},
	{STR("proxy-authorization"), STR("Bearer x"), true},
	{STR("drawbridge-client"), STR("17"), false},
	{STR("content-length"), STR("3"), false},
	{STR("x-forwarded-host"), STR("forged"), false},
	{STR("authorization"), STR("Basic eA=="), true},
	{STR("host"), STR("forged"), false},
	{STR("te"), STR("trailers"), false},
};

static struct http_head request(const char *method, struct http_field *fields)
{
	memcpy(fields, request_fields, sizeof request_fields);
	return (struct http_head){.method = str_of(method),
				  .path = STR("/p?q"),
				  .authority = STR("erp.virtual:44300"),
				  .scheme = STR("http"),
				  .fields = fields,
				  .n_fields = COUNT(request_fields),
				  .body = HTTP_BODY_LENGTH,
				  .content_length = 3};
}

static void platform_fields_never_reach_the_back_end(void **state)
{
	struct fixture *f = *state;
	struct http_field fields[COUNT(request_fields)];
	struct http_head in = request("POST", fields), out;
	struct err err;

	assert_true(rewrite_request(&in, true, f->http, f->arena, &out, &err));
	assert_int_equal(out.n_fields, 3);
	assert_true(str_eq(http_value(&out, STR("accept")), STR("*/*")));
	assert_true(str_eq(http_value(&out, STR("x-forwarded-host")), STR("forged")));
	assert_true(str_eq(http_value(&out, STR("authorization")), STR("Basic eA==")));
	assert_true(str_eq(out.authority, STR("erp.virtual:44300")));
	assert_true(str_eq(out.path, STR("/p?q")));
	assert_int_equal(out.content_length, 3);
}

static void the_internal_host_comes_with_the_virtual_one_beside_it(void **state)
{
	struct fixture *f = *state;
	struct http_field fields[COUNT(request_fields)];
	struct http_head in = request("GET", fields), out;
	struct err err;
	size_t at = 0;

	assert_true(rewrite_request(&in, false, f->https, f->arena, &out, &err));
	assert_true(str_eq(out.authority, STR("erp.lan")));
	const struct http_field *x = http_find(&out, STR("x-forwarded-host"), &at);
	assert_true(str_eq(x->value, STR("erp.virtual:44300")));
	assert_null(http_find(&out, STR("x-forwarded-host"), &at));
	assert_int_equal(out.body, HTTP_BODY_NONE);
}

static void a_post_without_a_body_says_so(void **state)
{
	struct fixture *f = *state;
	struct http_field fields[COUNT(request_fields)];
	struct http_head in = request("POST", fields), out;
	struct err err;

	assert_true(rewrite_request(&in, false, f->http, f->arena, &out, &err));
	assert_int_equal(out.body, HTTP_BODY_LENGTH);
	assert_int_equal(out.content_length, 0);
}

static void an_answer_loses_what_belongs_to_its_connection(void **state)
{
	struct fixture *f = *state;
	struct http_field fields[] = {
		{STR("Connection"), STR("keep-alive, X-Hop"), false},
		{STR("Keep-Alive"), STR("timeout=5"), false},
		{STR("X-Hop"), STR("1"), false},
		{STR("Transfer-Encoding"), STR("chunked"), false},
		{STR("Drawbridge-Error"), STR("forged"), false},
		{STR("Location"), STR("http://shop.lan:8080/x"), false},
		{STR("Set-Cookie"), STR("a=b; Domain=corp.lan"), false},
		{STR("Content-Type"), STR("text/plain"), false},
	};
	struct http_head in = {.status = 302,
			       .fields = fields,
			       .n_fields = COUNT(fields),
			       .body = HTTP_BODY_CHUNKED};
	struct http_head out;
	struct err err;

	assert_true(rewrite_response(&in, f->http, f->arena, &out, &err));
	assert_int_equal(out.n_fields, 3);
	assert_true(str_eq(http_value(&out, STR("location")), STR("http://shop.virtual/x")));
	assert_true(str_eq(http_value(&out, STR("set-cookie")), STR("a=b; Domain=virtual")));
	in.status = 201; /* Location of what was made: only 3xx is mapped */
	assert_true(rewrite_response(&in, f->http, f->arena, &out, &err));
	assert_true(str_eq(http_value(&out, STR("location")), STR("http://shop.lan:8080/x")));
}

static void a_head_that_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(arena_free) struct arena *tiny = arena_new(64, 64);
	struct http_field fields[COUNT(request_fields)];
	struct http_head in = request("GET", fields), out;
	struct err err;

	assert_false(rewrite_request(&in, false, f->http, tiny, &out, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_false(rewrite_response(&in, f->http, tiny, &out, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locations_inside_are_mapped_to_virtual_ones),
		TEST(a_location_with_our_own_virtual_host_and_https_becomes_http),
		TEST(cookie_domains_are_mapped_by_the_table_then_by_the_host),
		TEST(platform_fields_never_reach_the_back_end),
		TEST(the_internal_host_comes_with_the_virtual_one_beside_it),
		TEST(a_post_without_a_body_says_so),
		TEST(an_answer_loses_what_belongs_to_its_connection),
		TEST(a_head_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
