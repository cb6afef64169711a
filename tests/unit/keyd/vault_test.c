#include "keyd/vault.h"

#include "unit/keyd/place.h"
#include "unit/unit.h"

static struct err err;

static void sealed_key(const struct vault *v, enum keys_class class_, struct buf *sealed)
{
	AUTO(local_key_free) struct local_key *k = NULL;

	assert_ok(local_key_generate(KEY_KIND_P256, &k, &err), &err);
	assert_ok(vault_seal_key(v, class_, k, sealed, &err), &err);
}

TEST(a_key_comes_back_with_its_class)
{
	struct place p = {0};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	AUTO(local_key_free) struct local_key *k = NULL;
	enum keys_class class_;

	place_open(&p);
	sealed_key(p.vault, KEYS_CLASS_TOKEN, &sealed);
	assert_ok(vault_open_key(p.vault, buf_str(&sealed), &k, &class_, &err), &err);
	assert_int_equal(class_, KEYS_CLASS_TOKEN);
	place_close(&p);
}

TEST(a_key_whose_class_was_changed_does_not_open)
{
	struct place p = {0};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	struct local_key *k;
	enum keys_class class_;

	place_open(&p);
	sealed_key(p.vault, KEYS_CLASS_CA, &sealed);
	sealed.at[1] = KEYS_CLASS_LISTENER;
	assert_err(vault_open_key(p.vault, buf_str(&sealed), &k, &class_, &err), &err, ERR_DENIED,
		   "");
	place_close(&p);
}

TEST(a_class_that_is_not_served_here_does_not_open)
{
	struct place p = {0};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	AUTO(vault_free) struct vault *relay = NULL;
	struct local_key *k;
	enum keys_class class_;

	place_open(&p);
	sealed_key(p.vault, KEYS_CLASS_CA, &sealed);
	assert_ok(vault_open(place_master(), 1U << KEYS_CLASS_LISTENER, &relay, &err), &err);
	assert_err(vault_open_key(relay, buf_str(&sealed), &k, &class_, &err), &err, ERR_DENIED,
		   "class ca");
	place_close(&p);
}

TEST(a_sealed_key_is_no_sealed_secret)
{
	struct place p = {0};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(8));
	char label[] = {1, KEYS_CLASS_CA};

	place_open(&p);
	sealed_key(p.vault, KEYS_CLASS_CA, &sealed);
	assert_err(vault_unseal(p.vault, str_make(label, 2), str_skip(buf_str(&sealed), 2), &plain,
				&err),
		   &err, ERR_DENIED, "");
	place_close(&p);
}

TEST(a_secret_opens_under_its_own_label_only)
{
	struct place p = {0};
	AUTO_BUF struct buf sealed = BUF(KIB(1));
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(1));

	place_open(&p);
	assert_ok(vault_seal(p.vault, STR("password:a"), STR("geheim"), &sealed, &err), &err);
	assert_err(vault_unseal(p.vault, STR("password:b"), buf_str(&sealed), &plain, &err), &err,
		   ERR_DENIED, "");
	assert_ok(vault_unseal(p.vault, STR("password:a"), buf_str(&sealed), &plain, &err), &err);
	assert_str(buf_str(&plain), "geheim");
	place_close(&p);
}

