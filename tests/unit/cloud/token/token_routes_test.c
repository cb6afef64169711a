#include "base/clock.h"
#include "cloud/token/token_priv.h"
#include "http/session.h"
#include "net/address.h"
#include "unit/cloud/token/token_world.h"
#include "unit/http/call_fixture.h"

struct request {
	const char *form;
	const char *authorization, *host, *zid, *tenant;
};

struct answered {
	unsigned status;
	struct json *json; /* freed by the caller */
	struct str error;  /* lent by it */
	bool has_challenge, has_retry_after;
};

static const struct http_route *find_route(const char *pattern)
{
	for (const struct http_route *r = token_routes; r->method != NULL; r++) {
		if (strcmp(r->pattern, pattern) == 0) {
			return r;
		}
	}
	fail_msg("no route %s", pattern);
	return NULL;
}

static void add_fields(struct fixture *f, const struct request *r)
{
	fixture_field(f, "Content-Type", "application/x-www-form-urlencoded;charset=UTF-8");
	f->head.authority = str_of(r->host != NULL ? r->host : "cloud.example:9443");
	if (r->authorization != NULL) {
		fixture_field(f, "Authorization", r->authorization);
	}
	if (r->zid != NULL) {
		fixture_field(f, "x-zid", r->zid);
	}
}

static struct answered ask(struct world *w, const struct request *r)
{
	struct cloud_rooms rooms = {.tokens = w->tokens};
	struct answered a = {0};
	struct err err = {0};
	struct fixture f;

	fixture_start(&f, "", r->form);
	add_fields(&f, r);
	assert_true(address_parse(STR("192.0.2.7"), 1234, &f.call.peer));
	f.call.user = &rooms;
	f.call.route = find_route(r->tenant != NULL ? "/t/{tenant}/oauth/token" : "/oauth/token");
	if (r->tenant != NULL) {
		f.call.params[0] = str_of(r->tenant);
	}
	f.call.route->handler(&f.call);
	a.status = f.call.status;
	a.has_challenge = fixture_answered(&f, "WWW-Authenticate").at != NULL;
	a.has_retry_after = fixture_answered(&f, "Retry-After").at != NULL;
	assert_str(fixture_answered(&f, "Cache-Control"), "no-store");
	assert_ok(json_parse(buf_str(&f.call.out), KIB(64), &a.json, &err), &err);
	(void)!json_get_str(a.json, "error", &a.error);
	fixture_end(&f);
	return a;
}

static void expect_error(struct world *w, const struct request *r, unsigned status,
			 const char *error)
{
	struct answered a = ask(w, r);

	assert_int_equal(a.status, status);
	assert_str(a.error, error);
	assert_int_equal(a.has_challenge, status == 401);
	json_free(a.json);
}

static void expect_token(struct world *w, const struct request *r)
{
	struct answered a = ask(w, r);
	struct str token = STR_NONE;
	int64_t n = 0;

	if (a.status != 200) {
		fail_msg("%u %.*s", a.status, STR_ARGS(a.error));
	}
	world_expect(a.json, "token_type", "bearer");
	assert_true(json_get_int(a.json, "expires_in", &n));
	assert_int_equal(n, 3600);
	assert_true(json_get_str(a.json, "access_token", &token));
	AUTO(json_free) struct json *claims = world_claims(w, token);
	world_expect(claims, "zid", w->tenant.id);
	json_free(a.json);
}

/* The form of the world's client, in `b`. */
static const char *form(struct world *w, struct buf *b)
{
	buf_reset(b);
	buf_addf(b, "grant_type=client_credentials&client_id=%s&client_secret=%s",
		 w->binding.client_id, w->secret);
	return b->at;
}

static const char *basic(struct buf *b, const char *id, const char *secret)
{
	AUTO_BUF struct buf pair = BUF_SECRET(KIB(1));

	buf_addf(&pair, "%s:%s", id, secret);
	buf_reset(b);
	buf_add_str(b, STR("Basic "));
	buf_add_base64(b, pair.at, pair.len);
	return b->at;
}

static void a_client_gets_a_token_by_form_and_by_basic(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf text = BUF(KIB(2));
	AUTO_BUF struct buf login = BUF(KIB(2));
	AUTO_BUF struct buf encoded = BUF(KIB(1));

	world_start(&w, *state);
	expect_token(&w, &(struct request){.form = form(&w, &text)});
	expect_token(&w, &(struct request){.form = "grant_type=client_credentials",
					   .authorization =
						   basic(&login, w.binding.client_id, w.secret)});
	for (const char *p = w.binding.client_id; *p != '\0'; p++) { /* RFC 6749, 2.3.1 */
		buf_addf(&encoded, *p == '!' ? "%%%02X" : "%c", (unsigned char)*p);
	}
	expect_token(&w, &(struct request){.form = "grant_type=client_credentials",
					   .authorization = basic(&login, encoded.at, w.secret)});
	struct token_counters c = token_server_count(w.tokens);
	assert_int_equal(c.issued, 3);
	world_end(&w);
}

