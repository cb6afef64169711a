#include "unit/http/call_fixture.h"

TEST(a_query_is_decoded_by_name)
{
	struct fixture f;
	fixture_start(&f, "limit=10&af%74er=a+b%26&bad=%zz&flag&limit=20", "");
	assert_str(http_query(&f.call, "limit"), "10");
	assert_str(http_query(&f.call, "after"), "a b&");
	assert_null(http_query(&f.call, "bad").at);
	assert_non_null(http_query(&f.call, "flag").at);
	assert_null(http_query(&f.call, "none").at);
	fixture_end(&f);
}

TEST(a_form_is_read_only_when_it_says_that_it_is_one)
{
	struct fixture f;
	fixture_start(&f, "", "grant_type=client_credentials&x=1");
	assert_null(http_form(&f.call, "x").at);
	fixture_field(&f, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
	assert_str(http_form(&f.call, "grant_type"), "client_credentials");
	fixture_end(&f);
}

TEST(a_cookie_is_found_by_its_whole_name)
{
	struct fixture f;
	fixture_start(&f, "", "");
	fixture_field(&f, "Cookie", "XJSESSIONID=no; a=b");
	fixture_field(&f, "cookie", "JSESSIONID=yes=1;c=d");
	assert_str(http_cookie(&f.call, "JSESSIONID"), "yes=1");
	assert_str(http_cookie(&f.call, "c"), "d");
	assert_null(http_cookie(&f.call, "SESSIONID").at);
	fixture_end(&f);
}

TEST(basic_credentials_are_taken_once)
{
	struct fixture f;
	struct str user, password;
	fixture_start(&f, "", "");
	assert_false(http_basic(&f.call, &user, &password));
	fixture_field(&f, "Authorization", "bAsic QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
	assert_true(http_basic(&f.call, &user, &password));
	assert_str(user, "Aladdin");
	assert_str(password, "open:sesame");
	fixture_field(&f, "Authorization", "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
	assert_false(http_basic(&f.call, &user, &password));
	fixture_end(&f);
}

TEST(credentials_without_a_colon_or_with_a_nul_are_none)
{
	static const char *const bad[] = {"Basic QQ==", "Basic YQA6Yg==", "Basic !", "Bearer QTpi",
					  "Basic"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct fixture f;
		struct str user, password;
		fixture_start(&f, "", "");
		fixture_field(&f, "Authorization", bad[i]);
		assert_false(http_basic(&f.call, &user, &password));
		fixture_end(&f);
	}
}

TEST(json_needs_its_media_type_and_its_form)
{
	struct fixture f;
	const struct json *json = NULL;
	fixture_start(&f, "", "{level=\"ALL\"}");
	assert_false(http_json(&f.call, &json));
	assert_int_equal(f.call.status, 415);
	fixture_field(&f, "Content-Type", "application/JSON; charset=utf-8");
	assert_false(http_json(&f.call, &json));
	assert_int_equal(f.call.status, 400);
	f.settings.lenient_json = true;
	assert_true(http_json(&f.call, &json));
	struct str level = STR_NONE;
	assert_true(json_get_str(json, "level", &level));
	assert_str(level, "ALL");
	fixture_end(&f);
}

TEST(only_an_object_is_a_json_object)
{
	static const char *const bad[] = {"[]", "null", "\"x\"", "12"};
	const struct json *json = NULL;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct fixture f;
		fixture_start(&f, "", bad[i]);
		fixture_field(&f, "Content-Type", "application/json");
		f.settings.lenient_json = true;
		assert_false(http_json_object(&f.call, &json));
		assert_int_equal(f.call.status, 400);
		fixture_end(&f);
	}
	struct fixture f;
	fixture_start(&f, "", "{}");
	fixture_field(&f, "Content-Type", "application/json");
	assert_true(http_json_object(&f.call, &json));
	fixture_end(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_query_is_decoded_by_name),
	cmocka_unit_test(a_form_is_read_only_when_it_says_that_it_is_one),
	cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
	cmocka_unit_test(basic_credentials_are_taken_once),
	cmocka_unit_test(credentials_without_a_colon_or_with_a_nul_are_none),
	cmocka_unit_test(json_needs_its_media_type_and_its_form),
	cmocka_unit_test(only_an_object_is_a_json_object),
};
UNIT_MAIN(tests)
