/* The server's hook, against OpenSSL's own client, which keeps sessions as applications do. */
#include <openssl/ssl.h>

#include "crypto/ossl.h"
#include "crypto/seal.h"
#include "crypto/tls.h"
#include "unit/crypto/testca.h"

static struct testcert root, stranger, other_root, issuing, server;
static struct testcert client, deep, forged, expired, not_yet, server_as_client;

static void make_intermediate(void)
{
	testcert_key(&issuing, KEY_KIND_P256);
	testcert_issue(
		&issuing, &root,
		(struct issue_facts){.profile = ISSUE_INTERMEDIATE, .subject = "CN=Issuing"});
	testcert_client(&deep, &issuing, clock_unix() - 3600, clock_unix() + 3600);
}

static int make_all(UNUSED void **state)
{
	int64_t now = clock_unix();

	testcert_root(&root, "CN=Customer Root");
	testcert_root(&stranger, "CN=Customer Root"); /* the same name, another key */
	testcert_root(&other_root, "CN=Other Root");
	testcert_server(&server, &other_root, KEY_KIND_P256, "acme.relay.example");
	testcert_client(&client, &root, now - 3600, now + 3600);
	testcert_client(&forged, &stranger, now - 3600, now + 3600);
	testcert_client(&expired, &root, now - 7200, now - 3600);
	testcert_client(&not_yet, &root, now + 3600, now + 7200);
	testcert_server(&server_as_client, &root, KEY_KIND_P256, "a.example");
	make_intermediate();
	return 0;
}

static int free_all(UNUSED void **state)
{
	struct testcert *all[] = {
		&root, &stranger, &other_root, &issuing, &server,          &client,
		&deep, &forged,   &expired,    &not_yet, &server_as_client};

	for (size_t i = 0; i < COUNT(all); i++) {
		testcert_free(all[i]);
	}
	return 0;
}

/* ---- the hook of these tests: one tenant, "acme" ---- */

struct tenant {
	int64_t generation;
	bool asks,
		requires;
	struct str anchors[1100];
	size_t n;
	/* what was seen */
	char name[64];
	unsigned hellos, found, released;
	struct tls_anchors *prepared; /* while a handshake holds it */
};

static void find_anchor(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn,
			void *to)
{
	struct tenant *t = user;
	struct str name;
	uint8_t hash[32];
	bool on = true;

	for (size_t i = 0; i < t->n && on; i++) {
		assert_true(cert_subject(t->anchors[i], &name));
		digest_sha256(name, hash);
		if (memcmp(hash, subject_sha256, 32) == 0) {
			t->found++;
			on = fn(t->anchors[i], to);
		}
	}
}

static void released(void *user)
{
	struct tenant *t = user;

	t->released++;
	tls_anchors_unref(TAKE(t->prepared));
}

static bool on_hello(struct str name, void *user, struct tls_trust *out)
{
	struct tenant *t = user;

	t->hellos++;
	assert_true(str_copy(name, t->name, sizeof(t->name)));
	if (str_eq(name, STR("nobody.relay.example"))) {
		t->hellos--; /* holds nothing */
		return false;
	}
	out->user = t;
	out->release = released;
	if (!str_eq(name, STR("acme.relay.example"))) {
		return true; /* no tenant: asks nothing */
	}
	assert_true(str_copy(STR("acme"), out->owner, sizeof(out->owner)));
	memcpy(out->context, &t->generation, sizeof(t->generation));
	out->asks = t->asks;
	out->
		requires
	= t->
		  requires;
	t->prepared = tls_anchors_new(t->anchors, t->n);
	out->anchors = t->prepared;
	out->find = find_anchor;
	return true;
}

/* ---- a connection ---- */

struct caller { /* how OpenSSL's client calls */
	const char *name;
	const struct testcert *cert, *issuer;
	SSL_SESSION *session; /* to be resumed */
	int version;          /* 0: any */
};

struct seen {
	bool up;
	bool resumed;
	enum tls_peer_state peer;
	char owner[TLS_OWNER_MAX], subject[CERT_NAME_MAX], why[512];
	int alert;  /* that the client got; 0: none */
	bool asked; /* for a certificate */
	int ca_names;
	SSL_SESSION *session; /* the caller's to free */
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct seen *seen = SSL_get_app_data(ssl);

