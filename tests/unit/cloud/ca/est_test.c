#include "cloud/ca/est.h"

#include "cloud/ca/est_body.h"
#include "http/session.h"
#include "unit/cloud/ca/ca_world.h"
#include "unit/http/call_fixture.h"

struct request {
	const char *route; /* the last segment of the path */
	const char *authorization;
	const char *instance; /* NULL: no field */
	const char *type;     /* NULL: the right one */
	const char *site;     /* Sec-Fetch-Site, or NULL */
	struct str csr;       /* DER */
	enum tls_peer_state peer;
	const struct cert_facts *cert;
};

struct answered {
	unsigned status;
	char owners[256];
	char detail[800]; /* the whole body of a refusal */
	bool has_challenge;
	struct buf pem; /* certificates of the answer */
};

static const struct http_route *find_route(const char *name)
{
	for (const struct http_route *r = est_routes; r->method != NULL; r++) {
		if (str_ends(str_of(r->pattern), str_of(name))) {
			return r;
		}
	}
	fail_msg("no route %s", name);
	return NULL;
}

static void read_answer(struct fixture *f, struct answered *a)
{
	AUTO_BUF struct buf der = BUF(KIB(64));
	struct err err = {0};

	a->status = f->call.status;
	a->has_challenge = fixture_answered(f, "WWW-Authenticate").at != NULL;
	(void)!str_copy(fixture_answered(f, "Drawbridge-Owners"), a->owners, sizeof a->owners);
	if (a->status != 200) {
		(void)!str_copy(buf_str(&f->call.out), a->detail, sizeof a->detail);
		return;
	}
	a->pem = BUF(KIB(64));
	assert_true(buf_add_decoded_base64(&der, buf_str(&f->call.out)));
	if (str_contains(fixture_answered(f, "Content-Type"), STR("pkcs7"))) {
		assert_ok(cert_pkcs7_to_pem(buf_str(&der), &a->pem, &err), &err);
	}
}

static struct answered ask(struct world *w, const struct request *r)
{
	struct cloud_rooms rooms = {.ca = w->ca};
	struct answered a = {0};
	struct fixture f;
	AUTO_BUF struct buf body = BUF(KIB(64));

	est_write(&body, r->csr);
	fixture_start(&f, "", "");
	f.call.body = buf_str(&body);
	f.call.user = &rooms;
	f.call.route = find_route(r->route);
	f.call.params[0] = str_of(w->subaccount);
	f.call.peer_state = r->peer;
	f.call.peer_cert = r->cert;
	if (r->authorization != NULL) {
		fixture_field(&f, "Authorization", r->authorization);
	}
	if (r->instance != NULL) {
		fixture_field(&f, "Drawbridge-Instance", r->instance);
	}
	fixture_field(&f, "Content-Type", r->type != NULL ? r->type : "application/pkcs10");
	if (r->site != NULL) {
		fixture_field(&f, "Sec-Fetch-Site", r->site);
	}
	f.call.route->handler(&f.call);
	read_answer(&f, &a);
	fixture_end(&f);
	return a;
}

/* "Basic …" of alice's form; the buffer is the caller's. */
static const char *basic(struct buf *b, const char *pair)
{
	buf_reset(b);
	buf_add_str(b, STR("Basic "));
	buf_add_base64(b, pair, strlen(pair));
	return b->at;
}

static void expect_certificate(struct world *w, struct answered *a, struct cert_facts *facts)
{
	struct err err = {0};

	if (a->status != 200) {
		fail_msg("%u: %s", a->status, a->detail);
	}
	assert_ok(cert_read_pem(buf_str(&a->pem), facts, &err), &err);
	assert_memory_equal(facts->spki_sha256, w->csr.spki_sha256, 32);
	buf_fini(&a->pem);
}

static void cacerts_and_csrattrs_need_no_login(UNUSED void **state)
{
	struct world w;

	world_start(&w, *state);
	struct answered a = ask(&w, &(struct request){.route = "/cacerts"});
	assert_int_equal(a.status, 200);
	assert_true(str_eq(buf_str(&a.pem), ca_anchors_pem(w.ca)));
	buf_fini(&a.pem);
	a = ask(&w, &(struct request){.route = "/csrattrs"});
	assert_int_equal(a.status, 200);
	world_end(&w);
}

