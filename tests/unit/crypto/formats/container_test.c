#include "unit/crypto/formats/material.h"

static const struct {
	const char *file;
	enum container_format format;
} files[] = {
	{"pkcs12/openssl-modern.p12", CONTAINER_PKCS12},
	{"pkcs12/pk12util.p12", CONTAINER_PKCS12},
	{"pem/key-and-chain.pem", CONTAINER_PEM},
	{"pem/trusted-with-text.pem", CONTAINER_PEM},
	{"pkcs7/chain.der", CONTAINER_PKCS7},
	{"pkcs7/chain.base64", CONTAINER_PKCS7},
	{"pkcs7/chain.pem", CONTAINER_PEM},
	{"pki_path/chain.pkipath", CONTAINER_PKI_PATH},
	{"container/certificate.der", CONTAINER_CERTIFICATE_DER},
	{"container/certificates.der", CONTAINER_CERTIFICATE_DER},
	{"container/certificate.base64", CONTAINER_CERTIFICATE_DER},
	{"private_key/pkcs8.der", CONTAINER_PRIVATE_KEY_DER},
	{"private_key/sec1.der", CONTAINER_PRIVATE_KEY_DER},
	{"container/keytool.jks", CONTAINER_JKS},
	{"container/keytool.jceks", CONTAINER_JCEKS},
	{"container/openssh", CONTAINER_OPENSSH_KEY},
	{"container/openssh.pub", CONTAINER_SSH_PUBLIC_KEY},
	{"container/key.ppk", CONTAINER_PPK},
	{"container/request.der", CONTAINER_CSR},
	{"container/public.der", CONTAINER_PUBLIC_KEY},
};

static void formats_are_known_by_their_content(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i].file);
		assert_string_equal(container_format_name(container_detect(buf_str(&bytes))),
				    container_format_name(files[i].format));
	}
}

static void what_is_not_read_names_pkcs12(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i].file);
		struct err err;
		if (files[i].format < CONTAINER_JKS) {
			continue;
		}
		assert_int_equal(refused(buf_str(&bytes), "x", NULL, &err), CONTAINER_NOT_READ);
		assert_non_null(strstr(err.text, "PKCS#12"));
		assert_non_null(strstr(err.text, container_format_name(files[i].format)));
	}
}

static void nonsense_is_of_no_format(UNUSED void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{"", 0},
		{"hello", 5},
		{"\x30", 1},
		{"\x30\x03\x02\x01\x05", 5},
		{"AAAAAAAAAAAAAAAAAAAA", 20},
		{"\x00\x00\x00\x03\x00\x00\x00\x14", 8},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err;
		assert_int_equal(refused(str_make(rows[i].bytes, rows[i].len), NULL, NULL, &err),
				 CONTAINER_UNRECOGNISED);
		assert_int_equal(err.kind, ERR_CONFIG);
	}
}

static void certificates_come_in_the_order_of_the_file(UNUSED void **state)
{
	static const struct {
		const char *file;
		const char *aliases[4];
	} rows[] = {
		{"pkcs7/chain.der", {"rsa", "issuing", "root"}},
		{"pkcs7/chain.pem", {"rsa", "issuing", "root"}},
		{"pkcs7/chain.base64", {"rsa", "issuing", "root"}},
		{"pki_path/chain.pkipath", {"root", "issuing", "rsa"}},
		{"container/certificates.der", {"issuing", "rsa", "root"}},
		{"container/certificate.base64", {"rsa"}},
		{"container/certificate.der", {"rsa"}},
		{"pem/trusted-with-text.pem", {"root"}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf bytes = material(rows[i].file);
		AUTO(container_free) struct container *c = NULL;
		struct err err = {0};
		size_t n = 0;
		assert_int_equal(container_read_certificates(buf_str(&bytes), NULL, &c, &err),
				 CONTAINER_OPENED);
		for (; rows[i].aliases[n] != NULL; n++) {
			assert_true(n < c->n);
			assert_int_equal(c->items[n].kind, CONTAINER_CERTIFICATE);
			assert_string_equal(c->items[n].alias, rows[i].aliases[n]);
		}
		assert_int_equal(c->n, n);
	}
}

static void keystores_and_keys_are_no_certificates(UNUSED void **state)
{
	static const char *const names[] = {"pkcs12/openssl-certificates.p12",
					    "private_key/pkcs8.der", "private_key/sec1.der"};

	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO_BUF struct buf bytes = material(names[i]);
		struct container *c = NULL;
		struct err err = {0};
		assert_int_equal(container_read_certificates(buf_str(&bytes), NULL, &c, &err),
				 CONTAINER_NOT_READ);
		assert_int_equal(err.kind, ERR_CONFIG);
	}
}

static void an_alias_that_is_made_is_unique(UNUSED void **state)
{
	AUTO_BUF struct buf text = BUF(MIB(1));
	struct testcert certs[3] = {0};

	for (size_t i = 0; i < COUNT(certs); i++) {
		testcert_root(&certs[i], i == 1 ? "CN=SAME" : "CN=same");
		buf_add_str(&text, buf_str(&certs[i].pem));
	}
	AUTO(container_free) struct container *c = opened(buf_str(&text), NULL);
	assert_int_equal(c->n, 3);
	assert_string_equal(c->items[0].alias, "same");
	assert_string_equal(c->items[1].alias, "SAME_1");
	assert_string_equal(c->items[2].alias, "same_2");
	for (size_t i = 0; i < COUNT(certs); i++) {
		testcert_free(&certs[i]);
	}
}

static void a_password_that_is_too_long_is_wrong(UNUSED void **state)
{
	AUTO_BUF struct buf bytes = material("pkcs12/openssl-modern.p12");
	char password[CONTAINER_PASSWORD_MAX + 2] = {0};
	struct err err;

	memset(password, 'x', CONTAINER_PASSWORD_MAX + 1);
	assert_int_equal(refused(buf_str(&bytes), password, NULL, &err), CONTAINER_WRONG_PASSWORD);
}

static void no_cut_of_any_file_harms(UNUSED void **state)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_BUF struct buf bytes = material(files[i].file);
		for (size_t n = 0; n < bytes.len; n += 1 + bytes.len / 200) {
			AUTO(container_free) struct container *c = NULL, *d = NULL;
			const struct str password = STR("changeit");
			struct err err = {0};
			char *copy = malloc(n + 1); /* so that a read behind the end is seen */
			memcpy(copy, bytes.at, n);
			struct str cut = str_make(copy, n);
			bool good =
				container_open(cut, &password, NULL, &c, &err) == CONTAINER_OPENED;
			assert_int_equal(good, c != NULL);
			good = container_read_certificates(cut, NULL, &d, &err) == CONTAINER_OPENED;
			assert_int_equal(good, d != NULL);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_known_by_their_content),
		cmocka_unit_test(what_is_not_read_names_pkcs12),
		cmocka_unit_test(nonsense_is_of_no_format),
		cmocka_unit_test(certificates_come_in_the_order_of_the_file),
		cmocka_unit_test(keystores_and_keys_are_no_certificates),
		cmocka_unit_test(an_alias_that_is_made_is_unique),
		cmocka_unit_test(a_password_that_is_too_long_is_wrong),
		cmocka_unit_test(no_cut_of_any_file_harms),
	};
	struct err err;
	return container_prepare(&err) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
