#include "store/follow.h"

#include <stdatomic.h>

#include "database.h"
#include "store/migrate.h"
#include "unit/unit.h"

struct reader {
	atomic_int calls;
	_Atomic int64_t head; /* of the last call */
	atomic_bool fails;
};

static bool read_again(void *user, int64_t head, int64_t *reached, struct err *err)
{
	struct reader *r = user;

	atomic_fetch_add(&r->calls, 1);
	if (atomic_load(&r->fails)) {
		return err_set(err, ERR_STORE, "not now");
	}
	assert_int_equal(*reached, head);
	atomic_store(&r->head, head);
	return true;
}

static bool nothing(struct db *db, struct change *c, void *user, struct err *err)
{
	(void)db;
	(void)user;
	(void)err;
	change_record(c, &(struct change_audit){.who = STR("user:a"), .what = STR("nothing")});
	return true;
}

static int64_t change(struct store *s)
{
	struct err err;
	int64_t n = 0;

	assert_ok(store_change(s, nothing, NULL, &n, &err), &err);
	return n;
}

static struct follower *start(struct database *d, struct reader *r)
{
	const struct migration_set sets[] = {{"store", store_migrations}};
	const struct follow_settings settings = {
		.store = d->store, .what = "the test", .fn = read_again, .user = r};
	struct follower *f;
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_ok(follow_start(&settings, &f, &err), &err);
	return f;
}

static void a_change_is_covered_when_the_wait_ends(void **state)
{
	struct database *d = *state;
	struct reader r = {0};
	struct follower *f = start(d, &r);

	assert_int_equal(atomic_load(&r.calls), 1); /* before the start returned */
	int64_t n = change(d->store);
	follow_poke(f);
	assert_true(follow_wait(f, n, SEC(20)));
	assert_int_equal(atomic_load(&r.head), n);
	n = change(d->store); /* nobody pokes: the next look finds it */
	assert_true(follow_wait(f, n, SEC(20)));
	assert_false(follow_wait(f, n + 1, 1));
	follow_stop(f);
}

static void what_cannot_be_read_is_tried_again(void **state)
{
	struct database *d = *state;
	struct reader r = {0};
	struct follower *f = start(d, &r);

	atomic_store(&r.fails, true);
	int64_t n = change(d->store);
	follow_poke(f);
	assert_false(follow_wait(f, n, 50));
	atomic_store(&r.fails, false);
	assert_true(follow_wait(f, n, SEC(20)));
	follow_stop(f);
}

static void a_first_look_that_fails_is_no_start(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct reader r = {0};
	const struct follow_settings settings = {
		.store = d->store, .what = "the test", .fn = read_again, .user = &r};
	struct follower *f;
	struct err err;

	atomic_store(&r.fails, true);
	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_err(follow_start(&settings, &f, &err), &err, ERR_STORE, "not now");
	follow_stop(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_change_is_covered_when_the_wait_ends),
		ON_BOTH(what_cannot_be_read_is_tried_again),
		ON_BOTH(a_first_look_that_fails_is_no_start),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
