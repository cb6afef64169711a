#include "cloud/directory/connectors.h"

#include "unit/cloud/directory/fixture.h"

static void see(struct store *s, const char *instance, const char *version, int64_t now)
{
	struct directory_connector c = {
		.subaccount = SUBACCOUNT, .location = "hall", .address = "192.0.2.1"};
	struct err err;

	snprintf(c.instance, sizeof(c.instance), "%s", instance);
	snprintf(c.version, sizeof(c.version), "%s", version);
	assert_ok(directory_connector_seen(s, &c, now, &err), &err);
}

static void a_sighting_updates_all_but_the_first(void **state)
{
	struct store *s = ready(state);
	struct directory_connector c;
	struct err err;
	int64_t before = head_of(s);

	see(s, INSTANCE, "0.1", 1000);
	see(s, INSTANCE, "0.2", 2000);
	assert_int_equal(head_of(s), before);
	assert_ok(directory_connector_find(s, STR(SUBACCOUNT), STR(INSTANCE), 0, &c, &err), &err);
	assert_int_equal(c.first_seen, 1000);
	assert_int_equal(c.last_seen, 2000);
	assert_string_equal(c.version, "0.2");
	assert_string_equal(c.location, "hall");
	assert_int_equal(c.tunnels, 0);
}

static void a_forced_disconnect_survives_a_sighting_until_undone(void **state)
{
	struct store *s = ready(state);
	struct directory_connector c;
	struct err err;

	see(s, INSTANCE, "0.1", 1000);
	assert_ok(directory_connector_set_disconnected(s, &actor, STR(SUBACCOUNT), STR(INSTANCE),
						       true, &err),
		  &err);
	see(s, INSTANCE, "0.1", 1001);
	assert_ok(directory_connector_find(s, STR(SUBACCOUNT), STR(INSTANCE), 0, &c, &err), &err);
	assert_true(c.disconnected);
	assert_ok(directory_connector_set_disconnected(s, &actor, STR(SUBACCOUNT), STR(INSTANCE),
						       false, &err),
		  &err);
	assert_ok(directory_connector_find(s, STR(SUBACCOUNT), STR(INSTANCE), 0, &c, &err), &err);
	assert_false(c.disconnected);
	assert_err(directory_connector_set_disconnected(s, &actor, STR(SUBACCOUNT), STR(OTHER),
							true, &err),
		   &err, ERR_MISSING, "no such connector");
}

static void lists_go_by_instance(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_connector *rows = NULL;
	struct err err;
	size_t n;

	see(s, OTHER, "", 1);
	see(s, INSTANCE, "", 1);
	assert_ok(
		directory_connector_list(s, STR(SUBACCOUNT), STR(INSTANCE), 5, 0, &rows, &n, &err),
		&err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].instance, OTHER);
	assert_ok(directory_connector_delete(s, &actor, STR(SUBACCOUNT), STR(OTHER), &err), &err);
	assert_err(directory_connector_delete(s, &actor, STR(SUBACCOUNT), STR(OTHER), &err), &err,
		   ERR_MISSING, "no such connector");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_sighting_updates_all_but_the_first),
		ON_BOTH(a_forced_disconnect_survives_a_sighting_until_undone),
		ON_BOTH(lists_go_by_instance),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
