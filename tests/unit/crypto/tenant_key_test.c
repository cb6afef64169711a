#include "crypto/tenant_key.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto/cert_details.h"
#include "unit/crypto/oracle.h"

static void self_signed(const struct local_key *k, const struct issue_name *name,
			const char *digest, struct buf *der)
{
	struct issue_facts facts = {.profile = ISSUE_SELF,
				    .name = name,
				    .digest = digest,
				    .not_before = clock_unix() - 60,
				    .not_after = clock_unix() + INT64_C(3) * 365 * 86400};
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	struct err err = {0};

	random_bytes(facts.serial, sizeof facts.serial);
	assert_true(local_key_spki(k, &spki, &err));
	if (!issue_certificate(&facts, buf_str(&spki), STR_NONE, k, der, &err)) {
		fail_msg("%s", err.text);
	}
}

static void every_kind_is_made_kept_and_certified(UNUSED void **state)
{
	static const struct {
		const char *type, *curve;
		unsigned bits;
		const char *digest, *kind, *shown_curve, *algorithm;
		int shown_bits;
	} rows[] = {
		{"RSA", NULL, 1024, "SHA1", "RSA", "", "SHA1withRSA", 1024},
		{"rsa", NULL, 2048, "SHA512", "RSA", "", "SHA512withRSA", 2048},
		{"EC", NULL, 0, NULL, "EC", "secp256r1", "SHA256withECDSA", 256},
		{"EC", NULL, 384, "SHA384", "EC", "secp384r1", "SHA384withECDSA", 384},
		{"EC", NULL, 571, "SHA512", "EC", "secp521r1", "SHA512withECDSA", 521},
		{"EC", "NIST P-192", 0, "SHA1", "EC", "secp192r1", "SHA1withECDSA", 192},
		{"EC", "X9.62 c2tnb431r1", 0, "SHA256", "EC", "c2tnb431r1", "SHA256withECDSA", 418},
		{"EC", "NIST B-571", 0, "SHA256", "EC", "sect571r1", "SHA256withECDSA", 570},
		{"EC", "secp160r2", 0, "SHA224", "EC", "secp160r2", "SHA224withECDSA", 161},
		{"DSA", NULL, 1024, "SHA256", "DSA", "", "SHA256withDSA", 1024},
		{"Ed25519", NULL, 0, "SHA512", "Ed25519", "", "Ed25519", 256},
		{"Ed448", NULL, 0, NULL, "Ed448", "", "Ed448", 456},
	};
	static const struct issue_name name = {.common_name = "a"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(local_key_free) struct local_key *k = NULL, *back = NULL;
		AUTO_BUF struct buf pkcs8 = BUF_SECRET(KIB(16));
		AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
		AUTO(arena_free) struct arena *a = arena_new(KIB(4), KIB(64));
		struct cert_details d;
		struct err err = {0};
		if (!local_key_generate_named(rows[i].type, rows[i].bits, rows[i].curve, &k,
					      &err)) {
			fail_msg("%zu: %s", i, err.text);
		}
		assert_string_equal(local_key_type(k), rows[i].kind);
		assert_true(local_key_write(k, &pkcs8, &err));
		assert_true(local_key_read_tenant(buf_str(&pkcs8), &back, &err));
		self_signed(back, &name, rows[i].digest, &der);
		assert_true(cert_details_read(buf_str(&der), a, &d, &err));
		assert_string_equal(d.key_type, rows[i].kind);
		assert_string_equal(d.curve, rows[i].shown_curve);
		assert_string_equal(d.signature_algorithm, rows[i].algorithm);
		assert_int_equal(d.key_bits, rows[i].shown_bits);
		assert_true(d.is_self_signed && !d.is_ca && d.version == 3);
	}
}