TEST(another_master_key_is_told_from_the_one_of_the_folder)
{
	struct place p = {0};
	AUTO(vault_free) struct vault *other = NULL;

	place_open(&p);
	assert_ok(vault_check(p.vault, p.dir, &err), &err);
	assert_ok(vault_check(p.vault, p.dir, &err), &err);
	assert_ok(
		vault_open(STR("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
			   ~0U, &other, &err),
		&err);
	assert_err(vault_check(other, p.dir, &err), &err, ERR_CONFIG, "not the one");
	place_close(&p);
}

TEST(what_is_no_master_key_is_refused)
{
	struct vault *v;

	assert_err(vault_open(STR("0011"), ~0U, &v, &err), &err, ERR_CONFIG, "64 hex");
	assert_err(vault_open(STR_NONE, ~0U, &v, &err), &err, ERR_CONFIG, "64 hex");
}

#define FRESH "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n"

TEST(the_first_of_several_master_keys_seals_and_all_open)
{
	struct place p = {0};
	AUTO(vault_free) struct vault *both = NULL, *fresh = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), anew = BUF(KEYS_SEALED_MAX);
	AUTO_BUF struct buf lines = BUF(KIB(1));
	AUTO(local_key_free) struct local_key *k = NULL;
	enum keys_class class_;
	bool again;

	place_open(&p);
	buf_addf(&lines, "# new one\n%s\n%.*s", FRESH, STR_ARGS(place_master()));
	assert_ok(vault_open(buf_str(&lines), ~0U, &both, &err), &err);
	assert_ok(vault_open(STR(FRESH), ~0U, &fresh, &err), &err);
	sealed_key(p.vault, KEYS_CLASS_CA, &sealed);
	assert_false(vault_open_key(fresh, buf_str(&sealed), &k, &class_, &err));
	assert_ok(vault_reseal_key(both, buf_str(&sealed), &anew, &again, &err), &err);
	assert_true(again);
	assert_ok(vault_open_key(fresh, buf_str(&anew), &k, &class_, &err), &err);
	assert_int_equal(class_, KEYS_CLASS_CA);
	place_close(&p);
}

TEST(the_mark_of_the_folder_moves_to_the_first_master_key)
{
	struct place p = {0};
	AUTO(vault_free) struct vault *both = NULL, *fresh = NULL;
	AUTO_BUF struct buf lines = BUF(KIB(1));

	place_open(&p);
	buf_addf(&lines, "%s%.*s", FRESH, STR_ARGS(place_master()));
	assert_ok(vault_open(buf_str(&lines), ~0U, &both, &err), &err);
	assert_ok(vault_open(STR(FRESH), ~0U, &fresh, &err), &err);
	assert_ok(vault_check(p.vault, p.dir, &err), &err);
	assert_err(vault_check(fresh, p.dir, &err), &err, ERR_CONFIG, "not the one");
	assert_ok(vault_check(both, p.dir, &err), &err);
	assert_ok(vault_check(fresh, p.dir, &err), &err);
	place_close(&p);
}

TEST(a_source_without_a_key_or_with_too_many_is_refused)
{
	AUTO_BUF struct buf lines = BUF(KIB(2));
	struct vault *v;

	assert_err(vault_open(STR("# none\n\n"), ~0U, &v, &err), &err, ERR_CONFIG, "empty");
	for (int i = 0; i <= VAULT_KEYS_MAX; i++) {
		buf_add_str(&lines, STR(FRESH));
	}
	assert_err(vault_open(buf_str(&lines), ~0U, &v, &err), &err, ERR_CONFIG, "more than");
	assert_err(vault_open(STR(FRESH "abc\n"), ~0U, &v, &err), &err, ERR_CONFIG, "hex digits");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_key_comes_back_with_its_class),
	cmocka_unit_test(a_key_whose_class_was_changed_does_not_open),
	cmocka_unit_test(a_class_that_is_not_served_here_does_not_open),
	cmocka_unit_test(a_sealed_key_is_no_sealed_secret),
	cmocka_unit_test(a_secret_opens_under_its_own_label_only),
	cmocka_unit_test(another_master_key_is_told_from_the_one_of_the_folder),
	cmocka_unit_test(what_is_no_master_key_is_refused),
	cmocka_unit_test(the_first_of_several_master_keys_seals_and_all_open),
	cmocka_unit_test(the_mark_of_the_folder_moves_to_the_first_master_key),
	cmocka_unit_test(a_source_without_a_key_or_with_too_many_is_refused),
};
UNIT_MAIN(tests)
