#include "net/address.h"

#include "unit/unit.h"

static void splits(const char *text, uint16_t default_port, const char *host, uint16_t port)
{
	struct str h = STR_NONE;
	uint16_t p = 0;

	assert_true(address_split(str_of(text), default_port, &h, &p));
	assert_str(h, host);
	assert_int_equal(p, port);
}

TEST(host_and_port_are_split_with_and_without_brackets)
{
	splits("erp.virtual:44300", 0, "erp.virtual", 44300);
	splits("erp.virtual", 443, "erp.virtual", 443);
	splits("[::1]:8443", 0, "::1", 8443);
	splits("[::1]", 80, "::1", 80);
}

TEST(what_is_no_host_and_port_is_refused)
{
	const char *bad[] = {"",         ":80",  "host",  "host:",  "host:0",  "host:65536",
			     "host:80x", "[::1", "[]:80", "::1:80", "[::1]80", "host: 80"};
	struct str h;
	uint16_t p;

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (address_split(str_of(bad[i]), 0, &h, &p)) {
			fail_msg("\"%s\" was taken", bad[i]);
		}
	}
}

TEST(literals_are_parsed_and_written_back)
{
	const char *good[][2] = {{"127.0.0.1", "127.0.0.1:80"},
				 {"::1", "[::1]:80"},
				 {"2001:db8::1", "[2001:db8::1]:80"}};
	struct address a;
	char text[64];

	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(address_parse(str_of(good[i][0]), 80, &a));
		address_format(&a, text, sizeof(text));
		assert_string_equal(text, good[i][1]);
		assert_int_equal(address_port(&a), 80);
	}
	assert_false(address_parse(STR("localhost"), 80, &a));
	assert_false(address_parse(STR("127.1"), 80, &a));
	assert_false(address_parse(STR(""), 80, &a));
}

TEST(names_and_addresses_of_hosts_are_told_from_what_is_none)
{
#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"
#define NAME_253                                                                                   \
	LABEL_63 "." LABEL_63 "." LABEL_63 "."                                                     \
		 "b234567890123456789012345678901234567890123456789012345678901"
	static const struct str good[] = {
		STR("a"),       STR("erp.virtual"), STR("ERP-1.Corp"),      STR("a--b"),
		STR("erp_dev"), STR("_sap._tcp.x"), STR("3com.example"),    STR("4711"),
		STR("1.2.3"),   STR("1.2.3.4.5"),   STR("xn--grn-hoa.x"),   STR("erp.corp."),
		STR(LABEL_63),  STR(NAME_253),      STR(NAME_253 "."),      STR("10.0.0.1"),
		STR("::1"),     STR("FE80::A"),     STR("::ffff:10.0.0.1"),
	};
	static const struct str bad[] = {
		STR(""),
		STR("."),
		STR(".."),
		STR("a..b"),
		STR(".a"),
		STR("a.."),
		STR("-a"),
		STR("a-"),
		STR("x.-a.y"),
		STR("x.a-.y"),
		STR("a b"),
		STR("a/b"),
		STR("*.corp"),
		STR("a:80"),
		STR("[::1]"),
		STR("fe80::1%eth0"),
		STR("1::2::3"),
		STR("300.1.1.1"),
		STR("1.2.3.256"),
		STR("1.2.3.4."),
		STR("gr\xc3\xbcn.x"),
		STR("a\0b"),
		STR("10.0.0.1\0x"),
		STR("a" LABEL_63),
		STR("a" NAME_253),
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		if (!address_is_host(good[i])) {
			fail_msg("\"%.*s\" was refused", STR_ARGS(good[i]));
		}
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (address_is_host(bad[i])) {
			fail_msg("\"%.*s\" was taken", STR_ARGS(bad[i]));
		}
	}
}

TEST(resolving_a_literal_needs_no_network)
{
	struct address found[ADDRESSES_MAX];
	size_t n = 0;
	struct err err;

	assert_ok(address_resolve("127.0.0.1", 8443, found, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(address_port(&found[0]), 8443);
	assert_err(address_resolve("no host has spaces", 1, found, &n, &err), &err, ERR_NETWORK,
		   "no host has spaces");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(host_and_port_are_split_with_and_without_brackets),
	cmocka_unit_test(what_is_no_host_and_port_is_refused),
	cmocka_unit_test(literals_are_parsed_and_written_back),
	cmocka_unit_test(names_and_addresses_of_hosts_are_told_from_what_is_none),
	cmocka_unit_test(resolving_a_literal_needs_no_network),
};
UNIT_MAIN(tests)
