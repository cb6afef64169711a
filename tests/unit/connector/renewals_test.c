#include "connector/renewals.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "database.h"
#include "store/migrate.h"
#include "unit/unit.h"

#define REGION "eu1.example:9444"
#define ID     "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"
#define KEY    ID "@" REGION

static const struct state_actor ADMIN = {.who = STR("user:Administrator"), .from = STR("")};

enum {
	TURNS = 2000,
	LIFE_S = 300,
};

/* ---- one subaccount, and a cloud side that says what it is told to say ---- */

static struct {
	struct subaccount rows[1 + RENEWALS_AT_ONCE];
	size_t n;
	enum enrol_outcome outcome;
	atomic_bool hold; /* the cloud side does not answer */
	int64_t retry_after_s;
	atomic_int tries;
	struct link_status link;
} fake;

struct subaccount_set *subaccounts_ref(struct subaccounts *s UNUSED)
{
	struct subaccount_set *set = NEW(struct subaccount_set);

	set->rows = fake.rows;
	set->n = fake.n;
	return set;
}

void subaccount_set_unref(struct subaccount_set *set)
{
	free(set);
}

static void receive(int64_t received)
{
	fake.rows[0].has_certificate = true;
	fake.rows[0].certificate_id++;
	fake.rows[0].certificate_received = received;
	fake.rows[0].certificate.not_after = received + LIFE_S;
}

enum enrol_outcome subaccounts_renew(struct subaccounts *s UNUSED,
				     const struct state_actor *actor UNUSED,
				     struct str region_host UNUSED, struct str subaccount UNUSED,
				     struct enrol_result *why, struct err *err)
{
	atomic_fetch_add(&fake.tries, 1);
	while (atomic_load(&fake.hold)) {
		sched_yield();
	}
	if (fake.outcome == ENROL_DONE) {
		receive(clock_unix());
	} else {
		err_set(err, ERR_NETWORK, "the reason");
	}
	why->retry_after_s = fake.retry_after_s;
	return fake.outcome;
}

struct link_status_set *links_status(struct links *l UNUSED)
{
	struct link_status_set *set = NEW(struct link_status_set);

	set->rows = &fake.link;
	set->n = 1;
	return set;
}

void link_status_set_unref(struct link_status_set *set)
{
	free(set);
}

const struct link_status *link_status_find(const struct link_status_set *set, const char *key)
{
	return strcmp(set->rows[0].key, key) == 0 ? set->rows : NULL;
}

/* ---- the scene ---- */

struct scene {
	struct database *database;
	struct loop *loop;
	struct renewals *renewals;
	struct err err;
};

static void open_renewals(struct scene *s)
{
	struct renewals_settings settings = {
		.loop = s->loop, .store = s->database->store, .links = (void *)&fake, .seed = 3};

	assert_ok(renewals_new(&settings, &s->renewals, &s->err), &s->err);
	renewals_apply(s->renewals);
}

static void begin(struct scene *s, void **state, int64_t received)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations}};
	struct state_subaccount sa = {.region_host = REGION, .subaccount = ID};

	memset(&fake, 0, sizeof fake);
	fake.retry_after_s = -1;
	fake.n = 1;
	fake.rows[0].state = (struct state_subaccount){
		.region_host = REGION, .subaccount = ID, .auto_renewal = true};
	snprintf(fake.rows[0].key, sizeof fake.rows[0].key, KEY);
	snprintf(fake.link.key, sizeof fake.link.key, KEY);
	receive(received);
	*s = (struct scene){.database = *state};
	assert_ok(loop_new(&s->loop, &s->err), &s->err);
	assert_ok(store_migrate(s->database->store, sets, COUNT(sets), &s->err), &s->err);
	sa.anchors_pem = str_dup(STR(""));
	assert_ok(state_subaccount_add(s->database->store, &ADMIN, &sa, &s->err), &s->err);
	state_subaccount_fini(&sa);
	open_renewals(s);
}

static void end(struct scene *s)
{
	renewals_free(s->renewals);
	loop_free(s->loop);
}

static struct renewal_status look_for(struct scene *s, const char *key)
{
	struct renewal_status_set *set = renewals_status(s->renewals);
	const struct renewal_status *st = renewal_status_find(set, key);
	struct renewal_status copy = st != NULL ? *st : (struct renewal_status){0};

	renewal_status_set_unref(set);
	return copy;
}

static struct renewal_status look(struct scene *s)
{
	return look_for(s, KEY);
}

static size_t planned(struct scene *s)
{
	struct renewal_status_set *set = renewals_status(s->renewals);
	size_t n = set->n;

	renewal_status_set_unref(set);
	return n;
}

