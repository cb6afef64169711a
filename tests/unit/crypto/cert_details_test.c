#include "crypto/cert_details.h"

#include "unit/crypto/oracle.h"

static struct testcert root, server, client;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=Root\\, the first,O=Größe");
	testcert_server(&server, &root, KEY_KIND_RSA_2048, "erp.example");
	testcert_client(&client, &root, 1000000000, 1000086400);
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&server);
	testcert_free(&client);
	return 0;
}

static void a_server_is_described(UNUSED void **state)
{
	AUTO(arena_free) struct arena *a = arena_new(KIB(4), KIB(64));
	struct cert_details d;
	struct err err = {0};

	assert_true(cert_details_read(buf_str(&server.der), a, &d, &err));
	assert_int_equal(d.version, 3);
	assert_string_equal(d.subject, "CN=server");
	assert_string_equal(d.common_name, "server");
	assert_string_equal(d.issuer, "CN=Root\\, the first,O=Größe");
	assert_string_equal(d.key_type, "RSA");
	assert_int_equal(d.key_bits, 2048);
	assert_string_equal(d.curve, "");
	assert_string_equal(d.signature_algorithm, "SHA256withECDSA");
	assert_int_equal(d.n_usages, 1);
	assert_string_equal(d.usages[0], "serverAuth");
	assert_int_equal(d.n_names, 2);
	assert_string_equal(d.names[0], "DNS:erp.example");
	assert_string_equal(d.names[1], "IP:127.0.0.1");
	assert_false(d.is_ca || d.is_self_signed || d.weak_key || d.weak_signature);
}

static void a_root_and_an_old_client_are_described(UNUSED void **state)
{
	AUTO(arena_free) struct arena *a = arena_new(KIB(4), KIB(64));
	struct cert_details d;
	struct err err = {0};

	assert_true(cert_details_read(buf_str(&root.der), a, &d, &err));
	assert_true(d.is_ca && d.is_self_signed);
	assert_string_equal(d.key_type, "EC");
	assert_string_equal(d.curve, "secp256r1");
	assert_int_equal(d.key_bits, 256);
	assert_true(cert_details_read(buf_str(&client.der), a, &d, &err));
	assert_int_equal(d.not_before, 1000000000);
	assert_int_equal(d.not_after, 1000086400);
	assert_string_equal(d.usages[0], "clientAuth");
	assert_true(str_starts(str_of(d.names[0]), STR("URI:spiffe://")));
}

static void fingerprints_and_serials_are_those_of_openssl(UNUSED void **state)
{
	static const struct testcert *const certs[] = {&root, &server, &client};
	struct oracle o = oracle_open("openssl");

	for (size_t i = 0; i < COUNT(certs); i++) {
		AUTO(arena_free) struct arena *a = arena_new(KIB(4), KIB(64));
		struct cert_details d;
		struct err err = {0};
		assert_true(cert_details_read(buf_str(&certs[i]->der), a, &d, &err));
		oracle_file(&o, "c", buf_str(&certs[i]->der));
		oracle_says(&o, "openssl x509 -inform der -in c -noout -fingerprint -sha1", d.sha1);
		oracle_says(&o, "openssl x509 -inform der -in c -noout -fingerprint -sha256",
			    d.sha256);
		oracle_says(&o, "openssl x509 -inform der -in c -noout -fingerprint -sha512",
			    d.sha512);
		assert_true(str_starts(str_of(d.serial), STR("0x")));
		oracle_says(&o, "openssl x509 -inform der -in c -noout -serial", d.serial + 2);
	}
	oracle_close(&o);
}

static void no_room_is_told_and_no_cut_is_read(UNUSED void **state)
{
	struct cert_details d;
	struct err err = {0};

	for (size_t max = 64; max <= 512; max += 64) {
		AUTO(arena_free) struct arena *small = arena_new(16, max);
		assert_false(cert_details_read(buf_str(&server.der), small, &d, &err));
		assert_int_equal(err.kind, ERR_LIMIT);
	}
	AUTO(arena_free) struct arena *a = arena_new(KIB(4), KIB(64));
	for (size_t n = 0; n < server.der.len; n++) {
		assert_false(cert_details_read(str_first(buf_str(&server.der), n), a, &d, &err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_described),
		cmocka_unit_test(a_root_and_an_old_client_are_described),
		cmocka_unit_test(fingerprints_and_serials_are_those_of_openssl),
		cmocka_unit_test(no_room_is_told_and_no_cut_is_read),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
