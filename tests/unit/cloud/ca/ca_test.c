#include "cloud/ca/ca.h"

#include "unit/cloud/ca/ca_world.h"

static void the_first_start_makes_a_root_and_an_issuing_ca(UNUSED void **state)
{
	struct world w;
	struct err err = {0};
	struct cert_facts root, issuing;

	world_start(&w, *state);
	assert_ok(cert_read_pem(ca_root_pem(w.ca), &root, &err), &err);
	assert_ok(cert_read_pem(ca_issuing_pem(w.ca), &issuing, &err), &err);
	assert_true(root.is_ca && issuing.is_ca);
	assert_string_equal(issuing.issuer, root.subject);
	assert_memory_equal(ca_root_pin(w.ca), root.spki_sha256, 32);
	assert_ok(cert_verify_chain(ca_issuing_pem(w.ca), ca_root_pem(w.ca), clock_unix(), &err),
		  &err);
	assert_string_equal(ca_region_host(w.ca), "cloud.example");
	world_end(&w);
}

static void the_second_start_finds_the_same_ca(UNUSED void **state)
{
	struct world w;
	struct ca *again = NULL;
	struct err err = {0};
	AUTO_BUF struct buf published = BUF(KIB(64));

	world_start(&w, *state);
	assert_ok(ca_open(&w.settings, clock_unix(), &again, &err), &err);
	assert_memory_equal(ca_root_pin(again), ca_root_pin(w.ca), 32);
	assert_true(str_eq(ca_issuing_pem(again), ca_issuing_pem(w.ca)));
	assert_ok(directory_setting_get(w.store, STR(DIRECTORY_SETTING_ANCHORS), &published, &err),
		  &err);
	assert_true(str_eq(buf_str(&published), ca_anchors_pem(w.ca)));
	ca_close(again);
	world_end(&w);
}

struct start {
	const struct ca_settings *settings;
	struct ca *ca;
	struct err err;
};

static void *start_node(void *user)
{
	struct start *s = user;

	(void)!ca_open(s->settings, clock_unix(), &s->ca, &s->err);
	return NULL;
}

static void nodes_that_start_at_once_end_with_one_ca(void **state)
{
	struct world w;
	struct start nodes[4] = {0};
	pthread_t threads[4];

	world_start(&w, *state);
	database_sql(*state, "delete from ca_authority");
	for (size_t i = 0; i < COUNT(nodes); i++) {
		nodes[i].settings = &w.settings;
		assert_int_equal(pthread_create(&threads[i], NULL, start_node, &nodes[i]), 0);
	}
	for (size_t i = 0; i < COUNT(nodes); i++) {
		pthread_join(threads[i], NULL);
		assert_ok(nodes[i].ca != NULL, &nodes[i].err);
		assert_memory_equal(ca_root_pin(nodes[i].ca), ca_root_pin(nodes[0].ca), 32);
		assert_true(str_eq(ca_issuing_pem(nodes[i].ca), ca_issuing_pem(nodes[0].ca)));
	}
	assert_memory_not_equal(ca_root_pin(nodes[0].ca), ca_root_pin(w.ca), 32);
	for (size_t i = 0; i < COUNT(nodes); i++) {
		ca_close(nodes[i].ca);
	}
	world_end(&w);
}

static void settings_out_of_bounds_are_refused(UNUSED void **state)
{
	struct world w;
	struct ca *ca = NULL;
	struct err err = {0};

	world_start(&w, *state);
	struct ca_settings s = w.settings;
	s.leaf_validity_s = CA_LEAF_MOST_S + 1;
	assert_err(ca_open(&s, clock_unix(), &ca, &err), &err, ERR_CONFIG, "825");
	s.leaf_validity_s = CA_LEAF_LEAST_S - 1;
	assert_err(ca_open(&s, clock_unix(), &ca, &err), &err, ERR_CONFIG, "5 seconds");
	s = w.settings;
	s.region_host = "a/b";
	assert_err(ca_open(&s, clock_unix(), &ca, &err), &err, ERR_CONFIG, "DNS");
	world_end(&w);
}

