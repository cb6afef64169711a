#include "connector/rules.h"

#include "unit/unit.h"

static struct arena *arena;
static struct json *tree;

static int start(void **state UNUSED)
{
	arena = arena_new(KIB(4), MIB(1));
	return 0;
}

static int stop(void **state UNUSED)
{
	arena_free(arena);
	json_free(tree);
	tree = NULL;
	return 0;
}

static const struct json *json(const char *text)
{
	struct err err;

	json_free(tree);
	assert_ok(json_parse(str_of(text), MIB(1), &tree, &err), &err);
	return tree;
}

#define GOOD                                                                                       \
	"\"virtualHost\":\"v\",\"virtualPort\":80,\"localHost\":\"10.0.0.1\",\"localPort\":"       \
	"\"8000\",\"protocol\":\"http\",\"backendType\":\"ABAPSYS\""

TEST(a_mapping_is_read_with_its_defaults)
{
	struct mapping_row row = {0};
	struct err err;

	assert_ok(rules_read_mapping(arena, json("{" GOOD "}"), &row, &err), &err);
	assert_str(row.virtual_port, "80");
	assert_str(row.protocol, "HTTP");
	assert_str(row.backend_type, "abapSys");
	assert_str(row.authentication_mode, "NONE");
	assert_false(row.host_internal);
	assert_null(row.sid.at);
	assert_null(row.allowed_clients.at);
}

TEST(a_bad_mapping_names_its_field)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"{" GOOD ",\"hostInHeader\":\"both\"}", "hostInHeader 'both'"},
		{"{" GOOD ",\"authenticationMode\":\"X\"}",
		 "authenticationMode 'X' is not valid: one of NONE, NONE_RESTRICTED, X509_GENERAL"},
		{"{" GOOD ",\"sid\":\"123456789\"}", "sid is longer"},
		{"{" GOOD ",\"sid\":\"a\\nb\"}", "sid holds a control character"},
		{"{" GOOD ",\"sid\":[]}", "sid must be a text"},
		{"{" GOOD ",\"allowedClients\":[\"1\"]}", "three characters"},
		{"{" GOOD ",\"allowedClients\":{}}", "allowedClients is no list"},
		{"{" GOOD ",\"blacklistedUsers\":[{\"client\":\"100\"}]}", "pairs"},
		{"{\"protocol\":\"HTTP\",\"backendType\":\"hana\"}", "localHost"},
		{"{\"protocol\":\"HTTP\",\"backendType\":\"hana\",\"localHost\":\"h\","
		 "\"localPort\":\"70000\"}",
		 "localPort '70000'"},
		{"{\"protocol\":\"HTTP\",\"backendType\":\"hana\",\"localHost\":\"h\","
		 "\"localPort\":\"1\",\"virtualHost\":\"a/b\",\"virtualPort\":1}",
		 "virtualHost 'a/b'"},
		{"{\"protocol\":\"HTTP\",\"backendType\":\"hana\",\"localHost\":\"a..b\","
		 "\"localPort\":\"1\"}",
		 "localHost 'a..b' is not valid: neither a host's name"},
		{"{\"protocol\":\"HTTP\",\"backendType\":\"hana\",\"localHost\":\"h\","
		 "\"localPort\":\"1\",\"virtualHost\":\"a-\",\"virtualPort\":1}",
		 "virtualHost 'a-' is not valid: neither a host's name"},
		{"{\"protocol\":\"TCP\",\"backendType\":\"hana\",\"localHost\":\"h\","
		 "\"localPort\":\"9-1\"}",
		 "localPort '9-1'"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mapping_row row = {0};
		struct err err;
		assert_err(rules_read_mapping(arena, json(rows[i].text), &row, &err), &err,
			   ERR_CONFIG, rows[i].says);
	}
}

TEST(hosts_as_systems_have_them_are_taken)
{
	static const char *const hosts[] = {"ERP_dev.corp.", "fe80::1", "10.0.0.1", "4711"};

	for (size_t i = 0; i < COUNT(hosts); i++) {
		AUTO_BUF struct buf text = BUF(KIB(1));
		struct mapping_row row = {0};
		struct err err;
		buf_addf(&text,
			 "{\"protocol\":\"HTTP\",\"backendType\":\"hana\",\"localHost\":\"%s\","
			 "\"localPort\":\"1\",\"virtualHost\":\"%s\",\"virtualPort\":1}",
			 hosts[i], hosts[i]);
		buf_add_c(&text, '\0');
		assert_ok(rules_read_mapping(arena, json(text.at), &row, &err), &err);
		assert_str(row.local_host, hosts[i]);
		assert_str(row.virtual_host, hosts[i]);
	}
}

