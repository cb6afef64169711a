#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "unit/crypto/testca.h"

static bool verifies(struct str spki, const char *digest, bool pss, struct str message,
		     struct str signature)
{
	const unsigned char *at = (const unsigned char *)spki.at;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;

	bool good = EVP_DigestVerifyInit_ex(ctx, &pctx, digest, NULL, NULL, pkey, NULL) == 1;
	if (pss) {
		good = good && EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	}
	good = good && EVP_DigestVerify(ctx, (const unsigned char *)signature.at, signature.len,
					(const unsigned char *)message.at, message.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}

static void every_scheme_verifies_elsewhere(UNUSED void **state)
{
	static const struct {
		enum key_kind kind;
		enum key_scheme scheme;
		const char *digest;
		bool pss;
	} rows[] = {
		{KEY_KIND_P256, KEY_ECDSA_SHA256, "SHA256", false},
		{KEY_KIND_P384, KEY_ECDSA_SHA384, "SHA384", false},
		{KEY_KIND_P256, KEY_ECDSA_SHA512, "SHA512", false},
		{KEY_KIND_RSA_2048, KEY_RSA_PKCS1_SHA256, "SHA256", false},
		{KEY_KIND_RSA_2048, KEY_RSA_PKCS1_SHA384, "SHA384", false},
		{KEY_KIND_RSA_2048, KEY_RSA_PKCS1_SHA512, "SHA512", false},
		{KEY_KIND_RSA_2048, KEY_RSA_PSS_SHA256, "SHA256", true},
		{KEY_KIND_RSA_2048, KEY_RSA_PSS_SHA384, "SHA384", true},
		{KEY_KIND_RSA_2048, KEY_RSA_PSS_SHA512, "SHA512", true},
	};
	struct testcert keys[3] = {0}; /* by kind: P256, P384, RSA_2048 */

	for (size_t i = 0; i < COUNT(keys); i++) {
		testcert_key(&keys[i], (enum key_kind)i);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
		struct err err = {0};
		struct testcert *k = &keys[rows[i].kind];
		assert_true(
			local_key_sign(k->local, rows[i].scheme, STR("message"), &signature, &err));
		assert_true(verifies(buf_str(&k->spki), rows[i].digest, rows[i].pss, STR("message"),
				     buf_str(&signature)));
		assert_false(verifies(buf_str(&k->spki), rows[i].digest, rows[i].pss,
				      STR("massage"), buf_str(&signature)));
	}
	for (size_t i = 0; i < COUNT(keys); i++) {
		testcert_free(&keys[i]);
	}
}

static void a_scheme_of_the_other_kind_is_refused(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_false(
		local_key_sign(c.local, KEY_RSA_PKCS1_SHA256, STR("message"), &signature, &err));
	assert_false(local_key_sign(c.local, (enum key_scheme)1, STR("message"), &signature, &err));
	testcert_free(&c);
}

static void a_key_is_the_same_after_writing_and_reading(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO(local_key_free) struct local_key *back = NULL;
	AUTO_BUF struct buf der = BUF_SECRET(KIB(8));
	AUTO_BUF struct buf spki = BUF(KIB(8));
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P384);
	assert_true(local_key_write(c.local, &der, &err));
	assert_true(local_key_read(buf_str(&der), &back, &err));
	assert_true(local_key_spki(back, &spki, &err));
	assert_true(str_eq(buf_str(&spki), buf_str(&c.spki)));
	for (size_t n = 0; n < der.len; n++) {
		struct local_key *cut = NULL;
		assert_false(local_key_read(str_first(buf_str(&der), n), &cut, &err));
	}
	testcert_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scheme_verifies_elsewhere),
		cmocka_unit_test(a_scheme_of_the_other_kind_is_refused),
		cmocka_unit_test(a_key_is_the_same_after_writing_and_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