static void a_connectors_certificate_has_one_identity_and_a_recorded_serial(UNUSED void **state)
{
	struct world w;
	struct err err = {0};
	AUTO_BUF struct buf der = BUF(KIB(8));
	AUTO_BUF struct buf pem = BUF(KIB(8));
	struct cert_facts facts;
	struct directory_certificate row;
	int64_t now = clock_unix();

	world_start(&w, *state);
	const struct ca_connector want = {.actor = &world_actor,
					  .subaccount = str_of(w.subaccount),
					  .instance = STR(WORLD_INSTANCE),
					  .csr = &w.csr,
					  .issued_to = "user:alice"};
	assert_ok(ca_issue_connector(w.ca, &want, now, &der, &err), &err);
	assert_ok(cert_read_der(buf_str(&der), &facts, &err), &err);
	AUTO_BUF struct buf uri = BUF(512);
	buf_addf(&uri, "spiffe://cloud.example/subaccount/%s/connector/%s", w.subaccount,
		 WORLD_INSTANCE);
	assert_string_equal(facts.uri, uri.at);
	assert_int_equal(facts.not_before, now - 3600);
	assert_int_equal(facts.not_after, now + 365 * 86400);
	assert_memory_equal(facts.spki_sha256, w.csr.spki_sha256, 32);
	cert_add_pem(&pem, buf_str(&der));
	buf_add_str(&pem, ca_issuing_pem(w.ca));
	assert_ok(cert_verify_chain(buf_str(&pem), ca_root_pem(w.ca), now, &err), &err);
	assert_ok(directory_certificate_find(w.store, str_of(facts.serial), &row, &err), &err);
	assert_int_equal(directory_certificate_state(&row, now), DIRECTORY_CERT_UNCONFIRMED);
	assert_string_equal(row.issued_to, "user:alice");
	world_end(&w);
}

static void only_p256_and_uuids_are_issued_for(UNUSED void **state)
{
	struct world w;
	struct err err = {0};
	AUTO_BUF struct buf der = BUF(KIB(8));

	world_start(&w, *state);
	struct csr_facts csr = w.csr;
	struct ca_connector want = {.actor = &world_actor,
				    .subaccount = str_of(w.subaccount),
				    .instance = STR("../x"),
				    .csr = &csr,
				    .issued_to = "user:alice"};
	assert_err(ca_issue_connector(w.ca, &want, clock_unix(), &der, &err), &err, ERR_CONFIG,
		   "UUID");
	want.instance = STR(WORLD_INSTANCE);
	snprintf(csr.key_type, sizeof csr.key_type, "RSA 2048");
	assert_err(ca_issue_connector(w.ca, &want, clock_unix(), &der, &err), &err, ERR_CONFIG,
		   "P-256");
	assert_int_equal(der.len, 0);
	world_end(&w);
}

static void get_listener(struct world *w, const char *host, int64_t now, bool renewed,
			 uint8_t pin[static 32])
{
	struct ca_listener l;
	struct cert_facts facts;
	struct err err = {0};
	const char *const hosts[] = {host, "127.0.0.1"};

	assert_ok(ca_listener_get(w->ca, "tunnel", hosts, 2, now, &l, &err), &err);
	assert_int_equal(l.renewed, renewed);
	assert_ok(cert_read_pem(buf_str(&l.chain_pem), &facts, &err), &err);
	assert_ok(cert_verify_chain(buf_str(&l.chain_pem), ca_root_pem(w->ca), now, &err), &err);
	memcpy(pin, facts.spki_sha256, 32);
	ca_listener_fini(&l);
}