TEST(what_was_written_is_read_the_same)
{
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct mapping_row row = {0}, back = {0};
	struct jsonw w = jsonw_to(&text);
	struct err err;

	assert_ok(
		rules_read_mapping(arena,
				   json("{" GOOD ",\"sid\":\"A1\",\"description\":\"two\\nlines\","
					"\"allowedClients\":[\"100\"]}"),
				   &row, &err),
		&err);
	jsonw_object(&w);
	rules_write_mapping(&w, &row, false);
	jsonw_object_end(&w);
	AUTO(json_free) struct json *again = NULL;
	assert_ok(json_parse(buf_str(&text), MIB(1), &again, &err), &err);
	assert_ok(rules_read_mapping(arena, again, &back, &err), &err);
	assert_str(back.sid, "A1");
	assert_str(back.description, "two\nlines");
	assert_str(back.allowed_clients, "[\"100\"]");
}

TEST(a_resource_is_judged_by_the_protocol_of_its_mapping)
{
	struct resource_row row = {0}, other = {0};
	struct err err;

	assert_ok(rules_read_resource(arena, json("{\"id\":\"/a\",\"enabled\":\"true\"}"),
				      STR("HTTP"), &row, &err),
		  &err);
	assert_true(row.enabled && !row.exact && !row.upgrade);
	assert_err(rules_read_resource(arena, json("{\"id\":\"a\"}"), STR("HTTPS"), &other, &err),
		   &err, ERR_CONFIG, "id: ");
	assert_ok(rules_read_resource(arena, json("{\"id\":\"Z_FUNCTION\"}"), STR("RFC"), &other,
				      &err),
		  &err);
	assert_err(rules_read_resource(arena, json("{\"enabled\":true}"), STR("RFC"), &other, &err),
		   &err, ERR_CONFIG, "id is missing");
	assert_err(rules_read_resource(arena, json("{\"id\":\"/\",\"enabled\":1}"), STR("HTTP"),
				       &other, &err),
		   &err, ERR_CONFIG, "enabled is neither");
}

TEST(a_domain_cannot_end_a_cookies_attribute)
{
	struct domain_row row = {0};
	struct err err;

	assert_ok(rules_read_domain(arena,
				    json("{\"internalDomain\":\".corp\",\"virtualDomain\":\"v\"}"),
				    &row, &err),
		  &err);
	assert_err(rules_read_domain(arena,
				     json("{\"internalDomain\":\"a;b\",\"virtualDomain\":\"v\"}"),
				     &row, &err),
		   &err, ERR_CONFIG, "internalDomain 'a;b' is no domain");
	assert_err(rules_read_domain(arena, json("{\"internalDomain\":\"a\"}"), &row, &err), &err,
		   ERR_CONFIG, "virtualDomain");
}

TEST(members_that_nobody_knows_are_named)
{
	struct err err;

	assert_ok(rules_are_known(json("{\"a\":1,\"b\":2}"), "a,b,c", &err), &err);
	assert_err(rules_are_known(json("{\"a\":1,\"d\":2}"), "a,b,c", &err), &err, ERR_CONFIG,
		   "\"d\" is not known");
	assert_err(rules_are_known(json("[]"), "a", &err), &err, ERR_CONFIG, "object");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_mapping_is_read_with_its_defaults, start, stop),
	cmocka_unit_test_setup_teardown(a_bad_mapping_names_its_field, start, stop),
	cmocka_unit_test_setup_teardown(hosts_as_systems_have_them_are_taken, start, stop),
	cmocka_unit_test_setup_teardown(what_was_written_is_read_the_same, start, stop),
	cmocka_unit_test_setup_teardown(a_resource_is_judged_by_the_protocol_of_its_mapping, start,
					stop),
	cmocka_unit_test_setup_teardown(a_domain_cannot_end_a_cookies_attribute, start, stop),
	cmocka_unit_test_setup_teardown(members_that_nobody_knows_are_named, start, stop),
};

UNIT_MAIN(tests)
