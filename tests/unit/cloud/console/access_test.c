#include "unit/cloud/console/fixture.h"

static void authentication_data_names_the_host_to_dial(void **state)
{
	struct world *w = ready(state);
	AUTO_BUF struct buf text = BUF(4096);

	asks(w, &w->alice, "POST", at(w, "/authentication-data"), "{}", 201);
	assert_true(buf_add_decoded_base64url(&text, str_of(said(w, "authenticationData"))));
	assert_true(str_contains(buf_str(&text), STR("\"regionHost\":\"Cloud.example:9444\"")));
	assert_true(str_contains(buf_str(&text), str_of(w->subaccount)));
	assert_true(str_ends(str_of(said(w, "expires")), STR("Z")));
	end(w);
}

static void the_secret_of_a_service_key_is_shown_once(void **state)
{
	struct world *w = ready(state);
	struct str secret;

	asks(w, &w->alice, "POST", at(w, "/service-keys"), "{\"name\":\"app\"}", 201);
	assert_true(str_ends(str_of(w->location), STR("/service-keys/app")));
	assert_true(json_get_str(json_get(w->body, "credentials"), "clientsecret", &secret));
	assert_int_equal(secret.len, 43);
	asks(w, &w->alice, "GET", at(w, "/service-keys"), NULL, 200);
	assert_int_equal(listed(w), 1);
	assert_null(strstr(w->text, "secret"));
	asks(w, &w->alice, "POST", at(w, "/service-keys"), "{\"name\":\"app\"}", 409);
	asks(w, &w->alice, "POST", at(w, "/service-keys"), "{\"name\":\"\"}", 400);
	asks(w, &w->alice, "DELETE", at(w, "/service-keys/app"), NULL, 204);
	asks(w, &w->alice, "DELETE", at(w, "/service-keys/app"), NULL, 404);
	end(w);
}

static void the_ca_is_shown_to_who_is_logged_in(void **state)
{
	struct world *w = ready(state);

	asks(w, &w->alice, "GET", V1 "/ca", NULL, 200);
	assert_string_equal(said(w, "rootPem"), "root");
	assert_string_equal(said(w, "issuingPem"), "issuing");
	assert_true(str_starts(str_of(said(w, "rootPin")), STR("ab00")));
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(authentication_data_names_the_host_to_dial),
		ON_BOTH(the_secret_of_a_service_key_is_shown_once),
		ON_BOTH(the_ca_is_shown_to_who_is_logged_in),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
