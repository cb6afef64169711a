#include "base/option.h"

#include "unit/base/sample_options.h"
#include "unit/unit.h"

static void set(struct sample *s, const char *key, const char *value)
{
	struct err err;

	assert_ok(options_set(sample_options, s, str_of(key), str_of(value), &err), &err);
}

TEST(live_settings_are_taken_over_and_the_others_named)
{
	AUTO_BUF struct buf waiting = BUF(1000);
	struct sample now = {0}, fresh = {0};

	options_init(sample_options, &now);
	options_init(sample_options, &fresh);
	set(&now, "http.body_max", "2MiB");
	set(&fresh, "relay.host", "a.example");
	set(&fresh, "relay.port", "1");
	set(&fresh, "relay.workers", "3");
	set(&fresh, "log.verbose", "on");
	set(&fresh, "http.idle", "31s");
	assert_int_equal(options_apply(sample_options, &now, &fresh, &waiting), 4);
	assert_string_equal(now.host, "a.example");
	assert_true(now.verbose);
	assert_int_equal(now.idle, 31000);
	assert_int_equal(now.body_max, 1 << 20); /* back to its default */
	assert_int_equal(now.port, 9444);
	assert_int_equal(now.workers, 2);
	assert_str(buf_str(&waiting), "relay.port, relay.workers");
	options_fini(sample_options, &fresh);
	options_fini(sample_options, &now);
}

TEST(a_text_can_be_taken_away_and_equal_ones_stay)
{
	AUTO_BUF struct buf waiting = BUF(1000);
	struct sample now = {0}, fresh = {0};

	options_init(sample_options, &now);
	options_init(sample_options, &fresh);
	set(&now, "relay.host", "a.example");
	set(&fresh, "relay.host", "a.example");
	assert_int_equal(options_apply(sample_options, &now, &fresh, &waiting), 0);
	set(&fresh, "relay.host", "");
	assert_int_equal(options_apply(sample_options, &now, &fresh, &waiting), 1);
	assert_null(now.host);
	assert_int_equal(waiting.len, 0);
	options_fini(sample_options, &fresh);
	options_fini(sample_options, &now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_settings_are_taken_over_and_the_others_named),
		cmocka_unit_test(a_text_can_be_taken_away_and_equal_ones_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
