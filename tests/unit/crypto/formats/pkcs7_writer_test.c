#include "crypto/formats/pkcs7_writer.h"

#include "crypto/formats/container.h"
#include "unit/crypto/oracle.h"

static struct testcert root, leaf;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=root");
	testcert_server(&leaf, &root, KEY_KIND_P256, "leaf.example");
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&leaf);
	return 0;
}

static void a_chain_is_read_by_others_and_by_ourselves(UNUSED void **state)
{
	const struct str chain[] = {buf_str(&leaf.der), buf_str(&root.der)};
	struct oracle o = oracle_open("openssl");
	AUTO_BUF struct buf pem = BUF(KIB(64));
	AUTO(container_free) struct container *c = NULL;
	struct err err = {0};

	assert_true(pkcs7_write_pem(chain, 2, &pem, &err));
	oracle_file(&o, "chain.p7b", buf_str(&pem));
	oracle_says(&o, "openssl pkcs7 -in chain.p7b -print_certs -noout", "subject=CN = server");
	oracle_says(&o, "openssl pkcs7 -in chain.p7b -print_certs -noout", "subject=CN = root");
	oracle_close(&o);
	assert_int_equal(container_read_certificates(buf_str(&pem), NULL, &c, &err),
			 CONTAINER_OPENED);
	assert_int_equal(c->n, 2);
	assert_true(str_eq(c->items[0].chain[0], chain[0]));
	assert_true(str_eq(c->items[1].chain[0], chain[1]));
}

static void what_is_no_certificate_is_refused(UNUSED void **state)
{
	const struct str chain[] = {STR("x")};
	AUTO_BUF struct buf der = BUF(KIB(64));
	AUTO_BUF struct buf small = BUF(10);
	const struct str good[] = {buf_str(&leaf.der)};
	struct err err = {0};

	assert_false(pkcs7_write_der(chain, 1, &der, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_false(pkcs7_write_pem(good, 1, &small, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_read_by_others_and_by_ourselves),
		cmocka_unit_test(what_is_no_certificate_is_refused),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
