#include "unit/cloud/console/fixture.h"

static void roles_are_given_shown_and_taken_away(void **state)
{
	struct world *w = ready(state);
	struct str role;

	asks(w, &w->admin, "PUT", at(w, "/members/alice"),
	     "{\"roles\":[\"AuthGroup.ReadOnly\",\"SecurityMaterialEdit\"]}", 200);
	asks(w, &w->admin, "GET", at(w, "/members"), NULL, 200);
	assert_int_equal(listed(w), 1);
	asks(w, &w->admin, "GET", at(w, "/members/alice"), NULL, 200);
	assert_int_equal(json_count(json_get(w->body, "roles")), 2);
	assert_true(json_str(json_at(json_get(w->body, "roles"), 0), &role));
	assert_str(role, "NodeManager.deploysecuritycontent");
	asks(w, &w->admin, "DELETE", at(w, "/members/alice"), NULL, 204);
	asks(w, &w->admin, "GET", at(w, "/members/alice"), NULL, 404);
	end(w);
}

static void unknown_roles_and_users_are_refused(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "PUT", at(w, "/members/alice"), "{\"roles\":[\"god\"]}", 400);
	assert_true(str_contains(str_of(w->text), STR("god")));
	asks(w, &w->admin, "PUT", at(w, "/members/alice"), "{\"roles\":[]}", 400);
	asks(w, &w->admin, "PUT", at(w, "/members/alice"), "{\"roles\":\"x\"}", 400);
	asks(w, &w->admin, "PUT", at(w, "/members/nobody"), "{\"roles\":[\"NodeManager.read\"]}",
	     404);
	end(w);
}

static void an_owner_does_not_give_itself_roles(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->alice, "PUT", at(w, "/members/alice"),
	     "{\"roles\":[\"AuthGroup.Administrator\"]}", 403);
	asks(w, &w->alice, "GET", at(w, "/members"), NULL, 403);
	end(w);
}

static void a_service_key_has_the_roles_it_was_made_with(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->admin, "POST", at(w, "/service-keys"),
	     "{\"name\":\"app\",\"roles\":[\"NodeManager.read\"]}", 201);
	assert_int_equal(json_count(json_get(w->body, "roles")), 1);
	asks(w, &w->admin, "POST", at(w, "/service-keys"), "{\"name\":\"bare\"}", 201);
	assert_int_equal(json_count(json_get(w->body, "roles")), 0);
	asks(w, &w->admin, "POST", at(w, "/service-keys"),
	     "{\"name\":\"x\",\"roles\":[\"administrator\"]}", 400);
	asks(w, &w->alice, "POST", at(w, "/service-keys"),
	     "{\"name\":\"more\",\"roles\":[\"AuthGroup.Administrator\"]}", 403);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(roles_are_given_shown_and_taken_away),
		ON_BOTH(unknown_roles_and_users_are_refused),
		ON_BOTH(an_owner_does_not_give_itself_roles),
		ON_BOTH(a_service_key_has_the_roles_it_was_made_with),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
