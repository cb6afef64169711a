#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connector/access.h"

struct fixture {
	struct access *access;
	unsigned slot, prefix_slot;
};

static void add(struct fixture *f, unsigned slot, const char *path, bool enabled, bool exact,
		bool upgrade)
{
	struct err err;
	struct access_resource r = {
		.path = str_of(path), .enabled = enabled, .exact = exact, .upgrade = upgrade};

	assert_true(access_add_resource(f->access, slot, &r, &err));
}

static unsigned map_system(struct fixture *f, const char *host, uint16_t port,
			   enum access_protocol protocol, bool plain)
{
	struct err err;
	unsigned slot = 0;
	struct access_mapping m = {
		.virtual_host = str_of(host),
		.virtual_port = port,
		.internal_host = STR("10.1.2.3"),
		.internal_port = 8000,
		.protocol = protocol,
		.plain_prefix = plain,
	};

	assert_true(access_add_mapping(f->access, STR("sa"), &m, &slot, &err));
	return slot;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct err err;

	f.access = access_new();
	assert_true(access_add_subaccount(f.access, STR("sa"), STR("Plant"), STR(""), &err));
	f.slot = map_system(&f, "ERP.virtual", 44300, ACCESS_HTTPS, false);
	f.prefix_slot = map_system(&f, "old.virtual", 80, ACCESS_HTTP, true);
	map_system(&f, "ldap.virtual", 389, ACCESS_OTHER, false);
	add(&f, f.slot, "/a/b", true, false, false);
	add(&f, f.slot, "/exact", true, true, false);
	add(&f, f.slot, "/off", false, false, false);
	add(&f, f.slot, "/deep/", true, false, false);
	add(&f, f.slot, "/deep/er/off", false, true, false);
	add(&f, f.slot, "/ws", true, false, true);
	add(&f, f.prefix_slot, "/production/accounting", true, false, false);
	assert_true(access_seal(f.access, &err));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	access_free(f->access);
	return 0;
}

static enum access_outcome check(struct fixture *f, const char *authority, const char *path,
				 bool upgrade, struct err *err)
{
	struct access_verdict verdict;
	struct access_request r = {.subaccount = STR("sa"),
				   .authority = str_of(authority),
				   .path = str_of(path),
				   .upgrade = upgrade};

	return access_check(f->access, &r, &verdict, err);
}

static bool allows(struct fixture *f, const char *path)
{
	struct err err;

	return check(f, "erp.virtual:44300", path, false, &err) == ACCESS_ALLOWED;
}

static void sub_paths_end_at_a_segment(void **state)
{
	assert_true(allows(*state, "/a/b"));
	assert_true(allows(*state, "/a/b/c"));
	assert_true(allows(*state, "/a/b/"));
	assert_true(allows(*state, "/a/b?x"));
	assert_true(allows(*state, "/%61/b/c"));
	assert_false(allows(*state, "/a/bc"));
	assert_false(allows(*state, "/a"));
	assert_false(allows(*state, "/A/b"));
	assert_false(allows(*state, "/"));
}

static void an_exact_resource_admits_no_sub_path(void **state)
{
	assert_true(allows(*state, "/exact"));
	assert_true(allows(*state, "/exact?q"));
	assert_false(allows(*state, "/exact/"));
	assert_false(allows(*state, "/exact/x"));
}

static void a_longer_suspended_resource_does_not_hide_a_shorter_one(void **state)
{
	assert_true(allows(*state, "/deep/er/off"));
	assert_true(allows(*state, "/deep/x"));
	assert_false(allows(*state, "/deep"));
}

static void a_mapping_may_ask_for_the_plain_prefix(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "old.virtual", "/production/accounting-plus", false, &err),
			 ACCESS_ALLOWED);
	assert_int_equal(check(*state, "old.virtual:80", "/production/accountin", false, &err),
			 ACCESS_REFUSED);
}

static void the_missing_mapping_is_named(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "erp.virtual:443", "/a/b", false, &err), ACCESS_REFUSED);
	assert_string_equal(err.text,
			    "Access denied to system erp.virtual:443: no mapping for "
			    "erp.virtual:443 in subaccount Plant (location default): add it under "
			    "Cloud To On-Premises");
}

static void the_missing_resource_is_named(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "ERP.VIRTUAL:44300", "/b", false, &err), ACCESS_REFUSED);
	assert_string_equal(err.text, "Access denied to system erp.virtual:44300: path /b is not "
				      "exposed in subaccount Plant (location default): add it to "
				      "the mapping's resources under Cloud To On-Premises");
	assert_int_equal(check(*state, "erp.virtual:44300", "/off/x", false, &err), ACCESS_REFUSED);
	assert_non_null(strstr(err.text, "resource /off, which exposes path /off/x, is suspended"));
}

static void an_upgrade_needs_a_resource_that_allows_it(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "erp.virtual:44300", "/ws/x", true, &err), ACCESS_ALLOWED);
	assert_int_equal(check(*state, "erp.virtual:44300", "/a/b", true, &err), ACCESS_REFUSED);
	assert_non_null(strstr(err.text, "does not allow an upgrade"));
}

static void a_mapping_of_another_protocol_is_refused(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "ldap.virtual:389", "/", false, &err), ACCESS_REFUSED);
	assert_non_null(strstr(err.text, "is not for HTTP"));
}

static void paths_and_authorities_that_are_unacceptable_are_bad_requests(void **state)
{
	struct err err;

	assert_int_equal(check(*state, "erp.virtual:44300", "/a/b/../c", false, &err),
			 ACCESS_BAD_REQUEST);
	assert_int_equal(check(*state, "erp.virtual:x", "/a/b", false, &err), ACCESS_BAD_REQUEST);
	assert_int_equal(check(*state, "", "/a/b", false, &err), ACCESS_BAD_REQUEST);
}

