#include "connector/state_store.h"

#include "connector/mappings_store.h"

#include <string.h>

#include "base/clock.h"
#include "database.h"
#include "store/change.h"
#include "unit/unit.h"

#define REGION "cf.eu1.example:9444"
#define ID     "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"

static const struct state_actor ADMIN = {.who = STR("user:Administrator"),
					 .from = STR("127.0.0.1")};

static struct store *open_state(void **state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations},
					     {"mappings", mappings_migrations}};
	struct database *d = *state;
	struct err err = {0};

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	return d->store;
}

static struct store *reopen(void **state)
{
	struct database *d = *state;

	store_close(d->store);
	d->store = NULL;
	database_open(d);
	return d->store;
}

static struct state_subaccount sample(void)
{
	struct state_subaccount sa = {.region_host = REGION,
				      .subaccount = ID,
				      .display_name = "Plant M\xc3\xbcnchen",
				      .location_id = "hall-2",
				      .user = "ann@plant",
				      .connected = true,
				      .system_anchors = true,
				      .created = 1700000000};

	sa.anchors_pem = must_strdup("-----BEGIN CERTIFICATE-----\n");
	return sa;
}

static void add_sample(struct store *s)
{
	struct state_subaccount sa = sample();
	struct err err = {0};

	assert_ok(state_subaccount_add(s, &ADMIN, &sa, &err), &err);
	state_subaccount_fini(&sa);
}

TEST(the_installation_has_one_id_for_ever)
{
	struct store *s = open_state(state);
	char first[STATE_UUID], second[STATE_UUID];
	struct err err = {0};

	assert_ok(state_installation(s, first, &err), &err);
	s = reopen(state);
	assert_ok(state_installation(s, second, &err), &err);
	assert_true(str_is_uuid(str_of(first)));
	assert_string_equal(first, second);
}

TEST(settings_are_set_together_changed_and_removed)
{
	struct store *s = open_state(state);
	AUTO_BUF struct buf value = BUF(KIB(2));
	bool found = true;
	struct err err = {0};
	struct state_setting set[] = {{STATE_SETTING_HA_ROLE, STR("master")},
				      {STATE_SETTING_DESCRIPTION, STR("first")}};

	assert_ok(state_setting_get(s, STATE_SETTING_HA_ROLE, &value, &found, &err), &err);
	assert_false(found);
	assert_ok(state_settings_set(s, &ADMIN, "connector.edit", set, 2, &err), &err);
	s = reopen(state);
	assert_ok(state_setting_get(s, STATE_SETTING_HA_ROLE, &value, &found, &err), &err);
	assert_true(found);
	assert_str(buf_str(&value), "master");

	set[0].value = STR_NONE;
	set[1].value = STR("");
	buf_reset(&value);
	assert_ok(state_settings_set(s, &ADMIN, "connector.edit", set, 2, &err), &err);
	assert_ok(state_setting_get(s, STATE_SETTING_HA_ROLE, &value, &found, &err), &err);
	assert_false(found);
	assert_ok(state_setting_get(s, STATE_SETTING_DESCRIPTION, &value, &found, &err), &err);
	assert_true(found);
	assert_int_equal(value.len, 0);
}

TEST(a_setting_that_is_too_long_is_refused_and_nothing_is_set)
{
	struct store *s = open_state(state);
	AUTO_BUF struct buf value = BUF(KIB(2));
	char text[STATE_TEXT];
	struct state_setting set[] = {{STATE_SETTING_HA_ROLE, STR("master")},
				      {STATE_SETTING_DESCRIPTION, {text, sizeof(text)}}};
	bool found = true;
	struct err err = {0};

	memset(text, 'x', sizeof(text));
	assert_err(state_settings_set(s, &ADMIN, "connector.edit", set, 2, &err), &err, ERR_CONFIG,
		   "longer");
	assert_ok(state_setting_get(s, STATE_SETTING_HA_ROLE, &value, &found, &err), &err);
	assert_false(found);
}

TEST(the_proxy_is_kept_with_its_sealed_password)
{
	struct store *s = open_state(state);
	struct state_proxy proxy;
	struct err err = {0};

	assert_ok(state_proxy_get(s, &proxy, &err), &err);
	assert_string_equal(proxy.host, "");
	assert_true(str_copy(STR("proxy.corp"), proxy.host, sizeof(proxy.host)));
	assert_true(str_copy(STR("plant"), proxy.user, sizeof(proxy.user)));
	proxy.port = 3128;
	buf_add(&proxy.sealed_password, "\0\1\2", 3);
	assert_ok(state_proxy_set(s, &ADMIN, &proxy, &err), &err);
	buf_fini(&proxy.sealed_password);

	s = reopen(state);
	assert_ok(state_proxy_get(s, &proxy, &err), &err);
	assert_string_equal(proxy.host, "proxy.corp");
	assert_string_equal(proxy.user, "plant");
	assert_int_equal(proxy.port, 3128);
	assert_int_equal(proxy.sealed_password.len, 3);
	assert_memory_equal(proxy.sealed_password.at, "\0\1\2", 3);
	buf_fini(&proxy.sealed_password);
}

