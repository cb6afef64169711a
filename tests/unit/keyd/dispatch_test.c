#include "keyd/dispatch.h"

#include "crypto/seal.h"
#include "unit/keyd/place.h"
#include "unit/unit.h"

static struct place place;

static int open_place(void **state UNUSED)
{
	place = (struct place){0};
	place_open(&place);
	return 0;
}

static int close_place(void **state UNUSED)
{
	place_close(&place);
	return 0;
}

/* The answer's status; its fields are left in `answer`. */
static uint8_t ask(struct buf *request, struct buf *answer)
{
	buf_reset(answer);
	(void)dispatch(&place.dispatch, buf_str(request), answer);
	struct rd in = rd_over(buf_str(answer));
	uint8_t status = rd_u8(&in);
	assert_false(in.failed);
	if (status == KEYS_REFUSED) {
		assert_true(rd_blob(&in, KEYS_REASON_MAX).len > 0);
		assert_true(rd_done(&in));
	}
	return status;
}

static bool is_malformed(struct str request)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	bool whole = dispatch(&place.dispatch, request, &answer);

	assert_int_equal(answer.at[0], KEYS_REFUSED);
	return !whole;
}

TEST(what_is_no_operation_is_refused)
{
	assert_true(is_malformed(STR_NONE));
	for (int operation = 0; operation < 256; operation++) {
		char byte = (char)operation;
		if (operation == 0 || operation >= KEYS_OPERATIONS) {
			assert_true(is_malformed(str_make(&byte, 1)));
		}
	}
}

static void write_sign(struct buf *request, const uint8_t *id, enum keys_purpose purpose)
{
	buf_reset(request);
	wr_u8(request, KEYS_SIGN);
	buf_add(request, id, KEYS_ID);
	wr_u8(request, (uint8_t)purpose);
	wr_u16(request, KEY_ECDSA_SHA256);
	wr_blob(request, STR("message"));
}

TEST(a_request_cut_short_or_with_bytes_behind_is_refused)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	uint8_t id[KEYS_ID] = {1};

	write_sign(&request, id, KEYS_FOR_CSR);
	for (size_t len = 1; len < request.len; len++) {
		if (!is_malformed(str_first(buf_str(&request), len))) {
			fail_msg("%zu bytes were taken", len);
		}
	}
	buf_add_c(&request, 0);
	assert_true(is_malformed(buf_str(&request)));
}

TEST(a_message_longer_than_allowed_is_refused)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	uint8_t id[KEYS_ID] = {1};

	wr_u8(&request, KEYS_SIGN);
	buf_add(&request, id, KEYS_ID);
	wr_u8(&request, KEYS_FOR_CSR);
	wr_u16(&request, KEY_ECDSA_SHA256);
	wr_u32(&request, KEY_TBS_MAX + 1);
	memset(buf_reserve(&request, KEY_TBS_MAX + 1), 'x', KEY_TBS_MAX + 1);
	buf_commit(&request, KEY_TBS_MAX + 1);
	assert_true(is_malformed(buf_str(&request)));
}

/* Makes a key; its id and public part. */
static void generate(enum keys_class class_, uint8_t id[static KEYS_ID], struct buf *spki)
{
	AUTO_BUF struct buf request = BUF(16);
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_GENERATE);
	wr_u8(&request, (uint8_t)class_);
	wr_u8(&request, KEY_KIND_P256);
	assert_int_equal(ask(&request, &answer), KEYS_OK);
	struct rd in = rd_over(str_skip(buf_str(&answer), 1));
	digest_sha256(rd_blob(&in, KEYS_SEALED_MAX), id);
	buf_add_str(spki, rd_blob(&in, KEY_SPKI_MAX));
	assert_true(rd_done(&in));
}

