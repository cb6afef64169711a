#include "unit/cloud/keystore/fixture.h"

struct told {
	char text[2000];
	int n;
};

static void note(struct str alias, const char *what, void *user)
{
	struct told *t = user;
	size_t len = strlen(t->text);

	t->n++;
	(void)snprintf(t->text + len, sizeof(t->text) - len, "%.*s: %s; ", STR_ARGS(alias), what);
}

static struct told verify(struct keystore *k)
{
	struct told t = {0};
	int64_t checked;
	struct err err;

	assert_ok(keystore_verify(k, STR(TENANT), note, &t, &checked, &err), &err);
	return t;
}

static void says(const struct told *t, const char *part)
{
	if (strstr(t->text, part) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", t->text, part);
	}
}

static struct keystore *filled(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct err err;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	make_pair(k, "edge");
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
	put(k, "a", "CN=A2", true);
	struct told t = verify(k);
	assert_string_equal(t.text, "");
	return k;
}

#define VERSION_OF(alias)                                                                          \
	"(SELECT v.id FROM entry_version v JOIN entry_life l ON l.version = v.id"                  \
	" WHERE v.alias = '" alias "' AND l.to_gen = 9223372036854775807)"

static void a_changed_sealed_key_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE entry_content SET sealed = (SELECT c.sealed FROM entry_content"
			     " c WHERE c.id = " VERSION_OF("a") ") WHERE id = " VERSION_OF("edge"));
	struct told t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "edge: the sealed key");
	put(k, "c", "CN=C", false); /* the others stay usable */
	put(k, "b", "CN=B2", true);
	keystore_close(k);
}

static void a_life_row_that_ends_in_the_future_is_named(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct str b = STR("b");
	struct err err;

	database_sql(*state,
		     "UPDATE entry_life SET to_gen = 9223372036854775806"
		     " WHERE to_gen = 9223372036854775807 AND version = " VERSION_OF("edge"));
	struct told t = verify(k);
	says(&t, "edge: its life row was changed");
	says(&t, "its entries are not those that it had");
	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_FAILED);
	keystore_close(k);
}

/* The next change would count it among its own, and authenticate it. */
static void a_life_row_that_begins_in_the_future_becomes_no_part_of_a_change(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct str b = STR("b");
	struct err err;

	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_DONE);
	database_sql(*state,
		     "INSERT INTO entry_life (keystore, version, alias_fold, owner, not_after,"
		     " bytes, from_gen, to_gen) SELECT keystore, version, alias_fold, owner,"
		     " not_after, bytes, 6, 9223372036854775807 FROM entry_life WHERE to_gen = 5");
	struct told t = verify(k);
	says(&t, "b: its life row was changed");
	says(&t, "generation 5: its entries are not those that it had");
	struct str a = STR("a");
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_OVERWRITE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	t = verify(k);
	assert_string_equal(t.text, "");
	assert_string_equal(aliases_of(k, &here), "a b edge");
	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_DONE);
	keystore_close(k);
}

static void a_life_row_that_ends_with_the_next_change_is_not_part_of_it(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct str a = STR("a");
	struct err err;

	database_sql(*state,
		     "UPDATE entry_life SET to_gen = 5"
		     " WHERE to_gen = 9223372036854775807 AND version = " VERSION_OF("edge"));
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	struct told t = verify(k);
	assert_string_equal(t.text, "");
	assert_string_equal(aliases_of(k, &here), "a b edge");
	keystore_close(k);
}

/* What is asked for by one name would be another entry, a key pair of somebody else's choice. */
static void an_entry_under_another_alias_is_not_used(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct str b = STR("b");
	struct err err;

	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_DONE);
	database_sql(*state,
		     "UPDATE entry_life SET alias_fold = (SELECT l.alias_fold"
		     " FROM entry_life l WHERE l.to_gen = 5) WHERE version = " VERSION_OF("edge"));
	assert_false(keystore_find(k, &here, b, &l, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_int_equal(keystore_csr(k, &c, b, STR(""), &der, &err), KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "life row of alias \"edge\" was changed"));
	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_FAILED);
	assert_int_equal(keystore_rename(k, &c, b, STR("x"), NULL, &err), KEYSTORE_FAILED);
	keystore_close(k);
}

static void a_row_that_says_another_fingerprint_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE entry_version SET prints = (SELECT v.prints FROM entry_version"
			     " v WHERE v.alias = 'b') WHERE id = " VERSION_OF("edge"));
	struct told t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "edge: its row says something else");
	database_sql(*state, "UPDATE entry_version SET not_before = not_before + 1"
			     " WHERE id = " VERSION_OF("a"));
	t = verify(k);
	assert_int_equal(t.n, 2);
	says(&t, "a: its row says something else");
	keystore_close(k);
}