	SSL_SESSION_free(seen->session);
	seen->session = session;
	return 1;
}

static int on_asked(SSL *ssl, UNUSED void *user)
{
	struct seen *seen = SSL_get_app_data(ssl);

	seen->asked = true;
	int n = sk_X509_NAME_num(SSL_get0_peer_CA_list(ssl));
	seen->ca_names = n > 0 ? n : 0;
	return 1; /* goes on with what is set */
}

static void on_info(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL) {
		struct seen *seen = SSL_get_app_data(ssl);
		seen->alert = value & 0xff;
	}
}

static SSL_CTX *client_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	SSL_CTX_set_cert_cb(ctx, on_asked, NULL);
	SSL_CTX_set_info_callback(ctx, on_info);
	return ctx;
}

static void show(SSL *ssl, const struct testcert *cert, const struct testcert *issuer)
{
	struct err err;
	AUTO(X509_free) X509 *leaf = ossl_cert(buf_str(&cert->der), &err);

	assert_int_equal(SSL_use_certificate(ssl, leaf), 1);
	assert_int_equal(SSL_use_PrivateKey(ssl, ossl_local_key(cert->local)), 1);
	if (issuer != NULL) {
		AUTO(X509_free) X509 *middle = ossl_cert(buf_str(&issuer->der), &err);
		assert_int_equal(SSL_add1_chain_cert(ssl, middle), 1);
	}
}

/* What the one has written, to the other. */
static void carry(SSL *c, struct tls_engine *s, struct buf *to_client, struct seen *seen)
{
	char bytes[20000];
	struct err err = {0};
	int n = BIO_read(SSL_get_wbio(c), bytes, sizeof(bytes));

	if (n > 0) {
		tls_feed(s, str_make(bytes, (size_t)n));
	}
	enum tls_outcome o = tls_handshake(s, to_client, &err);
	if (o == TLS_FAILED && seen->why[0] == '\0') {
		(void)snprintf(seen->why, sizeof(seen->why), "%s", err.text);
	}
	seen->up = o == TLS_OK;
	if (to_client->len > 0) {
		assert_int_equal(BIO_write(SSL_get_rbio(c), to_client->at, (int)to_client->len),
				 to_client->len);
		buf_reset(to_client);
	}
}

static struct seen call_with(SSL_CTX *ctx, struct tls_config *config, struct caller how)
{
	struct seen seen = {.alert = 0};
	struct err err = {0};
	AUTO(tls_engine_free) struct tls_engine *s = NULL;
	AUTO_BUF struct buf to_client = BUF(MIB(1));
	char byte;
	SSL *c = SSL_new(ctx);

