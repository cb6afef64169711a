#include "cloud/keystore/publish.h"

#include "cloud/directory/runtime.h"
#include "store/query.h"
#include "unit/cloud/keystore/fixture.h"

struct live {
	struct keystore *k;
	struct snapshot_cell cell;
	struct keystore_publisher *p;
};

static void live_start(struct live *l, void **state)
{
	struct err err;

	l->k = ready(state);
	snapshot_cell_init(&l->cell);
	assert_ok(keystore_publish_start(l->k, &l->cell, &l->p, &err), &err);
}

static void live_stop(struct live *l)
{
	keystore_publish_stop(l->p);
	snapshot_cell_fini(&l->cell);
	keystore_close(l->k);
}

static void wait_for_all(struct live *l, struct database *d)
{
	struct err err;
	int64_t head;

	assert_ok(store_head(d->store, &head, &err), &err);
	keystore_publish_poke(l->p);
	assert_true(keystore_publish_wait(l->p, head, SEC(20)));
}

static void mark(struct keystore *k, const char *alias, uint8_t flags)
{
	struct keystore_change c = alice();
	struct err err;

	assert_int_equal(keystore_set_flags(k, &c, str_of(alias), flags, NULL, &err),
			 KEYSTORE_DONE);
}

/* Anchors of the tenant, or -1 without one. */
static int anchors_of(struct live *l, int64_t *generation)
{
	struct snapshot *held = snapshot_ref(&l->cell);
	const struct runtime_tenant *t =
		runtime_find(CONTAINER_OF(held, struct runtime_snapshot, snapshot), STR(TENANT));
	int n = t == NULL ? -1 : (int)t->n_anchors;

	if (t != NULL && generation != NULL) {
		*generation = t->generation;
	}
	snapshot_unref(held);
	return n;
}

static void only_marked_certificates_are_anchors(void **state)
{
	struct live l;
	int64_t generation;

	live_start(&l, state);
	assert_int_equal(anchors_of(&l, NULL), -1);
	put(l.k, "a", "CN=A", false);
	put(l.k, "b", "CN=B", false);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, NULL), 0);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, &generation), 1);
	assert_int_equal(generation, 3);
	mark(l.k, "a", 0);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, NULL), 0);
	live_stop(&l);
}

static void a_swapped_certificate_is_left_out(void **state)
{
	struct live l;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	put(l.k, "b", "CN=B", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	mark(l.k, "b", KEYS_FLAG_INBOUND);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, NULL), 2);
	/* somebody puts b's certificate under a */
	database_sql(*state, "UPDATE entry_content SET chain = (SELECT c.chain FROM entry_content c"
			     " JOIN entry_version v ON v.id = c.id WHERE v.alias = 'b' AND"
			     " v.flags = 1) WHERE id = (SELECT id FROM entry_version WHERE"
			     " alias = 'a' AND flags = 1)");
	put(l.k, "c", "CN=C", false); /* another generation: it is read again */
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, NULL), 1);
	live_stop(&l);
}

static void a_damaged_store_stays_as_it_was_known(void **state)
{
	struct keystore_change c = alice();
	struct live l;
	struct err err;
	int64_t generation;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	wait_for_all(&l, *state);
	database_sql(*state, "UPDATE keystore SET generation = generation + 1");
	/* any change moves the head */
	c.tenant = STR("22222222-2222-4333-8444-555555555555");
	struct buf der;
	assert_int_equal(keystore_put_certificate(l.k, &c, STR("x"), certificate("CN=X", &der),
						  false, NULL, &err),
			 KEYSTORE_DONE);
	buf_fini(&der);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, &generation), 1);
	assert_int_equal(generation, 2);
	live_stop(&l);
}

static void put_for_another_tenant(struct keystore *k, const char *alias)
{
	struct keystore_change c = alice();
	struct buf der;
	struct err err;

	c.tenant = STR("22222222-2222-4333-8444-555555555555");
	assert_int_equal(keystore_put_certificate(k, &c, str_of(alias), certificate("CN=X", &der),
						  false, NULL, &err),
			 KEYSTORE_DONE);
	buf_fini(&der);
}

