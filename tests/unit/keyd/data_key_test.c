#include "keyd/data_key.h"

#include "unit/keyd/place.h"
#include "unit/keyd/tenant.h"

static struct place place;
static struct err err;
static struct buf wrapped;

#define TENANT STR("11111111-2222-3333-4444-555555555555")

static int open_one(void **state UNUSED)
{
	place = (struct place){0};
	place_open(&place);
	wrapped = BUF(KEYS_WRAPPED_MAX);
	return data_key_new(place.vault, TENANT, &wrapped, &err) ? 0 : -1;
}

static int close_one(void **state UNUSED)
{
	buf_fini(&wrapped);
	place_close(&place);
	return 0;
}

TEST(a_data_key_opens_for_its_own_tenant_only)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};

	assert_ok(data_key_open(place.vault, TENANT, buf_str(&wrapped), &k, &err), &err);
	assert_true(str_eq(keys_data_key_id(buf_str(&wrapped)), str_make(k.id, sizeof(k.id))));
	assert_err(data_key_open(place.vault, STR("other"), buf_str(&wrapped), &k, &err), &err,
		   ERR_DENIED, "another tenant's");
	wrapped.at[3] ^= 1; /* of its id */
	assert_err(data_key_open(place.vault, TENANT, buf_str(&wrapped), &k, &err), &err,
		   ERR_DENIED, "does not open");
}

/* Two of every bit of what an entry is bound to would be too slow: one of each byte. */
TEST(a_flipped_bit_in_the_binding_or_the_sealed_form_does_not_open)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);
	struct keys_binding b = tenant_binding("a", KEYS_ENTRY_KEY_PAIR);

	assert_ok(data_key_open(place.vault, TENANT, buf_str(&wrapped), &k, &err), &err);
	assert_ok(data_key_seal(&k, &b, STR("secret"), &sealed, &err), &err);
	assert_ok(data_key_unseal(&k, &b, buf_str(&sealed), &plain, &err), &err);
	assert_str(buf_str(&plain), "secret");
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.at[i] ^= 4;
		assert_false(data_key_unseal(&k, &b, buf_str(&sealed), &plain, &err));
		sealed.at[i] ^= 4;
	}
	struct keys_binding changed[] = {b, b, b, b, b, b};
	changed[0].alias = STR("b");
	changed[1].keystore = STR("other");
	changed[2].owner = KEYS_OWNER_PROVIDER;
	changed[3].flags = KEYS_FLAG_INBOUND;
	changed[4].version = 2;
	changed[5].chain_sha256[0] = 1;
	for (size_t i = 0; i < COUNT(changed); i++) {
		assert_err(data_key_unseal(&k, &changed[i], buf_str(&sealed), &plain, &err), &err,
			   ERR_DENIED, "was changed");
	}
}

TEST(an_entry_of_another_tenant_is_not_sealed_with_this_key)
{
	AUTO_DATA_KEY struct data_key k = {.tenant = STR_NONE};
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	struct keys_binding b = tenant_binding("a", KEYS_ENTRY_KEY_PAIR);

	assert_ok(data_key_open(place.vault, TENANT, buf_str(&wrapped), &k, &err), &err);
	b.tenant = STR("other");
	assert_err(data_key_seal(&k, &b, STR("secret"), &sealed, &err), &err, ERR_DENIED,
		   "another tenant's");
}

TEST(a_rewrapped_data_key_is_the_same_key_under_the_new_master)
{
	AUTO(vault_free) struct vault *both = NULL;
	AUTO(vault_free) struct vault *new_only = NULL;
	AUTO_DATA_KEY struct data_key before = {.tenant = STR_NONE};
	AUTO_DATA_KEY struct data_key after = {.tenant = STR_NONE};
	AUTO_BUF struct buf anew = BUF(KEYS_WRAPPED_MAX), more = BUF(KEYS_WRAPPED_MAX);
	AUTO_BUF struct buf lines = BUF(KIB(1));
	uint8_t mac[KEYS_MAC], mac_after[KEYS_MAC];
	struct str fresh =
		STR("ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n");
	bool again = true;

	assert_ok(data_key_rewrap(place.vault, TENANT, buf_str(&wrapped), &anew, &again, &err),
		  &err);
	assert_false(again);
	assert_int_equal(anew.len, 0);

	buf_add_str(&lines, fresh);
	buf_add_str(&lines, place_master());
	assert_ok(vault_open(buf_str(&lines), ~0U, &both, &err), &err);
	assert_ok(vault_open(fresh, ~0U, &new_only, &err), &err);
	assert_false(data_key_open(new_only, TENANT, buf_str(&wrapped), &after, &err));
	assert_ok(data_key_rewrap(both, TENANT, buf_str(&wrapped), &anew, &again, &err), &err);
	assert_true(again);
	assert_ok(data_key_rewrap(both, TENANT, buf_str(&anew), &more, &again, &err), &err);
	assert_false(again);

	assert_ok(data_key_open(place.vault, TENANT, buf_str(&wrapped), &before, &err), &err);
	assert_ok(data_key_open(new_only, TENANT, buf_str(&anew), &after, &err), &err);
	data_key_mac(&before, STR("generation"), STR("m"), mac);
	data_key_mac(&after, STR("generation"), STR("m"), mac_after);
	assert_memory_equal(mac, mac_after, sizeof(mac));
	data_key_mac(&after, STR("other"), STR("m"), mac_after);
	assert_memory_not_equal(mac, mac_after, sizeof(mac));
}

#define DATA_KEY_TEST(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
static const struct CMUnitTest tests[] = {
	DATA_KEY_TEST(a_data_key_opens_for_its_own_tenant_only),
	DATA_KEY_TEST(a_flipped_bit_in_the_binding_or_the_sealed_form_does_not_open),
	DATA_KEY_TEST(an_entry_of_another_tenant_is_not_sealed_with_this_key),
	DATA_KEY_TEST(a_rewrapped_data_key_is_the_same_key_under_the_new_master),
};
UNIT_MAIN(tests)