	SSL_set_app_data(c, &seen);
	SSL_set_bio(c, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(c);
	if (how.name != NULL) {
		assert_int_equal(SSL_set_tlsext_host_name(c, (char *)(uintptr_t)how.name), 1);
	}
	if (how.version != 0) {
		assert_int_equal(SSL_set_max_proto_version(c, how.version), 1);
	}
	if (how.session != NULL) {
		assert_int_equal(SSL_set_session(c, how.session), 1);
	}
	if (how.cert != NULL) {
		show(c, how.cert, how.issuer);
	}
	assert_true(tls_engine_new(config, NULL, &s, &err));
	for (int i = 0; i < 6; i++) {
		(void)SSL_do_handshake(c);
		carry(c, s, &to_client, &seen);
	}
	(void)SSL_read(c, &byte, 1); /* tickets, or the alert */
	ERR_clear_error();
	struct cert_facts facts = {.subject = ""};
	seen.peer = tls_peer(s, &facts);
	seen.resumed = seen.up && tls_resumed(s);
	assert_int_equal(seen.resumed, seen.up && SSL_session_reused(c) == 1);
	(void)snprintf(seen.owner, sizeof(seen.owner), "%s", tls_owner(s));
	(void)snprintf(seen.subject, sizeof(seen.subject), "%s", facts.subject);
	SSL_set_shutdown(c, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or the session goes */
	SSL_free(c);
	return seen;
}

static struct tls_config *config_of(struct tenant *t)
{
	struct tls_config *c = NULL;
	struct err err = {0};
	const struct tls_settings settings = {.server = true,
					      .allow_tls12 = true,
					      .peer = TLS_PEER_BY_NAME,
					      .tickets = true,
					      .chain_pem = buf_str(&server.pem),
					      .key = server.key,
					      .hello = on_hello,
					      .hello_user = t};

	if (!tls_config_new(&settings, &c, &err)) {
		fail_msg("%s", err.text);
	}
	return c;
}

static struct tenant *acme(const struct testcert *anchor)
{
	struct tenant *t = NEW(struct tenant);

	t->generation = 1;
	if (anchor != NULL) {
		t->asks = true;
		t->anchors[t->n++] = buf_str(&anchor->der);
	}
	return t;
}

/* One call at a server of its own; every trust that was lent is given back. */
static struct seen call(struct tenant *t, struct caller how)
{
	struct tls_config *config = config_of(t);
	SSL_CTX *ctx = client_context();
	struct seen seen = call_with(ctx, config, how);

	SSL_CTX_free(ctx);
	tls_config_unref(config);
	assert_int_equal(t->released, t->hellos);
	return seen;
}

static struct seen call_acme(struct tenant *t, const struct testcert *cert, int version)
{
	struct seen seen = call(
		t, (struct caller){.name = "acme.relay.example", .cert = cert, .version = version});

	SSL_SESSION_free(TAKE(seen.session));
	return seen;
}

/* ---- who is let in ---- */

static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};

static void a_certificate_of_a_trusted_issuer_is_let_in(UNUSED void **state)
{
	struct tenant *t = acme(&root);

	for (size_t i = 0; i < COUNT(versions); i++) {
		struct seen seen = call_acme(t, &client, versions[i]);
		assert_true(seen.up);
		assert_int_equal(seen.peer, TLS_PEER_TRUSTED);
		assert_string_equal(seen.subject, "CN=connector");
		assert_string_equal(seen.owner, "acme");
		assert_string_equal(t->name, "acme.relay.example");
		assert_int_equal(seen.ca_names, 1);
	}
	free(t);
}

static void an_intermediate_comes_with_the_client_or_is_the_anchor(UNUSED void **state)
{
	struct tenant *t = acme(&root);
	struct caller how = {.name = "acme.relay.example", .cert = &deep, .issuer = &issuing};
	struct seen seen = call(t, how);

	SSL_SESSION_free(seen.session);
	assert_true(seen.up);
	assert_false(call_acme(t, &deep, 0).up); /* without its issuer */
	t->anchors[0] = buf_str(&issuing.der);
	assert_true(call_acme(t, &deep, 0).up);
	t->anchors[0] = buf_str(&deep.der); /* the client's own certificate */
	assert_true(call_acme(t, &deep, 0).up);
	assert_false(call_acme(t, &client, 0).up);
	free(t);
}

static void refused(struct tenant *t, const struct testcert *cert, int alert, const char *why)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct seen seen = call_acme(t, cert, versions[i]);
		assert_false(seen.up);
		assert_int_equal(seen.alert, alert);
		if (strstr(seen.why, why) == NULL) {
			fail_msg("\"%s\" lacks \"%s\"", seen.why, why);
		}
	}
}

static void a_wrong_one_ends_with_the_alert_that_fits(UNUSED void **state)
{
	struct tenant *t = acme(&root);

	refused(t, &expired, SSL_AD_CERTIFICATE_EXPIRED, "expired");
	refused(t, &not_yet, SSL_AD_BAD_CERTIFICATE, "not yet valid");
	refused(t, &server_as_client, SSL_AD_UNSUPPORTED_CERTIFICATE, "purpose");
	refused(t, &forged, SSL_AD_UNKNOWN_CA, "issued by \"CN=Customer Root\"");
	t->anchors[0] = buf_str(&other_root.der);
	refused(t, &client, SSL_AD_UNKNOWN_CA, "issued by \"CN=Customer Root\"");
	t->n = 0;
	refused(t, &client, SSL_AD_UNKNOWN_CA, "local issuer");
	free(t);
}

