#include "keyd/keyring.h"

#include "unit/unit.h"

static void add(struct keyring *r, uint8_t name)
{
	uint8_t id[KEYS_ID] = {name};
	struct local_key *k;
	struct err err;

	assert_ok(local_key_generate(KEY_KIND_P256, &k, &err), &err);
	keyring_add(r, id, KEYS_CLASS_LISTENER, k);
}

static bool has(struct keyring *r, uint8_t name)
{
	uint8_t id[KEYS_ID] = {name};
	struct keyring_key *k = keyring_hold(r, id);

	keyring_release(r, k);
	return k != NULL;
}

TEST(the_key_unused_for_longest_goes_first)
{
	AUTO(keyring_free) struct keyring *r = keyring_new(2);

	add(r, 1);
	add(r, 2);
	assert_true(has(r, 1));
	add(r, 3);
	assert_int_equal(keyring_count(r), 2);
	assert_true(has(r, 1));
	assert_false(has(r, 2));
	assert_true(has(r, 3));
}

TEST(a_held_key_outlives_its_place_in_the_ring)
{
	AUTO(keyring_free) struct keyring *r = keyring_new(1);
	uint8_t id[KEYS_ID] = {1};
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	struct err err;

	add(r, 1);
	struct keyring_key *held = keyring_hold(r, id);
	add(r, 2);
	assert_false(has(r, 1));
	assert_ok(local_key_sign(keyring_local(held), KEY_ECDSA_SHA256, STR("x"), &signature, &err),
		  &err);
	keyring_release(r, held);
}

TEST(adding_again_replaces_and_dropping_forgets)
{
	AUTO(keyring_free) struct keyring *r = keyring_new(4);
	uint8_t id[KEYS_ID] = {1};

	add(r, 1);
	add(r, 1);
	assert_int_equal(keyring_count(r), 1);
	keyring_drop(r, id);
	keyring_drop(r, id);
	assert_int_equal(keyring_count(r), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_key_unused_for_longest_goes_first),
	cmocka_unit_test(a_held_key_outlives_its_place_in_the_ring),
	cmocka_unit_test(adding_again_replaces_and_dropping_forgets),
};
UNIT_MAIN(tests)
