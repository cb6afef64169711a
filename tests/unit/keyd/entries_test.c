/* The calls of keys/entries, see pair.h. */
#include "keys/entries.h"

#include "unit/keyd/pair.h"
#include "unit/keyd/tenant.h"

static struct buf wrapped, sealed, spki;
static struct keys_entry entry;

static int open_entry(void **state)
{
	wrapped = BUF(KEYS_WRAPPED_MAX);
	sealed = BUF(KEYS_SEALED_MAX);
	spki = BUF(KEY_SPKI_MAX);
	if (open_all(state) != 0) {
		return -1;
	}
	entry.binding = tenant_binding("alias", KEYS_ENTRY_KEY_PAIR);
	assert_ok(keys_data_key_new(client, entry.binding.tenant, &wrapped, &err), &err);
	tenant_pair(place.vault, buf_str(&wrapped), &entry.binding, &sealed, &spki);
	entry.wrapped = buf_str(&wrapped);
	entry.sealed = buf_str(&sealed);
	return 0;
}

static int close_entry(void **state)
{
	buf_fini(&wrapped);
	buf_fini(&sealed);
	buf_fini(&spki);
	return close_all(state);
}

TEST(an_entry_signs_for_its_purpose_and_survives_a_new_keyd)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO(key_free) struct key *k = NULL;

	assert_ok(keys_entry_open(client, &entry, buf_str(&spki), KEYS_FOR_TLS_CLIENT, &k, &err),
		  &err);
	assert_ok(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err);
	restart_keyd();
	assert_ok(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err);
	assert_true(signature.len > 120);
}

TEST(an_entry_signs_no_token_and_a_certificate_nothing)
{
	AUTO_BUF struct buf tag = BUF(KEYS_SEALED_MAX), signature = BUF(KEY_SIGNATURE_MAX);
	AUTO(key_free) struct key *k = NULL;
	struct keys_entry certificate = entry;

	assert_err(keys_entry_open(client, &entry, buf_str(&spki), KEYS_FOR_TOKEN, &k, &err), &err,
		   ERR_DENIED, "not for this purpose");
	certificate.binding.kind = KEYS_ENTRY_CERTIFICATE;
	assert_ok(keys_entry_tag(client, buf_str(&wrapped), &certificate.binding, &tag, &err),
		  &err);
	certificate.sealed = buf_str(&tag);
	assert_ok(keys_entry_open(client, &certificate, buf_str(&spki), KEYS_FOR_CSR, &k, &err),
		  &err);
	assert_err(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err, ERR_DENIED,
		   "no key that could sign");
}

TEST(an_entry_in_another_place_does_not_sign)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	AUTO(key_free) struct key *k = NULL;

	entry.binding.alias = STR("stolen");
	assert_ok(keys_entry_open(client, &entry, buf_str(&spki), KEYS_FOR_TLS_CLIENT, &k, &err),
		  &err);
	assert_err(key_sign(k, KEY_ECDSA_SHA256, STR("m"), &signature, &err), &err, ERR_DENIED,
		   "was changed");
}

TEST(a_renamed_entry_opens_under_its_new_binding_only)
{
	AUTO_BUF struct buf renamed = BUF(KEYS_SEALED_MAX);
	struct keys_binding other = entry.binding;
	struct keys_entry both[2];
	struct str spkis[2] = {buf_str(&spki), buf_str(&spki)};
	bool good[2];

	other.alias = STR("renamed");
	other.version = 2;
	assert_ok(keys_entry_rebind(client, &entry, buf_str(&wrapped), &other, &renamed, &err),
		  &err);
	both[0] = (struct keys_entry){buf_str(&wrapped), other, buf_str(&renamed)};
	both[1] = (struct keys_entry){buf_str(&wrapped), entry.binding, buf_str(&renamed)};
	assert_ok(keys_entries_check(client, both, spkis, 2, good, &err), &err);
	assert_true(good[0]);
	assert_false(good[1]);
}

TEST(an_entry_keeps_its_tenant_and_its_owner)
{
	AUTO_BUF struct buf moved = BUF(KEYS_SEALED_MAX);
	struct keys_binding other = entry.binding;

	other.owner = KEYS_OWNER_PROVIDER;
	assert_err(keys_entry_rebind(client, &entry, buf_str(&wrapped), &other, &moved, &err), &err,
		   ERR_DENIED, "keeps its tenant");
	other = entry.binding;
	other.tenant = STR("other");
	assert_err(keys_entry_rebind(client, &entry, buf_str(&wrapped), &other, &moved, &err), &err,
		   ERR_DENIED, "keeps its tenant");
}