static void none_is_fine_unless_it_is_required(UNUSED void **state)
{
	struct tenant *t = acme(&root);

	for (size_t i = 0; i < COUNT(versions); i++) {
		struct seen seen = call_acme(t, NULL, versions[i]);
		assert_true(seen.up);
		assert_true(seen.asked);
		assert_int_equal(seen.peer, TLS_PEER_ABSENT);
	}
	t->
		requires
	= true;
	assert_int_equal(call_acme(t, NULL, TLS1_3_VERSION).alert, SSL_AD_CERTIFICATE_REQUIRED);
	assert_int_equal(call_acme(t, NULL, TLS1_2_VERSION).alert, SSL_AD_HANDSHAKE_FAILURE);
	assert_true(call_acme(t, &client, 0).up);
	free(t);
}

static void who_trusts_nobody_asks_nobody(UNUSED void **state)
{
	struct tenant *t = acme(NULL);
	struct seen seen = call_acme(t, &client, 0);

	assert_true(seen.up);
	assert_false(seen.asked);
	assert_int_equal(seen.peer, TLS_PEER_ABSENT);
	assert_string_equal(seen.owner, "acme");
	free(t);
}

static void without_a_name_nobody_is_asked(UNUSED void **state)
{
	struct tenant *t = acme(&root);
	struct seen seen = call(t, (struct caller){.name = NULL, .cert = &client});

	SSL_SESSION_free(seen.session);
	assert_true(seen.up);
	assert_false(seen.asked);
	assert_string_equal(seen.owner, "");
	assert_string_equal(t->name, "");
	assert_int_equal(seen.peer, TLS_PEER_ABSENT);
	free(t);
}

static void a_name_that_the_hook_refuses_is_unrecognized(UNUSED void **state)
{
	struct tenant *t = acme(&root);
	struct seen seen = call(t, (struct caller){.name = "nobody.relay.example"});

	assert_false(seen.up);
	assert_int_equal(seen.alert, SSL_AD_UNRECOGNIZED_NAME);
	assert_string_equal(seen.why, "nobody here is called \"nobody.relay.example\"");
	free(t);
}

/* ---- many anchors ---- */

static void names_are_sent_up_to_their_limit_then_none(UNUSED void **state)
{
	struct tenant *t = acme(NULL);
	struct testcert *many = NEW_ARRAY(struct testcert, 1000);

	t->asks = true;
	for (size_t i = 0; i < 1000; i++) {
		char subject[200];
		(void)snprintf(subject, sizeof(subject), "CN=Root of a customer number %zu", i);
		testcert_root(&many[i], subject);
		t->anchors[t->n++] = buf_str(&many[i].der);
	}
	t->anchors[t->n++] = buf_str(&root.der);
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct seen seen = call_acme(t, &client, versions[i]);
		assert_true(seen.up); /* 1,001 names would break it */
		assert_int_equal(seen.ca_names, 0);
	}
	t->anchors[100] = buf_str(&root.der);
	t->n = 101;
	assert_int_equal(call_acme(t, &client, 0).ca_names, 101);
	for (size_t i = 0; i < 1000; i++) {
		testcert_free(&many[i]);
	}
	free(many);
	free(t);
}