static void the_tenant_may_be_named_but_not_changed(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf text = BUF(KIB(2));

	world_start(&w, *state);
	const char *f = form(&w, &text);
	expect_token(&w, &(struct request){.form = f, .zid = w.tenant.id});
	expect_token(&w, &(struct request){.form = f, .tenant = "plant-north"});
	expect_token(&w, &(struct request){.form = f, .host = "plant-north.cloud.example:9443"});
	expect_token(&w, &(struct request){.form = f, .host = "localhost:9443"});
	expect_error(&w, &(struct request){.form = f, .zid = "other"}, 400, "unauthorized_client");
	expect_error(&w, &(struct request){.form = f, .tenant = "other"}, 400,
		     "unauthorized_client");
	expect_error(&w, &(struct request){.form = f, .host = "other.cloud.example"}, 400,
		     "unauthorized_client");
	world_end(&w);
}

static void errors_are_those_of_the_rfc(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf text = BUF(KIB(2));
	AUTO_BUF struct buf login = BUF(KIB(2));

	world_start(&w, *state);
	const char *f = form(&w, &text);
	expect_error(&w, &(struct request){.form = ""}, 400, "invalid_request");
	expect_error(&w, &(struct request){.form = "grant_type=password"}, 400,
		     "unsupported_grant_type");
	expect_error(&w, &(struct request){.form = "grant_type=client_credentials"}, 401,
		     "invalid_client");
	expect_error(&w,
		     &(struct request){.form = "grant_type=client_credentials",
				       .authorization = "Bearer x"},
		     401, "invalid_client");
	expect_error(&w, &(struct request){.form = f, .authorization = basic(&login, "x", "y")},
		     400, "invalid_request");
	expect_error(&w,
		     &(struct request){.form = "grant_type=client_credentials&client_id=x&"
					       "client_secret=y"},
		     401, "invalid_client");
	world_end(&w);
}

/* The first pause is a second, and a busy machine may stand still for longer. */
static void lengthen_the_pause(struct world *w)
{
	struct address from;

	assert_true(address_parse(STR("192.0.2.7"), 1234, &from));
	for (int i = 0; i < 2 * LOGIN_FREE_TRIES; i++) {
		login_note(w->tokens->logins, str_of(w->binding.client_id), &from, false,
			   clock_now());
	}
}

static void wrong_secrets_are_slowed_down(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf text = BUF(KIB(2));
	unsigned status = 0;

	world_start(&w, *state);
	buf_addf(&text, "grant_type=client_credentials&client_id=%s&client_secret=wrong",
		 w.binding.client_id);
	for (int i = 0; i < 20 && status != 429; i++) {
		struct answered a = ask(&w, &(struct request){.form = text.at});
		status = a.status;
		assert_int_equal(a.has_retry_after, status == 429);
		json_free(a.json);
	}
	assert_int_equal(status, 429);
	assert_int_equal(token_server_count(w.tokens).throttled, 1);
	lengthen_the_pause(&w);
	/* The right secret has to wait too: otherwise guessing would go on unseen. */
	struct answered a = ask(&w, &(struct request){.form = form(&w, &text)});
	assert_int_equal(a.status, 429);
	json_free(a.json);
	world_end(&w);
}

static void a_deleted_or_locked_one_gets_nothing(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf text = BUF(KIB(2));
	struct err err = {0};

	world_start(&w, *state);
	const char *f = form(&w, &text);
	w.tenant.locked = true;
	assert_int_equal(directory_subaccount_edit(w.store, &world_actor, &w.tenant,
						   DIRECTORY_ANY_VERSION, &err),
			 DIRECTORY_EDITED);
	expect_error(&w, &(struct request){.form = f}, 403, "access_denied");
	w.tenant.locked = false;
	assert_int_equal(directory_subaccount_edit(w.store, &world_actor, &w.tenant,
						   DIRECTORY_ANY_VERSION, &err),
			 DIRECTORY_EDITED);
	expect_token(&w, &(struct request){.form = f});
	assert_ok(directory_binding_delete(w.store, &world_actor, str_of(w.tenant.id), STR("demo"),
					   &err),
		  &err);
	expect_error(&w, &(struct request){.form = f}, 401, "invalid_client");
	world_end(&w);
}

static void the_keys_are_public(UNUSED void **state)
{
	struct world w;
	struct fixture f;
	AUTO(jose_keys_free) struct jose_keys *keys = NULL;
	struct err err = {0};

	world_start(&w, *state);
	struct cloud_rooms rooms = {.tokens = w.tokens};
	const char *const paths[] = {"/token_keys", "/oauth/token_keys"};
	for (size_t i = 0; i < COUNT(paths); i++) {
		fixture_start(&f, "", "");
		f.call.user = &rooms;
		f.call.route = find_route(paths[i]);
		f.call.route->handler(&f.call);
		assert_int_equal(f.call.status, 200);
		jose_keys_free(keys);
		keys = NULL;
		assert_ok(jose_keys_read(buf_str(&f.call.out), &keys, &err), &err);
		assert_true(str_contains(buf_str(&f.call.out), str_of(token_server_kid(w.tokens))));
		assert_false(str_contains(buf_str(&f.call.out), STR("\"d\"")));
		fixture_end(&f);
	}
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(a_client_gets_a_token_by_form_and_by_basic),
		ON_SQLITE(the_tenant_may_be_named_but_not_changed),
		ON_SQLITE(errors_are_those_of_the_rfc),
		ON_SQLITE(wrong_secrets_are_slowed_down),
		ON_SQLITE(a_deleted_or_locked_one_gets_nothing),
		ON_SQLITE(the_keys_are_public),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