static void a_listeners_certificate_is_kept_until_it_must_change(UNUSED void **state)
{
	struct world w;
	int64_t now = clock_unix();
	uint8_t first[32], again[32], renamed[32], later[32];

	world_start(&w, *state);
	get_listener(&w, "cloud.example", now, true, first);
	get_listener(&w, "cloud.example", now, false, again);
	assert_memory_equal(first, again, 32);
	get_listener(&w, "other.example", now, true, renamed);
	assert_memory_not_equal(first, renamed, 32);
	get_listener(&w, "other.example", now + 240 * (int64_t)86400, false, again);
	get_listener(&w, "other.example", now + 250 * (int64_t)86400, true, later);
	assert_memory_not_equal(renamed, later, 32);
	world_end(&w);
}

/* Made while the clock was ahead, it would be "not yet valid" for every connector until then. */
static void a_listeners_certificate_from_the_future_is_made_again(UNUSED void **state)
{
	struct world w;
	int64_t now = clock_unix();
	uint8_t ahead[32], back[32], again[32];

	world_start(&w, *state);
	get_listener(&w, "cloud.example", now + (int64_t)86400, true, ahead);
	get_listener(&w, "cloud.example", now, true, back);
	assert_memory_not_equal(ahead, back, 32);
	get_listener(&w, "cloud.example", now, false, again);
	assert_memory_equal(back, again, 32);
	world_end(&w);
}

static void a_listener_shakes_hands_through_the_key_process(UNUSED void **state)
{
	struct world w;
	struct ca_listener l;
	struct tls_config *sc = NULL, *cc = NULL;
	struct tls_engine *s = NULL, *c = NULL;
	struct err err = {0};
	const char *const hosts[] = {"cloud.example"};
	AUTO_BUF struct buf to_server = BUF(KIB(64));
	AUTO_BUF struct buf to_client = BUF(KIB(64));

	world_start(&w, *state);
	assert_ok(ca_listener_get(w.ca, "console", hosts, 1, clock_unix(), &l, &err), &err);
	assert_ok(tls_config_new(&(struct tls_settings){.server = true,
							.peer = TLS_PEER_OPTIONAL,
							.chain_pem = buf_str(&l.chain_pem),
							.key = l.key,
							.anchors_pem = ca_anchors_pem(w.ca)},
				 &sc, &err),
		  &err);
	assert_ok(tls_config_new(&(struct tls_settings){.peer = TLS_PEER_VERIFY,
							.anchors_pem = ca_root_pem(w.ca)},
				 &cc, &err),
		  &err);
	assert_ok(tls_engine_new(sc, NULL, &s, &err), &err);
	assert_ok(tls_engine_new(cc, "cloud.example", &c, &err), &err);
	assert_int_equal(tls_handshake(c, &to_server, &err), TLS_WANT_INPUT);
	tls_feed(s, buf_str(&to_server));
	assert_int_equal(tls_handshake(s, &to_client, &err), TLS_WANT_INPUT);
	tls_feed(c, buf_str(&to_client));
	enum tls_outcome o = tls_handshake(c, &to_server, &err);
	if (o != TLS_OK) {
		fail_msg("%s", err.text);
	}
	tls_engine_free(s);
	tls_engine_free(c);
	tls_config_unref(sc);
	tls_config_unref(cc);
	ca_listener_fini(&l);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(the_first_start_makes_a_root_and_an_issuing_ca),
		ON_BOTH(the_second_start_finds_the_same_ca),
		ON_BOTH(nodes_that_start_at_once_end_with_one_ca),
		ON_SQLITE(settings_out_of_bounds_are_refused),
		ON_BOTH(a_connectors_certificate_has_one_identity_and_a_recorded_serial),
		ON_SQLITE(only_p256_and_uuids_are_issued_for),
		ON_BOTH(a_listeners_certificate_is_kept_until_it_must_change),
		ON_BOTH(a_listeners_certificate_from_the_future_is_made_again),
		ON_SQLITE(a_listener_shakes_hands_through_the_key_process),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
