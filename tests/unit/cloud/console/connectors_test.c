#include "cloud/directory/connectors.h"

#include "cloud/directory/claims.h"
#include "unit/cloud/console/fixture.h"

#define INSTANCE "aaaaaaaa-0000-4000-8000-000000000001"

static const struct directory_actor actor = {.who = {"user:alice", 10}, .from = {"", 0}};

/* An installation with a certificate and two tunnels. */
static void enrol(struct world *w)
{
	struct store *s = w->database->store;
	struct directory_certificate cert = {.serial = "01:aa",
					     .instance = INSTANCE,
					     .not_after = clock_unix() + 1000,
					     .issued = clock_unix(),
					     .issued_to = "user:alice"};
	struct directory_connector c = {.instance = INSTANCE, .location = "hall", .version = "0.1"};
	struct directory_claim claim = {.location = "hall",
					.instance = INSTANCE,
					.node = "relay",
					.tunnels = 2},
			       holder;
	struct err err;

	memcpy(cert.subaccount, w->subaccount, sizeof(cert.subaccount));
	memcpy(c.subaccount, w->subaccount, sizeof(c.subaccount));
	memcpy(claim.subaccount, w->subaccount, sizeof(claim.subaccount));
	assert_ok(directory_certificate_record(s, &actor, &cert, &err), &err);
	assert_ok(directory_connector_seen(s, &c, clock_unix(), &err), &err);
	assert_int_equal(directory_claim(s, &claim, false, clock_unix_ms(), &holder, &err),
			 DIRECTORY_CLAIM_HELD);
}

static void a_connector_is_shown_with_certificate_version_and_tunnels(void **state)
{
	struct world *w = ready(state);

	enrol(w);
	asks(w, &w->alice, "GET", at(w, "/connectors"), NULL, 200);
	assert_int_equal(listed(w), 1);
	asks(w, &w->alice, "GET", at(w, "/connectors/" INSTANCE), NULL, 200);
	assert_string_equal(said(w, "locationId"), "hall");
	assert_string_equal(said(w, "version"), "0.1");
	assert_true(str_contains(str_of(w->text), STR("\"connected\":true,\"tunnels\":2")));
	assert_true(str_contains(str_of(w->text), STR("\"serialNumber\":\"01:aa\"")));
	assert_true(str_contains(str_of(w->text), STR("\"state\":\"unconfirmed\"")));
	asks(w, &w->alice, "GET", at(w, "/connectors/nothing"), NULL, 404);
	end(w);
}

static void a_forced_disconnect_is_made_and_undone(void **state)
{
	struct world *w = ready(state);

	enrol(w);
	unsigned before = w->changes;
	asks(w, &w->alice, "PUT", at(w, "/connectors/" INSTANCE "/state"), "{\"connected\":false}",
	     204);
	assert_int_equal(w->changes, before + 1);
	asks(w, &w->alice, "GET", at(w, "/connectors/" INSTANCE), NULL, 200);
	assert_true(str_contains(str_of(w->text), STR("\"disconnected\":true")));
	asks(w, &w->alice, "PUT", at(w, "/connectors/" INSTANCE "/state"),
	     "{\"connected\":\"true\"}", 204);
	asks(w, &w->alice, "PUT", at(w, "/connectors/" INSTANCE "/state"), "{}", 400);
	asks(w, &w->alice, "PUT", at(w, "/connectors/nothing/state"), "{\"connected\":false}", 404);
	end(w);
}

static void certificates_are_listed_and_revoked(void **state)
{
	struct world *w = ready(state);

	enrol(w);
	asks(w, &w->alice, "POST", at(w, "/certificates/01:aa/revoke"), "{}", 204);
	asks(w, &w->alice, "GET", at(w, "/certificates?instance=" INSTANCE), NULL, 200);
	assert_int_equal(listed(w), 1);
	assert_true(str_contains(str_of(w->text), STR("\"state\":\"revoked\"")));
	asks(w, &w->alice, "POST", at(w, "/certificates/09:ff/revoke"), "{}", 404);
	asks(w, &w->alice, "DELETE", at(w, "/connectors/" INSTANCE), NULL, 204);
	asks(w, &w->alice, "GET", at(w, "/connectors"), NULL, 200);
	assert_int_equal(listed(w), 0);
	end(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_connector_is_shown_with_certificate_version_and_tunnels),
		ON_BOTH(a_forced_disconnect_is_made_and_undone),
		ON_BOTH(certificates_are_listed_and_revoked),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