static void a_changed_chain_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE entry_content SET chain = (SELECT c.chain FROM entry_content"
			     " c WHERE c.id = " VERSION_OF("a") ") WHERE id = " VERSION_OF("b"));
	struct told t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "b: the chain was changed");
	keystore_close(k);
}

static void a_flag_that_was_set_past_us_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE entry_version SET flags = 1 WHERE id = " VERSION_OF("b"));
	struct told t = verify(k);
	says(&t, "b: the certificate's tag");
	keystore_close(k);
}

static void a_changed_life_row_is_named_and_repaired_by_a_restore(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct str b = STR("b");
	struct err err;

	/* b dies without a change */
	database_sql(*state, "UPDATE entry_life SET to_gen = 4 WHERE version = " VERSION_OF("b"));
	struct told t = verify(k);
	says(&t, "b: generation 4: its life row was changed");
	says(&t, ": generation 4: its entries are not those that it had");
	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_MISSING);
	struct str a = STR("a");
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_OVERWRITE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "a b edge");
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_DONE);
	keystore_close(k);
}

static void a_requirement_that_was_changed_past_us_is_not_authenticated(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct keystore_head head;
	struct str a = STR("a");
	struct err err;

	database_sql(*state, "UPDATE keystore SET settings = 1");
	struct told t = verify(k);
	says(&t, "generation 4: its settings");
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_FAILED);
	assert_int_equal(keystore_require_certificate(k, &c, false, &err), KEYSTORE_FAILED);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_ok(keystore_head(k, &here, NOW, &head, &err), &err);
	assert_false(head.requires_certificate);
	t = verify(k);
	assert_string_equal(t.text, "");
	assert_int_equal(keystore_delete(k, &c, &a, 1, NULL, &err), KEYSTORE_DONE);
	keystore_close(k);
}

static void a_damaged_backup_is_not_restored(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct err err;

	/* the version of a that the backup had never was */
	database_sql(*state, "DELETE FROM entry_life WHERE to_gen = 4");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "backup of generation 3 is damaged"));
	assert_string_equal(aliases_of(k, &here), "a b edge");
	keystore_close(k);
}

static void a_changed_data_key_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE data_key SET wrapped = id");
	struct told t = verify(k);
	says(&t, "generation 4: its row is missing or was changed");
	says(&t, "edge: the sealed key");
	keystore_close(k);
}

static void a_changed_generation_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE keystore_generation SET by_user = 'user:mallory' WHERE n = 2");
	struct told t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "generation 2: its row is missing or was changed");
	keystore_close(k);
}

static void a_changed_backup_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE keystore_pin SET note = 'good one'");
	struct told t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "generation 3: the row of backup 1 was changed");
	database_sql(*state, "UPDATE keystore_pin SET data_key = NULL, mac = NULL");
	t = verify(k);
	assert_int_equal(t.n, 1);
	says(&t, "generation 3: the row of backup 1 has no seal (of a version before?)");
	keystore_close(k);
}

static void a_number_that_was_never_reached_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "UPDATE keystore SET generation = generation + 4611686018427387904");
	struct told t = verify(k);
	says(&t, "generation 4611686018427387908: its row is missing or was changed");
	says(&t, "generation 4611686018427387908: its entries are not those that it had");
	keystore_close(k);
}

static void a_missing_generation_is_named(void **state)
{
	struct keystore *k = filled(state);

	database_sql(*state, "DELETE FROM keystore_generation WHERE n = 2");
	struct told t = verify(k);
	says(&t, "generation 2: its row is missing or was changed");
	keystore_close(k);
}

static void pruning_keeps_what_is_pinned_and_new(void **state)
{
	struct keystore *k = filled(state);
	struct keystore_change c = alice();
	struct err err;

	for (int i = 0; i < 60; i++) { /* 120 generations */
		put(k, "x", "CN=X", false);
		struct str x = STR("x");
		assert_int_equal(keystore_delete(k, &c, &x, 1, NULL, &err), KEYSTORE_DONE);
	}
	assert_ok(keystore_prune(k, NOW + 10 * 3600 * 1000, &err), &err);
	struct told t = verify(k);
	assert_string_equal(t.text, "");
	assert_string_equal(aliases_of(k, &saved), "a b edge");
	/* b, edge, both a, and of the 60 x those of the last 100 generations */
	database_sql(*state, "CREATE TABLE right_number (x INTEGER CHECK (x = 54))");
	database_sql(*state, "INSERT INTO right_number SELECT COUNT(*) FROM entry_version");
	database_sql(*state, "INSERT INTO right_number SELECT COUNT(*) FROM entry_content");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	keystore_close(k);
}

