#include "cloud/directory/subaccounts.h"

#include "unit/cloud/directory/fixture.h"

static bool create(struct store *s, const char *name, const char *subdomain,
		   struct directory_subaccount *out, struct err *err)
{
	*out = (struct directory_subaccount){.region_host = REGION};
	snprintf(out->display_name, sizeof(out->display_name), "%s", name);
	snprintf(out->subdomain, sizeof(out->subdomain), "%s", subdomain);
	return directory_subaccount_create(s, &actor, out, STR("alice"), err);
}

static void what_was_created_is_found_by_id_and_subdomain(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;

	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	assert_string_equal(sa.display_name, "Plant Hamburg");
	assert_string_equal(sa.subdomain, "plant-hamburg");
	assert_int_equal(sa.version, 1);
	assert_true(sa.renewal_allowed && !sa.locked);
	assert_ok(directory_subaccount_resolve(s, STR("plant-hamburg"), &sa, &err), &err);
	assert_string_equal(sa.id, SUBACCOUNT);
	assert_ok(directory_subaccount_resolve(s, STR(SUBACCOUNT), &sa, &err), &err);
	assert_err(directory_subaccount_find(s, STR("nothing"), &sa, &err), &err, ERR_MISSING,
		   "no such subaccount");
}

static void a_derived_subdomain_that_is_taken_gives_way_to_the_id(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;

	assert_ok(create(s, "Plant  Hamburg!", "", &sa, &err), &err);
	assert_string_equal(sa.subdomain, sa.id);
	assert_ok(create(s, "工場", "", &sa, &err), &err);
	assert_string_equal(sa.subdomain, sa.id);
	assert_err(create(s, "x", "plant-hamburg", &sa, &err), &err, ERR_CONFLICT, "exists");
}

static void bad_fields_are_named(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;
	int64_t before = head_of(s);

	assert_err(create(s, "", "", &sa, &err), &err, ERR_CONFIG, "display name");
	assert_err(create(s, "x", "No", &sa, &err), &err, ERR_CONFIG, "subdomain");
	assert_err(create(s, "x", SUBACCOUNT, &sa, &err), &err, ERR_CONFIG, "subdomain");
	sa = (struct directory_subaccount){
		.region_host = REGION, .display_name = "x", .id = "not a uuid"};
	assert_err(directory_subaccount_create(s, &actor, &sa, STR("alice"), &err), &err,
		   ERR_CONFIG, "UUID");
	sa = (struct directory_subaccount){.region_host = "a:1", .display_name = "x"};
	assert_err(directory_subaccount_create(s, &actor, &sa, STR("alice"), &err), &err,
		   ERR_CONFIG, "region host");
	sa = (struct directory_subaccount){.region_host = REGION, .display_name = "x"};
	assert_err(directory_subaccount_create(s, &actor, &sa, STR("nobody"), &err), &err,
		   ERR_MISSING, "nobody");
	assert_int_equal(head_of(s), before);
}

static void an_edit_of_an_old_version_is_stale(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa, again;
	struct err err;

	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	again = sa;
	sa.locked = true;
	snprintf(sa.display_name, sizeof(sa.display_name), "Werk \"Hamburg\"");
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 1, &err), DIRECTORY_EDITED);
	assert_int_equal(sa.version, 2);
	assert_int_equal(directory_subaccount_edit(s, &actor, &again, 1, &err), DIRECTORY_STALE);
	assert_true(str_contains(str_of(err.text), STR("version 2")));
	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	assert_true(sa.locked);
	assert_string_equal(sa.display_name, "Werk \"Hamburg\"");
	assert_int_equal(directory_subaccount_edit(s, &actor, &again, DIRECTORY_ANY_VERSION, &err),
			 DIRECTORY_EDITED);
}

static void pages_follow_each_other_without_gap_or_repeat(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	char after[DIRECTORY_UUID] = "";
	struct err err;
	size_t seen = 0, n = 2;

	for (int i = 0; i < 6; i++) { /* equal names: the id decides */
		assert_ok(create(s, i % 2 ? "same" : "other", "", &sa, &err), &err);
	}
	while (n == 2) {
		AUTO_FREE struct directory_subaccount *rows = NULL;
		assert_ok(directory_subaccount_list(s, STR(""), str_of(after), 2, &rows, &n, &err),
			  &err);
		seen += n;
		if (n > 0) {
			memcpy(after, rows[n - 1].id, sizeof(after));
		}
	}
	assert_int_equal(seen, 7);
	AUTO_FREE struct directory_subaccount *rows = NULL;
	assert_ok(directory_subaccount_list(s, STR("bob"), STR(""), 0, &rows, &n, &err), &err);
	assert_int_equal(n, 0);
}

static void a_deleted_one_is_gone_with_what_it_had(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;
	bool is = true;

	assert_ok(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err);
	assert_err(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err, ERR_MISSING,
		   "no such");
	assert_err(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err, ERR_MISSING, "");
	assert_ok(directory_owner_is(s, STR(SUBACCOUNT), STR("alice"), &is, &err), &err);
	assert_false(is);
}

static void every_change_is_in_the_audit_log(void **state)
{
	struct store *s = ready(state);
	struct err err;
	int64_t rows;

	assert_ok(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err);
	assert_ok(store_verify_audit(s, &rows, &err), &err);
	assert_int_equal(rows, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_was_created_is_found_by_id_and_subdomain),
		ON_BOTH(a_derived_subdomain_that_is_taken_gives_way_to_the_id),
		ON_BOTH(bad_fields_are_named),
		ON_BOTH(an_edit_of_an_old_version_is_stale),
		ON_BOTH(pages_follow_each_other_without_gap_or_repeat),
		ON_BOTH(a_deleted_one_is_gone_with_what_it_had),
		ON_BOTH(every_change_is_in_the_audit_log),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
