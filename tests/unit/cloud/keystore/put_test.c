#include "cloud/keystore/keystore_priv.h"
#include "store/query.h"
#include "unit/cloud/keystore/fixture.h"

static void a_certificate_is_listed_with_its_facts(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	char print[KEYSTORE_PRINT_TEXT];
	struct err err;

	put(k, "Partner CA", "CN=Partner Root,C=NL", false);
	assert_ok(keystore_find(k, &here, STR("partner ca"), &l, &err), &err);
	const struct keystore_entry *e = keystore_list_at(l, 0);
	assert_string_equal(e->alias, "Partner CA");
	assert_str(e->subject, "CN=Partner Root,C=NL");
	assert_string_equal(e->key_type, "EC");
	assert_string_equal(e->curve, "secp256r1");
	assert_string_equal(e->signature, "SHA256withECDSA");
	assert_int_equal(e->not_after, NOW + (int64_t)365 * 86400 * 1000);
	assert_int_equal(strlen(keystore_print(e, KEYSTORE_SHA1, print)), 59);
	assert_int_equal(strlen(keystore_print(e, KEYSTORE_SHA256, print)), 95);
	assert_int_equal(strlen(keystore_print(e, KEYSTORE_SHA512, print)), 191);
	assert_int_equal(e->owner, KEYS_OWNER_TENANT);
	assert_string_equal(e->created_by, "user:alice");
	keystore_close(k);
}

static void an_untrusted_one_must_be_confirmed(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = by("user:alice");
	struct keystore_report report = {0};
	struct buf der;
	struct err err;

	struct str bytes = certificate("CN=Self", &der);
	assert_int_equal(keystore_put_certificate(k, &c, STR("a"), bytes, false, &report, &err),
			 KEYSTORE_UNTRUSTED);
	assert_int_equal(report.n, 1);
	assert_str(report.rows[0].entry->subject, "CN=Self");
	assert_string_equal(aliases_of(k, &here), "");
	keystore_report_fini(&report);
	c.confirmed = true;
	assert_int_equal(keystore_put_certificate(k, &c, STR("a"), bytes, false, NULL, &err),
			 KEYSTORE_DONE);
	/* and now it is one of ours */
	c.confirmed = false;
	assert_int_equal(keystore_put_certificate(k, &c, STR("b"), bytes, false, NULL, &err),
			 KEYSTORE_DONE);
	buf_fini(&der);
	keystore_close(k);
}

static bool swap(struct db *db, void *user, struct err *err)
{
	const struct query q = {.sql = "UPDATE entry_content SET chain = $1 WHERE id = (SELECT id"
				       " FROM entry_version WHERE alias = 'ours')",
				.params = {QUERY_BLOB(buf_str(user))},
				.n_params = 1};

	return query_run(db, &q, NULL, err);
}

static void a_root_that_was_swapped_past_us_vouches_for_nothing(void **state)
{
	struct database *d = *state;
	struct keystore *k = ready(state);
	AUTO_BUF struct buf chain = BUF(CERT_DER_MAX + 4);
	struct keystore_change c = by("user:alice");
	struct buf der;
	struct err err;

	put(k, "ours", "CN=Root", false);
	struct str bytes = certificate("CN=Root", &der);
	assert_int_equal(keystore_put_certificate(k, &c, STR("new"), bytes, false, NULL, &err),
			 KEYSTORE_UNTRUSTED);
	wr_blob(&chain, bytes);
	assert_ok(store_tx(d->store, swap, &chain, &err), &err);
	assert_int_equal(keystore_put_certificate(k, &c, STR("new"), bytes, false, NULL, &err),
			 KEYSTORE_UNTRUSTED);
	buf_fini(&der);
	keystore_close(k);
}

