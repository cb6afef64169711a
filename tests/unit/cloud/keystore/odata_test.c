#include "cloud/keystore/odata.h"

#include "cloud/directory/rooms.h"
#include "database.h"
#include "store/change.h"
#include "store/denials.h"
#include "store/export_pace.h"
#include "store/migrate.h"
#include "unit/cloud/keystore/odata_fixture.h"

TEST(dates_come_in_both_forms)
{
	int64_t ms = 7;

	assert_true(odata_read_date(STR("/Date(1492098664000)/"), &ms));
	assert_int_equal(ms, 1492098664000);
	assert_true(odata_read_date(STR("/Date(1492098664001+0000)/"), &ms));
	assert_int_equal(ms, 1492098664001);
	assert_true(odata_read_date(STR("/Date(1492098664002-0330)/"), &ms));
	assert_int_equal(ms, 1492098664002);
	assert_true(odata_read_date(STR("/Date(-5)/"), &ms));
	assert_int_equal(ms, -5);
	static const char *const bad[] = {"",
					  "/Date()/",
					  "/Date(-)/",
					  "2027-01-01",
					  "/Date(1)",
					  "/Date(1+)/",
					  "/Date(1+x)/",
					  "/Date(1+000000)/",
					  "/Date(99999999999999999999)/"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (odata_read_date(str_of(bad[i]), &ms)) {
			fail_msg("%s was taken", bad[i]);
		}
	}
}

static unsigned accepted(const char *accept)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/KeystoreEntries", "", "");

	if (accept != NULL) {
		fixture_field(&f.base, "Accept", accept);
	}
	unsigned status = odata_accepts_json(call) ? 200 : call->status;
	fixture_end(&f.base);
	return status;
}

TEST(json_is_answered_unless_it_is_not_wanted)
{
	assert_int_equal(accepted(NULL), 200);
	assert_int_equal(accepted("*/*"), 200);
	assert_int_equal(accepted("application/atom+xml, application/json;q=0.5"), 200);
	assert_int_equal(accepted("application/json;odata=verbose"), 200);
	assert_int_equal(accepted("application/atom+xml"), 406);
	assert_int_equal(accepted("application/json;q=0.0, text/html"), 406);
}

static unsigned alias_of(const char *hex, char *into, size_t size)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/x", "", "");
	struct str alias = STR_NONE;

	call->params[0] = str_of(hex);
	unsigned status = odata_alias(call, &alias) ? 200 : call->status;
	if (status == 200) {
		assert_true(str_copy(alias, into, size));
	} else {
		assert_true(str_copy(str_first(said(&f), size - 1), into, size));
	}
	fixture_end(&f.base);
	return status;
}

TEST(aliases_are_hex_in_either_case)
{
	char text[300];

	assert_int_equal(alias_of("6D7920616C696173", text, sizeof(text)), 200);
	assert_string_equal(text, "my alias");
	assert_int_equal(alias_of("6d7920616c696173", text, sizeof(text)), 200);
	assert_string_equal(text, "my alias");
	assert_int_equal(alias_of("ABC", text, sizeof(text)), 500);
	assert_true(str_contains(str_of(text), STR("hexBinary needs to be even-length")));
	assert_int_equal(alias_of("ZZ", text, sizeof(text)), 500);
	assert_int_equal(alias_of("FF", text, sizeof(text)), 404);
	assert_int_equal(alias_of("6100", text, sizeof(text)), 404);
}

TEST(flags_are_true_or_false)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/x", "update=TRUE&x=maybe", "");
	bool update = false, absent = true, x = false;

	assert_true(odata_flag(call, "update", &update) && update);
	assert_true(odata_flag(call, "absent", &absent) && absent);
	assert_false(odata_flag(call, "x", &x));
	assert_int_equal(call->status, 400);
	fixture_end(&f.base);
}

static bool rendered(const char *path, char *into, size_t size)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, path, "", "");
	bool ours = keystore_render_error(call, 413, "too \"big\"");

	assert_true(str_copy(str_first(said(&f), size - 1), into, size));
	fixture_end(&f.base);
	return ours;
}

TEST(errors_of_both_prefixes_have_the_originals_form)
{
	char text[300];

	assert_true(rendered("/api/v1/KeystoreEntries", text, sizeof(text)));
	assert_string_equal(text, "{\"error\":{\"code\":\"Payload Too Large\",\"message\":"
				  "{\"lang\":\"en\",\"value\":\"too \\\"big\\\"\"}}}");
	assert_true(rendered("/t/plant/api/v1", text, sizeof(text)));
	assert_false(rendered("/api/v10/x", text, sizeof(text)));
	assert_false(rendered("/api/drawbridge/v1/users", text, sizeof(text)));
	assert_false(rendered("/t/plant/oauth/token", text, sizeof(text)));
}

TEST(file_names_are_safe)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/x", "", "");

	odata_file(call, "text/plain", STR(".a/b\\c\"\xc3\xa4;d.e f"), ".cer");
	assert_str(fixture_answered(&f.base, "Content-Disposition"),
		   "attachment; filename=\"_a_b_c____d.e f.cer\"");
	fixture_end(&f.base);
}

/* Each is a row for ever: who asks without end is refused, and of what went out nothing is missing.
 */
static void more_exports_than_the_pace_are_refused(void **state)
{
	struct database *db = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct cloud_rooms rooms = {.denials = denials_new(db->store)};
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/x", "", "");
	struct store_tip noted;
	struct err err;
	int granted = 0;

	assert_ok(store_migrate(db->store, sets, COUNT(sets), &err), &err);
	f.base.settings.render_error = keystore_render_error;
	call->user = &rooms;
	while (odata_note_export(call, STR("edge"), "certificate")) {
		granted++;
	}
	assert_true(granted >= EXPORTS_BURST); /* and those of the time that it took */
	assert_int_equal(call->status, 429);
	assert_true(str_contains(said(&f), STR("Too Many Requests")));
	assert_str(fixture_answered(&f.base, "Retry-After"), "1");
	assert_ok(denials_flush(rooms.denials, &err), &err);
	assert_ok(store_tip(db->store, STORE_EXPORTS, &noted, &err), &err);
	assert_int_equal(noted.n, granted);
	assert_ok(store_tip(db->store, STORE_DENIED, &noted, &err), &err);
	assert_int_equal(noted.n, 1);
	fixture_end(&f.base);
	denials_free(rooms.denials);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(dates_come_in_both_forms),
	cmocka_unit_test(json_is_answered_unless_it_is_not_wanted),
	cmocka_unit_test(aliases_are_hex_in_either_case),
	cmocka_unit_test(flags_are_true_or_false),
	cmocka_unit_test(errors_of_both_prefixes_have_the_originals_form),
	cmocka_unit_test(file_names_are_safe),
	ON_SQLITE(more_exports_than_the_pace_are_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