static void a_form_of_another_site_enrols_nobody(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf login = BUF_SECRET(256);

	world_start(&w, *state);
	struct request r = {.route = "/simpleenroll",
			    .authorization = basic(&login, "alice:" WORLD_PASSWORD),
			    .site = "cross-site",
			    .csr = buf_str(&w.csr_der)};
	assert_int_equal(ask(&w, &r).status, 403);
	r.site = NULL;
	r.type = "text/plain";
	assert_int_equal(ask(&w, &r).status, 415);
	r.type = "application/pkcs10; charset=us-ascii";
	struct answered a = ask(&w, &r);
	assert_int_equal(a.status, 200);
	buf_fini(&a.pem);
	world_end(&w);
}

/* A pause can have passed before the next try comes: the longer ones behind it cannot. */
static void who_guesses_at_many_names_is_throttled_by_its_address(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf login = BUF_SECRET(256);
	unsigned status = 401;
	char pair[64];

	world_start(&w, *state);
	for (int i = 0; i < 2 * LOGIN_FREE_TRIES && status == 401; i++) {
		snprintf(pair, sizeof pair, "nobody%d:guess", i);
		struct request r = {.route = "/simpleenroll",
				    .authorization = basic(&login, pair),
				    .csr = buf_str(&w.csr_der)};
		status = ask(&w, &r).status;
		assert_true(status == 401 || i >= LOGIN_FREE_TRIES);
	}
	assert_int_equal(status, 429);
	world_end(&w);
}

static void an_owner_enrols_by_password(UNUSED void **state)
{
	struct world w;
	struct cert_facts facts;
	AUTO_BUF struct buf login = BUF_SECRET(256);

	world_start(&w, *state);
	struct answered a =
		ask(&w, &(struct request){.route = "/simpleenroll",
					  .authorization = basic(&login, "alice:" WORLD_PASSWORD),
					  .csr = buf_str(&w.csr_der)});
	assert_string_equal(a.owners, "alice");
	expect_certificate(&w, &a, &facts);
	assert_true(str_ends(str_of(facts.uri), STR("/connector/" WORLD_INSTANCE)));
	world_end(&w);
}

static void a_wrong_password_names_nobody(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf login = BUF_SECRET(256);

	world_start(&w, *state);
	const char *const pairs[] = {"alice:wrong", ("nobody:" WORLD_PASSWORD), "bob:wrong"};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct answered a =
			ask(&w, &(struct request){.route = "/simpleenroll",
						  .authorization = basic(&login, pairs[i]),
						  .csr = buf_str(&w.csr_der)});
		assert_int_equal(a.status, 401);
		assert_true(a.has_challenge);
		assert_null(strstr(a.detail, "alice"));
		assert_string_equal(a.owners, "");
	}
	struct answered a =
		ask(&w, &(struct request){.route = "/simpleenroll", .csr = buf_str(&w.csr_der)});
	assert_int_equal(a.status, 401);
	world_end(&w);
}

static void a_user_who_is_no_owner_is_told_who_is_and_where(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf login = BUF_SECRET(256);

	world_start(&w, *state);
	struct answered a =
		ask(&w, &(struct request){.route = "/simpleenroll",
					  .authorization = basic(&login, "bob:" WORLD_PASSWORD),
					  .csr = buf_str(&w.csr_der)});
	assert_int_equal(a.status, 403);
	assert_non_null(strstr(a.detail, "alice"));
	assert_non_null(strstr(a.detail, "Core Account"));
	world_end(&w);
}

