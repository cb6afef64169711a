/* A stage, with what a worker might say that a hostile container took over. */
#include "keyd/stage.h"

#include "keys/facts.h"
#include "unit/unit.h"

static struct stage *stage;
static struct err err;

static int make(void **state UNUSED)
{
	stage = stage_new(NULL, -1);
	return 0;
}

static int end(void **state UNUSED)
{
	stage_free(stage);
	return 0;
}

static void write_result(struct buf *out)
{
	wr_u8(out, 0);
	wr_u32(out, 5);
	wr_u32(out, 2);
	wr_u8(out, KEYS_ENTRY_KEY_PAIR);
	wr_blob(out, STR("pkcs8"));
	wr_u8(out, 0);
	wr_blob(out, STR_NONE);
	buf_add_str(out, STR("facts"));
}

TEST(a_result_is_kept_until_it_is_cleared)
{
	AUTO_BUF struct buf bytes = BUF(KIB(1));
	struct stage_result result;
	enum keys_entry_kind kind;
	struct str pkcs8;

	write_result(&bytes);
	assert_ok(stage_take(stage, buf_str(&bytes), &result, &err), &err);
	assert_true(result.good);
	assert_int_equal(result.format, 5);
	assert_int_equal(stage_count(stage), 2);
	assert_str(stage_facts(stage), "facts");
	assert_ok(stage_item(stage, 0, &kind, &pkcs8, &err), &err);
	assert_str(pkcs8, "pkcs8");
	assert_err(stage_item(stage, 1, &kind, &pkcs8, &err), &err, ERR_DENIED, "cannot be taken");
	assert_err(stage_item(stage, 2, &kind, &pkcs8, &err), &err, ERR_DENIED, "cannot be taken");
	stage_clear(stage);
	assert_false(stage_is_used(stage));
	assert_err(stage_item(stage, 0, &kind, &pkcs8, &err), &err, ERR_SYSTEM, "start over");
}

TEST(a_result_cut_before_its_facts_is_none)
{
	AUTO_BUF struct buf bytes = BUF(KIB(1));
	struct stage_result result;

	write_result(&bytes);
	for (size_t len = 0; len + 5 < bytes.len; len++) {
		bool taken = stage_take(stage, str_first(buf_str(&bytes), len), &result, &err);
		assert_false(taken && result.good);
		assert_false(stage_is_used(stage));
	}
}

TEST(a_pair_without_a_key_and_a_certificate_with_one_are_refused)
{
	AUTO_BUF struct buf bytes = BUF(KIB(1));
	struct stage_result result;

	for (int kind = KEYS_ENTRY_KEY_PAIR; kind <= KEYS_ENTRY_CERTIFICATE; kind++) {
		buf_reset(&bytes);
		wr_u8(&bytes, 0);
		wr_u32(&bytes, 5);
		wr_u32(&bytes, 1);
		wr_u8(&bytes, (uint8_t)kind);
		wr_blob(&bytes, kind == KEYS_ENTRY_CERTIFICATE ? STR("key") : STR_NONE);
		assert_err(stage_take(stage, buf_str(&bytes), &result, &err), &err, ERR_SYSTEM,
			   "no result");
	}
}

TEST(a_refusal_has_its_kind_and_its_text)
{
	AUTO_BUF struct buf bytes = BUF(KIB(1));
	struct stage_result result;

	wr_u8(&bytes, 1 + KEYS_REACT_LIMIT);
	wr_u32(&bytes, 5);
	wr_blob(&bytes, STR("too much"));
	err.kind = ERR_NONE;
	assert_true(stage_take(stage, buf_str(&bytes), &result, &err));
	assert_false(result.good);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.text, "too much");
}

TEST(without_a_nursery_nothing_is_staged)
{
	struct stage_result result;

	assert_err(stage_begin(stage, 10, false, STR_NONE, &err), &err, ERR_DENIED,
		   "nothing is staged");
	assert_err(stage_add(stage, STR("x"), &err), &err, ERR_SYSTEM, "start over");
	assert_err(stage_open(stage, &result, &err), &err, ERR_SYSTEM, "start over");
	assert_err(stage_begin(stage, KEYS_STAGE_BYTES_MAX + 1, false, STR_NONE, &err), &err,
		   ERR_LIMIT, "more than");
}

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, make, end)
static const struct CMUnitTest tests[] = {
	STAGE_TEST(a_result_is_kept_until_it_is_cleared),
	STAGE_TEST(a_result_cut_before_its_facts_is_none),
	STAGE_TEST(a_pair_without_a_key_and_a_certificate_with_one_are_refused),
	STAGE_TEST(a_refusal_has_its_kind_and_its_text),
	STAGE_TEST(without_a_nursery_nothing_is_staged),
};
UNIT_MAIN(tests)
