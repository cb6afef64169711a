#include "crypto/csr.h"
#include "unit/cloud/keystore/fixture.h"

static void a_renamed_entry_keeps_its_creation(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_change c = by("user:bob");
	struct err err;

	make_pair(k, "edge");
	put(k, "other", "CN=Other", false);
	int64_t version = version_of(k, "edge");
	assert_int_equal(keystore_rename(k, &c, STR("EDGE"), STR("Other"), NULL, &err),
			 KEYSTORE_TAKEN);
	assert_int_equal(keystore_rename(k, &c, STR("nobody"), STR("x"), NULL, &err),
			 KEYSTORE_MISSING);
	assert_int_equal(keystore_rename(k, &c, STR("edge"), STR("a\nb"), NULL, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_rename(k, &c, STR("edge"), STR("sap_edge"), NULL, &err),
			 KEYSTORE_RESERVED);
	assert_int_equal(keystore_rename(k, &c, STR("edge"), STR("edge"), NULL, &err),
			 KEYSTORE_SAME);
	assert_int_equal(keystore_rename(k, &c, STR("edge"), STR("Edge 2"), NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "Edge 2 other");
	assert_ok(keystore_find(k, &here, STR("edge 2"), &l, &err), &err);
	const struct keystore_entry *e = keystore_list_at(l, 0);
	assert_true(e->version != version);
	assert_string_equal(e->created_by, "user:alice");
	assert_string_equal(e->modified_by, "user:bob");
	keystore_close(k);
}

/* What was put into the database past us must not become authenticated by an honest change. */
static void an_entry_with_another_chain_is_neither_changed_nor_used(void **state)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct err err;

	make_pair(k, "edge");
	put(k, "root", "CN=Root", false);
	put(k, "evil", "CN=Evil", false);
	database_sql(*state,
		     "UPDATE entry_content SET chain = (SELECT c.chain FROM entry_content c"
		     " JOIN entry_version v ON v.id = c.id WHERE v.alias = 'evil') WHERE id IN"
		     " (SELECT id FROM entry_version WHERE alias IN ('root', 'edge'))");
	assert_int_equal(keystore_rename(k, &c, STR("root"), STR("r2"), NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "alias \"root\" is damaged"));
	assert_int_equal(keystore_set_flags(k, &c, STR("root"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(keystore_csr(k, &c, STR("edge"), STR(""), &der, &err), KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "alias \"edge\" is damaged"));
	assert_int_equal(err.kind, ERR_SYSTEM);
	keystore_close(k);
}

static void only_the_case_of_an_alias_may_change(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct err err;

	put(k, "edge", "CN=Edge", false);
	assert_int_equal(keystore_rename(k, &c, STR("edge"), STR("Edge"), NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "Edge");
	keystore_close(k);
}

static void many_are_deleted_and_unknown_ones_ignored(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	struct str some[] = {STR("A"), STR("nobody"), STR("b"), STR("a")};
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	put(k, "c", "CN=C", false);
	assert_int_equal(keystore_delete(k, &c, &some[1], 1, NULL, &err), KEYSTORE_MISSING);
	assert_int_equal(keystore_delete(k, &c, some, 4, &report, &err), KEYSTORE_DONE);
	assert_int_equal(report.n, 2);
	assert_int_equal(report.rows[0].did, KEYSTORE_REMOVED);
	assert_non_null(report.rows[1].entry);
	keystore_report_fini(&report);
	assert_string_equal(aliases_of(k, &here), "c");
	some[0] = STR("sap_x");
	some[1] = STR("c");
	assert_int_equal(keystore_delete(k, &c, some, 2, NULL, &err), KEYSTORE_RESERVED);
	assert_string_equal(aliases_of(k, &here), "c");
	keystore_close(k);
}

static void single_entries_are_matched_by_version(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct str a = STR("a");
	struct err err;

	put(k, "a", "CN=A", false);
	c.if_match = version_of(k, "a") ^ 1;
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_STALE);
	assert_int_equal(keystore_rename(k, &c, a, STR("b"), NULL, &err), KEYSTORE_STALE);
	c.if_match ^= 1;
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_DONE);
	keystore_close(k);
}

static void the_inbound_mark_is_for_certificates(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_change c = alice();
	struct err err;

	put(k, "a", "CN=A", false);
	make_pair(k, "edge");
	assert_int_equal(keystore_set_flags(k, &c, STR("edge"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_set_flags(k, &c, STR("a"), 0x80, NULL, &err), KEYSTORE_BAD);
	assert_int_equal(keystore_set_flags(k, &c, STR("a"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_DONE);
	assert_int_equal(keystore_set_flags(k, &c, STR("a"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_SAME);
	assert_ok(keystore_find(k, &here, STR("a"), &l, &err), &err);
	assert_int_equal(keystore_list_at(l, 0)->flags, KEYS_FLAG_INBOUND);
	keystore_close(k);
}

#define ALIVE(alias)                                                                               \
	"(SELECT v.id FROM entry_version v JOIN entry_life l ON l.version = v.id"                  \
	" WHERE v.alias = '" alias "' AND l.to_gen = 9223372036854775807)"

/* Else whoever writes to the database waits for a harmless rename, and his root is tagged. */
static void a_swapped_certificate_is_not_tagged_anew(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	database_sql(*state, "UPDATE entry_content SET chain = (SELECT c.chain FROM entry_content"
			     " c WHERE c.id = " ALIVE("b") ") WHERE id = " ALIVE("a"));
	assert_int_equal(keystore_rename(k, &c, STR("a"), STR("c"), NULL, &err), KEYSTORE_FAILED);
	assert_int_equal(keystore_set_flags(k, &c, STR("a"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_FAILED);
	assert_string_equal(aliases_of(k, &here), "a b");
	keystore_close(k);
}

static void a_signing_request_is_for_the_entrys_key(void **state)
{
	struct keystore *k = ready(state);
	AUTO_BUF struct buf der = BUF(KIB(16));
	struct keystore_change c = alice();
	struct csr_facts facts;
	struct err err;

	make_pair(k, "edge");
	put(k, "a", "CN=A", false);
	assert_int_equal(
		keystore_csr(k, &c, STR("edge"), STR("edge.example, 10.0.0.1"), &der, &err),
		KEYSTORE_DONE);
	assert_ok(csr_read(buf_str(&der), &facts, &err), &err);
	assert_string_equal(facts.common_name, "edge.example");
	assert_int_equal(keystore_csr(k, &c, STR("edge"), STR("not a name"), &der, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_csr(k, &c, STR("a"), STR(""), &der, &err), KEYSTORE_BAD);
	assert_int_equal(keystore_csr(k, &c, STR("nobody"), STR(""), &der, &err), KEYSTORE_MISSING);
	keystore_close(k);
}

/* Signs the CSR of "edge" with a CA of its own. */
static void sign_reply(struct keystore *k, struct buf *pem, struct buf *root)
{
	AUTO(local_key_free) struct local_key *ca = NULL;
	AUTO_BUF struct buf der = BUF(KIB(16)), spki = BUF(KEY_SPKI_MAX), leaf = BUF(CERT_DER_MAX);
	struct keystore_change c = alice();
	struct issue_facts f = {.profile = ISSUE_ROOT,
				.subject = "CN=Their CA",
				.not_before = NOW / 1000 - 60,
				.not_after = NOW / 1000 + 86400};
	struct csr_facts facts;
	struct err err;

	assert_int_equal(keystore_csr(k, &c, STR("edge"), STR(""), &der, &err), KEYSTORE_DONE);
	assert_ok(csr_read(buf_str(&der), &facts, &err), &err);
	assert_ok(local_key_generate(KEY_KIND_P256, &ca, &err), &err);
	assert_ok(local_key_spki(ca, &spki, &err), &err);
	random_bytes(f.serial, sizeof(f.serial));
	*root = BUF(CERT_DER_MAX);
	assert_ok(issue_certificate(&f, buf_str(&spki), STR_NONE, ca, root, &err), &err);
	f = (struct issue_facts){.profile = ISSUE_SERVER,
				 .subject = "CN=edge.example",
				 .sans = {"edge.example"},
				 .n_sans = 1,
				 .not_before = NOW / 1000 - 60,
				 .not_after = NOW / 1000 + 86400};
	random_bytes(f.serial, sizeof(f.serial));
	assert_ok(issue_certificate(&f, str_make(facts.spki, facts.spki_len), buf_str(root), ca,
				    &leaf, &err),
		  &err);
	*pem = BUF(KIB(64));
	cert_add_pem(pem, buf_str(root));
	cert_add_pem(pem, buf_str(&leaf));
}

static void a_reply_becomes_the_chain(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_change c = by("user:alice");
	struct keystore_report report = {0};
	struct buf pem, root;
	struct err err;

	make_pair(k, "edge");
	sign_reply(k, &pem, &root);
	assert_int_equal(keystore_reply(k, &c, STR("edge"), buf_str(&pem), &report, &err),
			 KEYSTORE_UNTRUSTED);
	assert_int_equal(report.n, 1);
	keystore_report_fini(&report);
	struct keystore_change sure = alice();
	assert_int_equal(keystore_put_certificate(k, &sure, STR("their root"), buf_str(&root),
						  false, NULL, &err),
			 KEYSTORE_DONE);
	assert_int_equal(keystore_reply(k, &c, STR("edge"), buf_str(&pem), NULL, &err),
			 KEYSTORE_DONE);
	assert_ok(keystore_find(k, &here, STR("edge"), &l, &err), &err);
	assert_int_equal(keystore_list_at(l, 0)->chain_length, 2);
	assert_str(keystore_list_at(l, 0)->issuer, "CN=Their CA");
	assert_int_equal(keystore_reply(k, &c, STR("edge"), buf_str(&pem), NULL, &err),
			 KEYSTORE_SAME);
	make_pair(k, "another");
	assert_int_equal(keystore_reply(k, &c, STR("another"), buf_str(&pem), NULL, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_reply(k, &c, STR("their root"), buf_str(&pem), NULL, &err),
			 KEYSTORE_BAD);
	buf_fini(&pem);
	buf_fini(&root);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_renamed_entry_keeps_its_creation),
	ON_BOTH(an_entry_with_another_chain_is_neither_changed_nor_used),
	ON_BOTH(only_the_case_of_an_alias_may_change),
	ON_BOTH(many_are_deleted_and_unknown_ones_ignored),
	ON_BOTH(single_entries_are_matched_by_version),
	ON_BOTH(the_inbound_mark_is_for_certificates),
	ON_BOTH(a_swapped_certificate_is_not_tagged_anew),
	ON_BOTH(a_signing_request_is_for_the_entrys_key),
	ON_BOTH(a_reply_becomes_the_chain),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
