#pragma once
/* The cloud side's EST for tests: a real TLS server in a thread, with a root and an issuing CA. */
#include <pthread.h>
#include <stdatomic.h>

#include "crypto/seal.h"
#include "http/server.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

#define FAKE_SUBACCOUNT "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"

struct fake_est {
	struct loop *loop;
	struct jobs *jobs;
	struct http_server *server;
	struct tls_config *tls;
	struct testcert root, issuing, leaf, foreign;
	struct buf chain, ca_pem;
	pthread_t thread;
	char region_host[64];
	uint8_t root_pin[32];
	bool lies;          /* answers with a certificate for another key */
	bool names_foreign; /* cacerts lists a root that is not its own */
	atomic_int asked, enrolled, reenrolled, secrets; /* secrets: Authorization fields seen */
	char instance[64];
	struct csr_facts csr; /* of the last one */
};

static inline void fake_certs(struct http_call *call, struct str pem)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX * 4);
	struct err err = {0};

	assert_ok(cert_pem_to_pkcs7(pem, &der, &err), &err);
	buf_add_base64(&call->out, der.at, der.len);
	AUTO_BUF struct buf body = BUF(CERT_DER_MAX * 8);
	buf_add_str(&body, buf_str(&call->out));
	buf_reset(&call->out);
	http_answer_text(call, 200, "application/pkcs7-mime; smime-type=certs-only",
			 buf_str(&body));
}

static inline void fake_cacerts(struct http_call *call)
{
	struct fake_est *e = call->user;
	AUTO_BUF struct buf pem = BUF(CERT_DER_MAX * 4);

	atomic_fetch_add(&e->asked, 1);
	buf_add_str(&pem, buf_str(e->names_foreign ? &e->foreign.pem : &e->ca_pem));
	fake_certs(call, buf_str(&pem));
}

static inline void fake_issue(struct http_call *call)
{
	struct fake_est *e = call->user;
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
	AUTO_BUF struct buf cert = BUF(CERT_DER_MAX);
	AUTO_BUF struct buf pem = BUF(CERT_DER_MAX * 2);
	struct err err = {0};
	struct issue_facts facts = {.profile = ISSUE_CONNECTOR,
				    .subject = "CN=connector",
				    .uri = "spiffe://localhost/subaccount/s/connector/c",
				    .not_before = clock_unix() - 3600,
				    .not_after = clock_unix() + 86400};

	random_bytes(facts.serial, sizeof(facts.serial));
	assert_true(buf_add_decoded_base64(&der, call->body));
	assert_ok(csr_read(buf_str(&der), &e->csr, &err), &err);
	struct str spki = str_make(e->csr.spki, e->csr.spki_len);
	assert_ok(issue_certificate(&facts, e->lies ? buf_str(&e->leaf.spki) : spki,
				    buf_str(&e->issuing.der), e->issuing.local, &cert, &err),
		  &err);
	cert_add_pem(&pem, buf_str(&cert));
	fake_certs(call, buf_str(&pem));
}

static inline void fake_simpleenroll(struct http_call *call)
{
	struct fake_est *e = call->user;
	struct str user, password;
	struct str authorization = http_value(call->head, STR("Authorization"));

	atomic_fetch_add(&e->secrets, authorization.len > 0);
	assert_true(str_copy(http_value(call->head, STR("Drawbridge-Instance")), e->instance,
			     sizeof(e->instance)));
	assert_str(http_value(call->head, STR("Content-Type")), "application/pkcs10");
	if (str_eq(authorization, STR("Bearer one-time"))) {
		atomic_fetch_add(&e->enrolled, 1);
		fake_issue(call);
		return;
	}
	if (!http_basic(call, &user, &password) || !str_eq(password, STR("right"))) {
		http_problem(call, 401, "wrong user or password");
	} else if (!str_eq(user, STR("ann"))) {
		http_problem(call, 403,
			     "bob is not an owner; the owners are: ann. Owners are "
			     "edited under Core Account");
	} else {
		atomic_fetch_add(&e->enrolled, 1);
		fake_issue(call);
	}
}

static inline void fake_simplereenroll(struct http_call *call)
{
	struct fake_est *e = call->user;

	if (call->peer_state != TLS_PEER_TRUSTED) {
		http_problem(call, 401, "no certificate");
		return;
	}
	atomic_fetch_add(&e->reenrolled, 1);
	fake_issue(call);
}

