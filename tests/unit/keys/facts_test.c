#include "keys/facts.h"

#include "unit/unit.h"

static struct err err;

static void write_example(struct buf *bytes)
{
	const struct str ders[] = {STR("leaf"), STR("issuing"), STR("root")};
	const uint32_t chain[] = {0, 1, 2}, alone[] = {2};
	const struct keys_staged pair = {.is_taken = true,
					 .kind = KEYS_ENTRY_KEY_PAIR,
					 .alias = STR("pair"),
					 .spki = STR("spki"),
					 .warning = "weak: so"};
	const struct keys_staged refused = {
		.kind = KEYS_ENTRY_CERTIFICATE, .alias = STR("bad"), .problem = "no reason"};

	facts_write_certificates(bytes, ders, COUNT(ders));
	facts_write_count(bytes, 2);
	facts_write_item(bytes, &pair, chain, COUNT(chain));
	facts_write_item(bytes, &refused, alone, COUNT(alone));
}

TEST(facts_come_back_as_they_were_written)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	AUTO(facts_free) struct facts *f = NULL;

	write_example(&bytes);
	assert_ok(facts_read(&bytes, &f, &err), &err);
	assert_int_equal(facts_count(f), 2);
	const struct keys_staged *pair = facts_item(f, 0);
	assert_true(pair->is_taken);
	assert_int_equal(pair->n_chain, 3);
	assert_str(pair->chain[2], "root");
	assert_str(pair->alias, "pair");
	assert_null(pair->problem);
	assert_string_equal(pair->warning, "weak: so");
	assert_false(facts_item(f, 1)->is_taken);
	assert_string_equal(facts_item(f, 1)->problem, "no reason");
	assert_str(facts_item(f, 1)->chain[0], "root");
}

TEST(facts_cut_anywhere_or_longer_are_none)
{
	AUTO_BUF struct buf whole = BUF(KIB(4));

	write_example(&whole);
	for (size_t len = 0; len <= whole.len + 1; len++) {
		AUTO_BUF struct buf bytes = BUF(KIB(4));
		AUTO(facts_free) struct facts *f = NULL;

		buf_add_str(&bytes, str_first(buf_str(&whole), len));
		if (len > whole.len) {
			buf_add_c(&bytes, 0);
		}
		assert_int_equal(facts_read(&bytes, &f, &err), len == whole.len);
	}
}

TEST(a_chain_of_certificates_that_are_not_there_is_refused)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	AUTO(facts_free) struct facts *f = NULL;
	const uint32_t chain[] = {0};
	const struct keys_staged s = {.is_taken = true, .kind = KEYS_ENTRY_CERTIFICATE};

	facts_write_certificates(&bytes, NULL, 0);
	facts_write_count(&bytes, 1);
	facts_write_item(&bytes, &s, chain, 1);
	assert_err(facts_read(&bytes, &f, &err), &err, ERR_SYSTEM, "malformed");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(facts_come_back_as_they_were_written),
	cmocka_unit_test(facts_cut_anywhere_or_longer_are_none),
	cmocka_unit_test(a_chain_of_certificates_that_are_not_there_is_refused),
};
UNIT_MAIN(tests)