TEST(a_key_signs_for_its_own_purpose_and_no_other)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	uint8_t id[KEYS_ID];

	generate(KEYS_CLASS_CONNECTOR, id, &spki);
	write_sign(&request, id, KEYS_FOR_TLS_CLIENT);
	assert_int_equal(ask(&request, &answer), KEYS_OK);
	write_sign(&request, id, KEYS_FOR_TLS_SERVER);
	assert_int_equal(ask(&request, &answer), KEYS_REFUSED);
	write_sign(&request, id, KEYS_FOR_TOKEN);
	assert_int_equal(ask(&request, &answer), KEYS_REFUSED);
}

TEST(a_key_that_was_wiped_is_not_loaded)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	uint8_t id[KEYS_ID];

	generate(KEYS_CLASS_TOKEN, id, &spki);
	wr_u8(&request, KEYS_WIPE);
	buf_add(&request, id, KEYS_ID);
	assert_int_equal(ask(&request, &answer), KEYS_OK);
	write_sign(&request, id, KEYS_FOR_TOKEN);
	assert_int_equal(ask(&request, &answer), KEYS_NOT_LOADED);
}

static uint8_t issue(const uint8_t *id, struct str spki, struct str issuer,
		     const struct issue_facts *facts, struct buf *answer)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_ISSUE);
	buf_add(&request, id, KEYS_ID);
	wr_blob(&request, spki);
	wr_blob(&request, issuer);
	keys_write_facts(&request, facts);
	return ask(&request, answer);
}

static struct issue_facts facts_of(enum issue_profile profile)
{
	struct issue_facts facts = {.profile = profile,
				    .subject = "CN=test",
				    .not_before = PLACE_NOW - 3600,
				    .not_after = PLACE_NOW + 86400,
				    .serial = {0x77, 1}};
	if (profile == ISSUE_CONNECTOR) {
		facts.uri = "spiffe://region/subaccount/s/connector/i";
	}
	if (profile == ISSUE_SERVER) {
		facts.sans[0] = "localhost";
		facts.n_sans = 1;
	}
	return facts;
}

TEST(a_ca_issues_and_each_serial_is_on_the_list_first)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf ca = BUF(KEY_SPKI_MAX), leaf = BUF(KEY_SPKI_MAX), root = BUF(KIB(8));
	uint8_t ca_id[KEYS_ID], leaf_id[KEYS_ID];
	struct issue_facts facts = facts_of(ISSUE_ROOT);
	char list[2048];

	generate(KEYS_CLASS_CA, ca_id, &ca);
	generate(KEYS_CLASS_CONNECTOR, leaf_id, &leaf);
	assert_int_equal(issue(ca_id, buf_str(&ca), STR_NONE, &facts, &answer), KEYS_OK);
	struct rd in = rd_over(str_skip(buf_str(&answer), 1));
	buf_add_str(&root, rd_blob(&in, KIB(8)));
	facts = facts_of(ISSUE_CONNECTOR);
	assert_int_equal(issue(ca_id, buf_str(&leaf), buf_str(&root), &facts, &answer), KEYS_OK);
	(void)place_serials(&place, list, sizeof(list));
	assert_non_null(strstr(list, " root 7701"));
	assert_non_null(strstr(list, " connector 7701"));
}

