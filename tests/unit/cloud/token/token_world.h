#pragma once
/* A store with a subaccount and a binding, a key process and a token server. */
#include "base/json.h"
#include "cloud/directory/settings.h"
#include "cloud/directory/subaccounts.h"
#include "cloud/directory/users.h"
#include "cloud/token/token.h"
#include "crypto/jose.h"
#include "database.h"
#include "unit/cloud/keyd_thread.h"

static const struct directory_actor world_actor = {{"test", 4}, {"", 0}};

struct world {
	struct store *store; /* lent by the database */
	struct keyd_thread keyd;
	struct token_settings settings;
	struct token_server *tokens;
	struct directory_subaccount tenant;
	struct directory_binding binding;
	char secret[DIRECTORY_SECRET_MAX];
};

static inline void world_tenant(struct world *w)
{
	struct directory_user user = {.name = "alice"};
	struct err err = {0};

	assert_ok(
		directory_user_create(w->store, &world_actor, &user, STR("a long password"), &err),
		&err);
	snprintf(w->tenant.display_name, sizeof w->tenant.display_name, "Plant North");
	snprintf(w->tenant.region_host, sizeof w->tenant.region_host, "cloud.example");
	snprintf(w->tenant.subdomain, sizeof w->tenant.subdomain, "plant-north");
	assert_ok(
		directory_subaccount_create(w->store, &world_actor, &w->tenant, STR("alice"), &err),
		&err);
	assert_ok(directory_binding_create(w->store, &world_actor, str_of(w->tenant.id),
					   STR("demo"), 0, clock_unix(), &w->binding, w->secret,
					   &err),
		  &err);
}

static inline void world_start(struct world *w, void *state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"directory", directory_migrations},
					     {"token", token_migrations}};
	struct err err = {0};

	*w = (struct world){.store = ((struct database *)state)->store};
	assert_ok(store_migrate(w->store, sets, COUNT(sets), &err), &err);
	keyd_thread_start(&w->keyd);
	w->settings = (struct token_settings){.store = w->store,
					      .keys = w->keyd.client,
					      .url = "https://cloud.example:9443",
					      .proxy_host = "relay.example",
					      .proxy_port = 20003,
					      .socks_port = 20004};
	assert_ok(token_server_open(&w->settings, clock_unix(), &w->tokens, &err), &err);
	world_tenant(w);
}

static inline void world_end(struct world *w)
{
	token_server_close(w->tokens);
	keyd_thread_stop(&w->keyd);
}

/* The claims of a token that verifies with the published keys; owned by the caller. */
static inline struct json *world_claims(struct world *w, struct str token)
{
	AUTO_BUF struct buf jwks = BUF(KIB(64));
	AUTO_BUF struct buf text = BUF(KIB(16));
	AUTO(jose_keys_free) struct jose_keys *keys = NULL;
	struct json *claims = NULL;
	struct err err = {0};

	assert_ok(directory_setting_get(w->store, STR(DIRECTORY_SETTING_JWKS), &jwks, &err), &err);
	assert_ok(jose_keys_read(buf_str(&jwks), &keys, &err), &err);
	assert_ok(jose_verify(keys, token, &text, &err), &err);
	assert_ok(json_parse(buf_str(&text), KIB(16), &claims, &err), &err);
	return claims;
}

static inline void world_expect(const struct json *object, const char *name, const char *value)
{
	struct str text = STR_NONE;

	if (!json_get_str(object, name, &text)) {
		fail_msg("%s is missing", name);
	}
	assert_str(text, value);
}