static void a_taken_alias_is_refused_in_any_case(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	put(k, "a", "CN=One", false);
	struct str other = certificate("CN=Two", &der);
	assert_int_equal(keystore_put_certificate(k, &c, STR("A"), other, false, NULL, &err),
			 KEYSTORE_TAKEN);
	assert_int_equal(keystore_put_certificate(k, &c, STR("b"), other, true, NULL, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_put_certificate(k, &c, STR("A"), other, true, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "a"); /* its case stays */
	assert_int_equal(keystore_put_certificate(k, &c, STR("a"), other, true, NULL, &err),
			 KEYSTORE_SAME);
	assert_int_equal(generation_of(k), 2);
	buf_fini(&der);
	keystore_close(k);
}

static void reserved_aliases_are_the_providers(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	struct str bytes = certificate("CN=One", &der);
	assert_int_equal(keystore_put_certificate(k, &c, STR("SAP_x"), bytes, false, NULL, &err),
			 KEYSTORE_RESERVED);
	c.provider = true;
	assert_int_equal(keystore_put_certificate(k, &c, STR("x"), bytes, false, NULL, &err),
			 KEYSTORE_RESERVED);
	assert_int_equal(keystore_put_certificate(k, &c, STR("sap_x"), bytes, false, NULL, &err),
			 KEYSTORE_DONE);
	c.provider = false;
	struct str alias = STR("sap_x");
	assert_int_equal(keystore_delete(k, &c, &alias, 1, NULL, &err), KEYSTORE_RESERVED);
	assert_int_equal(keystore_rename(k, &c, alias, STR("y"), NULL, &err), KEYSTORE_RESERVED);
	buf_fini(&der);
	keystore_close(k);
}

static void what_is_no_certificate_is_unreadable(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct err err;

	assert_int_equal(
		keystore_put_certificate(k, &c, STR("a"), STR("rubbish"), false, NULL, &err),
		KEYSTORE_UNREADABLE);
	assert_int_equal(keystore_status(KEYSTORE_UNREADABLE, &err), 415);
	assert_int_equal(keystore_put_certificate(k, &c, STR(""), STR("x"), false, NULL, &err),
			 KEYSTORE_BAD);
	keystore_close(k);
}

static void a_busy_key_process_is_no_limit_of_the_file(void **state UNUSED)
{
	struct err err;

	(void)err_set(&err, ERR_STORE, "4 uploads are being opened already");
	enum keystore_outcome outcome = keystore_stage_outcome(0, &err);
	assert_int_equal(keystore_status(outcome, &err), 503);
	(void)err_set(&err, ERR_LIMIT, "over the limit of iterations");
	outcome = keystore_stage_outcome(0, &err);
	assert_int_equal(keystore_status(outcome, &err), 413);
}

static void limits_are_named_and_live(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_limits limits = keystore_default_limits;
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	struct str bytes = certificate("CN=One", &der);
	limits.certificate_bytes = 10;
	keystore_set_limits(k, &limits);
	assert_int_equal(keystore_put_certificate(k, &c, STR("a"), bytes, false, NULL, &err),
			 KEYSTORE_LIMIT);
	assert_non_null(strstr(err.text, "keystore.certificate.max of 10"));
	limits = keystore_default_limits;
	limits.entries = 1;
	keystore_set_limits(k, &limits);
	put(k, "a", "CN=A", false);
	assert_int_equal(keystore_put_certificate(k, &c, STR("b"), bytes, false, NULL, &err),
			 KEYSTORE_LIMIT);
	assert_non_null(strstr(err.text, "2 is over the limit keystore.entries.max of 1"));
	limits.entries = 10;
	limits.store_bytes = 600;
	keystore_set_limits(k, &limits);
	assert_int_equal(keystore_put_certificate(k, &c, STR("b"), bytes, false, NULL, &err),
			 KEYSTORE_LIMIT);
	assert_non_null(strstr(err.text, "keystore.bytes.max"));
	buf_fini(&der);
	keystore_close(k);
}

static void content_of_what_was_refused_does_not_stay(void **state)
{
	struct keystore *k = ready(state);
	struct database *d = *state;
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	put(k, "a", "CN=One", false);
	struct str other = certificate("CN=Two", &der);
	assert_int_equal(keystore_put_certificate(k, &c, STR("a"), other, false, NULL, &err),
			 KEYSTORE_TAKEN);
	/* fails when a row is left */
	database_sql(d, "CREATE TABLE one (x INTEGER CHECK (x = 1))");
	database_sql(d, "INSERT INTO one SELECT COUNT(*) FROM entry_content");
	buf_fini(&der);
	keystore_close(k);
}

static void a_certificate_may_not_overwrite_a_key_pair(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	make_pair(k, "edge");
	assert_int_equal(keystore_put_certificate(k, &c, STR("edge"), certificate("CN=A", &der),
						  true, NULL, &err),
			 KEYSTORE_BAD);
	assert_non_null(strstr(err.text, "key pair"));
	buf_fini(&der);
	keystore_close(k);
}

static void a_dead_key_process_changes_nothing(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	put(k, "a", "CN=One", false);
	atomic_store(&local_keys_down, true);
	assert_int_equal(keystore_put_certificate(k, &c, STR("b"), certificate("CN=B", &der), false,
						  NULL, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(keystore_status(KEYSTORE_FAILED, &err), 503);
	struct str alias = STR("a");
	assert_int_equal(keystore_delete(k, &c, &alias, 1, NULL, &err), KEYSTORE_FAILED);
	assert_int_equal(keystore_status(KEYSTORE_FAILED, &err), 503);
	atomic_store(&local_keys_down, false);
	assert_string_equal(aliases_of(k, &here), "a");
	assert_int_equal(generation_of(k), 1);
	buf_fini(&der);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_certificate_is_listed_with_its_facts),
	ON_BOTH(an_untrusted_one_must_be_confirmed),
	ON_BOTH(a_root_that_was_swapped_past_us_vouches_for_nothing),
	ON_BOTH(a_taken_alias_is_refused_in_any_case),
	ON_BOTH(reserved_aliases_are_the_providers),
	ON_BOTH(what_is_no_certificate_is_unreadable),
	cmocka_unit_test(a_busy_key_process_is_no_limit_of_the_file),
	ON_BOTH(limits_are_named_and_live),
	ON_BOTH(content_of_what_was_refused_does_not_stay),
	ON_BOTH(a_certificate_may_not_overwrite_a_key_pair),
	ON_BOTH(a_dead_key_process_changes_nothing),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
