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

static void deny(struct store *s, const char *node, const char *who)
{
	struct err err;

	store_set_node(s, node);
	assert_ok(store_denied(s, &(struct change_audit){.who = str_of(who), .what = STR("denied")},
			       &err),
		  &err);
}

struct page {
	char seen[200], node[16];
	struct audit_place last;
	int64_t at_ms;
};

static void see_denied(const struct audit_entry *e, void *user)
{
	struct page *p = user;
	size_t used = strlen(p->seen);

	snprintf(p->seen + used, sizeof(p->seen) - used, "%.*s/%.*s ", STR_ARGS(e->node),
		 STR_ARGS(e->audit.who));
	assert_true(p->at_ms == 0 || e->at_ms <= p->at_ms);
	p->at_ms = e->at_ms;
	assert_true(str_copy(e->node, p->node, sizeof(p->node)));
	p->last = (struct audit_place){e->at_ms, str_of(p->node), e->n};
}

/* One page at a time gives the same as all at once, though some have the same millisecond. */
static void denied_attempts_of_all_nodes_come_in_pages(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct page all = {0}, pages = {0};
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	for (int i = 0; i < 3; i++) {
		deny(d->store, "b", i == 0 ? "b0" : i == 1 ? "b1" : "b2");
		deny(d->store, "a", i == 0 ? "a0" : i == 1 ? "a1" : "a2");
	}
	assert_ok(store_denied_each(d->store, NULL, 100, see_denied, &all, &err), &err);
	assert_ok(store_denied_each(d->store, NULL, 1, see_denied, &pages, &err), &err);
	for (int i = 1; i < 6; i++) {
		assert_ok(store_denied_each(d->store, &pages.last, 1, see_denied, &pages, &err),
			  &err);
	}
	assert_string_equal(pages.seen, all.seen);
	assert_int_equal(strlen(all.seen), 6 * strlen("a/a0 "));
	size_t before = strlen(pages.seen);
	assert_ok(store_denied_each(d->store, &pages.last, 9, see_denied, &pages, &err), &err);
	assert_int_equal(strlen(pages.seen), before);
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
	assert_ok(store_audit_hash(d->store, STR_NONE, 1, first, &found, &err), &err);
	assert_false(found);
	for (int i = 0; i < 2; i++) {
		assert_ok(store_change(d->store, nothing, who, NULL, &err), &err);
	}
	assert_ok(store_audit_hash(d->store, STR_NONE, 1, first, &found, &err), &err);
	assert_true(found);
	assert_ok(store_audit_hash(d->store, STR_NONE, 2, second, &found, &err), &err);
	assert_ok(store_audit_hash(d->store, STR_NONE, 2, again, &found, &err), &err);
	assert_memory_not_equal(first, second, 32);
	assert_memory_equal(second, again, 32);
}

static void a_row_of_a_node_is_that_of_no_other(void **state)
{
	static const char *const nodes[] = {"plant_7", "plant-7"};
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations}};
	struct store_tip tips[COUNT(nodes)];
	uint8_t hash[32];
	bool found = true;
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	for (size_t i = 0; i < COUNT(nodes); i++) {
		const struct change_audit audit = {.what = STR("denied"), .who = str_of(nodes[i])};
		assert_ok(store_audit_hash(d->store, str_of(nodes[i]), 1, hash, &found, &err),
			  &err);
		assert_false(found);
		store_set_node(d->store, nodes[i]);
		assert_ok(store_denied(d->store, &audit, &err), &err);
		assert_ok(store_tip(d->store, STORE_DENIED, &tips[i], &err), &err);
	}
	for (size_t i = 0; i < COUNT(nodes); i++) {
		assert_ok(store_audit_hash(d->store, str_of(nodes[i]), 1, hash, &found, &err),
			  &err);
		assert_true(found);
		assert_memory_equal(hash, tips[i].hash, sizeof(hash));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(entries_come_newest_first_below_a_number),
		ON_BOTH(denied_attempts_of_all_nodes_come_in_pages),
		ON_BOTH(a_row_is_known_by_its_hash),
		ON_BOTH(a_row_of_a_node_is_that_of_no_other),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
