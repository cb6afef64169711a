#include "unit/cloud/console/tenant_fixture.h"

static void the_only_membership_is_the_tenant(void **state)
{
	struct world *w = tenants(state);

	asks(w, &w->alice, "GET", "/api/v1/x", NULL, 200);
	assert_string_equal(said(w, "tenant"), w->subaccount);
	assert_string_equal(said(w, "who"), "user:alice");
	end(w);
}

static void path_and_host_name_the_tenant(void **state)
{
	struct world *w = tenants(state);
	char host[200];

	asks(w, &w->alice, "GET", of_tenant(w->subaccount), NULL, 200);
	assert_string_equal(said(w, "tenant"), w->subaccount);
	asks(w, &w->admin, "GET", of_tenant("OTHER"), NULL, 200);
	assert_string_not_equal(said(w, "tenant"), w->subaccount);
	w->authority = "other.cloud.example:9443";
	asks(w, &w->admin, "GET", "/api/v1/x", NULL, 200);
	snprintf(host, sizeof(host), "%s.plants.example", w->subaccount);
	w->authority = host;
	asks(w, &w->admin, "GET", "/api/v1/x", NULL, 200);
	assert_string_equal(said(w, "tenant"), w->subaccount);
	end(w);
}

static void without_a_name_it_must_be_unambiguous(void **state)
{
	struct world *w = tenants(state);

	asks(w, &w->admin, "GET", "/api/v1/x", NULL, 400);
	assert_true(str_contains(str_of(w->text), STR("/t/{subdomain or id}/api/v1")));
	w->authority = "a.b.cloud.example"; /* not one label */
	asks(w, &w->admin, "GET", "/api/v1/x", NULL, 400);
	w->authority = "other.elsewhere.example";
	asks(w, &w->admin, "GET", "/api/v1/x", NULL, 400);
	end(w);
}

static void ways_that_disagree_are_refused(void **state)
{
	struct world *w = tenants(state);

	w->authority = "other.cloud.example";
	asks(w, &w->admin, "GET", of_tenant(w->subaccount), NULL, 400);
	assert_true(str_contains(str_of(w->text), STR("different tenants")));
	w->authority = "other.cloud.example";
	asks(w, &w->admin, "GET", of_tenant("other"), NULL, 200);
	end(w);
}

static void a_member_of_another_tenant_is_refused(void **state)
{
	struct world *w = tenants(state);

	asks(w, &w->alice, "GET", of_tenant("other"), NULL, 403); /* which it owns */
	asks(w, &w->alice, "GET", of_tenant("nothing"), NULL, 403);
	asks(w, &w->admin, "GET", of_tenant("nothing"), NULL, 404);
	asks(w, NULL, "GET", of_tenant("other"), NULL, 401);
	end(w);
}

static void reading_is_not_editing(void **state)
{
	struct world *w = tenants(state);

	asks(w, &w->alice, "PUT", "/api/v1/x", "{}", 403);
	assert_true(str_contains(str_of(w->text), STR("deploysecuritycontent")));
	give(w, "alice", DIRECTORY_MEMBER_EDIT);
	asks(w, &w->alice, "PUT", "/api/v1/x", "{}", 200);
	asks(w, &w->alice, "GET", "/api/v1/x", NULL, 403);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_only_membership_is_the_tenant),
		ON_BOTH(path_and_host_name_the_tenant),
		ON_BOTH(without_a_name_it_must_be_unambiguous),
		ON_BOTH(ways_that_disagree_are_refused),
		ON_BOTH(a_member_of_another_tenant_is_refused),
		ON_BOTH(reading_is_not_editing),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
