#pragma once
/* A directory with two users, alice and bob, and one subaccount that alice owns. */
#include "cloud/directory/owners.h"
#include "cloud/directory/subaccounts.h"
#include "cloud/directory/users_priv.h"
#include "crypto/seal.h"
#include "database.h"
#include "unit/unit.h"

#define SUBACCOUNT "11111111-2222-4333-8444-555555555555"
#define INSTANCE   "aaaaaaaa-0000-4000-8000-000000000001"
#define OTHER      "aaaaaaaa-0000-4000-8000-000000000002"
#define REGION     "cloud.example"

static const struct directory_actor actor = {.who = {"user:root", 9}, .from = {"192.0.2.7", 9}};

/* With the password "correct horse", hashed once per program: Argon2 is slow on purpose. */
UNUSED static void add_user(struct store *s, const char *name, unsigned roles)
{
	static char hash[USER_HASH_MAX];
	struct directory_user user = {.roles = roles};
	struct err err;

	if (hash[0] == 0) {
		assert_ok(password_hash(STR("correct horse"), hash, &err), &err);
	}
	snprintf(user.name, sizeof(user.name), "%s", name);
	assert_ok(directory_user_insert(s, &actor, &user, hash, &err), &err);
}

UNUSED static struct store *ready(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"directory", directory_migrations}};
	struct directory_subaccount sa = {.id = SUBACCOUNT,
					  .region_host = REGION,
					  .display_name = "Plant Hamburg",
					  .renewal_allowed = true};
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	add_user(d->store, "alice", 0);
	add_user(d->store, "bob", DIRECTORY_ROLE_DISPLAY);
	assert_ok(directory_subaccount_create(d->store, &actor, &sa, STR("alice"), &err), &err);
	return d->store;
}

UNUSED static int64_t head_of(struct store *s)
{
	struct err err;
	int64_t n;

	assert_ok(store_head(s, &n, &err), &err);
	return n;
}
