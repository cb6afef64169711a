#include "http/message.h"

#include "unit/unit.h"

TEST(a_field_is_found_in_any_spelling)
{
	struct http_field fields[] = {
		{STR("Accept"), STR("a"), false},
		{STR("X-A"), STR("1"), false},
		{STR("x-a"), STR("2"), false},
		{STR("Empty"), STR_NONE, false},
	};
	struct http_head head = {.fields = fields, .n_fields = COUNT(fields)};
	size_t at = 0;
	assert_true(str_eq(http_find(&head, STR("x-A"), &at)->value, STR("1")));
	assert_true(str_eq(http_find(&head, STR("x-A"), &at)->value, STR("2")));
	assert_null(http_find(&head, STR("x-A"), &at));
	assert_null(http_value(&head, STR("absent")).at);
	assert_non_null(http_value(&head, STR("empty")).at);
	assert_int_equal(http_value(&head, STR("empty")).len, 0);
}

TEST(the_hundred_and_first_field_is_refused)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head = {.fields = fields};
	for (size_t i = 0; i < HTTP_FIELDS_MAX; i++) {
		assert_true(http_add(&head, STR("a"), STR("b")));
	}
	assert_false(http_add(&head, STR("a"), STR("b")));
	assert_int_equal(head.n_fields, HTTP_FIELDS_MAX);
}

TEST(hop_by_hop_is_the_list_and_what_connection_lists)
{
	struct http_field fields[] = {
		{STR("Connection"), STR("close, X-Mine"), false},
		{STR("Connection"), STR("x-other"), false},
	};
	struct http_head head = {.fields = fields, .n_fields = COUNT(fields)};
	const struct str yes[] = {
		STR("connection"),
		STR("Keep-Alive"),
		STR("TE"),
		STR("upgrade"),
		STR("x-mine"),
		STR("X-Other"),
		STR("Proxy-Connection"),
		STR("Transfer-Encoding"),
	};
	const struct str no[] = {STR("content-length"), STR("host"), STR("x-min"), STR("trailer")};
	for (size_t i = 0; i < COUNT(yes); i++) {
		assert_true(http_is_hop_by_hop(&head, yes[i]));
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		assert_false(http_is_hop_by_hop(&head, no[i]));
	}
}

TEST(credentials_are_sensitive)
{
	assert_true(http_is_sensitive(STR("Cookie")));
	assert_true(http_is_sensitive(STR("SET-COOKIE")));
	assert_true(http_is_sensitive(STR("authorization")));
	assert_true(http_is_sensitive(STR("Proxy-Authorization")));
	assert_true(http_is_sensitive(STR("SAP-Connectivity-Authentication")));
	assert_true(http_is_sensitive(STR("SAP-Connectivity-Technical-Authentication")));
	assert_false(http_is_sensitive(STR("accept")));
	assert_false(http_is_sensitive(STR("cookies")));
}

/* A back end that takes the second field would have left a signed-in connection to everybody. */
TEST(credentials_of_a_connection_are_seen_wherever_they_stand)
{
	static const struct {
		const char *first, *second;
		bool authenticates;
	} rows[] = {
		{"Basic YTpi", "Bearer NTLM", false},  {"NTLM TlRM", "Basic YTpi", true},
		{"Basic YTpi", "negotiate YII", true}, {"NTLM\tTlRM", "Basic YTpi", true},
		{"Basic YTpi", "NTLM", true},          {"NTLMv9 x", "NegotiateX y", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_field fields[] = {
			{STR("Authorization"), str_of(rows[i].first), true},
			{STR("X-Other"), STR("NTLM a"), false},
			{STR("authorization"), str_of(rows[i].second), true},
		};
		const struct http_head head = {.fields = fields, .n_fields = COUNT(fields)};
		assert_int_equal(http_authenticates_connection(&head), rows[i].authenticates);
	}
}

TEST(reasons_are_found)
{
	assert_string_equal(http_reason(100), "Continue");
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(507), "Insufficient Storage");
	assert_string_equal(http_reason(299), "");
	assert_string_equal(http_reason(0), "");
	for (unsigned status = 1; status < 600; status++) {
		assert_non_null(http_reason(status));
	}
}

TEST(tokens_and_values_are_told_apart)
{
	assert_true(http_is_token(STR("X-a_1!#$%&'*+.^`|~")));
	assert_false(http_is_token(STR("")));
	assert_false(http_is_token(STR("a b")));
	assert_false(http_is_token(STR("a:")));
	assert_false(http_is_token(STR("\xc3\xa4")));
	assert_true(http_is_field_value(STR("a\tb \xc3\xa4")));
	assert_false(http_is_field_value(STR("a\rb")));
	assert_false(http_is_field_value(STR("a\0b")));
	assert_false(http_is_field_value(STR("a\x7f")));
	for (size_t i = 0; i < 200; i++) { /* wherever it stands in a long one */
		char text[200];
		memset(text, 'v', sizeof text);
		assert_true(http_is_field_value(str_make(text, sizeof text)));
		text[i] = '\n';
		assert_false(http_is_field_value(str_make(text, sizeof text)));
	}
	assert_true(http_method_is_idempotent(STR("PUT")));
	assert_false(http_method_is_idempotent(STR("POST")));
	assert_false(http_method_is_idempotent(STR("put")));
}

TEST(the_platforms_fields_are_known_by_their_beginning)
{
	assert_true(http_is_platform(STR("SAP-Connectivity-SCC-Location_ID")));
	assert_true(http_is_platform(STR("sap-cp-connectivity-x")));
	assert_true(http_is_platform(STR("Drawbridge-Client")));
	assert_true(http_is_platform(STR("PROXY-authorization")));
	assert_false(http_is_platform(STR("proxy")));
	assert_false(http_is_platform(STR("x-drawbridge-client")));
	assert_false(http_is_platform(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_is_found_in_any_spelling),
		cmocka_unit_test(the_hundred_and_first_field_is_refused),
		cmocka_unit_test(hop_by_hop_is_the_list_and_what_connection_lists),
		cmocka_unit_test(credentials_are_sensitive),
		cmocka_unit_test(credentials_of_a_connection_are_seen_wherever_they_stand),
		cmocka_unit_test(reasons_are_found),
		cmocka_unit_test(the_platforms_fields_are_known_by_their_beginning),
		cmocka_unit_test(tokens_and_values_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
