#pragma once
/* A store with a subaccount and users, a key process and a CA, for the tests of this room. */
#include "base/random.h"
#include "cloud/ca/ca.h"
#include "cloud/directory/authdata.h"
#include "cloud/directory/owners.h"
#include "cloud/directory/settings.h"
#include "cloud/directory/subaccounts.h"
#include "crypto/csr.h"
#include "crypto/tls.h"
#include "database.h"
#include "unit/cloud/keyd_thread.h"

#define WORLD_INSTANCE "0b0b5f86-1f4b-4a39-9a3f-8a3c0d6e5c11"
#define WORLD_PASSWORD "correct horse battery"

static const struct directory_actor world_actor = {{"test", 4}, {"", 0}};

struct world {
	struct store *store; /* lent by the database */
	struct keyd_thread keyd;
	struct ca_settings settings;
	struct ca *ca;
	char subaccount[DIRECTORY_UUID];
	struct local_key *local; /* of the connector */
	struct key *key;
	struct buf spki, csr_der;
	struct csr_facts csr;
};

static inline void world_user(struct world *w, const char *name)
{
	struct directory_user user = {0};
	struct err err = {0};

	snprintf(user.name, sizeof user.name, "%s", name);
	assert_ok(directory_user_create(w->store, &world_actor, &user, STR(WORLD_PASSWORD), &err),
		  &err);
}

static inline void world_key(struct world *w)
{
	struct err err = {0};

	w->spki = BUF(KEY_SPKI_MAX);
	w->csr_der = BUF(KIB(8));
	assert_ok(local_key_generate(KEY_KIND_P256, &w->local, &err), &err);
	assert_ok(local_key_spki(w->local, &w->spki, &err), &err);
	assert_ok(key_new(buf_str(&w->spki), local_key_signer, w->local, &w->key, &err), &err);
	assert_ok(csr_make(w->key, "CN=" WORLD_INSTANCE, &w->csr_der, &err), &err);
	assert_ok(csr_read(buf_str(&w->csr_der), &w->csr, &err), &err);
}

static inline void world_start(struct world *w, void *state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"directory", directory_migrations},
					     {"ca", ca_migrations}};
	struct directory_subaccount sa = {0};
	struct err err = {0};

	*w = (struct world){.store = ((struct database *)state)->store};
	assert_ok(store_migrate(w->store, sets, COUNT(sets), &err), &err);
	keyd_thread_start(&w->keyd);
	w->settings = (struct ca_settings){
		.store = w->store, .keys = w->keyd.client, .region_host = "Cloud.example:9444"};
	assert_ok(ca_open(&w->settings, clock_unix(), &w->ca, &err), &err);
	world_user(w, "alice");
	world_user(w, "bob");
	snprintf(sa.display_name, sizeof sa.display_name, "Plant North");
	snprintf(sa.region_host, sizeof sa.region_host, "cloud.example");
	sa.renewal_allowed = true;
	assert_ok(directory_subaccount_create(w->store, &world_actor, &sa, STR("alice"), &err),
		  &err);
	snprintf(w->subaccount, sizeof w->subaccount, "%s", sa.id);
	world_key(w);
}

static inline void world_end(struct world *w)
{
	ca_close(w->ca);
	key_free(w->key);
	local_key_free(w->local);
	buf_fini(&w->spki);
	buf_fini(&w->csr_der);
	keyd_thread_stop(&w->keyd);
}