static void an_unknown_subaccount_reaches_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err;
	struct access_verdict verdict;
	struct access_request r = {STR("other"), STR("erp.virtual:44300"), STR("/a/b"), false};

	assert_int_equal(access_check(f->access, &r, &verdict, &err), ACCESS_REFUSED);
	assert_true(str_starts(str_of(err.text), STR("Access denied to system erp.virtual:44300")));
	assert_int_equal(access_check(NULL, &r, &verdict, &err), ACCESS_REFUSED);
}

static void a_very_long_host_is_refused_in_order(void **state)
{
	char host[2000];
	struct err err;

	memset(host, 'h', sizeof host);
	host[sizeof host - 1] = '\0';
	assert_int_not_equal(check(*state, host, "/a/b", false, &err), ACCESS_ALLOWED);
}

static void every_prefix_is_found_among_many_resources(void **state)
{
	(void)state;
	struct fixture f = {.access = access_new()};
	struct err err;
	char path[64];

	assert_true(access_add_subaccount(f.access, STR("sa"), STR(""), STR("x"), &err));
	f.slot = map_system(&f, "erp.virtual", 44300, ACCESS_HTTP, false);
	add(&f, f.slot, "/p", true, false, false);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof path, "/p%d/q%d", i % 30, i);
		add(&f, f.slot, path, true, i % 2 == 0, false);
		snprintf(path, sizeof path, "/p/%d-%d", i, i);
		add(&f, f.slot, path, false, false, false);
	}
	assert_true(access_seal(f.access, &err));
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof path, "/p%d/q%d/x", i % 30, i);
		assert_int_equal(allows(&f, path), i % 2 != 0);
		snprintf(path, sizeof path, "/p%d/q%d", i % 30, i);
		assert_true(allows(&f, path));
		snprintf(path, sizeof path, "/p/%d-%d/z", i, i);
		assert_true(allows(&f, path));
	}
	assert_false(allows(&f, "/p1"));
	assert_false(allows(&f, "/px"));
	access_free(f.access);
}

static void two_states_of_a_mapping_have_different_pool_keys(void **state)
{
	struct fixture *f = *state;
	struct err err;
	struct access_verdict a, b;
	struct access_request r = {STR("sa"), STR("erp.virtual:44300"), STR("/a/b"), false};
	struct access *other = access_new();
	struct fixture g = {.access = other};

	assert_true(access_add_subaccount(other, STR("sa"), STR("Plant"), STR(""), &err));
	access_set_tls(other, NULL, STR("another trust store"));
	g.slot = map_system(&g, "erp.virtual", 44300, ACCESS_HTTPS, false);
	add(&g, g.slot, "/a/b", true, false, false);
	assert_true(access_seal(other, &err));
	assert_int_equal(access_check(f->access, &r, &a, &err), ACCESS_ALLOWED);
	assert_int_equal(access_check(other, &r, &b, &err), ACCESS_ALLOWED);
	assert_false(str_eq(a.mapping->pool_key, b.mapping->pool_key));
	access_free(other);
}

static void a_mapping_is_added_once(void **state)
{
	(void)state;
	struct fixture f = {.access = access_new()};
	struct err err;
	unsigned slot;
	struct access_mapping m = {.virtual_host = STR("A"), .virtual_port = 1};

	assert_true(access_add_subaccount(f.access, STR("sa"), STR(""), STR(""), &err));
	assert_true(access_add_mapping(f.access, STR("sa"), &m, &slot, &err));
	m.virtual_host = STR("a");
	assert_false(access_add_mapping(f.access, STR("sa"), &m, &slot, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(access_count(f.access), 1); /* the first one is as it was */
	assert_false(access_add_mapping(f.access, STR("sb"), &m, &slot, &err));
	assert_int_equal(err.kind, ERR_MISSING);
	access_free(f.access);
}

static void a_published_snapshot_is_read_and_freed(void **state)
{
	(void)state;
	struct snapshot_cell cell;
	struct err err;
	struct access *a = access_new();

	snapshot_cell_init(&cell);
	assert_true(access_seal(a, &err));
	snapshot_publish(&cell, access_snapshot(a));
	struct snapshot_view view = {.cell = &cell};
	assert_ptr_equal(access_of(snapshot_view_refresh(&view)), a);
	snapshot_publish(&cell, access_snapshot(access_new()));
	assert_ptr_not_equal(access_of(snapshot_view_refresh(&view)), a);
	snapshot_view_fini(&view);
	snapshot_cell_fini(&cell);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sub_paths_end_at_a_segment),
		TEST(an_exact_resource_admits_no_sub_path),
		TEST(a_longer_suspended_resource_does_not_hide_a_shorter_one),
		TEST(a_mapping_may_ask_for_the_plain_prefix),
		TEST(the_missing_mapping_is_named),
		TEST(the_missing_resource_is_named),
		TEST(an_upgrade_needs_a_resource_that_allows_it),
		TEST(a_mapping_of_another_protocol_is_refused),
		TEST(paths_and_authorities_that_are_unacceptable_are_bad_requests),
		TEST(an_unknown_subaccount_reaches_nothing),
		TEST(a_very_long_host_is_refused_in_order),
		cmocka_unit_test(every_prefix_is_found_among_many_resources),
		TEST(two_states_of_a_mapping_have_different_pool_keys),
		cmocka_unit_test(a_mapping_is_added_once),
		cmocka_unit_test(a_published_snapshot_is_read_and_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
