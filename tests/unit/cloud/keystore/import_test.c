#include "unit/cloud/keystore/fixture.h"

/* A file of tests/fuzz/corpus; unit/crypto/formats/make-material says how they were made. */
static struct buf material(const char *name)
{
	struct buf out = BUF(MIB(4));
	char path[4096], piece[4096];

	snprintf(path, sizeof(path), "%s/%s", TEST_CORPUS, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;) {
		buf_add(&out, piece, n);
	}
	fclose(f);
	return out;
}

static enum keystore_outcome import(struct keystore *k, const char *file, const char *password,
				    enum keystore_import_mode mode, bool partial,
				    struct keystore_report *report, struct err *err)
{
	AUTO_BUF struct buf bytes = material(file);
	struct keystore_change c = by("user:alice");

	return keystore_import(k, &c, buf_str(&bytes), str_of(password), mode, partial, report,
			       err);
}

static const struct keystore_report_row *row_of(const struct keystore_report *r, const char *alias)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcasecmp(r->rows[i].alias, alias) == 0) {
			return &r->rows[i];
		}
	}
	fail_msg("no row for %s", alias);
	return NULL;
}

#define KEYTOOL "pkcs12/keytool17.p12"

static void each_entry_of_a_file_is_reported(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_report r = {0};
	struct err err;

	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_OVERWRITE, true, &r, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "orders client Partner Root rsa3072 selfec");
	assert_int_equal(row_of(&r, "selfec")->did, KEYSTORE_NEW);
	assert_int_equal(row_of(&r, "selfec")->kind, KEYS_ENTRY_KEY_PAIR);
	assert_int_equal(row_of(&r, "partner root")->kind, KEYS_ENTRY_CERTIFICATE);
	assert_int_equal(row_of(&r, "orders client")->entry->chain_length, 3);
	size_t skipped = 0;
	for (size_t i = 0; i < r.n; i++) {
		skipped += r.rows[i].did == KEYSTORE_NOT_IMPORTED;
	}
	assert_int_equal(skipped, 1); /* the secret key */
	/* again: nothing to do, and the report says so */
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_MERGE, true, &r, &err),
			 KEYSTORE_SAME);
	assert_int_equal(row_of(&r, "selfec")->did, KEYSTORE_UNCHANGED);
	assert_int_equal(r.generation, 1);
	keystore_report_fini(&r);
	keystore_close(k);
}

static void all_or_nothing_names_the_first_that_cannot(void **state)
{
	struct keystore *k = ready(state);
	struct err err;

	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_OVERWRITE, false, NULL, &err),
			 KEYSTORE_BAD);
	assert_non_null(strstr(err.text, "nothing was imported"));
	assert_string_equal(aliases_of(k, &here), "");
	keystore_close(k);
}

static void the_root_of_a_chain_becomes_an_entry(void **state)
{
	struct keystore *k = ready(state);
	struct err err;

	assert_int_equal(import(k, "pkcs12/openssl-modern.p12", "changeit", KEYSTORE_OVERWRITE,
				false, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "Orders Client root");
	/* it is there already under another name, or the name is taken: no second one */
	assert_int_equal(import(k, "pkcs12/openssl-modern.p12", "changeit", KEYSTORE_OVERWRITE,
				false, NULL, &err),
			 KEYSTORE_SAME);
	assert_string_equal(aliases_of(k, &here), "Orders Client root");
	keystore_close(k);
}

static void modes_decide_what_happens_to_what_is_there(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_report r = {0};
	struct err err;

	make_pair(k, "Partner Root");
	put(k, "selfec", "CN=Theirs", false);
	put(k, "mine", "CN=Mine", false);
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_MERGE, true, &r, &err),
			 KEYSTORE_DONE);
	assert_string_equal(row_of(&r, "selfec")->reason, "the alias already exists");
	assert_int_equal(row_of(&r, "rsa3072")->did, KEYSTORE_NEW);
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_OVERWRITE, true, &r, &err),
			 KEYSTORE_DONE);
	assert_int_equal(row_of(&r, "selfec")->did, KEYSTORE_CHANGED);
	assert_non_null(strstr(row_of(&r, "partner root")->reason, "key pair"));
	assert_int_equal(row_of(&r, "rsa3072")->did, KEYSTORE_UNCHANGED);
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_REPLACE, true, &r, &err),
			 KEYSTORE_DONE);
	assert_int_equal(row_of(&r, "mine")->did, KEYSTORE_REMOVED);
	assert_int_equal(row_of(&r, "partner root")->did, KEYSTORE_CHANGED);
	keystore_report_fini(&r);
	keystore_close(k);
}

