#include "net/address_range.h"

#include "unit/unit.h"

static struct address at(const char *literal)
{
	struct address a;

	assert_true(address_parse(str_of(literal), 443, &a));
	return a;
}

TEST(what_is_special_about_an_address)
{
	static const struct {
		const char *address;
		enum address_kind kind;
	} rows[] = {
		{"127.0.0.1", ADDRESS_LOOPBACK},
		{"127.255.0.9", ADDRESS_LOOPBACK},
		{"::1", ADDRESS_LOOPBACK},
		{"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
		{"64:ff9b::7f00:1", ADDRESS_LOOPBACK},
		{"169.254.169.254", ADDRESS_LINK_LOCAL},
		{"::ffff:169.254.169.254", ADDRESS_LINK_LOCAL},
		{"fe80::1", ADDRESS_LINK_LOCAL},
		{"febf::1", ADDRESS_LINK_LOCAL},
		{"0.0.0.0", ADDRESS_UNSPECIFIED},
		{"0.1.2.3", ADDRESS_UNSPECIFIED},
		{"::", ADDRESS_UNSPECIFIED},
		{"224.0.0.1", ADDRESS_MULTICAST},
		{"239.255.255.255", ADDRESS_MULTICAST},
		{"255.255.255.255", ADDRESS_MULTICAST},
		{"ff02::1", ADDRESS_MULTICAST},
		{"10.0.0.1", ADDRESS_ORDINARY},
		{"128.0.0.1", ADDRESS_ORDINARY},
		{"240.0.0.1", ADDRESS_ORDINARY},
		{"fec0::1", ADDRESS_ORDINARY},
		{"2001:db8::1", ADDRESS_ORDINARY},
		{"::2", ADDRESS_ORDINARY},
	};
	const struct address nothing = {.len = 0};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct address a = at(rows[i].address);
		if (address_kind(&a) != rows[i].kind) {
			fail_msg("%s is %s", rows[i].address, address_kind_name(address_kind(&a)));
		}
	}
	assert_int_equal(address_kind(&nothing), ADDRESS_NO_IP);
}

static bool in(const char *address, const char *list)
{
	struct address a = at(address);

	return address_in_list(&a, str_of(list));
}

TEST(ranges_cover_what_they_say)
{
	assert_true(in("10.1.2.3", "10.0.0.0/8"));
	assert_false(in("11.1.2.3", "10.0.0.0/8"));
	assert_true(in("192.168.1.127", "192.168.1.64/26, 10.0.0.0/8"));
	assert_false(in("192.168.1.128", "192.168.1.64/26, 10.0.0.0/8"));
	assert_true(in("127.0.0.1", "10.0.0.0/8, 127.0.0.1"));
	assert_false(in("127.0.0.2", "127.0.0.1"));
	assert_true(in("::ffff:127.0.0.1", "127.0.0.0/8"));
	assert_true(in("2001:db8:1::1", "2001:db8::/32"));
	assert_false(in("2001:db9::1", "2001:db8::/32"));
	assert_true(in("::1", "::1"));
	assert_true(in("1.2.3.4", "0.0.0.0/0"));
	assert_false(in("::1", "0.0.0.0/0"));
	assert_true(in("1.2.3.4", "::/0"));
	assert_false(in("1.2.3.4", ""));
	assert_false(in("1.2.3.4", "nonsense"));
}

TEST(a_list_that_is_none_is_named)
{
	struct err err;

	assert_ok(address_list_check(STR(""), &err), &err);
	assert_ok(address_list_check(STR("10.0.0.0/8, ::1 , fe80::/10"), &err), &err);
	assert_err(address_list_check(STR("10.0.0.0/8, 10.0.0.0/33"), &err), &err, ERR_CONFIG,
		   "10.0.0.0/33");
	assert_err(address_list_check(STR("host.example"), &err), &err, ERR_CONFIG, "host.example");
	assert_err(address_list_check(STR("10.0.0.0/"), &err), &err, ERR_CONFIG, "10.0.0.0/");
}

TEST(an_address_of_this_machine_is_known)
{
	struct address own = at("127.0.0.1"), foreign = at("192.0.2.1");

	assert_true(address_is_own(&own));
	assert_int_equal(address_port(&own), 443);
	assert_false(address_is_own(&foreign));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_special_about_an_address),
		cmocka_unit_test(ranges_cover_what_they_say),
		cmocka_unit_test(a_list_that_is_none_is_named),
		cmocka_unit_test(an_address_of_this_machine_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
