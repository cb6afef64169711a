/* What a probe sees of servers that are right, wrong, curious and choosy. */
#include "crypto/seal.h"
#include "crypto/tls.h"
#include "unit/crypto/testca.h"

static struct testcert root, other_root, issuing, server, deep_server, old_server, young_server;
static struct testcert client, other_client, connector_as_server, server_as_client;

static void make_server(struct testcert *c, int64_t from, int64_t to)
{
	testcert_key(c, KEY_KIND_P256);
	testcert_issue(c, &root,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {"host.example"},
					    .n_sans = 1,
					    .not_before = from,
					    .not_after = to});
}

static int make_all(UNUSED void **state)
{
	int64_t now = clock_unix();

	testcert_root(&root, "CN=Root");
	testcert_root(&other_root, "CN=Other Root");
	testcert_key(&issuing, KEY_KIND_P256);
	testcert_issue(
		&issuing, &root,
		(struct issue_facts){.profile = ISSUE_INTERMEDIATE, .subject = "CN=Issuing"});
	testcert_server(&deep_server, &issuing, KEY_KIND_RSA_2048, "host.example");
	make_server(&server, now - 60, now + 3600);
	make_server(&old_server, now - 7200, now - 3600);
	make_server(&young_server, now + 3600, now + 7200);
	testcert_client(&client, &root, now - 60, now + 3600);
	testcert_client(&other_client, &other_root, now - 60, now + 3600);
	testcert_client(&connector_as_server, &root, now - 60, now + 3600);
	testcert_server(&server_as_client, &root, KEY_KIND_P256, "host.example");
	return 0;
}

static int free_all(UNUSED void **state)
{
	struct testcert *all[] = {&root,
				  &other_root,
				  &issuing,
				  &server,
				  &deep_server,
				  &old_server,
				  &young_server,
				  &client,
				  &other_client,
				  &server_as_client,
				  &connector_as_server};

	for (size_t i = 0; i < COUNT(all); i++) {
		testcert_free(all[i]);
	}
	return 0;
}

/* ---- the probe's side ---- */

struct looker {
	struct tls_probe p;
	const struct testcert *anchor; /* NULL: trusts nobody */
	const struct testcert *shows;  /* when asked; NULL: nothing */
	const struct testcert *judged;
	struct tls_fit fit;
	struct str chain;
	enum tls_outcome outcome;
	struct err err;
	char version[16];
	enum tls_peer_state seen; /* by the server */
};

static void find(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to)
{
	const struct looker *l = user;
	struct str name;
	uint8_t hash[32];

	if (l->anchor == NULL) {
		return;
	}
	assert_true(cert_subject(buf_str(&l->anchor->der), &name));
	digest_sha256(name, hash);
	if (memcmp(hash, subject_sha256, 32) == 0) {
		(void)fn(buf_str(&l->anchor->der), to);
	}
}

static bool choose(void *user, const struct tls_asked *asked, struct tls_identity *out)
{
	struct looker *l = user;
	struct str der = l->judged != NULL ? buf_str(&l->judged->der) : STR_NONE;

	if (l->judged != NULL) {
		l->fit = tls_asked_judge(asked, &der, 1);
	}
	if (l->shows == NULL) {
		return false;
	}
	l->chain = buf_str(&l->shows->der);
	*out = (struct tls_identity){.chain = &l->chain, .n = 1, .key = l->shows->key};
	return true;
}

/* ---- the server's ---- */

static void trust_root(UNUSED void *user, UNUSED const uint8_t subject_sha256[static 32],
		       tls_der_fn *fn, void *to)
{
	(void)fn(buf_str(&root.der), to);
}

/* Names it to clients; one for each handshake. */
static struct tls_anchors *name_root(void)
{
	const struct str der = buf_str(&root.der);

	return tls_anchors_new(&der, 1);
}

static void let_go(void *user)
{
	tls_anchors_unref(user);
}

static bool require(UNUSED struct str name, UNUSED void *user, struct tls_trust *out)
{
	out->
		requires
	= true;
	out->find = trust_root;
	out->anchors = out->user = name_root();
	out->release = let_go;
	return true;
}

static struct tls_settings plain_server(const struct testcert *cert)
{
	return (struct tls_settings){.server = true,
				     .allow_tls12 = true,
				     .chain_pem = buf_str(&cert->pem),
				     .key = cert->key};
}

static struct tls_settings choosy_server(void)
{
	struct tls_settings s = plain_server(&server);

