/* The tables of settings of both daemons: every default parses, every row explains itself. */
#include "unit/unit.h"

#include "programs/cloud_options.h"
#include "programs/connector_options.h"

static const struct option *const tables[] = {cloud_option_table, connector_option_table};

static void every_default_parses(void **state)
{
	struct cloud_options cloud = {0};
	struct connector_options connector = {0};
	(void)state;

	options_init(cloud_option_table, &cloud);
	assert_string_equal(cloud.listen_proxy, "127.0.0.1:20003");
	assert_int_equal(cloud.certificate_validity, SEC(365 * 86400LL));
	options_fini(cloud_option_table, &cloud);

	options_init(connector_option_table, &connector);
	assert_string_equal(connector.listen_admin, "127.0.0.1:8443");
	assert_int_equal(connector.ping_after, SEC(5));
	options_fini(connector_option_table, &connector);
}

static void every_row_has_a_help_and_says_when_it_takes_effect(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(tables); t++) {
		for (const struct option *row = tables[t]; row->key != NULL; row++) {
			assert_non_null(row->help);
			assert_true(strlen(row->help) > 10);
			assert_false(row->help[strlen(row->help) - 1] == '.');
			assert_true(strcmp(row->live, "live") == 0 ||
				    strcmp(row->live, "restart") == 0);
		}
	}
}

static void keys_are_unique(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(tables); t++) {
		for (const struct option *a = tables[t]; a->key != NULL; a++) {
			for (const struct option *b = a + 1; b->key != NULL; b++) {
				assert_string_not_equal(a->key, b->key);
			}
		}
	}
}

static void a_validity_beyond_825_days_is_refused(void **state)
{
	struct cloud_options cloud = {0};
	struct err err;
	(void)state;

	options_init(cloud_option_table, &cloud);
	assert_false(options_set(cloud_option_table, &cloud, STR("certificate.validity"),
				 STR("826d"), &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_true(options_set(cloud_option_table, &cloud, STR("certificate.validity"),
				STR("825d"), &err));
	options_fini(cloud_option_table, &cloud);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_parses),
		cmocka_unit_test(every_row_has_a_help_and_says_when_it_takes_effect),
		cmocka_unit_test(keys_are_unique),
		cmocka_unit_test(a_validity_beyond_825_days_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
