#include "store/denied_prune.h"

#include "base/clock.h"
#include "database.h"
#include "store/migrate.h"
#include "unit/unit.h"

static struct err err;

/* `n` denied attempts on the node "relay1", and what is known of them outside. */
static struct store *ready(void **state, int n, struct denied_known *known)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	const struct change_audit audit = {.who = STR("user:eve"), .what = STR("denied request")};
	struct change_audit rows[100];

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	store_set_node(d->store, "relay1");
	for (size_t i = 0; i < COUNT(rows); i++) {
		rows[i] = audit;
	}
	for (; n > 0; n -= 100) {
		assert_ok(store_denied_all(d->store, STORE_DENIED, rows, n < 100 ? (size_t)n : 100,
					   &err),
			  &err);
	}
	*known = (struct denied_known){0};
	assert_ok(store_tip(d->store, STORE_DENIED, &known->head, &err), &err);
	return d->store;
}

static struct denied_chain chain_of(struct store *s)
{
	AUTO_FREE struct denied_chain *chains = NULL;
	size_t n;

	assert_ok(store_denied_chains(s, &chains, &n, &err), &err);
	assert_int_equal(n, 1);
	return chains[0];
}

static int64_t rows_of(struct store *s)
{
	int64_t n = 0;

	assert_ok(store_verify_audit(s, &n, &err), &err);
	return n;
}

static const struct denied_rule keep_200 = {.before_ms = INT64_MIN, .rows_max = 200};

static void the_oldest_go_and_the_rest_verifies(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 1300, &known);
	struct denied_chain chain = chain_of(s);
	struct store_tip to;
	int64_t rows;

	assert_ok(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err);
	assert_int_equal(to.n, 1100);
	assert_ok(store_denied_prune(s, &chain, to.n, &rows, &err), &err);
	assert_int_equal(rows, 1100);
	assert_int_equal(rows_of(s), 200);
	/* And on: the chain grows, and is pruned again. */
	known.pruned = to;
	assert_ok(store_denied(s, &(struct change_audit){.what = STR("x")}, &err), &err);
	assert_ok(store_tip(s, STORE_DENIED, &known.head, &err), &err);
	chain = chain_of(s);
	assert_int_equal(chain.pruned.n, 1100);
	assert_in_range(chain.oldest_ms, 1, clock_unix_ms());
	assert_memory_equal(chain.pruned.hash, to.hash, sizeof(to.hash));
	assert_ok(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err);
	assert_int_equal(to.n, 1101);
	assert_ok(store_denied_prune(s, &chain, to.n, &rows, &err), &err);
	assert_int_equal(rows_of(s), 200);
}

static void age_counts_up_to_the_anchored_head(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 10, &known);
	struct denied_chain chain = chain_of(s);
	struct denied_rule rule = {.before_ms = clock_unix_ms() - 3600000, .rows_max = 100};
	struct store_tip to;
	int64_t rows;

	assert_ok(store_denied_judge(s, &chain, &known, &rule, &to, &err), &err);
	assert_int_equal(to.n, 0); /* all are young */
	rule.before_ms = INT64_MAX;
	assert_ok(store_denied(s, &(struct change_audit){.what = STR("not anchored yet")}, &err),
		  &err);
	assert_ok(store_denied_judge(s, &chain, &known, &rule, &to, &err), &err);
	assert_int_equal(to.n, 10);
	assert_ok(store_denied_prune(s, &chain, to.n, &rows, &err), &err);
	assert_int_equal(rows_of(s), 1);
	/* Nothing is left of it once that is anchored, and the chain still goes on. */
	known.pruned = to;
	assert_ok(store_tip(s, STORE_DENIED, &known.head, &err), &err);
	chain = chain_of(s);
	assert_ok(store_denied_judge(s, &chain, &known, &rule, &to, &err), &err);
	assert_ok(store_denied_prune(s, &chain, to.n, &rows, &err), &err);
	assert_int_equal(rows_of(s), 0);
	assert_int_equal(chain_of(s).oldest_ms, INT64_MAX);
	assert_ok(store_denied(s, &(struct change_audit){.what = STR("the next")}, &err), &err);
	assert_int_equal(rows_of(s), 1);
}

static void what_was_begun_is_ended(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 300, &known);
	struct denied_chain chain = chain_of(s);
	const struct denied_rule none = {.before_ms = INT64_MIN, .rows_max = 1000};
	struct store_tip to;
	int64_t rows;

	/* It was anchored, and the program ended before the rows were gone. */
	assert_ok(store_denied_judge(s, &chain, &known, &keep_200, &known.pruned, &err), &err);
	assert_int_equal(known.pruned.n, 100);
	assert_ok(store_denied_judge(s, &chain, &known, &none, &to, &err), &err);
	assert_int_equal(to.n, 100);
	assert_ok(store_denied_prune(s, &chain, to.n, &rows, &err), &err);
	assert_int_equal(rows_of(s), 200);
	/* Two at once: the second one finds the beginning moved. */
	assert_err(store_denied_prune(s, &chain, 150, &rows, &err), &err, ERR_CONFLICT,
		   "somebody else");
}