static void a_broken_data_key_keeps_no_other_tenant_waiting(void **state)
{
	struct live l;
	struct err err;

	live_start(&l, state);
	put_for_another_tenant(l.k, "x");
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	keystore_publish_stop(l.p);
	snapshot_cell_fini(&l.cell);
	snapshot_cell_init(&l.cell);
	database_sql(*state, "UPDATE data_key SET wrapped = id WHERE tenant LIKE '2%'");
	assert_ok(keystore_publish_start(l.k, &l.cell, &l.p, &err), &err);
	assert_int_equal(anchors_of(&l, NULL), 1);
	mark(l.k, "a", 0);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, NULL), 0);
	live_stop(&l);
}

/* Each generation has a good MAC for ever: it is its order that tells. */
static void an_earlier_state_that_was_put_back_is_not_believed(void **state)
{
	struct live l;
	int64_t generation;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	mark(l.k, "a", 0);
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, &generation), 0);
	assert_int_equal(generation, 3);
	database_sql(*state, "DELETE FROM entry_life WHERE from_gen = 3");
	database_sql(*state, "UPDATE entry_life SET to_gen = 9223372036854775807"
			     " WHERE to_gen = 3");
	database_sql(*state, "UPDATE keystore SET generation = 2");
	put_for_another_tenant(l.k, "x");
	wait_for_all(&l, *state);
	assert_int_equal(anchors_of(&l, &generation), 0);
	assert_int_equal(generation, 3);
	live_stop(&l);
}

static void a_requirement_that_was_changed_past_us_is_not_believed(void **state)
{
	struct keystore_change c = alice();
	struct live l;
	struct err err;

	live_start(&l, state);
	assert_int_equal(keystore_require_certificate(l.k, &c, true, &err), KEYSTORE_DONE);
	keystore_publish_stop(l.p);
	snapshot_cell_fini(&l.cell);
	snapshot_cell_init(&l.cell);
	database_sql(*state, "UPDATE keystore SET settings = 0");
	assert_ok(keystore_publish_start(l.k, &l.cell, &l.p, &err), &err);
	struct snapshot *held = snapshot_ref(&l.cell);
	const struct runtime_tenant *t =
		runtime_find(CONTAINER_OF(held, struct runtime_snapshot, snapshot), STR(TENANT));
	assert_true(t->requires_certificate);
	snapshot_unref(held);
	live_stop(&l);
}

static void start_again(struct live *l)
{
	struct err err;

	keystore_publish_stop(l->p);
	snapshot_cell_fini(&l->cell);
	snapshot_cell_init(&l->cell);
	assert_ok(keystore_publish_start(l->k, &l->cell, &l->p, &err), &err);
}

static bool is_required(struct live *l)
{
	struct snapshot *held = snapshot_ref(&l->cell);
	bool required =
		runtime_find(CONTAINER_OF(held, struct runtime_snapshot, snapshot), STR(TENANT))
			->requires_certificate;

	snapshot_unref(held);
	return required;
}

/* An old version is well sealed for ever, and a generation that is still to come hashes nothing. */
static void an_entry_that_begins_in_the_future_is_not_believed(void **state)
{
	struct keystore_change c = alice();
	struct str a = STR("a");
	struct live l;
	struct err err;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	assert_int_equal(keystore_delete(l.k, &c, &a, 1, NULL, &err), KEYSTORE_DONE);
	database_sql(
		*state,
		"INSERT INTO entry_life (keystore, version, alias_fold, owner, not_after,"
		" bytes, from_gen, to_gen) SELECT keystore, version, alias_fold, owner,"
		" not_after, bytes, 4, 9223372036854775807 FROM entry_life WHERE from_gen = 2");
	start_again(&l);
	assert_int_equal(anchors_of(&l, NULL), 0);
	live_stop(&l);
}

/* Nobody knows then what was wanted: asking for too much is the safe side. */
static void of_a_damaged_store_that_was_never_known_a_certificate_is_required(void **state)
{
	struct keystore_change c = alice();
	struct live l;
	struct err err;

	live_start(&l, state);
	assert_int_equal(keystore_require_certificate(l.k, &c, true, &err), KEYSTORE_DONE);
	database_sql(*state, "UPDATE keystore SET settings = 0, generation = generation + 1");
	start_again(&l);
	assert_true(is_required(&l));
	live_stop(&l);
}

