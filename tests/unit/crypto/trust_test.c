#include "crypto/trust.h"

#include "unit/crypto/testca.h"
#include "unit/unit.h"

TEST(a_chain_leads_to_its_anchor_and_to_no_other)
{
	struct testcert root = {0}, leaf = {0}, other = {0};
	bool anchored;
	struct err err;

	testcert_key(&root, KEY_KIND_P256);
	testcert_key(&leaf, KEY_KIND_P256);
	testcert_key(&other, KEY_KIND_P256);
	testcert_issue(&root, NULL, (struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=R"});
	testcert_issue(&other, NULL,
		       (struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=R"});
	testcert_issue(
		&leaf, &root,
		(struct issue_facts){
			.profile = ISSUE_SERVER, .subject = "CN=L", .sans = {"l"}, .n_sans = 1});
	struct str chain[] = {buf_str(&leaf.der), buf_str(&root.der)};
	struct str anchors[] = {STR("rubbish"), buf_str(&other.der), buf_str(&root.der)};
	assert_ok(trust_is_anchored(chain, 1, anchors, 3, false, &anchored, &err), &err);
	assert_true(anchored);
	assert_ok(trust_is_anchored(chain, 2, anchors, 2, false, &anchored, &err), &err);
	assert_false(anchored);
	assert_ok(trust_is_anchored(chain, 2, NULL, 0, true, &anchored, &err), &err);
	assert_false(anchored);
	assert_ok(trust_is_anchored(chain, 1, &chain[0], 1, false, &anchored, &err), &err);
	assert_true(anchored);
	assert_err(trust_is_anchored(anchors, 1, NULL, 0, false, &anchored, &err), &err, ERR_CONFIG,
		   "malformed");
	testcert_free(&root);
	testcert_free(&leaf);
	testcert_free(&other);
}

TEST(one_name_has_one_hash)
{
	struct testcert a = {0}, b = {0};
	uint8_t one[32], two[32];
	struct err err;

	testcert_key(&a, KEY_KIND_P256);
	testcert_key(&b, KEY_KIND_P256);
	testcert_issue(&a, NULL, (struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=R"});
	testcert_issue(&b, NULL, (struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=R"});
	assert_ok(trust_subject_hash(buf_str(&a.der), one, &err), &err);
	assert_ok(trust_subject_hash(buf_str(&b.der), two, &err), &err);
	assert_memory_equal(one, two, 32);
	assert_err(trust_subject_hash(STR("x"), one, &err), &err, ERR_CONFIG, "malformed");
	testcert_free(&a);
	testcert_free(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_chain_leads_to_its_anchor_and_to_no_other),
	cmocka_unit_test(one_name_has_one_hash),
};

UNIT_MAIN(tests)