static void who_cuts_rows_off_gets_no_help(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 300, &known);
	struct store_tip to;

	database_sql(*state, "UPDATE denied_head SET pruned_n = 50, pruned_hash = (SELECT hash FROM"
			     " denied WHERE n = 50); DELETE FROM denied WHERE n <= 50");
	assert_int_equal(rows_of(s), 250); /* the chain itself agrees */
	struct denied_chain chain = chain_of(s);
	assert_err(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err, ERR_CONFLICT,
		   "rows up to 50 are gone, and only those up to 0 were pruned");
	known.pruned = (struct store_tip){.n = 50, .hash = {1}};
	assert_err(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err, ERR_CONFLICT,
		   "its beginning is not the anchored one");
}

static void who_changes_rows_gets_no_help(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 300, &known);
	struct denied_chain chain = chain_of(s);
	struct store_tip to, head = known.head;
	int64_t n;

	known.head.hash[0] ^= 1; /* all of it was written anew, and agrees with itself */
	assert_err(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err, ERR_CONFLICT,
		   "row 300 is not the one");
	known.head = head;
	known.head.n = 301;
	assert_err(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err, ERR_CONFLICT,
		   "ends at row 300, and row 301 was anchored");
	known.head = head;
	database_sql(*state, "UPDATE denied SET at_ms = 1 WHERE n <= 10"); /* to be pruned sooner */
	assert_err(store_denied_judge(s, &chain, &known, &keep_200, &to, &err), &err, ERR_STORE,
		   "row 1 was changed");
	database_sql(*state, "UPDATE denied_head SET pruned_n = 10, pruned_hash = (SELECT hash FROM"
			     " denied WHERE n = 10)");
	assert_false(store_verify_audit(s, &n, &err));
	assert_non_null(strstr(err.text, "is there, and all up to 10 were pruned"));
}

static struct store *with_exports(void **state, struct denied_chain *exports)
{
	AUTO_FREE struct denied_chain *chains = NULL;
	struct change_audit rows[5];
	struct denied_known known;
	struct store *s = ready(state, 10, &known);
	size_t n;

	for (size_t i = 0; i < COUNT(rows); i++) {
		rows[i] = (struct change_audit){.who = STR("user:bob"),
						.what = STR("keystore.export")};
	}
	assert_ok(store_denied_all(s, STORE_EXPORTS, rows, COUNT(rows), &err), &err);
	assert_ok(store_denied_chains(s, &chains, &n, &err), &err);
	assert_int_equal(n, 2);
	*exports = chains[0];
	assert_string_equal(exports->node, STORE_EXPORTS_PREFIX "relay1");
	assert_int_equal(rows_of(s), 15);
	return s;
}

static void exports_stay_whatever_the_rule(void **state)
{
	const struct denied_rule all = {.before_ms = INT64_MAX, .rows_max = 0};
	struct denied_chain exports;
	struct store *s = with_exports(state, &exports);
	struct denied_known known = {.head = exports.head};
	struct store_tip to = {.n = 77};

	assert_ok(store_denied_judge(s, &exports, &known, &all, &to, &err), &err);
	assert_int_equal(to.n, 0);
	database_sql(*state, "UPDATE denied SET at_ms = 1 WHERE node LIKE 'exports%' AND n = 5");
	assert_err(store_verify_audit(s, NULL, &err), &err, ERR_STORE,
		   "exports on relay1: row 5 was changed");
	/* Not even with care: no anchor is needed to tell. */
	database_sql(*state, "UPDATE denied_head SET pruned_n = 2, pruned_hash = (SELECT hash FROM"
			     " denied WHERE node LIKE 'exports%' AND n = 2) WHERE node LIKE"
			     " 'exports%'; DELETE FROM denied WHERE node LIKE 'exports%'"
			     " AND n <= 2");
	assert_err(store_verify_audit(s, &known.head.n, &err), &err, ERR_STORE,
		   "exports on relay1: no rule takes rows, and those up to 2 are gone");
}

/* A copy that the version before left behind is only read: no migration comes. */
static void a_database_that_knows_no_pruning_verifies(void **state)
{
	struct denied_known known;
	struct store *s = ready(state, 300, &known);

	database_sql(*state, "ALTER TABLE denied_head DROP COLUMN pruned_n");
	database_sql(*state, "ALTER TABLE denied_head DROP COLUMN pruned_hash");
	database_sql(*state, "DELETE FROM migration WHERE module = 'store' AND number = 3");
	assert_int_equal(rows_of(s), 300);
	struct denied_chain chain = chain_of(s);
	assert_int_equal(chain.head.n, 300);
	assert_int_equal(chain.pruned.n, 0);
	database_sql(*state, "DELETE FROM denied WHERE n = 1");
	assert_err(store_verify_audit(s, &known.head.n, &err), &err, ERR_STORE, "denied on relay1");
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(the_oldest_go_and_the_rest_verifies),
	ON_BOTH(age_counts_up_to_the_anchored_head),
	ON_BOTH(what_was_begun_is_ended),
	ON_BOTH(who_cuts_rows_off_gets_no_help),
	ON_BOTH(who_changes_rows_gets_no_help),
	ON_BOTH(exports_stay_whatever_the_rule),
	ON_BOTH(a_database_that_knows_no_pruning_verifies),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
