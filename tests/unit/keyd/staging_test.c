/* The calls of keys/staging: real containers, opened by real workers. See pair.h. */
#include "keys/entries.h"

#include <stdio.h>

#include "crypto/cert.h"
#include "crypto/formats/container.h"
#include "unit/keyd/pair.h"
#include "unit/keyd/tenant.h"

static struct buf wrapped;
static unsigned format;

static int open_tenant(void **state)
{
	wrapped = BUF(KEYS_WRAPPED_MAX);
	if (open_all(state) != 0) {
		return -1;
	}
	return keys_data_key_new(client, tenant_binding("a", KEYS_ENTRY_KEY_PAIR).tenant, &wrapped,
				 &err)
		       ? 0
		       : -1;
}

static int close_tenant(void **state)
{
	buf_fini(&wrapped);
	return close_all(state);
}

/* tests/fuzz/corpus/`name`; for buf_fini(). */
static struct buf file(const char *name)
{
	struct buf out = BUF(MIB(4));
	char path[4096], piece[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", TEST_CORPUS, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;) {
		buf_add(&out, piece, n);
	}
	fclose(f);
	return out;
}

static bool stage_file(const char *name, const char *password, struct keys_stage **out)
{
	AUTO_BUF struct buf bytes = file(name);

	return keys_stage_open(client, buf_str(&bytes), str_of(password), &format, out, &err);
}

static void chain_hash(const struct keys_staged *item, uint8_t out[static 32])
{
	AUTO_BUF struct buf chain = BUF(MIB(1));

	for (size_t i = 0; i < item->n_chain; i++) {
		wr_blob(&chain, item->chain[i]);
	}
	digest_sha256(buf_str(&chain), out);
}

TEST(what_is_uploaded_signs_once_it_is_sealed)
{
	AUTO(keys_stage_end) struct keys_stage *s = NULL;
	AUTO(key_free) struct key *k = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), signature = BUF(KEY_SIGNATURE_MAX);
	struct keys_binding b = tenant_binding("orders", KEYS_ENTRY_KEY_PAIR);
	bool good = false;

	assert_ok(stage_file("pkcs12/openssl-modern.p12", "changeit", &s), &err);
	assert_int_equal(format, CONTAINER_PKCS12);
	assert_int_equal(keys_stage_count(s), 1);
	const struct keys_staged *item = keys_stage_item(s, 0);
	assert_true(item->is_taken);
	assert_int_equal(item->kind, KEYS_ENTRY_KEY_PAIR);
	assert_str(item->alias, "Orders Client");
	assert_int_equal(item->n_chain, 3);
	chain_hash(item, b.chain_sha256);
	assert_ok(keys_stage_seal(s, 0, buf_str(&wrapped), &b, &sealed, &err), &err);

	const struct keys_entry entry = {buf_str(&wrapped), b, buf_str(&sealed)};
	assert_ok(keys_entries_check(client, &entry, &item->spki, 1, &good, &err), &err);
	assert_true(good);
	assert_ok(keys_entry_open(client, &entry, item->spki, KEYS_FOR_TLS_CLIENT, &k, &err), &err);
	assert_ok(key_sign(k, KEY_RSA_PSS_SHA256, STR("m"), &signature, &err), &err);
	assert_int_equal(signature.len, 256);
}

TEST(a_wrong_password_is_denied_and_an_unread_format_named)
{
	struct keys_stage *s;
	struct str text = STR("this is no container");

	assert_err(stage_file("pkcs12/openssl-modern.p12", "wrong", &s), &err, ERR_DENIED, "");
	assert_int_equal(format, CONTAINER_PKCS12);
	assert_err(stage_file("container/keytool.jks", "changeit", &s), &err, ERR_CONFIG, "");
	assert_int_equal(format, CONTAINER_JKS);
	assert_err(keys_stage_open(client, text, STR_NONE, &format, &s, &err), &err, ERR_CONFIG,
		   "");
	assert_int_equal(format, CONTAINER_UNKNOWN);
}

TEST(a_container_over_the_limit_is_refused_before_it_is_sent)
{
	AUTO_BUF struct buf big = BUF(MIB(4));
	struct keys_stage *s;

	memset(buf_reserve(&big, KEYS_STAGE_BYTES_MAX + 1), 0x30, KEYS_STAGE_BYTES_MAX + 1);
	buf_commit(&big, KEYS_STAGE_BYTES_MAX + 1);
	assert_err(keys_stage_open(client, buf_str(&big), STR_NONE, &format, &s, &err), &err,
		   ERR_LIMIT, "more than 2097152 bytes");
	/* As long as allowed: it comes in parts, and is judged by its content. */
	assert_err(keys_stage_open(client, str_first(buf_str(&big), KEYS_STAGE_BYTES_MAX), STR_NONE,
				   &format, &s, &err),
		   &err, ERR_CONFIG, "");
}

TEST(a_certificate_of_a_container_is_tagged)
{
	AUTO(keys_stage_end) struct keys_stage *s = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	struct keys_binding b = tenant_binding("root", KEYS_ENTRY_CERTIFICATE);
	const struct str none = STR_NONE;
	bool good = false;

	assert_ok(stage_file("pkcs12/openssl-certificates.p12", "changeit", &s), &err);
	assert_int_equal(keys_stage_item(s, 0)->kind, KEYS_ENTRY_CERTIFICATE);
	assert_ok(keys_stage_seal(s, 0, buf_str(&wrapped), &b, &sealed, &err), &err);
	const struct keys_entry entry = {buf_str(&wrapped), b, buf_str(&sealed)};
	assert_ok(keys_entries_check(client, &entry, &none, 1, &good, &err), &err);
	assert_true(good);
	b.kind = KEYS_ENTRY_KEY_PAIR;
	assert_err(keys_stage_seal(s, 0, buf_str(&wrapped), &b, &sealed, &err), &err, ERR_DENIED,
		   "another kind");
}

