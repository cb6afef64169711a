/* What keys/entries never sends: hostile messages about entries. */
#include "keyd/dispatch.h"

#include "unit/keyd/place.h"
#include "unit/keyd/tenant.h"

static struct place place;
static struct err err;
static struct buf wrapped, sealed, spki;
static struct keys_entry entry;

static int open_entry(void **state UNUSED)
{
	place = (struct place){0};
	place_open(&place);
	wrapped = BUF(KEYS_WRAPPED_MAX);
	sealed = BUF(KEYS_SEALED_MAX);
	spki = BUF(KEY_SPKI_MAX);
	entry.binding = tenant_binding("alias", KEYS_ENTRY_KEY_PAIR);
	assert_ok(data_key_new(place.vault, entry.binding.tenant, &wrapped, &err), &err);
	tenant_pair(place.vault, buf_str(&wrapped), &entry.binding, &sealed, &spki);
	entry.wrapped = buf_str(&wrapped);
	entry.sealed = buf_str(&sealed);
	return 0;
}

static int close_entry(void **state UNUSED)
{
	buf_fini(&wrapped);
	buf_fini(&sealed);
	buf_fini(&spki);
	place_close(&place);
	return 0;
}

/* The answer's status; is it refused, it ends in a reaction. */
static uint8_t ask(struct str request)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);

	(void)dispatch(&place.dispatch, request, &answer);
	struct rd in = rd_over(buf_str(&answer));
	uint8_t status = rd_u8(&in);
	if (status == KEYS_REFUSED) {
		assert_true(rd_blob(&in, KEYS_REASON_MAX).len > 0);
		assert_true(rd_u8(&in) <= KEYS_REACT_CONFLICT);
		assert_true(rd_done(&in));
	}
	return status;
}

static void cut_everywhere(const struct buf *request)
{
	AUTO_BUF struct buf longer = BUF(KEYS_MESSAGE_MAX);

	assert_int_equal(ask(buf_str(request)), KEYS_OK);
	for (size_t len = 1; len < request->len; len++) {
		if (ask(str_first(buf_str(request), len)) != KEYS_REFUSED) {
			fail_msg("%zu bytes were taken", len);
		}
	}
	buf_add_str(&longer, buf_str(request));
	buf_add_c(&longer, 0);
	assert_int_equal(ask(buf_str(&longer)), KEYS_REFUSED);
}

TEST(requests_cut_short_or_with_bytes_behind_are_refused)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_ENTRY_LOAD);
	keys_write_entry(&request, &entry);
	cut_everywhere(&request);
	buf_reset(&request);
	wr_u8(&request, KEYS_ENTRY_REBIND);
	keys_write_entry(&request, &entry);
	wr_blob(&request, entry.wrapped);
	keys_write_binding(&request, &entry.binding);
	cut_everywhere(&request);
	buf_reset(&request);
	wr_u8(&request, KEYS_ENTRIES_CHECK);
	wr_u16(&request, 1);
	keys_write_entry(&request, &entry);
	wr_blob(&request, buf_str(&spki));
	cut_everywhere(&request);
	buf_reset(&request);
	wr_u8(&request, KEYS_MAC_MAKE);
	wr_blob(&request, entry.binding.tenant);
	wr_blob(&request, entry.wrapped);
	wr_blob(&request, STR("l"));
	wr_blob(&request, STR("m"));
	cut_everywhere(&request);
}

TEST(no_entries_or_more_than_allowed_are_not_checked)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_ENTRIES_CHECK);
	wr_u16(&request, KEYS_CHECK_MAX + 1);
	for (int i = 0; i < KEYS_CHECK_MAX + 1; i++) {
		keys_write_entry(&request, &entry);
		wr_blob(&request, STR_NONE);
	}
	assert_int_equal(ask(buf_str(&request)), KEYS_REFUSED);
}

TEST(a_tenants_key_is_never_sealed_under_the_master_key)
{
	const char request[] = {KEYS_GENERATE, KEYS_CLASS_TENANT, KEY_KIND_P256};
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);

	(void)dispatch(&place.dispatch, str_make(request, sizeof(request)), &answer);
	assert_int_equal(answer.at[0], KEYS_REFUSED);
}

TEST(a_keyd_without_the_class_serves_no_tenant)
{
	AUTO(vault_free) struct vault *listener = NULL;
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	assert_ok(vault_open(place_master(), 1U << KEYS_CLASS_LISTENER, &listener, &err), &err);
	place.dispatch.vault = listener;
	wr_u8(&request, KEYS_ENTRY_LOAD);
	keys_write_entry(&request, &entry);
	assert_int_equal(ask(buf_str(&request)), KEYS_REFUSED);
	buf_reset(&request);
	wr_u8(&request, KEYS_DATA_KEY_NEW);
	wr_blob(&request, STR("t"));
	assert_int_equal(ask(buf_str(&request)), KEYS_REFUSED);
}

#define ENTRY_TEST(f) cmocka_unit_test_setup_teardown(f, open_entry, close_entry)
static const struct CMUnitTest tests[] = {
	ENTRY_TEST(requests_cut_short_or_with_bytes_behind_are_refused),
	ENTRY_TEST(no_entries_or_more_than_allowed_are_not_checked),
	ENTRY_TEST(a_tenants_key_is_never_sealed_under_the_master_key),
	ENTRY_TEST(a_keyd_without_the_class_serves_no_tenant),
};
UNIT_MAIN(tests)