static void what_is_refused_changes_nothing(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_limits limits = keystore_default_limits;
	struct err err;

	assert_int_equal(import(k, KEYTOOL, "wrong", KEYSTORE_OVERWRITE, true, NULL, &err),
			 KEYSTORE_BAD);
	assert_int_equal(import(k, "container/keytool.jks", "changeit", KEYSTORE_OVERWRITE, true,
				NULL, &err),
			 KEYSTORE_UNREADABLE);
	c.if_match = 7;
	AUTO_BUF struct buf bytes = material(KEYTOOL);
	assert_int_equal(keystore_import(k, &c, buf_str(&bytes), STR("changeit"), KEYSTORE_MERGE,
					 true, NULL, &err),
			 KEYSTORE_STALE);
	limits.file_bytes = 100;
	keystore_set_limits(k, &limits);
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_OVERWRITE, true, NULL, &err),
			 KEYSTORE_LIMIT);
	limits = keystore_default_limits;
	limits.entries = 2;
	keystore_set_limits(k, &limits);
	assert_int_equal(import(k, KEYTOOL, "changeit", KEYSTORE_OVERWRITE, true, NULL, &err),
			 KEYSTORE_LIMIT);
	assert_string_equal(aliases_of(k, &here), "");
	/* and no content is left: fails when a row is there */
	database_sql(*state, "CREATE TABLE none (x INTEGER CHECK (x = 0))");
	database_sql(*state, "INSERT INTO none SELECT COUNT(*) FROM entry_content");
	keystore_close(k);
}

static void a_file_with_an_alias_twice_is_refused_as_a_whole(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_report r = {0};
	struct err err;

	assert_int_equal(import(k, "pkcs12/openssl-twice.p12", "changeit", KEYSTORE_OVERWRITE, true,
				&r, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_status(KEYSTORE_BAD, &err), 400);
	assert_string_equal(err.text,
			    "nothing was imported: the file has the alias \"pARTNER\" twice");
	assert_string_equal(aliases_of(k, &here), "");
	assert_int_equal(import(k, "pkcs12/openssl-twice.p12", "changeit", KEYSTORE_REPLACE, false,
				&r, &err),
			 KEYSTORE_BAD);
	keystore_report_fini(&r);
	keystore_close(k);
}

static void a_key_pair_is_taken_out_of_a_file(void **state)
{
	struct keystore *k = ready(state);
	AUTO_BUF struct buf bytes = material(KEYTOOL);
	struct keystore_change c = by("user:alice"), sure = alice();
	struct keystore_report r = {0};
	struct err err;

	assert_int_equal(keystore_put_key_pair(k, &c, STR("edge"), buf_str(&bytes), STR("changeit"),
					       false, &r, &err),
			 KEYSTORE_UNTRUSTED);
	assert_int_equal(keystore_put_key_pair(k, &sure, STR("edge"), buf_str(&bytes), STR("bad"),
					       false, &r, &err),
			 KEYSTORE_BAD);
	assert_int_equal(keystore_put_key_pair(k, &sure, STR("edge"), buf_str(&bytes),
					       STR("changeit"), false, &r, &err),
			 KEYSTORE_DONE);
	assert_non_null(strstr(r.rows[0].reason, "3 key pairs"));
	assert_int_equal(keystore_put_key_pair(k, &sure, STR("edge"), buf_str(&bytes),
					       STR("changeit"), true, NULL, &err),
			 KEYSTORE_SAME);
	keystore_report_fini(&r);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(each_entry_of_a_file_is_reported),
	ON_BOTH(all_or_nothing_names_the_first_that_cannot),
	ON_BOTH(the_root_of_a_chain_becomes_an_entry),
	ON_BOTH(modes_decide_what_happens_to_what_is_there),
	ON_BOTH(what_is_refused_changes_nothing),
	ON_BOTH(a_file_with_an_alias_twice_is_refused_as_a_whole),
	ON_BOTH(a_key_pair_is_taken_out_of_a_file),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