TEST(a_subaccount_survives_a_restart_as_it_was)
{
	struct store *s = open_state(state);
	struct state_subaccount *rows = NULL;
	struct err err = {0};
	size_t n = 0;

	add_sample(s);
	s = reopen(state);
	assert_ok(state_subaccount_list(s, &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].region_host, REGION);
	assert_string_equal(rows[0].subaccount, ID);
	assert_string_equal(rows[0].display_name, "Plant M\xc3\xbcnchen");
	assert_string_equal(rows[0].location_id, "hall-2");
	assert_string_equal(rows[0].user, "ann@plant");
	assert_true(rows[0].connected && rows[0].system_anchors && !rows[0].auto_renewal);
	assert_string_equal(rows[0].anchors_pem, "-----BEGIN CERTIFICATE-----\n");
	assert_int_equal(rows[0].created, 1700000000);
	state_subaccounts_free(rows, n);
}

TEST(a_subaccount_is_added_once)
{
	struct store *s = open_state(state);
	struct state_subaccount sa = sample();
	struct err err = {0};

	add_sample(s);
	assert_err(state_subaccount_add(s, &ADMIN, &sa, &err), &err, ERR_CONFLICT, ID "@" REGION);
	state_subaccount_fini(&sa);
}

TEST(an_edit_changes_what_it_names_and_a_missing_one_is_told)
{
	struct store *s = open_state(state);
	struct state_subaccount sa = sample(), back = {0};
	struct err err = {0};

	assert_err(state_subaccount_edit(s, &ADMIN, "subaccount.edit", &sa, &err), &err,
		   ERR_MISSING, "does not exist");
	add_sample(s);
	sa.connected = false;
	sa.location_id[0] = '\0';
	assert_ok(state_subaccount_edit(s, &ADMIN, "subaccount.edit", &sa, &err), &err);
	assert_ok(state_subaccount_get(s, REGION, ID, &back, &err), &err);
	assert_false(back.connected);
	assert_string_equal(back.location_id, "");
	assert_string_equal(back.display_name, sa.display_name);
	state_subaccount_fini(&sa);
	state_subaccount_fini(&back);
}

TEST(a_key_waits_for_its_certificate_and_is_used_again)
{
	struct store *s = open_state(state);
	struct state_certificate c = {0};
	struct err err = {0};
	bool found = true;
	int64_t id = 0, other = 0;

	assert_ok(state_key_pending(s, REGION, ID, &c, &found, &err), &err);
	assert_false(found);
	state_certificate_fini(&c);
	assert_ok(state_key_add(s, &ADMIN, REGION, ID, STR("sealed"), STR("spki"), &id, &err),
		  &err);
	s = reopen(state);
	assert_ok(state_key_pending(s, REGION, ID, &c, &found, &err), &err);
	assert_true(found);
	assert_int_equal(c.id, id);
	assert_str(buf_str(&c.sealed), "sealed");
	assert_str(buf_str(&c.spki), "spki");
	state_certificate_fini(&c);

	assert_ok(state_key_add(s, &ADMIN, REGION, ID, STR("next"), STR("spki"), &other, &err),
		  &err);
	assert_ok(state_key_pending(s, REGION, ID, &c, &found, &err), &err);
	assert_true(found);
	assert_int_equal(c.id, other);
	assert_str(buf_str(&c.sealed), "next");
	state_certificate_fini(&c);
}

static int64_t add_certificate(struct store *s, const char *chain)
{
	struct err err = {0};
	int64_t id = 0;

	assert_ok(state_key_add(s, &ADMIN, REGION, ID, str_of(chain), STR("spki"), &id, &err),
		  &err);
	assert_ok(state_certificate_received(s, &ADMIN, id, str_of(chain), 1700000000, &err), &err);
	return id;
}

static void assert_newest(struct store *s, bool confirmed_only, const char *chain,
			  enum state_cert_state expected)
{
	struct state_certificate c = {0};
	struct err err = {0};

	assert_ok(state_certificate_newest(s, REGION, ID, confirmed_only, &c, &err), &err);
	assert_str(buf_str(&c.chain_pem), chain);
	assert_str(buf_str(&c.sealed), chain);
	assert_int_equal(c.state, expected);
	assert_int_equal(c.received, 1700000000);
	state_certificate_fini(&c);
}