/* The names that OpenSSL sends are the trust's: neither outlives the other. */
static void a_handshake_that_ends_half_way_gives_the_names_back(UNUSED void **state)
{
	struct tenant *t = acme(&root);
	struct tls_config *config = config_of(t);
	SSL_CTX *ctx = client_context();
	AUTO_BUF struct buf to_client = BUF(MIB(1));
	struct seen seen = {.alert = 0};
	struct tls_engine *s = NULL;
	struct err err = {0};
	SSL *c = SSL_new(ctx);
	char name[] = "acme.relay.example"; /* the macro drops const */

	SSL_set_app_data(c, &seen);
	SSL_set_bio(c, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(c);
	assert_int_equal(SSL_set_tlsext_host_name(c, name), 1);
	assert_true(tls_engine_new(config, NULL, &s, &err));
	(void)SSL_do_handshake(c);
	carry(c, s, &to_client, &seen);
	assert_int_equal(t->hellos, 1);
	assert_int_equal(t->released, 0);
	tls_engine_free(s);
	assert_int_equal(t->released, 1);
	SSL_free(c);
	SSL_CTX_free(ctx);
	tls_config_unref(config);
	free(t);
}

static void candidates_of_one_name_are_limited(UNUSED void **state)
{
	struct tenant *t = acme(NULL);

	t->asks = true;
	for (size_t i = 0; i < 1000; i++) {
		t->anchors[t->n++] = buf_str(&stranger.der);
	}
	t->anchors[t->n++] = buf_str(&root.der);
	assert_false(call_acme(t, &client, 0).up);
	assert_int_equal(t->found, TLS_CANDIDATES_MAX);
	t->anchors[TLS_CANDIDATES_MAX - 1] = buf_str(&root.der);
	assert_true(call_acme(t, &client, 0).up);
	free(t);
}

/* ---- sessions ---- */

struct resumption {
	struct tenant *t;
	struct tls_config *config;
	SSL_CTX *ctx;
	struct caller how;
};

static struct resumption start(const struct testcert *anchor, const struct testcert *cert,
			       int version, struct seen *seen)
{
	struct resumption r = {.t = acme(anchor), .ctx = client_context()};

	r.config = config_of(r.t);
	r.how = (struct caller){.name = "acme.relay.example", .cert = cert, .version = version};
	*seen = call_with(r.ctx, r.config, r.how);
	r.how.session = seen->session;
	return r;
}

static struct resumption first_call(const struct testcert *anchor, const struct testcert *cert,
				    int version)
{
	struct seen seen;
	struct resumption r = start(anchor, cert, version, &seen);

	assert_true(seen.up);
	assert_false(seen.resumed);
	assert_non_null(seen.session);
	return r;
}

static struct seen again(struct resumption *r)
{
	struct seen seen = call_with(r->ctx, r->config, r->how);

	SSL_SESSION_free(TAKE(seen.session));
	return seen;
}

static void end(struct resumption *r)
{
	SSL_SESSION_free(r->how.session);
	SSL_CTX_free(r->ctx);
	tls_config_unref(r->config);
	free(r->t);
}

static void a_session_goes_on_while_nothing_changes(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct resumption r = first_call(&root, &client, versions[i]);
		struct seen seen = again(&r);
		assert_true(seen.up && seen.resumed);
		assert_int_equal(seen.peer, TLS_PEER_TRUSTED);
		assert_string_equal(seen.subject, "CN=connector");
		assert_string_equal(seen.owner, "acme");
		end(&r);
	}
}

static void a_change_ends_it_and_the_new_trust_judges(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct resumption r = first_call(&root, &client, versions[i]);
		r.t->generation = 2;
		struct seen seen = again(&r);
		assert_true(seen.up && !seen.resumed);
		r.t->generation = 3;
		r.t->anchors[0] = buf_str(&other_root.der); /* the trust is gone */
		seen = again(&r);
		assert_false(seen.up);
		assert_int_equal(seen.alert, SSL_AD_UNKNOWN_CA);
		r.t->generation = 1; /* as after a restore */
		r.t->anchors[0] = buf_str(&root.der);
		assert_true(again(&r).up);
		end(&r);
	}
}

static void a_session_without_a_certificate_does_not_do_where_it_is_required(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct resumption r = first_call(&root, NULL, versions[i]);
		assert_true(again(&r).resumed);
		r.t->
			requires
		= true; /* and somebody forgot the generation */
		assert_false(again(&r).up);
		r.how.cert = &client;
		struct seen seen = again(&r);
		assert_true(seen.up && !seen.resumed);
		end(&r);
	}
}

static void a_session_is_no_good_under_another_name(UNUSED void **state)
{
	struct resumption r = first_call(&root, &client, TLS1_3_VERSION);
	SSL_SESSION *other = SSL_SESSION_dup(r.how.session);

	assert_int_equal(SSL_SESSION_set1_hostname(other, "relay.example"), 1);
	SSL_SESSION_free(r.how.session);
	r.how.session = other;
	r.how.name = "relay.example";
	struct seen seen = again(&r);
	assert_true(seen.up && !seen.resumed);
	assert_int_equal(seen.peer, TLS_PEER_ABSENT);
	end(&r);
}