/* The token inside authentication data. */
static void make_token(struct world *w, char into[static 64])
{
	AUTO_BUF struct buf text = BUF_SECRET(KIB(4));
	AUTO_BUF struct buf json = BUF_SECRET(KIB(4));
	AUTO(json_free) struct json *root = NULL;
	struct directory_actor alice = {.who = STR("user:alice"), .from = STR("")};
	struct str token;
	int64_t expires = 0;
	struct err err = {0};

	assert_ok(directory_authdata_create(w->store, &alice, str_of(w->subaccount),
					    STR("cloud.example:9444"), ca_root_pin(w->ca),
					    clock_unix(), &text, &expires, &err),
		  &err);
	assert_true(buf_add_decoded_base64url(&json, buf_str(&text)));
	assert_ok(json_parse(buf_str(&json), KIB(4), &root, &err), &err);
	assert_true(json_get_str(root, "token", &token));
	snprintf(into, 64, "Bearer %.*s", STR_ARGS(token));
}

static void authentication_data_enrols_one_key_however_often(UNUSED void **state)
{
	struct world w;
	struct cert_facts first, again;
	struct testkey {
		struct local_key *local;
		struct key *key;
		struct buf spki, csr;
	} other = {.spki = BUF(KIB(2)), .csr = BUF(KIB(4))};
	struct err err = {0};
	char bearer[64];

	world_start(&w, *state);
	make_token(&w, bearer);
	struct request r = {.route = "/simpleenroll",
			    .authorization = bearer,
			    .instance = WORLD_INSTANCE,
			    .csr = buf_str(&w.csr_der)};
	struct answered a = ask(&w, &r);
	expect_certificate(&w, &a, &first);
	a = ask(&w, &r); /* the answer was lost */
	expect_certificate(&w, &a, &again);
	assert_string_not_equal(first.serial, again.serial);

	assert_ok(local_key_generate(KEY_KIND_P256, &other.local, &err), &err);
	assert_ok(local_key_spki(other.local, &other.spki, &err), &err);
	assert_ok(key_new(buf_str(&other.spki), local_key_signer, other.local, &other.key, &err),
		  &err);
	assert_ok(csr_make(other.key, "CN=thief", &other.csr, &err), &err);
	r.csr = buf_str(&other.csr);
	a = ask(&w, &r);
	assert_int_equal(a.status, 403);
	r.authorization = "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	a = ask(&w, &r);
	assert_int_equal(a.status, 401);
	key_free(other.key);
	local_key_free(other.local);
	buf_fini(&other.spki);
	buf_fini(&other.csr);
	world_end(&w);
}

static void a_request_that_cannot_be_used_is_refused(UNUSED void **state)
{
	struct world w;
	AUTO_BUF struct buf login = BUF_SECRET(256);

	world_start(&w, *state);
	struct request r = {.route = "/simpleenroll",
			    .authorization = basic(&login, "alice:" WORLD_PASSWORD),
			    .csr = str_first(buf_str(&w.csr_der), 40)};
	assert_int_equal(ask(&w, &r).status, 400);
	r.csr = buf_str(&w.csr_der);
	r.instance = "no uuid";
	assert_int_equal(ask(&w, &r).status, 400);
	r.instance = "11111111-1111-4111-8111-111111111111"; /* the CSR names another */
	assert_int_equal(ask(&w, &r).status, 400);
	world_end(&w);
}

/* A certificate issued for the world's connector with that validity, confirmed. */
static void enrolled(struct world *w, int64_t not_before_ago, int64_t validity,
		     struct cert_facts *facts)
{
	AUTO_BUF struct buf der = BUF(KIB(8));
	struct ca_settings s = w->settings;
	struct ca *ca = NULL;
	struct err err = {0};
	const struct ca_connector want = {.actor = &world_actor,
					  .subaccount = str_of(w->subaccount),
					  .instance = STR(WORLD_INSTANCE),
					  .csr = &w->csr,
					  .issued_to = "user:alice"};