static const struct http_route fake_est_routes[] = {
	{.method = "GET",
	 .pattern = "/.well-known/est/" FAKE_SUBACCOUNT "/cacerts",
	 .handler = fake_cacerts},
	{.method = "POST",
	 .pattern = "/.well-known/est/" FAKE_SUBACCOUNT "/simpleenroll",
	 .handler = fake_simpleenroll},
	{.method = "POST",
	 .pattern = "/.well-known/est/" FAKE_SUBACCOUNT "/simplereenroll",
	 .handler = fake_simplereenroll},
	{.method = NULL},
};
static const struct http_route *const fake_est_tables[] = {fake_est_routes, NULL};

static inline struct tls_config *fake_est_config(void *user)
{
	struct fake_est *e = user;
	return tls_config_ref(e->tls);
}

static inline void *fake_est_run(void *user)
{
	struct fake_est *e = user;
	loop_run(e->loop);
	return NULL;
}

static inline void fake_est_certificates(struct fake_est *e)
{
	struct cert_facts facts;
	struct err err = {0};

	testcert_root(&e->root, "CN=region root");
	testcert_root(&e->foreign, "CN=foreign root");
	testcert_key(&e->issuing, KEY_KIND_P256);
	testcert_issue(&e->issuing, &e->root,
		       (struct issue_facts){.profile = ISSUE_INTERMEDIATE,
					    .subject = "CN=issuing",
					    .not_before = clock_unix() - 86400,
					    .not_after = clock_unix() + 86400 * 30});
	testcert_server(&e->leaf, &e->issuing, KEY_KIND_P256, "localhost");
	buf_add_str(&e->ca_pem, buf_str(&e->issuing.pem));
	buf_add_str(&e->ca_pem, buf_str(&e->root.pem));
	buf_add_str(&e->chain, buf_str(&e->leaf.pem));
	buf_add_str(&e->chain, buf_str(&e->ca_pem));
	assert_ok(cert_read_der(buf_str(&e->root.der), &facts, &err), &err);
	memcpy(e->root_pin, facts.spki_sha256, 32);
}

static inline void fake_est_start(struct fake_est *e)
{
	struct err err = {0};
	uint16_t port = 0;

	*e = (struct fake_est){.chain = BUF(CERT_DER_MAX * 4), .ca_pem = BUF(CERT_DER_MAX * 4)};
	fake_est_certificates(e);
	struct tls_settings tls = {.server = true,
				   .peer = TLS_PEER_OPTIONAL,
				   .chain_pem = buf_str(&e->chain),
				   .key = e->leaf.key,
				   .anchors_pem = buf_str(&e->root.pem)};
	assert_ok(tls_config_new(&tls, &e->tls, &err), &err);
	assert_ok(loop_new(&e->loop, &err), &err);
	assert_ok(jobs_new("est", 2, 10, &e->jobs, &err), &err);
	struct http_server_settings settings = {
		.tables = fake_est_tables, .jobs = e->jobs, .user = e};
	assert_ok(http_server_new(e->loop, &settings, &e->server, &err), &err);
	assert_ok(http_server_listen(e->server, "127.0.0.1:0", fake_est_config, e, &port, &err),
		  &err);
	snprintf(e->region_host, sizeof(e->region_host), "localhost:%u", port);
	assert_int_equal(pthread_create(&e->thread, NULL, fake_est_run, e), 0);
}

static inline void fake_est_stop(struct fake_est *e)
{
	loop_stop(e->loop);
	pthread_join(e->thread, NULL);
	http_server_close(e->server);
	for (int i = 0; i < 5; i++) {
		(void)loop_turn(e->loop, 1);
	}
	jobs_free(e->jobs);
	loop_free(e->loop);
	tls_config_unref(e->tls);
	buf_fini(&e->chain);
	buf_fini(&e->ca_pem);
	testcert_free(&e->leaf);
	testcert_free(&e->issuing);
	testcert_free(&e->foreign);
	testcert_free(&e->root);
}

/* As the cloud console gives it. */
static inline void fake_est_authdata(const struct fake_est *e, const uint8_t pin[static 32],
				     int64_t expires_ms, struct buf *out)
{
	AUTO_BUF struct buf json = BUF(KIB(2));

	buf_addf(&json,
		 "{\"version\":1,\"regionHost\":\"%s\",\"subaccount\":\"" FAKE_SUBACCOUNT
		 "\",\"displayName\":\"Plant\",\"expires\":%lld,\"token\":\"one-time\","
		 "\"rootPin\":\"",
		 e->region_host, (long long)expires_ms);
	buf_add_hex(&json, pin, 32);
	buf_add_str(&json, STR("\"}"));
	buf_add_base64url(out, json.at, json.len);
}