#define UNTIL(s, condition)                                                                        \
	do {                                                                                       \
		for (int turns_ = 0; !(condition) && turns_ < TURNS; turns_++) {                   \
			(void)loop_turn((s)->loop, 20);                                            \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

/* ---- the tests ---- */

TEST(what_is_due_is_renewed_and_planned_anew)
{
	struct scene s;
	int64_t now = clock_unix();

	begin(&s, state, now - 250);
	UNTIL(&s, look(&s).last.tried_ms != 0);
	assert_int_equal(look(&s).last.result, STATE_RENEWAL_DONE);
	renewals_apply(s.renewals); /* as subaccounts' on_change does */
	UNTIL(&s, look(&s).next_ms > (now + 190) * 1000);
	assert_int_equal(look(&s).state, RENEWAL_PLANNED);
	assert_int_equal(fake.tries, 1);
	end(&s);
}

TEST(a_failure_is_kept_over_a_restart_and_a_sign_of_life_brings_it_forward)
{
	struct scene s;

	fake.outcome = ENROL_FAILED;
	begin(&s, state, clock_unix() - 250);
	fake.outcome = ENROL_FAILED;
	UNTIL(&s, look(&s).state == RENEWAL_RETRYING);
	assert_string_equal(look(&s).last.text, "the reason");
	assert_true(look(&s).next_ms > look(&s).last.tried_ms);
	renewals_free(s.renewals);
	open_renewals(&s);
	UNTIL(&s, look(&s).state == RENEWAL_RETRYING);
	assert_true(look(&s).last.failures >= 1);
	fake.outcome = ENROL_DONE;
	fake.link.state = LINK_STATUS_CONNECTED;
	renewals_on_links(s.renewals);
	UNTIL(&s, look(&s).last.result == STATE_RENEWAL_DONE);
	end(&s);
}

TEST(a_refusal_is_told_and_switching_off_ends_it)
{
	struct scene s;

	begin(&s, state, clock_unix() - 250);
	fake.outcome = ENROL_REFUSED;
	UNTIL(&s, look(&s).state == RENEWAL_REFUSED);
	assert_int_equal(look(&s).last.result, STATE_RENEWAL_DENIED);
	fake.rows[0].state.auto_renewal = false;
	renewals_apply(s.renewals);
	UNTIL(&s, look(&s).state == RENEWAL_OFF);
	assert_int_equal(look(&s).next_ms, 0);
	fake.n = 0; /* deleted */
	renewals_apply(s.renewals);
	UNTIL(&s, look(&s).key[0] == '\0');
	end(&s);
}

TEST(an_administrator_tries_at_once_though_nothing_is_due)
{
	struct enrol_result why = ENROL_RESULT;
	struct scene s;

	begin(&s, state, clock_unix());
	fake.outcome = ENROL_REFUSED;
	assert_int_equal(renewals_try(s.renewals, &ADMIN, STR(REGION), STR(ID), &why, &s.err),
			 ENROL_REFUSED);
	UNTIL(&s, look(&s).last.result == STATE_RENEWAL_DENIED);
	assert_int_equal(look(&s).state, RENEWAL_PLANNED);
	enrol_result_fini(&why);
	end(&s);
}

/* The ends of tries whose subaccounts are gone: they, too, let the next one begin. */
TEST(the_next_is_tried_when_those_under_way_were_deleted)
{
	struct subaccount left = {.certificate_id = 0};
	struct scene s;
	size_t waiting = 0;

	begin(&s, state, clock_unix() - 250);
	fake.outcome = ENROL_REFUSED;
	atomic_store(&fake.hold, true);
	for (fake.n = 1; fake.n < COUNT(fake.rows); fake.n++) {
		fake.rows[fake.n] = fake.rows[0];
		fake.rows[fake.n].key[0] = (char)('0' + fake.n);
		fake.rows[fake.n].state.subaccount[0] = (char)('0' + fake.n);
	}
	renewals_apply(s.renewals);
	UNTIL(&s, atomic_load(&fake.tries) == RENEWALS_AT_ONCE);
	for (size_t i = 0; i < COUNT(fake.rows); i++) {
		if (look_for(&s, fake.rows[i].key).state != RENEWAL_TRYING) {
			left = fake.rows[i];
			waiting++;
		}
	}
	assert_int_equal(waiting, 1);
	fake.rows[0] = left;
	fake.n = 1;
	renewals_apply(s.renewals);
	UNTIL(&s, planned(&s) == 1);
	atomic_store(&fake.hold, false);
	UNTIL(&s, look_for(&s, left.key).last.result == STATE_RENEWAL_DENIED);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(what_is_due_is_renewed_and_planned_anew),
		ON_SQLITE(a_failure_is_kept_over_a_restart_and_a_sign_of_life_brings_it_forward),
		ON_SQLITE(a_refusal_is_told_and_switching_off_ends_it),
		ON_SQLITE(an_administrator_tries_at_once_though_nothing_is_due),
		ON_SQLITE(the_next_is_tried_when_those_under_way_were_deleted),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