	s.leaf_validity_s = validity;
	assert_ok(ca_open(&s, clock_unix(), &ca, &err), &err);
	assert_ok(ca_issue_connector(ca, &want, clock_unix() - not_before_ago, &der, &err), &err);
	assert_ok(cert_read_der(buf_str(&der), facts, &err), &err);
	assert_ok(directory_certificate_confirm(w->store, str_of(facts->serial), clock_unix(),
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	ca_close(ca);
}

static void the_certificate_in_use_renews_itself(UNUSED void **state)
{
	struct world w;
	struct cert_facts old, renewed;

	world_start(&w, *state);
	enrolled(&w, 0, 86400, &old);
	struct answered a = ask(&w, &(struct request){.route = "/simplereenroll",
						      .csr = buf_str(&w.csr_der),
						      .peer = TLS_PEER_TRUSTED,
						      .cert = &old});
	expect_certificate(&w, &a, &renewed);
	assert_string_not_equal(old.serial, renewed.serial);
	assert_string_equal(old.uri, renewed.uri);
	world_end(&w);
}

static void an_expired_one_may_renew_while_its_days_last(UNUSED void **state)
{
	struct world w;
	struct cert_facts old, renewed;
	struct err err = {0};

	world_start(&w, *state);
	enrolled(&w, 86400, 3600, &old);
	assert_true(old.not_after < clock_unix());
	struct request r = {.route = "/simplereenroll",
			    .csr = buf_str(&w.csr_der),
			    .peer = TLS_PEER_TRUSTED,
			    .cert = &old};
	struct answered a = ask(&w, &r);
	expect_certificate(&w, &a, &renewed);
	assert_ok(ca_set_policy(w.ca, 86400, 0, &err), &err);
	assert_false(ca_set_policy(w.ca, CA_LEAF_LEAST_S - 1, 0, &err));
	assert_int_equal(ask(&w, &r).status, 401);
	assert_int_equal(ca_count(w.ca).renewed, 1);
	assert_int_equal(ca_count(w.ca).refused, 1);
	world_end(&w);
}

static void an_untrusted_or_absent_certificate_does_not_renew(UNUSED void **state)
{
	struct world w;
	struct cert_facts old;

	world_start(&w, *state);
	enrolled(&w, 0, 86400, &old);
	struct request r = {.route = "/simplereenroll",
			    .csr = buf_str(&w.csr_der),
			    .peer = TLS_PEER_UNTRUSTED,
			    .cert = &old};
	struct answered a = ask(&w, &r);
	assert_int_equal(a.status, 401);
	assert_false(a.has_challenge);
	r.peer = TLS_PEER_ABSENT;
	r.cert = NULL;
	assert_int_equal(ask(&w, &r).status, 401);
	world_end(&w);
}

static void a_revoked_or_foreign_certificate_does_not_renew(UNUSED void **state)
{
	struct world w;
	struct cert_facts old;
	struct err err = {0};

	world_start(&w, *state);
	enrolled(&w, 0, 86400, &old);
	struct cert_facts foreign = old;
	snprintf(foreign.uri, sizeof foreign.uri,
		 "spiffe://cloud.example/subaccount/11111111-1111-4111-8111-111111111111/"
		 "connector/" WORLD_INSTANCE);
	struct request r = {.route = "/simplereenroll",
			    .csr = buf_str(&w.csr_der),
			    .peer = TLS_PEER_TRUSTED,
			    .cert = &foreign};
	assert_int_equal(ask(&w, &r).status, 403);
	assert_ok(directory_certificate_revoke(w.store, &world_actor, str_of(w.subaccount),
					       str_of(old.serial), clock_unix(), &err),
		  &err);
	r.cert = &old;
	assert_int_equal(ask(&w, &r).status, 403);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(cacerts_and_csrattrs_need_no_login),
		ON_SQLITE(a_form_of_another_site_enrols_nobody),
		ON_SQLITE(who_guesses_at_many_names_is_throttled_by_its_address),
		ON_SQLITE(an_owner_enrols_by_password),
		ON_SQLITE(a_wrong_password_names_nobody),
		ON_SQLITE(a_user_who_is_no_owner_is_told_who_is_and_where),
		ON_SQLITE(authentication_data_enrols_one_key_however_often),
		ON_SQLITE(a_request_that_cannot_be_used_is_refused),
		ON_SQLITE(the_certificate_in_use_renews_itself),
		ON_SQLITE(an_expired_one_may_renew_while_its_days_last),
		ON_SQLITE(an_untrusted_or_absent_certificate_does_not_renew),
		ON_SQLITE(a_revoked_or_foreign_certificate_does_not_renew),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