TEST(unfair_facts_are_refused)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf ca = BUF(KEY_SPKI_MAX), other = BUF(KEY_SPKI_MAX);
	uint8_t ca_id[KEYS_ID], other_id[KEYS_ID];
	struct issue_facts facts = facts_of(ISSUE_ROOT);

	generate(KEYS_CLASS_CA, ca_id, &ca);
	generate(KEYS_CLASS_CONNECTOR, other_id, &other);
	/* a root for another key */
	assert_int_equal(issue(ca_id, buf_str(&other), STR_NONE, &facts, &answer), KEYS_REFUSED);
	/* a key that is no CA's */
	assert_int_equal(issue(other_id, buf_str(&other), STR_NONE, &facts, &answer), KEYS_REFUSED);
	facts.not_after = (int64_t)PLACE_NOW + DISPATCH_CA_MAX_S + 1;
	assert_int_equal(issue(ca_id, buf_str(&ca), STR_NONE, &facts, &answer), KEYS_REFUSED);
	facts.not_before = INT64_MIN; /* no arithmetic with these overflows */
	facts.not_after = INT64_MIN + 1;
	assert_int_equal(issue(ca_id, buf_str(&ca), STR_NONE, &facts, &answer), KEYS_REFUSED);
	facts = facts_of(ISSUE_ROOT);
	assert_int_equal(issue(ca_id, buf_str(&ca), STR_NONE, &facts, &answer), KEYS_OK);
	AUTO_BUF struct buf root = BUF(KIB(8));
	struct rd in = rd_over(str_skip(buf_str(&answer), 1));
	buf_add_str(&root, rd_blob(&in, KIB(8)));
	facts = facts_of(ISSUE_CONNECTOR);
	facts.uri = "https://elsewhere";
	assert_int_equal(issue(ca_id, buf_str(&other), buf_str(&root), &facts, &answer),
			 KEYS_REFUSED);
	facts = facts_of(ISSUE_CONNECTOR);
	facts.not_after = (int64_t)PLACE_NOW + DISPATCH_LEAF_MAX_S + 1;
	assert_int_equal(issue(ca_id, buf_str(&other), buf_str(&root), &facts, &answer),
			 KEYS_REFUSED);
}

TEST(a_listener_signs_itself_only)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf own = BUF(KEY_SPKI_MAX), other = BUF(KEY_SPKI_MAX);
	uint8_t id[KEYS_ID], other_id[KEYS_ID];
	struct issue_facts facts = facts_of(ISSUE_SERVER);

	generate(KEYS_CLASS_LISTENER, id, &own);
	generate(KEYS_CLASS_LISTENER, other_id, &other);
	assert_int_equal(issue(id, buf_str(&own), STR_NONE, &facts, &answer), KEYS_OK);
	assert_int_equal(issue(id, buf_str(&other), STR_NONE, &facts, &answer), KEYS_REFUSED);
}

static uint8_t secret(enum keys_operation operation, struct str label, struct str bytes,
		      struct buf *answer)
{
	AUTO_BUF struct buf request = BUF_SECRET(KEYS_MESSAGE_MAX);

	wr_u8(&request, (uint8_t)operation);
	wr_blob(&request, label);
	wr_blob(&request, bytes);
	return ask(&request, answer);
}

TEST(secrets_come_back_under_listed_labels_only)
{
	AUTO_BUF struct buf answer = BUF_SECRET(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf sealed = BUF(KIB(1));

	assert_int_equal(secret(KEYS_SEAL, STR("other"), STR("x"), &answer), KEYS_OK);
	struct rd in = rd_over(str_skip(buf_str(&answer), 1));
	buf_add_str(&sealed, rd_blob(&in, KIB(1)));
	assert_int_equal(secret(KEYS_UNSEAL, STR("other"), buf_str(&sealed), &answer),
			 KEYS_REFUSED);
	assert_int_equal(secret(KEYS_UNSEAL, STR("password"), buf_str(&sealed), &answer),
			 KEYS_REFUSED);
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)
static const struct CMUnitTest tests[] = {
	PLACE_TEST(what_is_no_operation_is_refused),
	PLACE_TEST(a_request_cut_short_or_with_bytes_behind_is_refused),
	PLACE_TEST(a_message_longer_than_allowed_is_refused),
	PLACE_TEST(a_key_signs_for_its_own_purpose_and_no_other),
	PLACE_TEST(a_key_that_was_wiped_is_not_loaded),
	PLACE_TEST(a_ca_issues_and_each_serial_is_on_the_list_first),
	PLACE_TEST(unfair_facts_are_refused),
	PLACE_TEST(a_listener_signs_itself_only),
	PLACE_TEST(secrets_come_back_under_listed_labels_only),
};
UNIT_MAIN(tests)