/* All that spec/keystore.md 1.2 lists; the three with 359 and 239 bits are the rarest. */
static void every_curve_of_the_spec_makes_a_key(UNUSED void **state)
{
	static const char *const names[] = {
		"secp160k1",  "secp160r1",        "secp160r2",  "secp192k1",  "secp192r1",
		"secp224k1",  "secp224r1",        "secp256k1",  "secp256r1",  "secp384r1",
		"secp521r1",  "NIST P-192",       "NIST P-224", "NIST P-256", "NIST P-384",
		"NIST P-521", "X9.62 prime192v1", "prime192v2", "prime192v3", "prime239v1",
		"prime239v2", "prime239v3",       "prime256v1", "sect163k1",  "sect163r1",
		"sect163r2",  "sect193r1",        "sect193r2",  "sect233k1",  "sect233r1",
		"sect239k1",  "sect283k1",        "sect409k1",  "sect409r1",  "sect571k1",
		"sect571r1",  "NIST K-163",       "NIST K-233", "NIST K-283", "NIST K-409",
		"NIST K-571", "NIST B-163",       "NIST B-233", "NIST B-283", "NIST B-409",
		"NIST B-571", "c2tnb191v1",       "c2tnb191v2", "c2tnb191v3", "c2tnb239v1",
		"c2tnb239v2", "c2tnb239v3",       "c2tnb359v1", "c2tnb431r1", "SECP256R1",
		"p-256",
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(local_key_free) struct local_key *k = NULL;
		struct err err = {0};
		if (!local_key_generate_named("EC", 0, names[i], &k, &err)) {
			fail_msg("%s: %s", names[i], err.text);
		}
	}
}