	s.peer = TLS_PEER_BY_NAME;
	s.tickets = true;
	s.hello = require;
	return s;
}

/* ---- both ---- */

/* Whatever it was fed is used up: handshake, then ticket or alert. */
static void step(struct looker *l, struct tls_engine *c, struct buf *up)
{
	struct err ignored = {.kind = ERR_NONE};
	char byte;
	size_t n = 0;

	l->outcome = tls_handshake(c, up, &l->err);
	if (l->outcome == TLS_OK) {
		(void)tls_read(c, &byte, 1, &n, up, &ignored);
	}
}

static void shake(struct looker *l, struct tls_engine *c, struct tls_engine *s)
{
	AUTO_BUF struct buf up = BUF(MIB(1)), down = BUF(MIB(1));
	struct err ignored = {.kind = ERR_NONE};

	step(l, c, &up);
	for (int i = 0; i < 5; i++) {
		tls_feed(s, buf_str(&up));
		(void)tls_handshake(s, &down, &ignored);
		buf_reset(&up);
		tls_feed(c, buf_str(&down));
		step(l, c, &up);
		buf_reset(&down);
	}
	l->seen = tls_peer(s, NULL);
}

static void look(struct looker *l, struct tls_settings ss, const char *name, bool only_tls12)
{
	AUTO(tls_config_unref) struct tls_config *cc = NULL, *sc = NULL;
	AUTO(tls_engine_free) struct tls_engine *c = NULL, *s = NULL;
	struct tls_settings cs = {.peer = TLS_PEER_PROBE,
				  .allow_tls12 = true,
				  .only_tls12 = only_tls12,
				  .probe = &l->p};
	struct err err = {.kind = ERR_NONE};
	bool validate = l->p.validate;

	tls_probe_init(&l->p);
	l->p.validate = validate;
	l->p.find = find;
	l->p.choose = choose;
	l->p.user = l;
	assert_true(tls_config_new(&cs, &cc, &err));
	assert_true(tls_config_new(&ss, &sc, &err));
	assert_true(tls_engine_new(cc, name, &c, &err));
	assert_true(tls_engine_new(sc, NULL, &s, &err));
	shake(l, c, s);
	(void)snprintf(l->version, sizeof(l->version), "%s", tls_version(c));
}

static struct looker trusting(const struct testcert *anchor)
{
	return (struct looker){.anchor = anchor, .p = {.validate = true}};
}

static void sees(struct looker l, const struct testcert *cert, const char *name,
		 enum tls_problem problem)
{
	for (int only12 = 0; only12 < 2; only12++) {
		look(&l, plain_server(cert), name, only12 == 1);
		assert_int_equal(l.p.problem, problem);
		assert_int_equal(l.outcome, problem == TLS_FINE ? TLS_OK : TLS_FAILED);
		assert_int_equal(l.p.problem_text[0] == '\0', problem == TLS_FINE);
		assert_true(l.p.chain.len > cert->der.len);
		assert_false(l.p.asked);
		tls_probe_fini(&l.p);
		l.p.validate = false; /* noted, and it goes on */
		look(&l, plain_server(cert), name, only12 == 1);
		assert_int_equal(l.p.problem, problem);
		assert_int_equal(l.outcome, TLS_OK);
		assert_string_equal(l.version, only12 ? "TLSv1.2" : "TLSv1.3");
		tls_probe_fini(&l.p);
		l.p.validate = true;
	}
}

static void what_is_wrong_with_a_server_has_a_name(UNUSED void **state)
{
	sees(trusting(&root), &server, "host.example", TLS_FINE);
	sees(trusting(&root), &server, "other.example", TLS_OTHER_NAME);
	sees(trusting(&root), &server, "127.0.0.1", TLS_OTHER_NAME);
	sees(trusting(&root), &old_server, "host.example", TLS_EXPIRED);
	sees(trusting(&root), &young_server, "host.example", TLS_NOT_YET_VALID);
	sees(trusting(&root), &connector_as_server, "host.example", TLS_OTHER_PURPOSE);
	sees(trusting(&other_root), &server, "host.example", TLS_UNKNOWN_ISSUER);
	sees(trusting(NULL), &server, "host.example", TLS_UNKNOWN_ISSUER);
	sees(trusting(&root), &deep_server, "host.example", TLS_UNKNOWN_ISSUER);
	sees(trusting(&issuing), &deep_server, "host.example", TLS_FINE);
	sees(trusting(&server), &server, "host.example", TLS_FINE);
}

