#pragma once
/* A little CA for tests: root, issuing CA and leaves, by the production code of crypto/issue.h. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/cert.h"
#include "crypto/issue.h"

struct testcert {
	struct local_key *local;
	struct key *key;
	struct buf spki, der, pem; /* pem: the certificate alone */
};

static inline void testcert_free(struct testcert *c)
{
	key_free(c->key);
	local_key_free(c->local);
	buf_fini(&c->spki);
	buf_fini(&c->der);
	buf_fini(&c->pem);
	*c = (struct testcert){0};
}

static inline void testcert_key(struct testcert *c, enum key_kind kind)
{
	struct err err = {0};

	c->spki = BUF(KEY_SPKI_MAX);
	c->der = BUF(CERT_DER_MAX);
	c->pem = BUF(CERT_DER_MAX);
	assert_true(local_key_generate(kind, &c->local, &err));
	assert_true(local_key_spki(c->local, &c->spki, &err));
	assert_true(key_new(buf_str(&c->spki), local_key_signer, c->local, &c->key, &err));
}

/* `issuer` NULL: a root. A serial number that is not given is a random one. */
static inline void testcert_issue(struct testcert *c, const struct testcert *issuer,
				  struct issue_facts facts)
{
	static const uint8_t none[sizeof facts.serial] = {0};
	struct err err = {0};
	const struct testcert *by = issuer != NULL ? issuer : c;

	if (memcmp(facts.serial, none, sizeof facts.serial) == 0) {
		random_bytes(facts.serial, sizeof facts.serial);
	}
	if (facts.not_after == 0) {
		facts.not_before = clock_unix() - 3600;
		facts.not_after = clock_unix() + 86400;
	}
	bool good = issue_certificate(&facts, buf_str(&c->spki),
				      issuer != NULL ? buf_str(&issuer->der) : STR_NONE, by->local,
				      &c->der, &err);
	if (!good) {
		fail_msg("%s", err.text);
	}
	cert_add_pem(&c->pem, buf_str(&c->der));
}

static inline void testcert_root(struct testcert *c, const char *subject)
{
	testcert_key(c, KEY_KIND_P256);
	testcert_issue(c, NULL,
		       (struct issue_facts){.profile = ISSUE_ROOT,
					    .subject = subject,
					    .not_before = clock_unix() - 90 * 86400,
					    .not_after = clock_unix() + 900 * 86400});
}

static inline void testcert_server(struct testcert *c, const struct testcert *issuer,
				   enum key_kind kind, const char *name)
{
	testcert_key(c, kind);
	testcert_issue(c, issuer,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {name, "127.0.0.1"},
					    .n_sans = 2});
}

static inline void testcert_client(struct testcert *c, const struct testcert *issuer,
				   int64_t not_before, int64_t not_after)
{
	testcert_key(c, KEY_KIND_P256);
	testcert_issue(c, issuer,
		       (struct issue_facts){.profile = ISSUE_CONNECTOR,
					    .subject = "CN=connector",
					    .uri = "spiffe://eu1.example/subaccount/s/connector/c",
					    .not_before = not_before,
					    .not_after = not_after});
}