TEST(more_entries_than_a_message_takes_are_checked_each)
{
	enum {
		N = 3 * KEYS_CHECK_MAX + 5,
	};
	AUTO_FREE struct keys_entry *entries = NEW_ARRAY(struct keys_entry, N);
	AUTO_FREE struct str *spkis = NEW_ARRAY(struct str, N);
	AUTO_FREE bool *good = NEW_ARRAY(bool, N);
	AUTO_BUF struct buf tag = BUF(KEYS_SEALED_MAX);
	struct keys_binding b = tenant_binding("root", KEYS_ENTRY_CERTIFICATE);

	assert_ok(keys_entry_tag(client, buf_str(&wrapped), &b, &tag, &err), &err);
	for (size_t i = 0; i < N; i++) {
		entries[i] = (struct keys_entry){buf_str(&wrapped), b, buf_str(&tag)};
	}
	entries[7] = entry;
	spkis[7] = buf_str(&spki);
	entries[8] = entry; /* with a foreign public key */
	spkis[8] = STR("foreign");
	entries[600].binding.chain_sha256[5] = 1;
	entries[601].sealed = str_make(NULL, 0);
	assert_ok(keys_entries_check(client, entries, spkis, N, good, &err), &err);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(good[i], i != 8 && i != 600 && i != 601);
	}
}

TEST(a_mac_depends_on_label_and_message)
{
	uint8_t first[KEYS_MAC], second[KEYS_MAC];
	struct str tenant = entry.binding.tenant;

	assert_ok(keys_mac(client, tenant, buf_str(&wrapped), "generation", STR("1"), first, &err),
		  &err);
	assert_ok(keys_mac(client, tenant, buf_str(&wrapped), "generation", STR("1"), second, &err),
		  &err);
	assert_memory_equal(first, second, KEYS_MAC);
	assert_ok(keys_mac(client, tenant, buf_str(&wrapped), "generation", STR("2"), second, &err),
		  &err);
	assert_memory_not_equal(first, second, KEYS_MAC);
	assert_err(keys_mac(client, STR("other"), buf_str(&wrapped), "g", STR("1"), first, &err),
		   &err, ERR_DENIED, "another tenant's");
}

TEST(what_is_sealed_under_the_first_master_key_is_left_alone)
{
	AUTO_BUF struct buf secret = BUF(KIB(1)), anew = BUF(KIB(1));
	AUTO_BUF struct buf key = BUF(KEYS_SEALED_MAX), public = BUF(KEY_SPKI_MAX);
	bool again = true;

	assert_ok(keys_seal(client, "password:x", STR("geheim"), &secret, &err), &err);
	assert_ok(keys_reseal_secret(client, "password:x", buf_str(&secret), &anew, &again, &err),
		  &err);
	assert_false(again);
	assert_int_equal(anew.len, 0);
	assert_err(keys_reseal_secret(client, "password:y", buf_str(&secret), &anew, &again, &err),
		   &err, ERR_DENIED, "");
	assert_ok(keys_generate(client, KEYS_CLASS_CA, KEY_KIND_P256, &key, &public, &err), &err);
	assert_ok(keys_reseal_key(client, buf_str(&key), &anew, &again, &err), &err);
	assert_false(again);
}

TEST(the_anchors_last_line_is_told)
{
	const uint8_t hash[ANCHOR_HASH] = {5};
	struct anchor_last last;

	assert_ok(keys_anchor_last(client, STR("pruned:a"), &last, &err), &err);
	assert_int_equal(last.n, 0);
	assert_ok(keys_anchor(client, STR("pruned:a"), 7, hash, &err), &err);
	assert_ok(keys_anchor(client, STR("pruned:b"), 9, hash, &err), &err);
	restart_keyd();
	assert_ok(keys_anchor_last(client, STR("pruned:a"), &last, &err), &err);
	assert_int_equal(last.n, 7);
	assert_memory_equal(last.hash, hash, sizeof(hash));
	assert_err(keys_anchor(client, STR("pruned:a"), 6, hash, &err), &err, ERR_CONFLICT,
		   "rolled back");
}

#define ENTRY_TEST(f) cmocka_unit_test_setup_teardown(f, open_entry, close_entry)
static const struct CMUnitTest tests[] = {
	ENTRY_TEST(an_entry_signs_for_its_purpose_and_survives_a_new_keyd),
	ENTRY_TEST(an_entry_signs_no_token_and_a_certificate_nothing),
	ENTRY_TEST(an_entry_in_another_place_does_not_sign),
	ENTRY_TEST(a_renamed_entry_opens_under_its_new_binding_only),
	ENTRY_TEST(an_entry_keeps_its_tenant_and_its_owner),
	ENTRY_TEST(more_entries_than_a_message_takes_are_checked_each),
	ENTRY_TEST(a_mac_depends_on_label_and_message),
	ENTRY_TEST(the_anchors_last_line_is_told),
	ENTRY_TEST(what_is_sealed_under_the_first_master_key_is_left_alone),
};
UNIT_MAIN(tests)