TEST(a_fresh_key_signs_a_certificate_of_its_own)
{
	AUTO(keys_stage_end) struct keys_stage *s = NULL;
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX), sealed = BUF(KEYS_SEALED_MAX);
	const struct issue_name name = {.common_name = "plant, one", .country = "NL"};
	const struct keys_self facts = {.name = &name,
					.not_before = PLACE_NOW,
					.not_after = PLACE_NOW + 86400,
					.serial = {1, 2, 3},
					.digest = "SHA512"};
	struct cert_facts read;

	assert_ok(keys_stage_generate(client, "EC", 0, "secp256r1", &s, &err), &err);
	assert_int_equal(keys_stage_count(s), 1);
	assert_ok(keys_stage_self_sign(s, 0, &facts, &der, &err), &err);
	assert_ok(cert_read_der(buf_str(&der), &read, &err), &err);
	assert_true(str_contains(str_of(read.subject), STR("plant")));
	assert_ok(keys_stage_seal_class(s, 0, KEYS_CLASS_LISTENER, &sealed, &err), &err);
	buf_reset(&sealed);
	assert_err(keys_stage_seal_class(s, 0, KEYS_CLASS_CA, &sealed, &err), &err, ERR_DENIED,
		   "not sealed as a key of class ca");
	assert_err(keys_stage_seal_class(s, 0, KEYS_CLASS_TENANT, &sealed, &err), &err, ERR_DENIED,
		   "not made here");
	assert_err(keys_stage_self_sign(s, 1, &facts, &der, &err), &err, ERR_DENIED,
		   "cannot be taken");
}

TEST(a_lone_key_is_taken_only_where_it_is_asked_for)
{
	AUTO(keys_stage_end) struct keys_stage *closed = NULL;
	AUTO(keys_stage_end) struct keys_stage *s = NULL;
	AUTO_BUF struct buf bytes = file("private_key/encrypted.der");
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
	struct str password = STR("changeit");
	const struct issue_name name = {.common_name = "sftp"};
	const struct keys_self facts = {.name = &name,
					.not_before = 1,
					.not_after = 1000,
					.serial = {1},
					.digest = "SHA256"};

	assert_ok(keys_stage_open(client, buf_str(&bytes), password, &format, &closed, &err), &err);
	assert_false(keys_stage_item(closed, 0)->is_taken);
	assert_ok(keys_stage_open_keys(client, buf_str(&bytes), password, &format, &s, &err), &err);
	assert_true(keys_stage_item(s, 0)->is_taken);
	assert_int_equal(keys_stage_item(s, 0)->n_chain, 0);
	assert_ok(keys_stage_self_sign(s, 0, &facts, &der, &err), &err);
}

TEST(a_kind_of_key_that_is_not_offered_is_refused)
{
	struct keys_stage *s;

	assert_err(keys_stage_generate(client, "ROT13", 0, NULL, &s, &err), &err, ERR_CONFIG, "");
	assert_err(keys_stage_generate(client, "EC", 0, "no such curve", &s, &err), &err,
		   ERR_CONFIG, "");
}

TEST(a_stage_is_gone_with_its_keyd)
{
	AUTO(keys_stage_end) struct keys_stage *s = NULL;
	AUTO(keys_stage_end) struct keys_stage *again = NULL;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX);
	struct keys_binding b = tenant_binding("a", KEYS_ENTRY_KEY_PAIR);

	assert_ok(stage_file("pkcs12/openssl-modern.p12", "changeit", &s), &err);
	restart_keyd();
	assert_err(keys_stage_seal(s, 0, buf_str(&wrapped), &b, &sealed, &err), &err, ERR_STORE,
		   "start over");
	assert_err(keys_stage_seal(s, 0, buf_str(&wrapped), &b, &sealed, &err), &err, ERR_STORE,
		   "start over");
	assert_ok(stage_file("pkcs12/openssl-modern.p12", "changeit", &again), &err);
}

TEST(own_keys_are_made_by_a_worker_too)
{
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);

	for (unsigned kind = KEY_KIND_P256; kind <= KEY_KIND_RSA_2048; kind++) {
		buf_reset(&sealed);
		buf_reset(&spki);
		assert_ok(keys_generate(client, KEYS_CLASS_TOKEN, (enum key_kind)kind, &sealed,
					&spki, &err),
			  &err);
	}
}

#define STAGING_TEST(f) cmocka_unit_test_setup_teardown(f, open_tenant, close_tenant)
static const struct CMUnitTest tests[] = {
	STAGING_TEST(what_is_uploaded_signs_once_it_is_sealed),
	STAGING_TEST(a_wrong_password_is_denied_and_an_unread_format_named),
	STAGING_TEST(a_container_over_the_limit_is_refused_before_it_is_sent),
	STAGING_TEST(a_certificate_of_a_container_is_tagged),
	STAGING_TEST(a_fresh_key_signs_a_certificate_of_its_own),
	STAGING_TEST(a_lone_key_is_taken_only_where_it_is_asked_for),
	STAGING_TEST(a_kind_of_key_that_is_not_offered_is_refused),
	STAGING_TEST(a_stage_is_gone_with_its_keyd),
	STAGING_TEST(own_keys_are_made_by_a_worker_too),
};
UNIT_MAIN(tests)
