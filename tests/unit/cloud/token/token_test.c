#include "unit/cloud/token/token_world.h"

static void a_token_names_tenant_client_and_end(UNUSED void **state)
{
	struct world w;
	struct err err = {0};
	char jti[37];
	AUTO_BUF struct buf token = BUF(JOSE_TOKEN_MAX);
	int64_t n = 0;

	world_start(&w, *state);
	assert_ok(token_issue(w.tokens, &(struct token_subject){&w.binding, w.tenant.subdomain},
			      1700000000, jti, &token, &err),
		  &err);
	AUTO(json_free) struct json *claims = world_claims(&w, buf_str(&token));
	world_expect(claims, "iss", "https://cloud.example:9443/oauth/token");
	world_expect(claims, "zid", w.tenant.id);
	world_expect(claims, "sub", w.binding.client_id);
	world_expect(claims, "client_id", w.binding.client_id);
	world_expect(claims, "cid", w.binding.client_id);
	world_expect(claims, "azp", w.binding.client_id);
	world_expect(claims, "grant_type", "client_credentials");
	world_expect(claims, "jti", jti);
	world_expect(json_get(claims, "ext_attr"), "zdn", "plant-north");
	assert_true(json_get_int(claims, "iat", &n));
	assert_int_equal(n, 1700000000);
	assert_true(json_get_int(claims, "exp", &n));
	assert_int_equal(n, 1700003600);
	assert_true(json_is_array(json_get(claims, "aud")));
	world_end(&w);
}

static void the_key_survives_a_restart(UNUSED void **state)
{
	struct world w;
	struct token_server *again = NULL;
	struct err err = {0};

	world_start(&w, *state);
	assert_ok(token_server_open(&w.settings, clock_unix(), &again, &err), &err);
	assert_string_equal(token_server_kid(again), token_server_kid(w.tokens));
	assert_true(str_eq(token_server_jwks(again), token_server_jwks(w.tokens)));
	token_server_close(again);
	world_end(&w);
}

struct start {
	const struct token_settings *settings;
	struct token_server *server;
	struct err err;
};

static void *start_node(void *user)
{
	struct start *s = user;

	(void)!token_server_open(s->settings, clock_unix(), &s->server, &s->err);
	return NULL;
}

static void nodes_that_start_at_once_sign_with_one_key(void **state)
{
	struct world w;
	struct start nodes[3] = {0};
	pthread_t threads[3];

	world_start(&w, *state);
	database_sql(*state, "delete from token_key");
	for (size_t i = 0; i < COUNT(nodes); i++) {
		nodes[i].settings = &w.settings;
		assert_int_equal(pthread_create(&threads[i], NULL, start_node, &nodes[i]), 0);
	}
	for (size_t i = 0; i < COUNT(nodes); i++) {
		pthread_join(threads[i], NULL);
		assert_ok(nodes[i].server != NULL, &nodes[i].err);
		assert_string_equal(token_server_kid(nodes[i].server),
				    token_server_kid(nodes[0].server));
		assert_string_not_equal(token_server_kid(nodes[i].server),
					token_server_kid(w.tokens));
	}
	for (size_t i = 0; i < COUNT(nodes); i++) {
		token_server_close(nodes[i].server);
	}
	world_end(&w);
}

static void a_service_key_has_the_form_of_the_original(UNUSED void **state)
{
	struct world w;
	struct err err = {0};
	AUTO_BUF struct buf text = BUF(KIB(8));
	AUTO(json_free) struct json *key = NULL;

	world_start(&w, *state);
	assert_ok(token_service_key(w.tokens, &w.binding, w.secret, &text, &err), &err);
	assert_ok(json_parse(buf_str(&text), KIB(8), &key, &err), &err);
	world_expect(key, "onpremise_proxy_host", "relay.example");
	world_expect(key, "onpremise_proxy_port", "20003");
	world_expect(key, "onpremise_proxy_http_port", "20003");
	world_expect(key, "onpremise_socks5_proxy_port", "20004");
	world_expect(key, "url", "https://cloud.example:9443");
	world_expect(key, "token_service_url", "https://cloud.example:9443");
	world_expect(key, "clientid", w.binding.client_id);
	world_expect(key, "clientsecret", w.secret);
	world_expect(key, "instance_guid", w.binding.id);
	world_end(&w);
}

static void settings_out_of_bounds_are_refused(UNUSED void **state)
{
	struct world w;
	struct token_server *t = NULL;
	struct err err = {0};

	world_start(&w, *state);
	struct token_settings s = w.settings;
	s.url = "http://cloud.example";
	assert_err(token_server_open(&s, clock_unix(), &t, &err), &err, ERR_CONFIG, "https");
	s = w.settings;
	s.life_s = 59;
	assert_err(token_server_open(&s, clock_unix(), &t, &err), &err, ERR_CONFIG, "1 minute");
	s.life_s = 24 * 3600 + 1;
	assert_err(token_server_open(&s, clock_unix(), &t, &err), &err, ERR_CONFIG, "24 hours");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_token_names_tenant_client_and_end),
		ON_BOTH(the_key_survives_a_restart),
		ON_BOTH(nodes_that_start_at_once_sign_with_one_key),
		ON_SQLITE(a_service_key_has_the_form_of_the_original),
		ON_SQLITE(settings_out_of_bounds_are_refused),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
