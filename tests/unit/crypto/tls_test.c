#include "crypto/tls.h"

#include "crypto/tenant_key.h"
#include "unit/crypto/testca.h"

static struct testcert root, stranger, server, rsa_server, expired_server, client;

static int make_all(UNUSED void **state)
{
	int64_t now = clock_unix();

	testcert_root(&root, "CN=Test Root");
	testcert_root(&stranger, "CN=Test Root"); /* the same name, another key */
	testcert_server(&server, &root, KEY_KIND_P256, "relay.example");
	testcert_server(&rsa_server, &root, KEY_KIND_RSA_2048, "relay.example");
	testcert_client(&client, &root, now - 3600, now + 3600);
	testcert_key(&expired_server, KEY_KIND_P256);
	testcert_issue(&expired_server, &root,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {"relay.example"},
					    .n_sans = 1,
					    .not_before = now - 7200,
					    .not_after = now - 3600});
	return 0;
}

static int free_all(UNUSED void **state)
{
	struct testcert *all[] = {&root, &stranger, &server, &rsa_server, &expired_server, &client};

	for (size_t i = 0; i < COUNT(all); i++) {
		testcert_free(all[i]);
	}
	return 0;
}

struct pair {
	struct tls_config *cc, *sc;
	struct tls_engine *c, *s;
	struct buf c_out, s_out; /* ciphertext on its way */
	enum tls_outcome c_last, s_last;
	struct err c_err, s_err;
};

static struct tls_settings server_settings(const struct testcert *cert)
{
	return (struct tls_settings){.server = true,
				     .allow_tls12 = true,
				     .peer = TLS_PEER_OPTIONAL,
				     .chain_pem = buf_str(&cert->pem),
				     .key = cert->key,
				     .anchors_pem = buf_str(&root.pem),
				     .alpn = "http/1.1"};
}

static struct tls_settings client_settings(const struct testcert *cert)
{
	struct tls_settings s = {
		.peer = TLS_PEER_VERIFY, .anchors_pem = buf_str(&root.pem), .alpn = "http/1.1"};

	if (cert != NULL) {
		s.chain_pem = buf_str(&cert->pem);
		s.key = cert->key;
	}
	return s;
}

static void make_pair(struct pair *p, struct tls_settings cs, struct tls_settings ss,
		      const char *name)
{
	struct err err = {0};

	*p = (struct pair){.c_out = BUF(MIB(8)), .s_out = BUF(MIB(8))};
	if (!tls_config_new(&cs, &p->cc, &err) || !tls_config_new(&ss, &p->sc, &err) ||
	    !tls_engine_new(p->cc, name, &p->c, &err) ||
	    !tls_engine_new(p->sc, NULL, &p->s, &err)) {
		fail_msg("%s", err.text);
	}
}

static void free_pair(struct pair *p)
{
	tls_engine_free(p->c);
	tls_engine_free(p->s);
	tls_config_unref(p->cc);
	tls_config_unref(p->sc);
	buf_fini(&p->c_out);
	buf_fini(&p->s_out);
}

/* Gives what the one has written to the other, `step` bytes at a time. */
static enum tls_outcome step_one(struct tls_engine *e, struct buf *in, struct buf *out, size_t step,
				 struct err *err)
{
	enum tls_outcome o = tls_handshake(e, out, err);

	while (o == TLS_WANT_INPUT && in->len > 0) {
		size_t n = in->len < step ? in->len : step;
		char *exact = malloc(n);
		memcpy(exact, in->at, n);
		buf_drop_front(in, n);
		tls_feed(e, str_make(exact, n));
		o = tls_handshake(e, out, err);
		free(exact); /* ASan sees it when the engine still reads there */
	}
	return o;
}

static void shake(struct pair *p, size_t step)
{
	for (int i = 0; i < 10; i++) {
		if (p->c_last != TLS_FAILED) {
			p->c_last = step_one(p->c, &p->s_out, &p->c_out, step, &p->c_err);
		}
		if (p->s_last != TLS_FAILED) {
			p->s_last = step_one(p->s, &p->c_out, &p->s_out, step, &p->s_err);
		}
	}
}

static void shake_well(struct pair *p, size_t step)
{
	shake(p, step);
	if (p->c_last != TLS_OK || p->s_last != TLS_OK) {
		fail_msg("client %d %s, server %d %s", p->c_last, p->c_err.text, p->s_last,
			 p->s_err.text);
	}
}