TEST(the_old_certificate_stays_until_the_new_one_opened_a_tunnel)
{
	struct store *s = open_state(state);
	struct state_certificate c = {0};
	struct err err = {0};

	assert_err(state_certificate_newest(s, REGION, ID, false, &c, &err), &err, ERR_MISSING,
		   "no certificate yet");
	int64_t first = add_certificate(s, "one");
	assert_newest(s, false, "one", STATE_CERT_UNCONFIRMED);
	assert_ok(state_certificate_confirm(s, &ADMIN, first, &err), &err);
	int64_t second = add_certificate(s, "two");
	assert_newest(s, false, "two", STATE_CERT_UNCONFIRMED);
	assert_newest(s, true, "one", STATE_CERT_ACTIVE);

	assert_ok(state_certificate_confirm(s, &ADMIN, second, &err), &err);
	assert_newest(s, true, "two", STATE_CERT_ACTIVE);
	assert_err(state_certificate_confirm(s, &ADMIN, first, &err), &err, ERR_MISSING, "");
}

TEST(deleting_a_subaccount_takes_its_keys_along)
{
	struct store *s = open_state(state);
	struct state_certificate c = {0};
	struct state_subaccount sa = {0};
	struct err err = {0};

	assert_err(state_subaccount_delete(s, &ADMIN, REGION, ID, &err), &err, ERR_MISSING,
		   ID "@" REGION);
	add_sample(s);
	(void)add_certificate(s, "one");
	assert_ok(state_subaccount_delete(s, &ADMIN, REGION, ID, &err), &err);
	assert_err(state_certificate_newest(s, REGION, ID, false, &c, &err), &err, ERR_MISSING, "");
	assert_err(state_subaccount_get(s, REGION, ID, &sa, &err), &err, ERR_MISSING, "");
}

TEST(every_change_is_in_the_audit_chain)
{
	struct store *s = open_state(state);
	struct err err = {0};
	int64_t before = 0, after = 0, rows = 0;

	assert_ok(store_head(s, &before, &err), &err);
	add_sample(s);
	int64_t id = add_certificate(s, "one");
	assert_ok(state_certificate_confirm(s, &ADMIN, id, &err), &err);
	assert_ok(store_head(s, &after, &err), &err);
	assert_int_equal(after - before, 4);
	assert_ok(store_verify_audit(s, &rows, &err), &err);
	assert_int_equal(rows, after);
}

TEST(the_last_renewal_is_kept_a_failed_one_audited_and_goes_with_its_subaccount)
{
	struct store *s = open_state(state);
	struct state_renewal row = {.region_host = REGION,
				    .subaccount = ID,
				    .tried_ms = 1700000000123,
				    .result = STATE_RENEWAL_DENIED,
				    .failures = 2,
				    .text = "switched off"};
	struct state_renewal *rows = NULL;
	size_t n = 0;
	int64_t before = 0, after = 0;
	struct err err = {0};

	assert_false(state_renewal_put(s, &ADMIN, &row, &err));
	assert_int_equal(err.kind, ERR_MISSING);
	add_sample(s);
	assert_ok(store_head(s, &before, &err), &err);
	assert_ok(state_renewal_put(s, &ADMIN, &row, &err), &err);
	assert_ok(store_head(s, &after, &err), &err);
	assert_int_equal(after, before + 1);
	row.failures = 0;
	row.result = STATE_RENEWAL_DONE;
	assert_ok(state_renewal_put(s, &ADMIN, &row, &err), &err);
	assert_ok(store_head(s, &before, &err), &err);
	assert_int_equal(after, before);
	s = reopen(state);
	assert_ok(state_renewal_list(s, &rows, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].tried_ms, 1700000000123);
	assert_int_equal(rows[0].result, STATE_RENEWAL_DONE);
	assert_int_equal(rows[0].failures, 0);
	assert_string_equal(rows[0].text, "switched off");
	free(rows);
	assert_ok(state_subaccount_delete(s, &ADMIN, REGION, ID, &err), &err);
	assert_ok(state_renewal_list(s, &rows, &n, &err), &err);
	assert_int_equal(n, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_installation_has_one_id_for_ever),
		ON_BOTH(settings_are_set_together_changed_and_removed),
		ON_BOTH(a_setting_that_is_too_long_is_refused_and_nothing_is_set),
		ON_BOTH(the_proxy_is_kept_with_its_sealed_password),
		ON_BOTH(a_subaccount_survives_a_restart_as_it_was),
		ON_BOTH(a_subaccount_is_added_once),
		ON_BOTH(an_edit_changes_what_it_names_and_a_missing_one_is_told),
		ON_BOTH(a_key_waits_for_its_certificate_and_is_used_again),
		ON_BOTH(the_old_certificate_stays_until_the_new_one_opened_a_tunnel),
		ON_BOTH(deleting_a_subaccount_takes_its_keys_along),
		ON_BOTH(every_change_is_in_the_audit_chain),
		ON_BOTH(the_last_renewal_is_kept_a_failed_one_audited_and_goes_with_its_subaccount),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
