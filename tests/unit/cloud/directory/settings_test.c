#include "cloud/directory/settings.h"

#include "unit/cloud/directory/fixture.h"

static void a_value_is_set_replaced_and_read(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf value = BUF(100);
	struct err err;

	assert_ok(directory_setting_get(s, STR("x"), &value, &err), &err);
	assert_int_equal(value.len, 0);
	assert_ok(directory_setting_set(s, &actor, STR("x"), STR("one"), &err), &err);
	assert_ok(directory_setting_set(s, &actor, STR("x"), STR("two"), &err), &err);
	assert_ok(directory_setting_get(s, STR("x"), &value, &err), &err);
	assert_str(buf_str(&value), "two");
}

static void the_first_of_several_starts_wins(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf value = BUF(100);
	struct err err;
	bool won = false;

	assert_ok(directory_setting_init(s, &actor, STR("x"), STR("one"), &won, &err), &err);
	assert_true(won);
	int64_t before = head_of(s);
	assert_ok(directory_setting_init(s, &actor, STR("x"), STR("two"), &won, &err), &err);
	assert_false(won);
	assert_int_equal(head_of(s), before);
	assert_ok(directory_setting_get(s, STR("x"), &value, &err), &err);
	assert_str(buf_str(&value), "one");
}

static void values_are_bounded(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf big = BUF(DIRECTORY_SETTING_MAX * 2);
	AUTO_BUF struct buf small = BUF(2);
	struct err err;

	for (size_t i = 0; i <= DIRECTORY_SETTING_MAX; i++) {
		buf_add_c(&big, 'x');
	}
	assert_err(directory_setting_set(s, &actor, STR("x"), buf_str(&big), &err), &err, ERR_LIMIT,
		   "longer");
	assert_ok(directory_setting_set(s, &actor, STR("x"), STR("three"), &err), &err);
	assert_err(directory_setting_get(s, STR("x"), &small, &err), &err, ERR_LIMIT, "too long");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_value_is_set_replaced_and_read),
		ON_BOTH(the_first_of_several_starts_wins),
		ON_BOTH(values_are_bounded),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
