#include "unit/cloud/console/fixture.h"

static void a_subaccount_is_made_shown_edited_and_deleted(void **state)
{
	struct world *w = ready(state);
	unsigned before = w->changes;

	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"Plant Hamburg\",\"owner\":\"alice\"}", 201);
	assert_string_equal(said(w, "subdomain"), "plant-hamburg");
	assert_string_equal(said(w, "tunnelAddress"), "Cloud.example:9444");
	assert_true(str_starts(str_of(said(w, "rootPin")), STR("ab00")));
	assert_true(str_contains(str_of(w->text), STR("\"owners\":[{\"user\":\"alice\"")));
	assert_int_equal(w->changes, before + 1);
	asks(w, &w->admin, "GET", V1 "/subaccounts/plant-hamburg", NULL, 200);
	assert_string_equal(w->etag, "\"1\"");
	w->if_match = "\"1\"";
	asks(w, &w->admin, "PUT", V1 "/subaccounts/plant-hamburg",
	     "{\"displayName\":\"Werk\",\"locked\":true,\"renewalAllowed\":\"false\"}", 200);
	assert_true(str_contains(str_of(w->text), STR("\"locked\":true,\"renewalAllowed\":false")));
	w->if_match = "\"1\"";
	asks(w, &w->admin, "PUT", V1 "/subaccounts/plant-hamburg", "{}", 412);
	asks(w, &w->admin, "DELETE", V1 "/subaccounts/plant-hamburg", NULL, 204);
	asks(w, &w->admin, "GET", V1 "/subaccounts/plant-hamburg", NULL, 404);
	end(w);
}

static void bad_fields_and_owners_are_refused(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "POST", V1 "/subaccounts", "{}", 400);
	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"x\",\"owner\":\"nobody\"}", 400);
	assert_true(str_contains(str_of(w->text), STR("nobody")));
	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"x\",\"subdomain\":\"plant\",\"owner\":\"alice\"}", 409);
	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"x\",\"id\":\"no uuid\",\"owner\":\"alice\"}", 400);
	asks(w, &w->admin, "PUT", at(w, ""), "{\"locked\":\"perhaps\"}", 400);
	end(w);
}

static void owners_are_listed_added_and_removed(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->alice, "DELETE", at(w, "/owners/alice"), NULL, 409);
	asks(w, &w->alice, "PUT", at(w, "/owners/nobody"), NULL, 404);
	asks(w, &w->alice, "PUT", at(w, "/owners/Administrator"), NULL, 204);
	asks(w, &w->alice, "PUT", at(w, "/owners/Administrator"), NULL, 204);
	asks(w, &w->alice, "GET", at(w, "/owners"), NULL, 200);
	assert_int_equal(listed(w), 2);
	asks(w, &w->alice, "DELETE", at(w, "/owners/alice"), NULL, 204);
	asks(w, &w->alice, "GET", at(w, "/owners"), NULL, 403);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_subaccount_is_made_shown_edited_and_deleted),
		ON_BOTH(bad_fields_and_owners_are_refused),
		ON_BOTH(owners_are_listed_added_and_removed),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