/* The generation's row tells, when only the entries are not those that it had. */
static void a_damaged_store_that_required_nothing_requires_nothing(void **state)
{
	struct live l;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	put(l.k, "b", "CN=B", false);
	database_sql(*state, "UPDATE entry_life SET to_gen = 2 WHERE from_gen = 1");
	start_again(&l);
	assert_false(is_required(&l));
	live_stop(&l);
}

static bool lengthen(struct db *db, void *user, struct err *err)
{
	const struct query q = {.sql = "UPDATE entry_content SET chain = $1 WHERE id IN (SELECT id"
				       " FROM entry_version WHERE alias = 'long')",
				.params = {QUERY_BLOB(*(const struct str *)user)},
				.n_params = 1};

	return query_run(db, &q, NULL, err);
}

static void an_entry_longer_than_any_keeps_no_other_tenant_waiting(void **state)
{
	struct database *d = *state;
	struct keystore_change c = alice();
	AUTO_BUF struct buf chain = BUF(MIB(2));
	struct live l;
	struct err err;

	live_start(&l, state);
	put_for_another_tenant(l.k, "long");
	c.tenant = STR("22222222-2222-4333-8444-555555555555");
	assert_int_equal(keystore_set_flags(l.k, &c, STR("long"), KEYS_FLAG_INBOUND, NULL, &err),
			 KEYSTORE_DONE);
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	memset(buf_reserve(&chain, MIB(2)), 0, MIB(2));
	buf_commit(&chain, MIB(2));
	struct str bytes = buf_str(&chain);
	assert_ok(store_tx(d->store, lengthen, &bytes, &err), &err);
	start_again(&l);
	assert_int_equal(anchors_of(&l, NULL), 1);
	live_stop(&l);
}

static void without_the_key_process_all_goes_on(void **state)
{
	struct database *d = *state;
	struct live l;
	struct err err;
	int64_t head;

	live_start(&l, state);
	put(l.k, "a", "CN=A", false);
	mark(l.k, "a", KEYS_FLAG_INBOUND);
	wait_for_all(&l, *state);
	mark(l.k, "a", 0);
	put(l.k, "b", "CN=B", false);
	atomic_store(&local_keys_down, true);
	assert_ok(store_head(d->store, &head, &err), &err);
	atomic_store(&local_keys_down, false);
	keystore_publish_poke(l.p);
	assert_true(keystore_publish_wait(l.p, head, SEC(20)));
	assert_int_equal(anchors_of(&l, NULL), 0);
	assert_false(keystore_publish_wait(l.p, head + 1, 10));
	live_stop(&l);
}

static void a_required_certificate_is_told(void **state)
{
	struct keystore_change c = alice();
	struct keystore_head head;
	struct live l;
	struct err err;

	live_start(&l, state);
	assert_int_equal(keystore_require_certificate(l.k, &c, true, &err), KEYSTORE_DONE);
	assert_int_equal(keystore_require_certificate(l.k, &c, true, &err), KEYSTORE_SAME);
	assert_ok(keystore_head(l.k, &here, NOW, &head, &err), &err);
	assert_true(head.requires_certificate);
	wait_for_all(&l, *state);
	struct snapshot *held = snapshot_ref(&l.cell);
	const struct runtime_tenant *t =
		runtime_find(CONTAINER_OF(held, struct runtime_snapshot, snapshot), STR(TENANT));
	assert_true(t->requires_certificate);
	snapshot_unref(held);
	live_stop(&l);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(only_marked_certificates_are_anchors),
	ON_BOTH(a_swapped_certificate_is_left_out),
	ON_BOTH(a_damaged_store_stays_as_it_was_known),
	ON_BOTH(a_broken_data_key_keeps_no_other_tenant_waiting),
	ON_BOTH(an_earlier_state_that_was_put_back_is_not_believed),
	ON_BOTH(a_requirement_that_was_changed_past_us_is_not_believed),
	ON_BOTH(an_entry_that_begins_in_the_future_is_not_believed),
	ON_BOTH(of_a_damaged_store_that_was_never_known_a_certificate_is_required),
	ON_BOTH(a_damaged_store_that_required_nothing_requires_nothing),
	ON_BOTH(an_entry_longer_than_any_keeps_no_other_tenant_waiting),
	ON_BOTH(without_the_key_process_all_goes_on),
	ON_BOTH(a_required_certificate_is_told),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
