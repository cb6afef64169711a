#include "cloud/directory/claims.h"

#include <pthread.h>

#include "cloud/directory/connectors.h"
#include "unit/cloud/directory/fixture.h"

enum {
	NOW = 1000000,
	LEASE = DIRECTORY_CLAIM_LEASE_MS,
};

static struct directory_claim want(const char *instance, const char *node)
{
	struct directory_claim c = {.subaccount = SUBACCOUNT, .location = "hall 1", .tunnels = 2};

	snprintf(c.instance, sizeof(c.instance), "%s", instance);
	snprintf(c.node, sizeof(c.node), "%s", node);
	return c;
}

static enum directory_claimed claim(struct store *s, const char *instance, const char *node,
				    bool force, int64_t now, struct directory_claim *holder)
{
	struct directory_claim c = want(instance, node);
	struct err err;

	return directory_claim(s, &c, force, now, holder, &err);
}

static int64_t tunnels_of(struct store *s, const char *instance, int64_t now)
{
	struct directory_connector found;
	struct err err;

	assert_ok(directory_connector_find(s, STR(SUBACCOUNT), str_of(instance), now, &found, &err),
		  &err);
	return found.tunnels;
}

static void see(struct store *s, const char *instance)
{
	struct directory_connector c = {.subaccount = SUBACCOUNT};
	struct err err;

	snprintf(c.instance, sizeof(c.instance), "%s", instance);
	assert_ok(directory_connector_seen(s, &c, 1, &err), &err);
}

static void the_holder_keeps_it_while_its_lease_runs(void **state)
{
	struct store *s = ready(state);
	struct directory_claim holder;

	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(claim(s, OTHER, "r2", false, NOW, &holder), DIRECTORY_CLAIM_TAKEN);
	assert_string_equal(holder.instance, INSTANCE);
	assert_string_equal(holder.node, "r1");
	assert_int_equal(claim(s, INSTANCE, "r2", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(claim(s, OTHER, "r1", false, NOW + LEASE, &holder), DIRECTORY_CLAIM_TAKEN);
	assert_int_equal(claim(s, OTHER, "r1", false, NOW + LEASE + 1, &holder),
			 DIRECTORY_CLAIM_HELD);
	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW + LEASE + 1, &holder),
			 DIRECTORY_CLAIM_TAKEN);
}

static void a_dead_holder_is_taken_over_by_force(void **state)
{
	struct store *s = ready(state);
	struct directory_claim holder;

	see(s, INSTANCE);
	see(s, OTHER);
	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(tunnels_of(s, INSTANCE, NOW), 2);
	assert_int_equal(claim(s, OTHER, "r1", true, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(tunnels_of(s, INSTANCE, NOW), 0);
	assert_int_equal(tunnels_of(s, OTHER, NOW), 2);
}

static void tunnels_of_several_relays_add_up_and_expire(void **state)
{
	struct store *s = ready(state);
	struct directory_claim holder;

	see(s, INSTANCE);
	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(claim(s, INSTANCE, "r2", false, NOW + 5, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(tunnels_of(s, INSTANCE, NOW), 4);
	assert_int_equal(tunnels_of(s, INSTANCE, NOW + LEASE + 1), 2);
	assert_int_equal(tunnels_of(s, INSTANCE, NOW + LEASE + 6), 0);
}

static void renewing_extends_what_is_held_and_marks_what_is_lost(void **state)
{
	struct store *s = ready(state);
	struct directory_claim held = want(INSTANCE, "r1"), holder;
	struct err err;
	bool lost = true;

	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_ok(directory_claim_renew(s, &held, 1, NOW + LEASE, &lost, &err), &err);
	assert_false(lost);
	assert_int_equal(claim(s, OTHER, "r1", false, NOW + 2 * LEASE, &holder),
			 DIRECTORY_CLAIM_TAKEN);
	assert_int_equal(claim(s, OTHER, "r1", true, NOW + 2 * LEASE, &holder),
			 DIRECTORY_CLAIM_HELD);
	assert_ok(directory_claim_renew(s, &held, 1, NOW + 2 * LEASE, &lost, &err), &err);
	assert_true(lost);
}

static void a_release_keeps_the_claim_while_another_relay_has_tunnels(void **state)
{
	struct store *s = ready(state);
	struct directory_claim held = want(INSTANCE, "r1"), holder;
	struct err err;

	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(claim(s, INSTANCE, "r2", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_ok(directory_claim_release(s, &held, NOW, &err), &err);
	assert_int_equal(claim(s, OTHER, "r1", false, NOW, &holder), DIRECTORY_CLAIM_TAKEN);
	held = want(INSTANCE, "r2");
	assert_ok(directory_claim_release(s, &held, NOW, &err), &err);
	assert_int_equal(claim(s, OTHER, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_ok(directory_claim_release_node(s, STR("r1"), &err), &err);
	assert_int_equal(claim(s, INSTANCE, "r2", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
}

struct racer {
	struct store *store;
	const char *instance;
	pthread_t thread;
	enum directory_claimed outcome;
};

static void *race(void *user)
{
	struct racer *r = user;
	struct directory_claim holder;

	r->outcome = claim(r->store, r->instance, "r1", false, NOW, &holder);
	return NULL;
}

static void of_two_at_once_one_wins(void **state)
{
	struct store *s = ready(state);
	struct racer racers[] = {{.store = s, .instance = INSTANCE},
				 {.store = s, .instance = OTHER}};

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(0, pthread_create(&racers[i].thread, NULL, race, &racers[i]));
	}
	for (size_t i = 0; i < 2; i++) {
		pthread_join(racers[i].thread, NULL);
	}
	assert_true((racers[0].outcome == DIRECTORY_CLAIM_HELD) !=
		    (racers[1].outcome == DIRECTORY_CLAIM_HELD));
}

static void claims_do_not_move_the_head(void **state)
{
	struct store *s = ready(state);
	struct directory_claim holder;
	int64_t before = head_of(s);

	assert_int_equal(claim(s, INSTANCE, "r1", false, NOW, &holder), DIRECTORY_CLAIM_HELD);
	assert_int_equal(head_of(s), before);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_holder_keeps_it_while_its_lease_runs),
		ON_BOTH(a_dead_holder_is_taken_over_by_force),
		ON_BOTH(tunnels_of_several_relays_add_up_and_expire),
		ON_BOTH(renewing_extends_what_is_held_and_marks_what_is_lost),
		ON_BOTH(a_release_keeps_the_claim_while_another_relay_has_tunnels),
		ON_BOTH(of_two_at_once_one_wins),
		ON_BOTH(claims_do_not_move_the_head),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