static void back_up_at(struct keystore *k, int64_t at)
{
	struct keystore_change c = alice();
	struct err err;

	c.now = at;
	assert_int_equal(keystore_back_up(k, &c, STR(""), NULL, NULL, &err), KEYSTORE_DONE);
}

static void expect_pins(struct keystore *k, size_t wanted, size_t backups)
{
	AUTO_FREE struct keystore_pin *pins = NULL;
	struct err err;
	size_t n, found = 0;

	assert_ok(keystore_pins(k, STR(TENANT), &pins, &n, &err), &err);
	assert_int_equal(n, wanted);
	for (size_t i = 0; i < n; i++) {
		found += pins[i].is_backup;
	}
	assert_int_equal(found, backups);
}

static void old_backups_go_with_what_only_they_had(void **state)
{
	const int64_t day = 86400000;
	struct keystore *k = ready(state);
	struct keystore_limits limits = keystore_default_limits;
	struct keystore_change c = alice();
	struct str x = STR("x"), only = STR("only");
	struct err err;

	put(k, "only", "CN=Only", false);
	back_up_at(k, NOW - 30 * day);
	assert_int_equal(keystore_delete(k, &c, &only, 1, NULL, &err), KEYSTORE_DONE);
	put(k, "kept", "CN=Kept", false);
	back_up_at(k, NOW - 20 * day);
	c.now = NOW - 15 * day;
	for (int i = 0; i < 2; i++) { /* two safety pins */
		put(k, "after", "CN=After", false);
		assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
				 KEYSTORE_DONE);
	}
	for (int i = 0; i < 60; i++) {
		put(k, "x", "CN=X", false);
		assert_int_equal(keystore_delete(k, &c, &x, 1, NULL, &err), KEYSTORE_DONE);
	}
	assert_ok(keystore_prune(k, NOW, &err), &err);
	expect_pins(k, 4, 2); /* no limit of age */
	limits.pins_age = 10 * day;
	keystore_set_limits(k, &limits);
	database_sql(*state, "CREATE TABLE right_number (x INTEGER CHECK (x = 1))");
	database_sql(*state, "INSERT INTO right_number SELECT COUNT(*) FROM entry_version"
			     " WHERE alias = 'only'");
	assert_ok(keystore_prune(k, NOW, &err), &err);
	expect_pins(k, 2, 1); /* the newest of each kind, although they are old */
	database_sql(*state, "INSERT INTO right_number SELECT COUNT(*) + 1 FROM entry_version"
			     " WHERE alias = 'only'");
	struct told t = verify(k);
	assert_string_equal(t.text, "");
	put(k, "last", "CN=Last", false);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &saved), "kept");
	/* One that is young stays. */
	back_up_at(k, NOW - day);
	back_up_at(k, NOW - day);
	assert_ok(keystore_prune(k, NOW, &err), &err);
	expect_pins(k, 3, 2);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_changed_sealed_key_is_named),
	ON_BOTH(a_life_row_that_ends_in_the_future_is_named),
	ON_BOTH(a_life_row_that_begins_in_the_future_becomes_no_part_of_a_change),
	ON_BOTH(a_life_row_that_ends_with_the_next_change_is_not_part_of_it),
	ON_BOTH(an_entry_under_another_alias_is_not_used),
	ON_BOTH(a_row_that_says_another_fingerprint_is_named),
	ON_BOTH(a_changed_chain_is_named),
	ON_BOTH(a_flag_that_was_set_past_us_is_named),
	ON_BOTH(a_changed_life_row_is_named_and_repaired_by_a_restore),
	ON_BOTH(a_requirement_that_was_changed_past_us_is_not_authenticated),
	ON_BOTH(a_damaged_backup_is_not_restored),
	ON_BOTH(a_changed_data_key_is_named),
	ON_BOTH(a_changed_generation_is_named),
	ON_BOTH(a_changed_backup_is_named),
	ON_BOTH(a_number_that_was_never_reached_is_named),
	ON_BOTH(a_missing_generation_is_named),
	ON_BOTH(pruning_keeps_what_is_pinned_and_new),
	ON_BOTH(old_backups_go_with_what_only_they_had),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
