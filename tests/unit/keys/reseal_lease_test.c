#include "keys/reseal_lease.h"

#include "database.h"
#include "unit/unit.h"

enum {
	NOW = 1000000,
};

static struct err err;

static struct store *ready(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"reseal", reseal_migrations}};

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	return d->store;
}

struct taking {
	const char *id, *node;
	int64_t now;
	struct str text;
};

static bool take_in(struct db *db, void *user, struct err *why)
{
	const struct taking *t = user;

	return reseal_lease_take(db, t->id, t->node, t->now, t->text, why);
}

static bool take(struct store *s, const char *id, const char *node, int64_t now)
{
	struct taking t = {id, node, now, STR("{\"itemsDone\":0}")};

	return store_tx(s, take_in, &t, &err);
}

static bool end_in(struct db *db, void *user, struct err *why)
{
	const struct taking *t = user;

	return reseal_lease_end(db, t->id, t->text, why);
}

static void end(struct store *s, const char *id, struct str last)
{
	struct taking t = {.id = id, .text = last};

	assert_ok(store_tx(s, end_in, &t, &err), &err);
}

static void expect_state(struct store *s, int64_t now, bool runs, const char *progress,
			 const char *last)
{
	struct reseal_state state;

	reseal_state_init(&state);
	assert_ok(reseal_lease_read(s, now, &state, &err), &err);
	assert_int_equal(state.runs, runs);
	assert_true(str_eq(buf_str(&state.progress), str_of(progress)));
	assert_true(str_eq(buf_str(&state.last), str_of(last)));
	reseal_state_fini(&state);
}

static void one_run_at_a_time_on_all_nodes(void **state)
{
	struct store *s = ready(state);

	expect_state(s, NOW, false, "", "");
	assert_ok(take(s, "a", "one", NOW), &err);
	assert_err(take(s, "b", "two", NOW + RESEAL_LEASE_MS), &err, ERR_CONFLICT, "on node one");
	expect_state(s, NOW + 1, true, "{\"itemsDone\":0}", "");
	end(s, "b", STR("\"not its own\""));
	expect_state(s, NOW + 1, true, "{\"itemsDone\":0}", "");
	end(s, "a", STR("\"the end\""));
	expect_state(s, NOW + 1, false, "", "\"the end\"");
	assert_ok(take(s, "b", "two", NOW + 2), &err);
	expect_state(s, NOW + 2, true, "{\"itemsDone\":0}", "\"the end\"");
}

static void a_lease_that_is_not_prolonged_ends(void **state)
{
	struct store *s = ready(state);
	bool held = false;

	assert_ok(take(s, "a", "one", NOW), &err);
	assert_ok(reseal_lease_renew(s, "a", NOW + 50000, STR("\"half\""), &held, &err), &err);
	assert_true(held);
	assert_false(take(s, "b", "two", NOW + RESEAL_LEASE_MS + 1));
	expect_state(s, NOW + 50001, true, "\"half\"", "");
	expect_state(s, NOW + 50001 + RESEAL_LEASE_MS, false, "\"half\"", "");
	assert_ok(take(s, "b", "two", NOW + 50001 + RESEAL_LEASE_MS), &err);
	assert_ok(reseal_lease_renew(s, "a", NOW + 60000, STR("\"late\""), &held, &err), &err);
	assert_false(held);
	end(s, "a", STR("\"late\""));
	expect_state(s, NOW + 60000, true, "{\"itemsDone\":0}", "");
}

static void a_node_that_starts_again_frees_its_own(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf progress = BUF(RESEAL_TEXT_MAX);
	bool found = true;

	assert_ok(reseal_lease_orphan(s, "", &progress, &found, &err), &err);
	assert_false(found);
	assert_ok(take(s, "a", "one", NOW), &err);
	assert_ok(reseal_lease_orphan(s, "two", &progress, &found, &err), &err);
	assert_false(found);
	assert_ok(reseal_lease_orphan(s, "one", &progress, &found, &err), &err);
	assert_true(found);
	assert_true(str_eq(buf_str(&progress), STR("{\"itemsDone\":0}")));
	assert_ok(reseal_lease_set_last(s, STR("\"killed\""), &err), &err);
	expect_state(s, NOW, false, "", "\"killed\"");
	assert_ok(take(s, "b", "two", NOW), &err);
	assert_ok(reseal_lease_set_last(s, STR("\"too late\""), &err), &err);
	expect_state(s, NOW, true, "{\"itemsDone\":0}", "\"killed\"");
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(one_run_at_a_time_on_all_nodes),
	ON_BOTH(a_lease_that_is_not_prolonged_ends),
	ON_BOTH(a_node_that_starts_again_frees_its_own),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
