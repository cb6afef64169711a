#include "store/query.h"
#include "unit/cloud/keystore/fixture.h"

static int did_of(const struct keystore_report *r, const char *alias)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->rows[i].alias, alias) == 0) {
			return (int)r->rows[i].did;
		}
	}
	return -1;
}

static void back_up(struct keystore *k, struct keystore_pin *pin)
{
	struct keystore_change c = alice();
	struct err err;

	assert_int_equal(keystore_back_up(k, &c, STR("before the fair"), pin, NULL, &err),
			 KEYSTORE_DONE);
}

/* a and b saved; then a replaced, b deleted, c made; the provider's one changed too. */
static void prepare(struct keystore *k, struct keystore_pin *pin)
{
	struct keystore_change c = alice(), provider = alice();
	struct str b = STR("b");
	struct buf der;
	struct err err;

	provider.provider = true;
	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	struct str bytes = certificate("CN=Provider", &der);
	assert_int_equal(
		keystore_put_certificate(k, &provider, STR("sap_p"), bytes, false, NULL, &err),
		KEYSTORE_DONE);
	buf_fini(&der);
	back_up(k, pin);
	put(k, "a", "CN=A2", true);
	assert_int_equal(keystore_delete(k, &c, &b, 1, NULL, &err), KEYSTORE_DONE);
	put(k, "c", "CN=C", false);
	bytes = certificate("CN=Provider 2", &der);
	assert_int_equal(
		keystore_put_certificate(k, &provider, STR("sap_p"), bytes, true, NULL, &err),
		KEYSTORE_DONE);
	buf_fini(&der);
}

static void a_restore_replaces_what_the_tenant_owns(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	int64_t provider = version_of(k, "sap_p");
	assert_string_equal(aliases_of(k, &saved), "a b");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, &report, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "a b sap_p");
	assert_int_equal(did_of(&report, "a"), KEYSTORE_CHANGED);
	assert_int_equal(did_of(&report, "b"), KEYSTORE_NEW);
	assert_int_equal(did_of(&report, "c"), KEYSTORE_REMOVED);
	assert_int_equal(did_of(&report, "sap_p"), -1);
	assert_int_equal(version_of(k, "sap_p"), provider);
	keystore_report_fini(&report);
	keystore_close(k);
}

