#include "keys/protocol.h"

#include "unit/unit.h"

TEST(a_ca_key_signs_no_message_at_all)
{
	for (unsigned purpose = 0; purpose <= KEYS_PURPOSES; purpose++) {
		assert_false(keys_allows(KEYS_CLASS_CA, (enum keys_purpose)purpose));
	}
}

TEST(each_class_signs_for_its_own_purposes_only)
{
	static const char expected[KEYS_CLASSES][KEYS_PURPOSES] = {
		/* clang-format off */
		/*                     TLS_SERVER, TLS_CLIENT, CSR, TOKEN */
		[KEYS_CLASS_LISTENER]  = {0, 1, 0, 1, 0},
		[KEYS_CLASS_CONNECTOR] = {0, 0, 1, 1, 0},
		[KEYS_CLASS_TOKEN]     = {0, 0, 0, 0, 1},
		[KEYS_CLASS_SYSTEM]    = {0, 0, 1, 1, 0},
		[KEYS_CLASS_TENANT]    = {0, 1, 1, 1, 0},
		/* clang-format on */
	};

	for (unsigned class_ = 0; class_ < KEYS_CLASSES; class_++) {
		for (unsigned purpose = 0; purpose < KEYS_PURPOSES; purpose++) {
			if (keys_allows((enum keys_class)class_, (enum keys_purpose)purpose) !=
			    (expected[class_][purpose] != 0)) {
				fail_msg("class %u, purpose %u", class_, purpose);
			}
		}
	}
}

TEST(only_ca_keys_issue_and_listeners_for_themselves)
{
	assert_true(keys_may_issue(KEYS_CLASS_CA, ISSUE_CONNECTOR));
	assert_true(keys_may_issue(KEYS_CLASS_LISTENER, ISSUE_SERVER));
	assert_false(keys_may_issue(KEYS_CLASS_LISTENER, ISSUE_CONNECTOR));
	assert_false(keys_may_issue(KEYS_CLASS_LISTENER, ISSUE_ROOT));
	assert_false(keys_may_issue(KEYS_CLASS_CONNECTOR, ISSUE_SERVER));
	assert_false(keys_may_issue((enum keys_class)0, ISSUE_ROOT));
}

TEST(only_listed_labels_are_opened_again)
{
	assert_true(keys_may_unseal(STR("password")));
	assert_true(keys_may_unseal(STR("password:proxy")));
	assert_false(keys_may_unseal(STR("passwords")));
	assert_false(keys_may_unseal(STR("check")));
	assert_false(keys_may_unseal(STR("")));
}

static struct issue_facts some_facts(void)
{
	struct issue_facts facts = {.profile = ISSUE_SERVER,
				    .subject = "CN=relay",
				    .sans = {"relay.example", "127.0.0.1"},
				    .n_sans = 2,
				    .not_before = 1000,
				    .not_after = 2000};
	memset(facts.serial, 0x5a, sizeof(facts.serial));
	return facts;
}

TEST(facts_come_back_as_they_were_written)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	struct issue_facts facts = some_facts();
	struct keys_issue got = {0};

	keys_write_facts(&bytes, &facts);
	struct rd in = rd_over(buf_str(&bytes));
	assert_true(keys_read_facts(&in, &got));
	assert_true(rd_done(&in));
	assert_int_equal(got.facts.profile, ISSUE_SERVER);
	assert_string_equal(got.facts.subject, "CN=relay");
	assert_null(got.facts.uri);
	assert_int_equal(got.facts.n_sans, 2);
	assert_string_equal(got.facts.sans[1], "127.0.0.1");
	assert_int_equal(got.facts.not_after, 2000);
	assert_memory_equal(got.facts.serial, facts.serial, sizeof(facts.serial));
}

TEST(facts_cut_anywhere_are_refused)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	struct issue_facts facts = some_facts();

	keys_write_facts(&bytes, &facts);
	for (size_t len = 0; len < bytes.len; len++) {
		struct keys_issue got = {0};
		struct rd in = rd_over(str_first(buf_str(&bytes), len));
		assert_false(keys_read_facts(&in, &got));
	}
}

static bool reads(struct buf *bytes)
{
	struct keys_issue got = {0};
	struct rd in = rd_over(buf_str(bytes));
	return keys_read_facts(&in, &got);
}

TEST(unknown_profiles_and_texts_with_a_nul_are_refused)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));
	struct issue_facts facts = some_facts();

	keys_write_facts(&bytes, &facts);
	assert_true(reads(&bytes));
	bytes.at[0] = ISSUE_SERVER + 1;
	assert_false(reads(&bytes));
	bytes.at[0] = ISSUE_SERVER;
	bytes.at[5] = '\0'; /* the subject's first letter */
	assert_false(reads(&bytes));
}

TEST(more_names_than_fit_are_refused)
{
	AUTO_BUF struct buf bytes = BUF(KIB(4));

	wr_u8(&bytes, ISSUE_SERVER);
	wr_blob(&bytes, STR("CN=x"));
	wr_blob(&bytes, STR_NONE);
	wr_u8(&bytes, ISSUE_SANS_MAX + 1);
	for (int i = 0; i <= ISSUE_SANS_MAX; i++) {
		wr_blob(&bytes, STR("a.example"));
	}
	buf_add(&bytes, (uint8_t[32]){0}, 32);
	assert_false(reads(&bytes));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_ca_key_signs_no_message_at_all),
	cmocka_unit_test(each_class_signs_for_its_own_purposes_only),
	cmocka_unit_test(only_ca_keys_issue_and_listeners_for_themselves),
	cmocka_unit_test(only_listed_labels_are_opened_again),
	cmocka_unit_test(facts_come_back_as_they_were_written),
	cmocka_unit_test(facts_cut_anywhere_are_refused),
	cmocka_unit_test(unknown_profiles_and_texts_with_a_nul_are_refused),
	cmocka_unit_test(more_names_than_fit_are_refused),
};
UNIT_MAIN(tests)