static void what_is_not_offered_is_refused(UNUSED void **state)
{
	static const struct {
		const char *type, *curve;
		unsigned bits;
	} rows[] = {
		{"RSA", NULL, 512},      {"RSA", NULL, 16384}, {"RSA", NULL, 2047},
		{"DSA", NULL, 4096},     {"EC", NULL, 100},    {"EC", NULL, 572},
		{"EC", "secp112r1", 0},  {"EC", "P-257", 0},   {"X25519", NULL, 0},
		{"EC", "Oakley-3", 256}, {"", NULL, 0},        {NULL, NULL, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct local_key *k = NULL;
		struct err err = {0};
		assert_false(local_key_generate_named(rows[i].type, rows[i].bits, rows[i].curve, &k,
						      &err));
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_null(k);
	}
}

static void a_size_finds_its_curve(UNUSED void **state)
{
	static const struct {
		unsigned bits;
		int field;
	} rows[] = {{112, 192}, {192, 192}, {193, 224}, {224, 224}, {256, 256},
		    {257, 384}, {384, 384}, {385, 521}, {521, 521}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(local_key_free) struct local_key *k = NULL;
		AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
		struct err err = {0};
		assert_true(local_key_generate_named("EC", rows[i].bits, "", &k, &err));
		assert_true(local_key_spki(k, &spki, &err));
		const unsigned char *at = (const unsigned char *)spki.at;
		EVP_PKEY *pub = d2i_PUBKEY(NULL, &at, (long)spki.len);
		assert_int_equal(EVP_PKEY_get_bits(pub), rows[i].field);
		EVP_PKEY_free(pub);
	}
}

static void a_foreign_kind_is_not_read(UNUSED void **state)
{
	EVP_PKEY *x = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *small = EVP_RSA_gen(1016);
	EVP_PKEY *keys[] = {x, small};

	for (size_t i = 0; i < COUNT(keys); i++) {
		unsigned char *der = NULL;
		struct local_key *k = NULL;
		struct err err = {0};
		int len = i2d_PrivateKey(keys[i], &der);
		assert_true(len > 0);
		assert_false(local_key_read_tenant(str_make(der, (size_t)len), &k, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
		OPENSSL_free(der);
		EVP_PKEY_free(keys[i]);
	}
}

static void the_parts_of_a_name_are_checked(UNUSED void **state)
{
	char longest[502] = {0};
	memset(longest, 'x', 501);
	const struct {
		struct issue_name name;
		bool good;
	} rows[] = {
		{{.common_name = "edge.example.org", .country = "FR"}, true},
		{{.common_name = NULL}, false},
		{{.common_name = ""}, false},
		{{.common_name = longest + 1}, true},
		{{.common_name = longest}, false},
		{{.common_name = "a", .country = "FRA"}, false},
		{{.common_name = "a", .country = "F1"}, false},
		{{.common_name = "\xff"}, false},
		{{.common_name = "a", .email = "ä@x"}, false},
		{{.common_name = "a,b=c", .organization = "Größe + Söhne", .email = "a@b"}, true},
	};
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	struct err err = {0};

	assert_true(local_key_generate_named("EC", 256, NULL, &k, &err));
	assert_true(local_key_spki(k, &spki, &err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
		struct issue_facts facts = {.profile = ISSUE_SELF,
					    .name = &rows[i].name,
					    .not_before = 0,
					    .not_after = INT64_C(253402300799),
					    .serial = {1}};
		bool good = issue_certificate(&facts, buf_str(&spki), STR_NONE, k, &der, &err);
		assert_int_equal(good, rows[i].good);
		facts.not_after++;
		assert_false(issue_certificate(&facts, buf_str(&spki), STR_NONE, k, &der, &err));
	}
}

/* The server builds it, and the key that signs is elsewhere. */
static void a_remote_key_signs_a_request_with_the_certificates_digest(UNUSED void **state)
{
	static const struct {
		const char *type, *curve;
		unsigned bits;
		const char *digest, *shown;
	} rows[] = {
		{"RSA", NULL, 1024, "SHA512", "sha512WithRSAEncryption"},
		{"RSA", NULL, 2048, "SHA1", "sha256WithRSAEncryption"},
		{"EC", "P-521", 0, "SHA384", "ecdsa-with-SHA384"},
		{"EC", "secp160r2", 0, "SHA256", "ecdsa-with-SHA256"},
		{"DSA", NULL, 1024, "SHA224", "dsa_with_SHA256"},
		{"Ed25519", NULL, 0, NULL, "ED25519"},
		{"Ed448", NULL, 0, NULL, "ED448"},
	};
	static const struct issue_name name = {
		.common_name = "edge, one", .organization = "Größe", .country = "NL"};
	static const char *const hosts[] = {"edge.example.org"};
	struct oracle o = oracle_open("openssl");

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(local_key_free) struct local_key *local = NULL;
		AUTO(key_free) struct key *k = NULL;
		AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
		AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
		AUTO_BUF struct buf csr = BUF(CSR_DER_MAX);
		struct err err = {0};
		assert_true(local_key_generate_named(rows[i].type, rows[i].bits, rows[i].curve,
						     &local, &err));
		assert_true(local_key_spki(local, &spki, &err));
		assert_true(key_new(buf_str(&spki), local_key_signer, local, &k, &err));
		self_signed(local, &name, rows[i].digest, &der);
		if (!csr_make_like(k, buf_str(&der), hosts, 1, &csr, &err)) {
			fail_msg("%s: %s", rows[i].type, err.text);
		}
		oracle_file(&o, "csr", buf_str(&csr));
		oracle_says(&o, "openssl req -inform der -in csr -verify -noout", "OK");
		oracle_says(&o, "openssl req -inform der -in csr -text -noout", rows[i].shown);
		oracle_says(&o, "openssl req -inform der -in csr -text -noout",
			    "DNS:edge.example.org");
		oracle_says(&o,
			    "openssl req -inform der -in csr -subject -noout -nameopt "
			    "RFC2253,-esc_msb",
			    "subject=CN=edge\\, one,O=Größe,C=NL");
	}
	oracle_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_made_kept_and_certified),
		cmocka_unit_test(every_curve_of_the_spec_makes_a_key),
		cmocka_unit_test(what_is_not_offered_is_refused),
		cmocka_unit_test(a_size_finds_its_curve),
		cmocka_unit_test(a_foreign_kind_is_not_read),
		cmocka_unit_test(the_parts_of_a_name_are_checked),
		cmocka_unit_test(a_remote_key_signs_a_request_with_the_certificates_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