static void an_overwriting_restore_keeps_newer_entries(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	assert_int_equal(keystore_restore(k, &c, pin.id, KEYSTORE_RESTORE_OVERWRITE, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "a b c sap_p");
	assert_int_equal(keystore_restore(k, &c, pin.id, KEYSTORE_RESTORE_OVERWRITE, NULL, &err),
			 KEYSTORE_SAME);
	keystore_close(k);
}

static void a_preview_says_it_and_changes_nothing(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	int64_t before = generation_of(k);
	assert_int_equal(keystore_preview(k, &c, 0, KEYSTORE_RESTORE_REPLACE, &report, &err),
			 KEYSTORE_DONE);
	assert_int_equal(did_of(&report, "a"), KEYSTORE_CHANGED);
	assert_int_equal(did_of(&report, "b"), KEYSTORE_NEW);
	assert_int_equal(did_of(&report, "c"), KEYSTORE_REMOVED);
	assert_int_equal(report.n, 3);
	assert_int_equal(generation_of(k), before);
	assert_int_equal(keystore_preview(k, &c, 0, KEYSTORE_RESTORE_OVERWRITE, &report, &err),
			 KEYSTORE_DONE);
	assert_int_equal(report.n, 2);
	keystore_report_fini(&report);
	keystore_close(k);
}

/* c gets a long name and is alive under many aliases: more than a list of entries may take. */
static bool swell(struct db *db, void *user, struct err *err)
{
	struct query name = {.sql = "UPDATE entry_version SET subject = $1 WHERE alias = 'c'",
			     .params = {QUERY_TEXT(*(const struct str *)user)},
			     .n_params = 1};
	bool ok = query_run(db, &name, NULL, err);

	for (int i = 0; i < 64 && ok; i++) {
		struct query life = {
			.sql = "INSERT INTO entry_life (keystore, version, alias_fold, owner,"
			       " not_after, bytes, from_gen, to_gen) SELECT l.keystore, l.version,"
			       " $1, l.owner, l.not_after, l.bytes, $2, l.to_gen FROM entry_life l"
			       " JOIN entry_version v ON v.id = l.version WHERE v.alias = 'c'"
			       " AND l.from_gen < 100",
			.params = {QUERY_BLOB(str_make(&i, sizeof(i))), QUERY_INT(100 + i)},
			.n_params = 2};
		ok = query_run(db, &life, NULL, err);
	}
	return ok;
}

static void a_difference_with_more_text_than_fits_is_a_limit(void **state)
{
	struct database *d = *state;
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	AUTO_BUF struct buf name = BUF(MIB(4));
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	memset(buf_reserve(&name, MIB(4)), 'x', MIB(4));
	buf_commit(&name, MIB(4));
	struct str text = buf_str(&name);
	assert_ok(store_tx(d->store, swell, &text, &err), &err);
	assert_int_equal(keystore_preview(k, &c, 0, KEYSTORE_RESTORE_REPLACE, &report, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(err.kind, ERR_LIMIT);
	keystore_report_fini(&report);
	keystore_close(k);
}

static void undo_goes_back_while_the_restore_is_current(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_head head;
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	int64_t a = version_of(k, "a");
	assert_int_equal(keystore_undo(k, &c, NULL, &err), KEYSTORE_MISSING);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_ok(keystore_head(k, &here, NOW, &head, &err), &err);
	assert_true(head.restored_from != 0);
	assert_int_equal(keystore_undo(k, &c, NULL, &err), KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "a c sap_p");
	assert_int_equal(version_of(k, "a"), a);
	assert_int_equal(keystore_undo(k, &c, NULL, &err), KEYSTORE_MISSING);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	put(k, "d", "CN=D", false);
	assert_int_equal(keystore_undo(k, &c, NULL, &err), KEYSTORE_MISSING);
	keystore_close(k);
}

/* Each generation is authentic for ever: the pin says which one comes back. */
static void a_pin_that_was_moved_past_us_is_not_restored(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	struct keystore_pin pin;
	struct err err;

	put(k, "revoked", "CN=Revoked", false);
	prepare(k, &pin);
	database_sql(*state, "UPDATE keystore_pin SET generation = 1");
	assert_int_equal(keystore_preview(k, &c, 0, KEYSTORE_RESTORE_REPLACE, &report, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "was changed past the program"));
	database_sql(*state, "UPDATE keystore_pin SET generation = 4");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	/* nor is an undo that leads elsewhere */
	database_sql(*state, "UPDATE keystore_pin SET generation = 1 WHERE kind = 2");
	assert_int_equal(keystore_undo(k, &c, NULL, &err), KEYSTORE_FAILED);
	assert_string_equal(aliases_of(k, &here), "a b revoked sap_p");
	keystore_close(k);
}

static void a_pin_of_the_version_before_is_called_that(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_pin pin;
	struct err err;

	put(k, "revoked", "CN=Revoked", false);
	prepare(k, &pin);
	database_sql(*state, "UPDATE keystore_pin SET data_key = NULL, mac = NULL");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "the version before this one made it"));
	assert_non_null(strstr(err.text, "back up anew"));
	/* a seal of which a part is gone is no such thing */
	back_up(k, &pin);
	database_sql(*state, "UPDATE keystore_pin SET mac = NULL");
	assert_int_equal(keystore_restore(k, &c, pin.id, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_non_null(strstr(err.text, "was changed past the program"));
	keystore_close(k);
}

static void an_older_backup_is_not_made_the_current_one_past_us(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_pin pin;
	struct err err;

	put(k, "revoked", "CN=Revoked", false);
	back_up(k, &pin);
	put(k, "a", "CN=A", false);
	back_up(k, &pin);
	database_sql(*state, "UPDATE keystore_pin SET id = id + 100 WHERE generation = 1");
	assert_string_equal(aliases_of(k, &saved), "revoked");
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_FAILED);
	assert_int_equal(keystore_restore(k, &c, pin.id, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_SAME);
	keystore_close(k);
}

static void without_a_backup_there_is_nothing_to_restore(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_head head;
	struct err err;

	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_MISSING);
	put(k, "a", "CN=A", false);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_MISSING);
	assert_int_equal(keystore_restore(k, &c, 77, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_MISSING);
	assert_ok(keystore_head(k, &saved, NOW, &head, &err), &err);
	assert_false(head.exists);
	assert_string_equal(aliases_of(k, &saved), "");
	keystore_close(k);
}

static void an_empty_store_can_be_backed_up_and_restored(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_pin pin;
	struct err err;

	back_up(k, &pin);
	assert_int_equal(pin.entries, 0);
	put(k, "a", "CN=A", false);
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	assert_string_equal(aliases_of(k, &here), "");
	keystore_close(k);
}

static void the_newest_pin_is_the_backup_and_old_ones_go(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_limits limits = keystore_default_limits;
	AUTO_FREE struct keystore_pin *pins = NULL;
	struct keystore_pin pin;
	struct err err;
	size_t n;

	limits.pins = 2;
	keystore_set_limits(k, &limits);
	for (int i = 0; i < 4; i++) {
		char alias[8];
		snprintf(alias, sizeof(alias), "e%d", i);
		put(k, alias, "CN=E", false);
		back_up(k, &pin);
	}
	assert_ok(keystore_pins(k, STR(TENANT), &pins, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_true(pins[0].is_current);
	assert_false(pins[1].is_current);
	assert_int_equal(pins[0].entries, 4);
	assert_string_equal(pins[0].note, "before the fair");
	assert_string_equal(aliases_of(k, &saved), "e0 e1 e2 e3");
	keystore_close(k);
}

static void a_stale_generation_is_refused(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_change c = alice();
	struct keystore_report report = {0};
	struct keystore_pin pin;
	struct err err;

	prepare(k, &pin);
	c.if_match = generation_of(k) - 1;
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_STALE);
	assert_int_equal(keystore_preview(k, &c, 0, KEYSTORE_RESTORE_REPLACE, &report, &err),
			 KEYSTORE_STALE);
	c.if_match++;
	assert_int_equal(keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, NULL, &err),
			 KEYSTORE_DONE);
	keystore_report_fini(&report);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(a_restore_replaces_what_the_tenant_owns),
	ON_BOTH(an_overwriting_restore_keeps_newer_entries),
	ON_BOTH(a_preview_says_it_and_changes_nothing),
	ON_SQLITE(a_difference_with_more_text_than_fits_is_a_limit),
	ON_BOTH(undo_goes_back_while_the_restore_is_current),
	ON_BOTH(a_pin_that_was_moved_past_us_is_not_restored),
	ON_BOTH(a_pin_of_the_version_before_is_called_that),
	ON_BOTH(an_older_backup_is_not_made_the_current_one_past_us),
	ON_BOTH(without_a_backup_there_is_nothing_to_restore),
	ON_BOTH(an_empty_store_can_be_backed_up_and_restored),
	ON_BOTH(the_newest_pin_is_the_backup_and_old_ones_go),
	ON_BOTH(a_stale_generation_is_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
