#include "keys/binding.h"

#include "unit/unit.h"

static struct keys_binding example(void)
{
	struct keys_binding b = {
		.tenant = STR("11111111-2222-3333-4444-555555555555"),
		.keystore = STR("system"),
		.alias = STR("Täst"),
		.owner = KEYS_OWNER_TENANT,
		.kind = KEYS_ENTRY_KEY_PAIR,
		.flags = KEYS_FLAG_INBOUND,
		.version = 4711,
	};

	b.chain_sha256[31] = 9;
	return b;
}

TEST(a_binding_is_read_back_as_it_was)
{
	AUTO_BUF struct buf bytes = BUF(KEYS_BINDING_MAX);
	AUTO_BUF struct buf again = BUF(KEYS_BINDING_MAX);
	struct keys_binding b = example(), read;

	keys_write_binding(&bytes, &b);
	struct rd in = rd_over(buf_str(&bytes));
	assert_true(keys_read_binding(&in, &read));
	assert_true(rd_done(&in));
	assert_str(read.alias, "Täst");
	assert_int_equal(read.version, 4711);
	keys_write_binding(&again, &read);
	assert_true(str_eq(buf_str(&bytes), buf_str(&again)));
}

TEST(a_binding_cut_short_is_none)
{
	AUTO_BUF struct buf bytes = BUF(KEYS_BINDING_MAX);
	struct keys_binding b = example(), read;

	keys_write_binding(&bytes, &b);
	for (size_t len = 0; len < bytes.len; len++) {
		struct rd in = rd_over(str_first(buf_str(&bytes), len));
		assert_false(keys_read_binding(&in, &read));
	}
}

static bool is_read(const struct keys_binding *b)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	struct keys_binding read;

	keys_write_binding(&bytes, b);
	struct rd in = rd_over(buf_str(&bytes));
	return keys_read_binding(&in, &read);
}

TEST(an_unknown_owner_or_kind_or_an_empty_or_long_text_is_refused)
{
	static const char letters[KEYS_ALIAS_MAX + 1];
	struct keys_binding b = example();

	assert_true(is_read(&b));
	b.owner = (enum keys_owner)3;
	assert_false(is_read(&b));
	b = example();
	b.kind = (enum keys_entry_kind)0;
	assert_false(is_read(&b));
	b = example();
	b.keystore = STR_NONE;
	assert_false(is_read(&b));
	b = example();
	b.alias = str_make(letters, KEYS_ALIAS_MAX);
	assert_true(is_read(&b));
	b.alias = str_make(letters, KEYS_ALIAS_MAX + 1);
	assert_false(is_read(&b));
}

TEST(an_entrys_name_covers_every_part_of_it)
{
	struct keys_entry e = {
		.wrapped = STR("wrapped"), .binding = example(), .sealed = STR("sealed")};
	uint8_t first[KEYS_ID], other[KEYS_ID];

	keys_entry_id(&e, first);
	e.binding.flags = 0;
	keys_entry_id(&e, other);
	assert_memory_not_equal(first, other, KEYS_ID);
	e.binding = example();
	e.sealed = STR("sealeD");
	keys_entry_id(&e, other);
	assert_memory_not_equal(first, other, KEYS_ID);
	e.sealed = STR("sealed");
	keys_entry_id(&e, other);
	assert_memory_equal(first, other, KEYS_ID);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_binding_is_read_back_as_it_was),
	cmocka_unit_test(a_binding_cut_short_is_none),
	cmocka_unit_test(an_unknown_owner_or_kind_or_an_empty_or_long_text_is_refused),
	cmocka_unit_test(an_entrys_name_covers_every_part_of_it),
};
UNIT_MAIN(tests)
