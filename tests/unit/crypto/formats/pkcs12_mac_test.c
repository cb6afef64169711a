#include "crypto/formats/pkcs12_mac.h"

#include <openssl/hmac.h>

#include "unit/crypto/formats/craft.h"

/* AlgorithmIdentifiers and numbers of RFC 8018 in DER, for a derivation of 1,000 rounds. */
#define SALT        "\x04\x08saltsalt"
#define HMAC_SHA256 "\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x09\x05\x00"
#define OID_PBKDF2  "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c"
#define OID_PBMAC1  "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e"

static struct testcert root;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=root");
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	return 0;
}

static void add(struct buf *b, const char *bytes, size_t len)
{
	buf_add(b, bytes, len);
}

/* "id-PBMAC1" with its parameters; `rounds` is the DER of the INTEGER. */
static void add_algorithm(struct buf *out, const char *rounds, size_t rounds_len)
{
	AUTO_BUF struct buf b = BUF(KIB(1));

	add(&b, SALT, 10);
	add(&b, rounds, rounds_len);
	add(&b, "\x02\x01\x20", 3);
	add(&b, HMAC_SHA256, 14);
	wrap(&b, 0x30);
	prepend(&b, OID_PBKDF2, 11);
	wrap(&b, 0x30);
	add(&b, HMAC_SHA256, 14);
	wrap(&b, 0x30);
	prepend(&b, OID_PBMAC1, 11);
	wrap(&b, 0x30);
	buf_add_str(out, buf_str(&b));
}

/* One certificate, authenticated as RFC 9579 says. */
static void write_pbmac1(const char *password, const char *rounds, size_t rounds_len,
			 struct buf *out)
{
	AUTO_BUF struct buf plain = BUF(MIB(1));
	AUTO_BUF struct buf mac = BUF(KIB(1));
	unsigned char key[32], value[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	safebags *bags = NULL;

	add_cert_bag(&bags, &root, "root");
	write_p12(bags, NULL, &plain); /* version, ContentInfo, no MAC */
	struct str content = buf_str(&plain);
	const unsigned char *at = (const unsigned char *)content.at;
	PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)content.len);
	assert_non_null(p12);
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	unsigned char *der = NULL;
	int der_len = ASN1_item_i2d((ASN1_VALUE *)safes, &der, ASN1_ITEM_rptr(PKCS12_AUTHSAFES));
	assert_true(der_len > 0);

	assert_int_equal(PKCS5_PBKDF2_HMAC(password, -1, (const unsigned char *)"saltsalt", 8, 1000,
					   EVP_sha256(), sizeof key, key),
			 1);
	assert_non_null(HMAC(EVP_sha256(), key, sizeof key, der, (size_t)der_len, value, &len));
	add_algorithm(&mac, rounds, rounds_len);
	add(&mac, "\x04\x20", 2);
	buf_add(&mac, value, len);
	wrap(&mac, 0x30); /* DigestInfo */
	add(&mac, SALT, 10);
	wrap(&mac, 0x30); /* MacData */

	buf_add(out, der, (size_t)der_len);
	wrap_data(out);
	prepend(out, "\x02\x01\x03", 3);
	buf_add_str(out, buf_str(&mac));
	wrap(out, 0x30);
	OPENSSL_free(der);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	PKCS12_free(p12);
}

static void pbmac1_is_verified(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	struct err err;

	write_pbmac1("pässwörd", "\x02\x02\x03\xe8", 4, &file);
	AUTO(container_free) struct container *c = opened(buf_str(&file), "pässwörd");
	assert_int_equal(c->n, 1);
	assert_false(c->no_mac);
	assert_string_equal(c->items[0].alias, "root");
	assert_int_equal(refused(buf_str(&file), "password", NULL, &err), CONTAINER_WRONG_PASSWORD);
	assert_int_equal(refused(buf_str(&file), NULL, NULL, &err), CONTAINER_WRONG_PASSWORD);
}

static void pbmac1_has_its_limit_and_its_form(UNUSED void **state)
{
	AUTO_BUF struct buf huge = BUF(MIB(1));
	AUTO_BUF struct buf none = BUF(MIB(1));
	AUTO_BUF struct buf negative = BUF(MIB(1));
	struct err err;

	write_pbmac1("x", "\x02\x05\x00\x80\x00\x00\x00", 7, &huge);
	assert_int_equal(refused(buf_str(&huge), "x", NULL, &err), CONTAINER_OVER_LIMIT);
	write_pbmac1("x", "\x02\x01\x00", 3, &none);
	assert_int_equal(refused(buf_str(&none), "x", NULL, &err), CONTAINER_MALFORMED);
	write_pbmac1("x", "\x02\x01\xff", 3, &negative);
	(void)refused(buf_str(&negative), "x", NULL, &err);
}

static void passwords_have_their_spellings(UNUSED void **state)
{
	struct pkcs12_passwords all;
	const struct str plain = STR("abc"), latin = STR("\xc3\xa4");

	pkcs12_passwords_init(&all, NULL);
	assert_int_equal(all.n, 2);
	assert_null(all.tries[0].old.at);
	assert_non_null(all.tries[1].old.at);
	pkcs12_passwords_fini(&all);
	pkcs12_passwords_init(&all, &plain);
	assert_int_equal(all.n, 1);
	pkcs12_passwords_fini(&all);
	pkcs12_passwords_init(&all, &latin);
	assert_int_equal(all.n, 2);
	assert_true(str_eq(all.tries[0].old, latin));
	assert_true(str_eq(all.tries[1].old, STR("\xc3\x83\xc2\xa4")));
	assert_true(str_eq(all.tries[1].utf8, latin));
	pkcs12_passwords_fini(&all);
}

/* OpenSSL before 1.1 made each byte of the terminal's UTF-8 a character. */
static void a_file_of_an_old_openssl_opens(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	safebags *bags = NULL;
	STACK_OF(PKCS7) *safes = NULL;
	unsigned char *der = NULL;

	add_cert_bag(&bags, &root, "old");
	assert_int_equal(PKCS12_add_safe(&safes, bags, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 10,
					 "\xc3\x83\xc2\xa4"),
			 1);
	PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	assert_int_equal(PKCS12_set_mac(p12, "\xc3\x83\xc2\xa4", -1, NULL, 0, 10, NULL), 1);
	int len = i2d_PKCS12(p12, &der);
	buf_add(&file, der, (size_t)len);
	AUTO(container_free) struct container *c = opened(buf_str(&file), "ä");
	assert_string_equal(c->items[0].alias, "old");
	OPENSSL_free(der);
	PKCS12_free(p12);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pbmac1_is_verified),
		cmocka_unit_test(pbmac1_has_its_limit_and_its_form),
		cmocka_unit_test(passwords_have_their_spellings),
		cmocka_unit_test(a_file_of_an_old_openssl_opens),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