/* The clock is the system's, and the certificate ends with this second: one that was over before it
 * could be shown is followed by one that lasts longer. */
static void a_session_does_not_outlive_its_certificate(UNUSED void **state)
{
	struct testcert brief = {0};
	struct resumption r;
	struct seen seen;
	int64_t ends;

	for (int64_t life = 1;; life *= 2) {
		ends = clock_unix() + life;
		testcert_client(&brief, &root, ends - 7200, ends);
		r = start(&root, &brief, TLS1_3_VERSION, &seen);
		if (seen.up) {
			break;
		}
		assert_true(clock_unix() >= ends);
		end(&r);
		testcert_free(&brief);
	}
	assert_non_null(seen.session);
	for (bool over = false; seen.up && !over;) {
		over = clock_unix() >= ends;
		seen = again(&r); /* resumed while it lasts, refused behind it */
	}
	assert_false(seen.up);
	assert_int_equal(seen.alert, SSL_AD_CERTIFICATE_EXPIRED);
	end(&r);
	testcert_free(&brief);
}

/* ---- what goes with it ---- */

static void a_subject_is_found_without_a_parse(UNUSED void **state)
{
	const struct testcert *certs[] = {&root, &issuing, &deep, &server};
	struct str name;

	for (size_t i = 0; i < COUNT(certs); i++) {
		struct err err;
		const unsigned char *der = NULL;
		size_t len = 0;
		AUTO(X509_free) X509 *cert = ossl_cert(buf_str(&certs[i]->der), &err);
		assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(cert), &der, &len), 1);
		assert_true(cert_subject(buf_str(&certs[i]->der), &name));
		assert_true(str_eq(name, str_make((const char *)der, len)));
	}
	for (size_t cut = 0; cut < 100; cut++) { /* before the subject's end */
		char *exact = malloc(cut + 1);
		memcpy(exact, root.der.at, cut);
		assert_false(cert_subject(str_make(exact, cut), &name));
		free(exact);
	}
	assert_false(cert_subject(STR("\x30\x80\x30\x84\xff\xff\xff\xff"), &name));
}

static void the_hook_is_for_servers_and_must_be_there(UNUSED void **state)
{
	struct tls_config *c = NULL;
	struct err err = {0};
	struct tls_settings s = {.server = true,
				 .peer = TLS_PEER_BY_NAME,
				 .chain_pem = buf_str(&server.pem),
				 .key = server.key};

	assert_false(tls_config_new(&s, &c, &err));
	s.hello = on_hello;
	s.peer = TLS_PEER_NONE;
	assert_false(tls_config_new(&s, &c, &err));
	s.peer = TLS_PEER_BY_NAME;
	s.server = false;
	assert_false(tls_config_new(&s, &c, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_of_a_trusted_issuer_is_let_in),
		cmocka_unit_test(an_intermediate_comes_with_the_client_or_is_the_anchor),
		cmocka_unit_test(a_wrong_one_ends_with_the_alert_that_fits),
		cmocka_unit_test(none_is_fine_unless_it_is_required),
		cmocka_unit_test(who_trusts_nobody_asks_nobody),
		cmocka_unit_test(without_a_name_nobody_is_asked),
		cmocka_unit_test(a_name_that_the_hook_refuses_is_unrecognized),
		cmocka_unit_test(names_are_sent_up_to_their_limit_then_none),
		cmocka_unit_test(a_handshake_that_ends_half_way_gives_the_names_back),
		cmocka_unit_test(candidates_of_one_name_are_limited),
		cmocka_unit_test(a_session_goes_on_while_nothing_changes),
		cmocka_unit_test(a_change_ends_it_and_the_new_trust_judges),
		cmocka_unit_test(a_session_without_a_certificate_does_not_do_where_it_is_required),
		cmocka_unit_test(a_session_is_no_good_under_another_name),
		cmocka_unit_test(a_session_does_not_outlive_its_certificate),
		cmocka_unit_test(a_subject_is_found_without_a_parse),
		cmocka_unit_test(the_hook_is_for_servers_and_must_be_there),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
