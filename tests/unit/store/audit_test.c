#include "store/audit.h"

#include "database.h"
#include "store/migrate.h"
#include "unit/unit.h"

static bool nothing(struct db *db, struct change *c, void *user, struct err *err)
{
	(void)db;
	(void)err;
	change_record(c, &(struct change_audit){.who = str_of(user), .what = STR("nothing")});
	return true;
}

struct seen {
	int64_t first, last;
	int n;
	char who[16];
};

static void see(const struct audit_entry *e, void *user)
{
	struct seen *s = user;

	if (s->n++ == 0) {
		s->first = e->n;
	}
	s->last = e->n;
	assert_true(str_copy(e->audit.who, s->who, sizeof(s->who)));
	assert_true(e->audit.tenant.at != NULL && e->audit.tenant.len == 0);
}

static void entries_come_newest_first_below_a_number(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct seen seen = {0};
	char who[] = "user:a";
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	for (int i = 0; i < 5; i++) {
		assert_ok(store_change(d->store, nothing, who, NULL, &err), &err);
	}
	assert_ok(store_audit_each(d->store, INT64_MAX, 2, see, &seen, &err), &err);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.first, 5);
	assert_int_equal(seen.last, 4);
	assert_string_equal(seen.who, "user:a");
	seen.n = 0;
	assert_ok(store_audit_each(d->store, 4, 100, see, &seen, &err), &err);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.last, 1);
}

static void a_row_is_known_by_its_hash(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	uint8_t first[32], second[32], again[32];
	char who[] = "user:a";
	bool found = true;
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_ok(store_audit_hash(d->store, 1, first, &found, &err), &err);
	assert_false(found);
	for (int i = 0; i < 2; i++) {
		assert_ok(store_change(d->store, nothing, who, NULL, &err), &err);
	}
	assert_ok(store_audit_hash(d->store, 1, first, &found, &err), &err);
	assert_true(found);
	assert_ok(store_audit_hash(d->store, 2, second, &found, &err), &err);
	assert_ok(store_audit_hash(d->store, 2, again, &found, &err), &err);
	assert_memory_not_equal(first, second, 32);
	assert_memory_equal(second, again, 32);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(entries_come_newest_first_below_a_number),
		ON_BOTH(a_row_is_known_by_its_hash),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
