#include "crypto/formats/chain.h"

#include "unit/crypto/testca.h"

static struct testcert root, issuing, leaf, other_root, other;

static void intermediate(struct testcert *c, const struct testcert *by, const char *subject)
{
	testcert_key(c, KEY_KIND_P256);
	testcert_issue(c, by,
		       (struct issue_facts){.profile = ISSUE_INTERMEDIATE, .subject = subject});
}

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=root");
	intermediate(&issuing, &root, "CN=issuing");
	testcert_server(&leaf, &issuing, KEY_KIND_P256, "leaf.example");
	testcert_root(&other_root, "CN=root"); /* the same name, another key */
	testcert_server(&other, &other_root, KEY_KIND_P256, "other.example");
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&issuing);
	testcert_free(&leaf);
	testcert_free(&other_root);
	testcert_free(&other);
	return 0;
}

static enum chain_outcome arrange(const struct testcert *key, const struct str *ders, size_t n,
				  struct chain *out)
{
	struct err err = {0};
	enum chain_outcome outcome =
		chain_arrange(key != NULL ? buf_str(&key->spki) : STR_NONE, ders, n, out, &err);
	bool good = outcome == CHAIN_COMPLETE || outcome == CHAIN_OPEN;

	assert_int_equal(good, err.kind == ERR_NONE);
	return outcome;
}

static void every_order_gives_the_same_chain(UNUSED void **state)
{
	static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	const struct str all[] = {buf_str(&leaf.der), buf_str(&issuing.der), buf_str(&root.der)};

	for (size_t i = 0; i < COUNT(orders); i++) {
		const struct str ders[] = {all[orders[i][0]], all[orders[i][1]], all[orders[i][2]]};
		for (int with_key = 0; with_key < 2; with_key++) {
			struct chain c;
			assert_int_equal(arrange(with_key ? &leaf : NULL, ders, 3, &c),
					 CHAIN_COMPLETE);
			assert_int_equal(c.n, 3);
			assert_int_equal(c.strangers, 0);
			for (size_t k = 0; k < 3; k++) {
				assert_true(str_eq(ders[c.index[k]], all[k]));
			}
		}
	}
}

static void what_is_missing_above_leaves_it_open(UNUSED void **state)
{
	const struct str two[] = {buf_str(&issuing.der), buf_str(&leaf.der)};
	const struct str one[] = {buf_str(&leaf.der)};
	const struct str gap[] = {buf_str(&root.der), buf_str(&leaf.der)};
	struct chain c;

	assert_int_equal(arrange(&leaf, two, 2, &c), CHAIN_OPEN);
	assert_int_equal(c.n, 2);
	assert_int_equal(arrange(&leaf, one, 1, &c), CHAIN_OPEN);
	assert_int_equal(c.n, 1);
	assert_int_equal(arrange(&leaf, gap, 2, &c), CHAIN_OPEN);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.strangers, 1);
}

static void strangers_and_copies_are_left_out(UNUSED void **state)
{
	const struct str ders[] = {buf_str(&other.der), buf_str(&root.der),    buf_str(&leaf.der),
				   buf_str(&leaf.der),  buf_str(&issuing.der), buf_str(&root.der)};
	struct chain c;

	assert_int_equal(arrange(&leaf, ders, COUNT(ders), &c), CHAIN_COMPLETE);
	assert_int_equal(c.n, 3);
	assert_int_equal(c.strangers, 1);
}

static void the_key_decides(UNUSED void **state)
{
	const struct str ders[] = {buf_str(&leaf.der), buf_str(&issuing.der)};
	const struct str both[] = {buf_str(&leaf.der), buf_str(&other.der)};
	struct chain c;

	assert_int_equal(arrange(&other, ders, 2, &c), CHAIN_OTHER_KEY);
	assert_int_equal(arrange(&other, both, 2, &c), CHAIN_OPEN);
	assert_int_equal(c.index[0], 1);
	assert_int_equal(arrange(NULL, both, 2, &c), CHAIN_NO_LEAF);
	assert_int_equal(arrange(NULL, both, 0, &c), CHAIN_NO_LEAF);
}

static void an_issuer_that_did_not_sign_breaks_it(UNUSED void **state)
{
	const struct str impostor[] = {buf_str(&other.der), buf_str(&root.der)};
	const struct str both[] = {buf_str(&other.der), buf_str(&root.der),
				   buf_str(&other_root.der)};
	AUTO_BUF struct buf changed = BUF(CERT_DER_MAX);
	struct chain c;

	assert_int_equal(arrange(&other, impostor, 2, &c), CHAIN_BROKEN);
	assert_int_equal(arrange(&other, both, 3, &c), CHAIN_COMPLETE);
	assert_int_equal(c.index[1], 2);
	buf_add_str(&changed, buf_str(&root.der));
	changed.at[changed.len - 1] ^= 1; /* the signature's last byte */
	const struct str bad_root[] = {buf_str(&changed)};
	assert_int_equal(arrange(&root, bad_root, 1, &c), CHAIN_BROKEN);
}

static void who_is_no_ca_issues_nothing(UNUSED void **state)
{
	struct testcert below = {0};
	struct testcert fake = {0};
	struct chain c;

	/* issue_certificate() refuses such an issuer: a CA with the leaf's name and key signs. */
	testcert_key(&fake, KEY_KIND_P256);
	testcert_issue(&fake, &root,
		       (struct issue_facts){.profile = ISSUE_INTERMEDIATE, .subject = "CN=server"});
	testcert_server(&below, &fake, KEY_KIND_P256, "below.example");
	struct testcert same = {0};
	same.spki = BUF(KEY_SPKI_MAX);
	same.der = BUF(CERT_DER_MAX);
	same.pem = BUF(CERT_DER_MAX);
	buf_add_str(&same.spki, buf_str(&fake.spki));
	testcert_issue(&same, &root,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {"x"},
					    .n_sans = 1});
	const struct str ders[] = {buf_str(&below.der), buf_str(&same.der), buf_str(&root.der)};
	assert_int_equal(arrange(&below, ders, 3, &c), CHAIN_BROKEN);
	testcert_free(&below);
	testcert_free(&fake);
	testcert_free(&same);
}

static void what_is_too_long_or_malformed_is_refused(UNUSED void **state)
{
	struct str many[CHAIN_INPUT_MAX + 1];
	const struct str bad[] = {STR("x")};
	struct chain c;

	for (size_t i = 0; i < COUNT(many); i++) {
		many[i] = buf_str(&leaf.der);
	}
	assert_int_equal(arrange(&leaf, many, CHAIN_INPUT_MAX, &c), CHAIN_OPEN);
	assert_int_equal(arrange(&leaf, many, CHAIN_INPUT_MAX + 1, &c), CHAIN_TOO_LONG);
	assert_int_equal(arrange(&leaf, bad, 1, &c), CHAIN_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_gives_the_same_chain),
		cmocka_unit_test(what_is_missing_above_leaves_it_open),
		cmocka_unit_test(strangers_and_copies_are_left_out),
		cmocka_unit_test(the_key_decides),
		cmocka_unit_test(an_issuer_that_did_not_sign_breaks_it),
		cmocka_unit_test(who_is_no_ca_issues_nothing),
		cmocka_unit_test(what_is_too_long_or_malformed_is_refused),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
