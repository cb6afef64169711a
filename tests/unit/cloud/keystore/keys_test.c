/* The room on a real key process: what it tags, binds and authenticates verifies again. */
#include "unit/cloud/keyd_thread.h"
#include "unit/cloud/keystore/fixture.h"

static void no_damage(struct str alias, const char *what, void *user UNUSED)
{
	fail_msg("%.*s: %s", STR_ARGS(alias), what);
}

static void a_real_key_process_does_what_the_tests_do(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"keystore", keystore_migrations}};
	struct keystore_settings settings = {
		.store = d->store, .limits = keystore_default_limits, .reserved = RESERVED};
	struct keystore_change c = alice();
	struct keyd_thread keyd = {0};
	struct keystore *k;
	struct reseal_count count = {0};
	int64_t checked;
	struct err err;

	keyd_thread_start(&keyd);
	settings.keys = keystore_keys_of(keyd.client);
	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_ok(keystore_open(&settings, &k, &err), &err);
	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	assert_int_equal(keystore_rename(k, &c, STR("a"), STR("c"), NULL, &err), KEYSTORE_DONE);
	assert_int_equal(keystore_set_flags(k, &c, STR("b"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_DONE);
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
	put(k, "b", "CN=B2", true);
	assert_ok(keystore_reseal(k, true, &count, &err), &err);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_ok(keystore_verify(k, STR(TENANT), no_damage, NULL, &checked, &err), &err);
	assert_int_equal(checked, 2);
	keystore_close(k);
	keyd_thread_stop(&keyd);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_real_key_process_does_what_the_tests_do),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