static void a_root_that_was_sent_and_is_not_trusted_is_told_from_a_missing_one(UNUSED void **state)
{
	AUTO_BUF struct buf pem = BUF(KIB(64));
	struct looker l = trusting(&other_root);
	struct tls_settings ss = plain_server(&server);

	buf_add_str(&pem, buf_str(&server.pem));
	buf_add_str(&pem, buf_str(&root.pem));
	ss.chain_pem = buf_str(&pem);
	look(&l, ss, "host.example", false);
	assert_int_equal(l.p.problem, TLS_UNTRUSTED_ROOT);
	assert_int_equal(l.p.chain.len, server.der.len + root.der.len + 8);
	tls_probe_fini(&l.p);
}

static void a_request_is_seen_and_a_refusal_of_nothing_heard(UNUSED void **state)
{
	for (int only12 = 0; only12 < 2; only12++) {
		struct looker l = trusting(&root);
		look(&l, choosy_server(), "host.example", only12 == 1);
		assert_true(l.p.asked);
		assert_false(l.p.sent);
		assert_int_equal(l.p.n_acceptable, 1);
		assert_int_equal(l.p.alert, only12 ? 40 : 116);
		assert_false(l.p.ticket);
		tls_probe_fini(&l.p);
	}
}

static void what_we_show_is_taken_or_refused(UNUSED void **state)
{
	for (int only12 = 0; only12 < 2; only12++) {
		struct looker l = trusting(&root);
		l.shows = &client;
		look(&l, choosy_server(), "host.example", only12 == 1);
		assert_true(l.p.asked && l.p.sent && l.p.ticket);
		assert_int_equal(l.p.alert, -1);
		assert_int_equal(l.seen, TLS_PEER_TRUSTED);
		tls_probe_fini(&l.p);
		l.shows = &other_client;
		look(&l, choosy_server(), "host.example", only12 == 1);
		assert_true(l.p.sent);
		assert_int_equal(l.p.alert, 48);
		assert_false(l.p.ticket);
		tls_probe_fini(&l.p);
	}
}

static void nothing_is_shown_to_a_server_that_is_not_trusted(UNUSED void **state)
{
	struct looker l = trusting(&other_root);

	l.shows = &client;
	look(&l, choosy_server(), "host.example", false);
	assert_int_equal(l.outcome, TLS_FAILED);
	assert_false(l.p.sent);
	assert_int_equal(l.seen, TLS_PEER_ABSENT);
	tls_probe_fini(&l.p);
}

static struct tls_fit fit_of(const struct testcert *cert, bool only12)
{
	struct looker l = trusting(&root);

	l.judged = cert;
	look(&l, choosy_server(), "host.example", only12);
	tls_probe_fini(&l.p);
	return l.fit;
}

static void certificates_are_judged_by_the_request(UNUSED void **state)
{
	for (int only12 = 0; only12 < 2; only12++) {
		struct tls_fit fit = fit_of(&client, only12 == 1);
		assert_true(fit.issuer && fit.signature && fit.client_auth);
		fit = fit_of(&other_client, only12 == 1);
		assert_true(!fit.issuer && fit.signature && fit.client_auth);
		fit = fit_of(&server_as_client, only12 == 1);
		assert_true(fit.issuer && fit.signature && !fit.client_auth);
		fit = fit_of(&root, only12 == 1); /* no EKU: any use */
		assert_true(fit.issuer && fit.client_auth);
	}
}

static void a_probe_is_a_clients(UNUSED void **state)
{
	struct tls_settings s = plain_server(&server);
	struct tls_config *c = NULL;
	struct err err = {.kind = ERR_NONE};

	s.peer = TLS_PEER_PROBE;
	assert_false(tls_config_new(&s, &c, &err));
	s = (struct tls_settings){.peer = TLS_PEER_PROBE};
	assert_false(tls_config_new(&s, &c, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_with_a_server_has_a_name),
		cmocka_unit_test(
			a_root_that_was_sent_and_is_not_trusted_is_told_from_a_missing_one),
		cmocka_unit_test(a_request_is_seen_and_a_refusal_of_nothing_heard),
		cmocka_unit_test(what_we_show_is_taken_or_refused),
		cmocka_unit_test(nothing_is_shown_to_a_server_that_is_not_trusted),
		cmocka_unit_test(certificates_are_judged_by_the_request),
		cmocka_unit_test(a_probe_is_a_clients),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
