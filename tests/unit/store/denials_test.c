#include "store/denials.h"

#include "database.h"
#include "store/migrate.h"
#include "store/query.h"
#include "unit/unit.h"

static struct store *ready(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	return d->store;
}

static int64_t count(struct store *s)
{
	struct err err;
	int64_t n = 0;

	assert_ok(store_verify_audit(s, &n, &err), &err);
	return n;
}

static const struct denial sample = {.who = STR("user:eve"),
				     .from = STR("10.0.0.1:5"),
				     .tenant = STR("plant"),
				     .what = STR("denied request"),
				     .object = STR("GET /secret"),
				     .reason = "no resource allows it",
				     .status = 403};

static void what_was_denied_is_written_together_and_verifies(void **state)
{
	struct store *s = ready(state);
	struct denials *d = denials_new(s);
	struct err err;

	assert_false(denials_waiting(d));
	denials_note(d, &sample);
	denials_note(d, &sample);
	assert_true(denials_waiting(d));
	assert_int_equal(count(s), 0);
	assert_ok(denials_flush(d, &err), &err);
	assert_false(denials_waiting(d));
	assert_int_equal(count(s), 2);
	database_sql(*state, "UPDATE denied SET object = 'GET /public' WHERE n = 1");
	int64_t n;
	assert_false(store_verify_audit(s, &n, &err));
	denials_free(d);
	denials_note(NULL, &sample);
}

static void a_flood_is_bounded_and_said(void **state)
{
	struct store *s = ready(state);
	struct denials *d = denials_new(s);
	struct err err;
	struct db *db;
	struct stmt *st;

	for (int i = 0; i < DENIALS_MAX + 7; i++) {
		denials_note(d, &sample);
	}
	assert_ok(denials_flush(d, &err), &err);
	assert_int_equal(count(s), DENIALS_MAX);
	denials_note(d, &sample);
	denials_note(d, &sample);
	assert_ok(denials_flush(d, &err), &err);
	assert_int_equal(count(s), DENIALS_MAX + 2);
	assert_ok(store_take(s, &db, &err), &err);
	assert_ok(
		db_prepare(db,
			   "SELECT count(*) FROM denied WHERE became LIKE '%left out before\":7%'",
			   &st, &err),
		&err);
	assert_int_equal(stmt_step(st, &err), STORE_ROW);
	assert_int_equal(stmt_col_int(st, 0), 1);
	stmt_reset(st);
	store_give(s, db);
	denials_free(d);
}

static const struct denial taken = {.who = STR("user:bob"),
				    .tenant = STR("plant"),
				    .what = STR("keystore.export"),
				    .object = STR("edge"),
				    .reason = "certificate",
				    .status = 200};

static int64_t rows_of(struct store *s, enum store_chain chain)
{
	struct store_tip tip;
	struct err err;

	assert_ok(store_tip(s, chain, &tip, &err), &err);
	return tip.n;
}

/* Else who wants to export unseen sends refused requests beside. */
static void a_flood_hides_no_export(void **state)
{
	struct store *s = ready(state);
	struct denials *d = denials_new(s);
	struct err err;

	for (int i = 0; i < DENIALS_MAX + 1; i++) {
		denials_note(d, &sample);
	}
	assert_int_equal(denials_note_export(d, &taken), 0);
	assert_int_equal(count(s), 0); /* nobody waited for the refusals' sake */
	for (int i = 1; i < DENIALS_MAX + 7; i++) {
		assert_int_equal(denials_note_export(d, &taken), 0);
	}
	assert_int_equal(rows_of(s, STORE_EXPORTS), DENIALS_MAX);
	assert_int_equal(rows_of(s, STORE_DENIED), 0);
	assert_ok(denials_flush(d, &err), &err);
	assert_int_equal(rows_of(s, STORE_EXPORTS), DENIALS_MAX + 7);
	assert_int_equal(rows_of(s, STORE_DENIED), DENIALS_MAX);
	assert_int_equal(count(s), 2 * DENIALS_MAX + 7);
	denials_free(d);
	assert_int_equal(denials_note_export(NULL, &taken), 0);
}

static void what_strangers_send_is_cut_and_made_harmless(void **state)
{
	struct store *s = ready(state);
	struct denials *d = denials_new(s);
	char longest[3000];
	struct denial hostile = sample;
	struct err err;

	memset(longest, '"', sizeof(longest));
	hostile.object = str_make(longest, sizeof(longest));
	hostile.who = STR("a\0b\xff\n");
	denials_note(d, &hostile);
	assert_ok(denials_flush(d, &err), &err);
	assert_int_equal(count(s), 1);
	denials_free(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_was_denied_is_written_together_and_verifies),
		ON_BOTH(a_flood_is_bounded_and_said),
		ON_BOTH(a_flood_hides_no_export),
		ON_BOTH(what_strangers_send_is_cut_and_made_harmless),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