/* Sends `plain` from one to the other; the receiver is fed `step` bytes at a time. */
static void send_over(struct tls_engine *from, struct tls_engine *to, struct str plain, size_t step)
{
	AUTO_BUF struct buf wire = BUF(MIB(8));
	AUTO_BUF struct buf got = BUF(MIB(8));
	AUTO_BUF struct buf answer = BUF(KIB(64));
	struct err err = {0};
	char into[5000];
	size_t n = 0;

	assert_true(tls_write(from, plain, &wire, &err));
	assert_true(wire.len > plain.len);
	for (struct str rest = buf_str(&wire); rest.len > 0; rest = str_skip(rest, step)) {
		enum tls_outcome o;
		tls_feed(to, str_first(rest, step));
		while ((o = tls_read(to, into, sizeof into, &n, &answer, &err)) == TLS_OK) {
			buf_add(&got, into, n);
		}
		assert_int_equal(o, TLS_WANT_INPUT);
	}
	assert_true(str_eq(buf_str(&got), plain));
	assert_int_equal(answer.len, 0);
}

static void talk(struct pair *p)
{
	send_over(p->c, p->s, STR("hello"), SIZE_MAX);
	send_over(p->s, p->c, STR("hello yourself"), SIZE_MAX);
}

static void version_1_3_with_a_client_certificate(UNUSED void **state)
{
	struct pair p;
	struct cert_facts facts;

	make_pair(&p, client_settings(&client), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	assert_string_equal(tls_version(p.s), "TLSv1.3");
	assert_true(str_starts(str_of(tls_cipher(p.s)), STR("TLS_")));
	assert_string_equal(tls_alpn(p.s), "http/1.1");
	assert_string_equal(tls_alpn(p.c), "http/1.1");
	assert_int_equal(tls_peer(p.s, &facts), TLS_PEER_TRUSTED);
	assert_string_equal(facts.uri, "spiffe://eu1.example/subaccount/s/connector/c");
	assert_int_equal(tls_peer(p.c, &facts), TLS_PEER_TRUSTED);
	assert_string_equal(facts.subject, "CN=server");
	talk(&p);
	free_pair(&p);
}

static void both_key_types_serve_both_versions(UNUSED void **state)
{
	const struct testcert *certs[] = {&server, &rsa_server};

	for (size_t i = 0; i < 4; i++) {
		struct pair p;
		struct tls_settings cs = client_settings(&client);
		cs.allow_tls12 = true;
		cs.only_tls12 = i >= 2;
		make_pair(&p, cs, server_settings(certs[i % 2]), "relay.example");
		shake_well(&p, SIZE_MAX);
		assert_string_equal(tls_version(p.c), i >= 2 ? "TLSv1.2" : "TLSv1.3");
		assert_int_equal(tls_peer(p.s, NULL), TLS_PEER_TRUSTED);
		talk(&p);
		free_pair(&p);
	}
}

static void an_rsa_client_key_signs_too(UNUSED void **state)
{
	struct testcert rsa = {0};

	testcert_key(&rsa, KEY_KIND_RSA_2048);
	testcert_issue(&rsa, &root,
		       (struct issue_facts){.profile = ISSUE_CONNECTOR,
					    .subject = "CN=c",
					    .uri = "spiffe://h/subaccount/s/connector/c"});
	for (int only_12 = 0; only_12 < 2; only_12++) {
		struct pair p;
		struct tls_settings cs = client_settings(&rsa);
		cs.allow_tls12 = cs.only_tls12 = only_12 == 1;
		make_pair(&p, cs, server_settings(&server), "relay.example");
		shake_well(&p, SIZE_MAX);
		assert_int_equal(tls_peer(p.s, NULL), TLS_PEER_TRUSTED);
		free_pair(&p);
	}
	testcert_free(&rsa);
}

/* A tenant's key pair is self-signed at first, and of kinds that Drawbridge itself does not use. */
static void keys_of_tenants_sign_in_both_versions(UNUSED void **state)
{
	static const struct {
		const char *type, *curve;
		unsigned bits;
	} rows[] = {{"EC", "P-521", 0}, {"EC", "P-384", 0}, {"RSA", NULL, 3072}};
	static const struct issue_name name = {.common_name = "tenant"};

	for (size_t i = 0; i < COUNT(rows) * 2; i++) {
		struct testcert c = {.spki = BUF(KEY_SPKI_MAX),
				     .der = BUF(CERT_DER_MAX),
				     .pem = BUF(CERT_DER_MAX)};
		struct err err = {0};
		assert_true(local_key_generate_named(rows[i / 2].type, rows[i / 2].bits,
						     rows[i / 2].curve, &c.local, &err));
		assert_true(local_key_spki(c.local, &c.spki, &err));
		assert_true(key_new(buf_str(&c.spki), local_key_signer, c.local, &c.key, &err));
		testcert_issue(&c, NULL,
			       (struct issue_facts){.profile = ISSUE_SELF, .name = &name});
		struct tls_settings ss = server_settings(&server);
		ss.anchors_pem = buf_str(&c.pem);
		struct tls_settings cs = client_settings(&c);
		cs.allow_tls12 = cs.only_tls12 = i % 2 == 1;
		struct pair p;
		make_pair(&p, cs, ss, "relay.example");
		shake_well(&p, SIZE_MAX);
		assert_int_equal(tls_peer(p.s, NULL), TLS_PEER_TRUSTED);
		talk(&p);
		free_pair(&p);
		testcert_free(&c);
	}
}

static void version_1_2_is_refused_where_it_is_not_allowed(UNUSED void **state)
{
	struct pair p;
	struct tls_settings cs = client_settings(NULL), ss = server_settings(&server);

	cs.allow_tls12 = cs.only_tls12 = true;
	ss.allow_tls12 = false;
	make_pair(&p, cs, ss, "relay.example");
	shake(&p, SIZE_MAX);
	assert_int_equal(p.s_last, TLS_FAILED);
	assert_int_equal(p.s_err.kind, ERR_PROTOCOL);
	free_pair(&p);
}

static void every_byte_may_come_alone(UNUSED void **state)
{
	struct pair p;

	make_pair(&p, client_settings(&client), server_settings(&server), "127.0.0.1");
	shake_well(&p, 1);
	send_over(p.c, p.s, STR("one by one"), 1);
	send_over(p.s, p.c, STR("and back"), 1);
	free_pair(&p);
}

static void large_data_arrives_in_order(UNUSED void **state)
{
	struct pair p;
	size_t len = 3 * 1024 * 1024 + 17;
	char *bytes = malloc(len);

	for (size_t i = 0; i < len; i++) {
		bytes[i] = (char)(i * 7 + i / 251);
	}
	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	send_over(p.c, p.s, str_make(bytes, len), 20000);
	tls_carries_traffic(p.c);
	tls_carries_traffic(p.s);
	send_over(p.s, p.c, str_make(bytes, len), 777777);
	free_pair(&p);
	free(bytes);
}

static void early_bytes_behind_the_handshake_are_kept(UNUSED void **state)
{
	struct pair p;
	struct err err = {0};
	char into[100];
	size_t n = 0;

	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	assert_int_equal(tls_handshake(p.c, &p.c_out, &err), TLS_WANT_INPUT);
	tls_feed(p.s, buf_str(&p.c_out));
	assert_int_equal(tls_handshake(p.s, &p.s_out, &err), TLS_WANT_INPUT);
	buf_reset(&p.c_out);
	tls_feed(p.c, buf_str(&p.s_out));
	assert_int_equal(tls_handshake(p.c, &p.c_out, &err), TLS_OK);
	assert_true(tls_write(p.c, STR("GET /"), &p.c_out, &err)); /* with the Finished */
	tls_feed(p.s, buf_str(&p.c_out));
	assert_int_equal(tls_handshake(p.s, &p.s_out, &err), TLS_OK);
	memset(p.c_out.at, 0, p.c_out.len); /* the loan has ended */
	assert_int_equal(tls_read(p.s, into, sizeof into, &n, &p.s_out, &err), TLS_OK);
	assert_true(str_eq(str_make(into, n), STR("GET /")));
	free_pair(&p);
}

static void an_end_is_told_from_a_cut(UNUSED void **state)
{
	struct pair p;
	char into[10];
	size_t n = 0;
	struct err err = {0};

	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	tls_close_notify(p.c, &p.c_out);
	tls_feed(p.s, buf_str(&p.c_out));
	assert_int_equal(tls_read(p.s, into, sizeof into, &n, &p.s_out, &err), TLS_CLOSED);
	/* The other direction is still open. */
	send_over(p.s, p.c, STR("last words"), SIZE_MAX);
	free_pair(&p);
}

static void expect_refusal(struct tls_settings cs, struct tls_settings ss, const char *name,
			   const char *reason)
{
	struct pair p;

	make_pair(&p, cs, ss, name);
	shake(&p, SIZE_MAX);
	assert_int_equal(p.c_last, TLS_FAILED);
	assert_int_equal(p.c_err.kind, ERR_DENIED);
	if (!str_contains(str_of(p.c_err.text), str_of(reason))) {
		fail_msg("\"%s\" lacks \"%s\"", p.c_err.text, reason);
	}
	if (p.s_last == TLS_OK) { /* in TLS 1.3 a server may have ended before the alert comes */
		AUTO_BUF struct buf out = BUF(KIB(1));
		char into[10];
		size_t n = 0;
		tls_feed(p.s, buf_str(&p.c_out));
		p.s_last = tls_read(p.s, into, sizeof into, &n, &out, &p.s_err);
	}
	assert_int_equal(p.s_last, TLS_FAILED); /* it got the alert */
	free_pair(&p);
}

static void a_server_of_another_name_is_refused(UNUSED void **state)
{
	expect_refusal(client_settings(NULL), server_settings(&server), "other.example",
		       "hostname mismatch");
	expect_refusal(client_settings(NULL), server_settings(&server), "127.0.0.2",
		       "IP address mismatch");
}

static void an_expired_server_is_refused(UNUSED void **state)
{
	expect_refusal(client_settings(NULL), server_settings(&expired_server), "relay.example",
		       "expired, by this machine's clock");
}

static void an_unknown_issuer_is_refused(UNUSED void **state)
{
	struct tls_settings cs = client_settings(NULL);

	cs.anchors_pem = buf_str(&stranger.pem);
	expect_refusal(cs, server_settings(&server), "relay.example", "relay.example");
}

static void a_server_that_shows_a_client_certificate_is_refused(UNUSED void **state)
{
	expect_refusal(client_settings(NULL), server_settings(&client), "relay.example", "purpose");
}

/* What the server thinks of a client that shows `cert`. */
static enum tls_peer_state judge(const struct testcert *cert, struct cert_facts *facts)
{
	struct pair p;

	make_pair(&p, client_settings(cert), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX); /* whatever it shows, it may talk */
	enum tls_peer_state state = tls_peer(p.s, facts);
	talk(&p);
	free_pair(&p);
	return state;
}

static void a_missing_certificate_is_absent_not_good(UNUSED void **state)
{
	assert_int_equal(judge(NULL, NULL), TLS_PEER_ABSENT);
}

static void an_expired_client_is_known_for_what_it_is(UNUSED void **state)
{
	struct testcert expired = {0};
	struct cert_facts facts;

	testcert_client(&expired, &root, clock_unix() - 7200, clock_unix() - 3600);
	assert_int_equal(judge(&expired, &facts), TLS_PEER_TRUSTED);
	assert_true(facts.not_after < clock_unix());
	testcert_free(&expired);
}

static void a_forged_client_is_untrusted(UNUSED void **state)
{
	struct testcert forged = {0};

	testcert_client(&forged, &stranger, clock_unix() - 3600, clock_unix() + 3600);
	assert_int_equal(judge(&forged, NULL), TLS_PEER_UNTRUSTED);
	testcert_free(&forged);
}

static void a_forged_expired_client_is_untrusted_not_expired(UNUSED void **state)
{
	struct testcert forged = {0};

	testcert_client(&forged, &stranger, clock_unix() - 7200, clock_unix() - 3600);
	assert_int_equal(judge(&forged, NULL), TLS_PEER_UNTRUSTED);
	testcert_free(&forged);
}

static void a_server_certificate_is_no_client_identity(UNUSED void **state)
{
	assert_int_equal(judge(&rsa_server, NULL), TLS_PEER_UNTRUSTED);
}

static void the_chain_of_first_contact_can_be_seen(UNUSED void **state)
{
	struct pair p;
	AUTO_BUF struct buf pem = BUF(KIB(64));
	AUTO_BUF struct buf chain = BUF(KIB(64));
	struct tls_settings cs = {.peer = TLS_PEER_NONE};
	struct tls_settings ss = server_settings(&server);

	buf_add_str(&chain, buf_str(&server.pem));
	buf_add_str(&chain, buf_str(&root.pem));
	ss.chain_pem = buf_str(&chain);
	make_pair(&p, cs, ss, "relay.example");
	shake_well(&p, SIZE_MAX);
	assert_int_equal(tls_peer(p.c, NULL), TLS_PEER_UNTRUSTED);
	assert_true(tls_peer_chain_pem(p.c, &pem));
	assert_true(str_eq(buf_str(&pem), buf_str(&chain)));
	assert_false(tls_peer_chain_pem(p.s, &pem)); /* nobody there */
	free_pair(&p);
}

static void a_wrong_alpn_is_refused(UNUSED void **state)
{
	struct pair p;
	struct tls_settings cs = client_settings(NULL);

	cs.alpn = "h2";
	make_pair(&p, cs, server_settings(&server), "relay.example");
	shake(&p, SIZE_MAX);
	assert_int_equal(p.s_last, TLS_FAILED);
	assert_int_equal(p.c_last, TLS_FAILED);
	free_pair(&p);
}

static void changed_ciphertext_ends_the_connection(UNUSED void **state)
{
	struct pair p;
	char into[10];
	size_t n = 0;
	struct err err = {0};

	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	assert_true(tls_write(p.c, STR("hello"), &p.c_out, &err));
	p.c_out.at[p.c_out.len - 1] ^= 1;
	tls_feed(p.s, buf_str(&p.c_out));
	assert_int_equal(tls_read(p.s, into, sizeof into, &n, &p.s_out, &err), TLS_FAILED);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_int_equal(tls_read(p.s, into, sizeof into, &n, &p.s_out, &err), TLS_FAILED);
	assert_false(tls_write(p.s, STR("x"), &p.s_out, &err));
	free_pair(&p);
}

static bool refusing_signer(UNUSED void *user, UNUSED enum key_scheme scheme,
			    UNUSED struct str message, UNUSED struct buf *signature,
			    struct err *err)
{
	return err_set(err, ERR_SYSTEM, "the key process is away");
}

static void a_signer_that_fails_is_named(UNUSED void **state)
{
	struct pair p;
	struct key *key = NULL;
	struct err err = {0};
	struct tls_settings ss = server_settings(&server);

	assert_true(key_new(buf_str(&server.spki), refusing_signer, NULL, &key, &err));
	ss.key = key;
	make_pair(&p, client_settings(NULL), ss, "relay.example");
	shake(&p, SIZE_MAX);
	assert_int_equal(p.s_last, TLS_FAILED);
	assert_non_null(strstr(p.s_err.text, "the key process is away"));
	free_pair(&p);
	key_free(key);
}

static void no_room_for_ciphertext_is_a_limit(UNUSED void **state)
{
	struct pair p;
	AUTO_BUF struct buf small = BUF(100);
	struct err err = {0};

	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	char bytes[1000] = {0};
	assert_false(tls_write(p.c, str_make(bytes, sizeof bytes), &small, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	free_pair(&p);
}

static void unsafe_settings_are_refused(UNUSED void **state)
{
	struct tls_config *c = NULL;
	struct tls_engine *e = NULL;
	struct err err = {0};
	struct tls_settings s = server_settings(&server);

	s.tickets = true;
	assert_false(tls_config_new(&s, &c, &err));
	s = server_settings(&server);
	s.key = client.key;
	assert_false(tls_config_new(&s, &c, &err));
	assert_non_null(strstr(err.text, "does not match"));
	s = client_settings(NULL);
	assert_true(tls_config_new(&s, &c, &err));
	assert_false(tls_engine_new(c, NULL, &e, &err));
	tls_config_unref(c);
}

static void the_tunnel_listener_sends_no_ticket(UNUSED void **state)
{
	struct pair p;

	make_pair(&p, client_settings(NULL), server_settings(&server), "relay.example");
	shake_well(&p, SIZE_MAX);
	assert_int_equal(p.s_out.len, 0); /* nothing behind the handshake */
	free_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_3_with_a_client_certificate),
		cmocka_unit_test(both_key_types_serve_both_versions),
		cmocka_unit_test(an_rsa_client_key_signs_too),
		cmocka_unit_test(keys_of_tenants_sign_in_both_versions),
		cmocka_unit_test(version_1_2_is_refused_where_it_is_not_allowed),
		cmocka_unit_test(every_byte_may_come_alone),
		cmocka_unit_test(large_data_arrives_in_order),
		cmocka_unit_test(early_bytes_behind_the_handshake_are_kept),
		cmocka_unit_test(an_end_is_told_from_a_cut),
		cmocka_unit_test(a_server_of_another_name_is_refused),
		cmocka_unit_test(an_expired_server_is_refused),
		cmocka_unit_test(an_unknown_issuer_is_refused),
		cmocka_unit_test(a_server_that_shows_a_client_certificate_is_refused),
		cmocka_unit_test(a_missing_certificate_is_absent_not_good),
		cmocka_unit_test(an_expired_client_is_known_for_what_it_is),
		cmocka_unit_test(a_forged_client_is_untrusted),
		cmocka_unit_test(a_forged_expired_client_is_untrusted_not_expired),
		cmocka_unit_test(a_server_certificate_is_no_client_identity),
		cmocka_unit_test(the_chain_of_first_contact_can_be_seen),
		cmocka_unit_test(a_wrong_alpn_is_refused),
		cmocka_unit_test(changed_ciphertext_ends_the_connection),
		cmocka_unit_test(a_signer_that_fails_is_named),
		cmocka_unit_test(no_room_for_ciphertext_is_a_limit),
		cmocka_unit_test(unsafe_settings_are_refused),
		cmocka_unit_test(the_tunnel_listener_sends_no_ticket),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
