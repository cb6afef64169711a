#include "base/clock.h"
#include "cloud/directory/settings.h"
#include "crypto/jose.h"
#include "unit/cloud/console/tenant_fixture.h"

struct issuer {
	struct local_key *local;
	struct key *key;
	struct buf token;
};

/* A token server whose keys the directory knows. */
static void open_issuer(struct issuer *i, struct store *s)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	AUTO_BUF struct buf spki = BUF(KIB(4)), jwks = BUF(KIB(8));
	struct err err;

	*i = (struct issuer){.token = BUF(JOSE_TOKEN_MAX)};
	assert_ok(local_key_generate(KEY_KIND_P256, &i->local, &err), &err);
	assert_ok(local_key_spki(i->local, &spki, &err), &err);
	assert_ok(key_new(buf_str(&spki), local_key_signer, i->local, &i->key, &err), &err);
	buf_add_str(&jwks, STR("{\"keys\":["));
	assert_ok(jose_add_jwk(&jwks, buf_str(&spki), "k1", &err), &err);
	buf_add_str(&jwks, STR("]}"));
	if (s != NULL) {
		assert_ok(directory_setting_set(s, &system, STR(DIRECTORY_SETTING_JWKS),
						buf_str(&jwks), &err),
			  &err);
	}
}

static void close_issuer(struct issuer *i)
{
	key_free(i->key);
	local_key_free(i->local);
	buf_fini(&i->token);
}

static const char *token(struct issuer *i, const char *zid, const char *client, int64_t life)
{
	char claims[500];
	struct err err;

	snprintf(claims, sizeof(claims), "{\"zid\":\"%s\",\"client_id\":\"%s\",\"exp\":%lld}", zid,
		 client, (long long)(clock_unix() + life));
	buf_reset(&i->token);
	assert_ok(jose_sign(i->key, "k1", NULL, str_of(claims), &i->token, &err), &err);
	return i->token.at;
}

static void make_key(struct world *w, unsigned roles, char *client, size_t size)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	struct directory_binding b;
	char secret[DIRECTORY_SECRET_MAX], name[16];
	struct err err;

	snprintf(name, sizeof(name), "app%u", roles);
	assert_ok(directory_binding_create(w->database->store, &system, str_of(w->subaccount),
					   str_of(name), roles, 1, &b, secret, &err),
		  &err);
	snprintf(client, size, "%s", b.client_id);
}

static void a_service_key_acts_by_its_roles_in_its_tenant(void **state)
{
	struct world *w = tenants(state);
	struct issuer i;
	char client[128], bare[128];

	open_issuer(&i, w->database->store);
	make_key(w, DIRECTORY_MEMBER_READ, client, sizeof(client));
	make_key(w, 0, bare, sizeof(bare));
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 200);
	assert_string_equal(said(w, "tenant"), w->subaccount);
	assert_true(str_starts(str_of(said(w, "who")), STR("client:sb-")));
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "PUT", "/api/v1/x", "{}", 403);
	w->bearer = token(&i, w->subaccount, bare, 60);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 403);
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "GET", of_tenant("other"), NULL, 400);
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "GET", "/own/other/x", NULL, 403);
	end(w);
	close_issuer(&i);
}

static void a_token_that_is_old_or_foreign_is_401(void **state)
{
	struct world *w = tenants(state);
	struct issuer i, foreign;
	char client[128];

	open_issuer(&i, w->database->store);
	open_issuer(&foreign, NULL);
	make_key(w, DIRECTORY_MEMBER_READ, client, sizeof(client));
	w->bearer = token(&i, w->subaccount, client, -1);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 401);
	w->bearer = token(&foreign, w->subaccount, client, 60);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 401);
	w->bearer = "nonsense";
	asks(w, NULL, "GET", "/api/v1/x", NULL, 401);
	w->bearer = token(&i, "99999999-2222-4333-8444-555555555555", client, 60);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 401);
	w->bearer = token(&i, w->subaccount, "sb-gone!drawbridge", 60);
	asks(w, NULL, "GET", "/api/v1/x", NULL, 401);
	/* and on what is not the keystore's it logs nobody in */
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "GET", V1 "/subaccounts", NULL, 401);
	end(w);
	close_issuer(&foreign);
	close_issuer(&i);
}

static void a_service_key_writes_with_a_fetched_token_of_its_own(void **state)
{
	struct world *w = tenants(state);
	struct issuer i;
	struct login login = {.token = ""};
	char client[128];

	open_issuer(&i, w->database->store);
	make_key(w, DIRECTORY_MEMBER_ADMINISTRATOR, client, sizeof(client));
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, NULL, "PUT", "/api/v1/x", "{}", 403);
	assert_string_equal(w->token, "Required");
	w->bearer = token(&i, w->subaccount, client, 60);
	w->csrf = "fetch";
	asks(w, NULL, "GET", "/api/v1/x", NULL, 200);
	assert_true(str_copy(str_first(str_of(w->set_cookie), str_find(str_of(w->set_cookie), ';')),
			     login.cookie, sizeof(login.cookie)));
	memcpy(login.token, w->token, sizeof(login.token));
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, &login, "PUT", "/api/v1/x", "{}", 200);
	asks(w, &login, "PUT", "/api/v1/x", "{}", 401); /* the session alone is nobody */
	w->bearer = token(&i, w->subaccount, client, 60);
	asks(w, &w->alice, "PUT", "/api/v1/x", "{}", 403); /* another's token */
	end(w);
	close_issuer(&i);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_service_key_acts_by_its_roles_in_its_tenant),
		ON_BOTH(a_token_that_is_old_or_foreign_is_401),
		ON_BOTH(a_service_key_writes_with_a_fetched_token_of_its_own),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
