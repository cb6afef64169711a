#include "crypto/tls_anchors.h"

#include "crypto/seal.h"
#include "crypto/tls_anchors_priv.h"
#include "crypto/tls_hello.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

static struct testcert root, namesake, other;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=Customer Root");
	testcert_root(&namesake, "CN=Customer Root");
	testcert_root(&other, "CN=Other Root");
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&namesake);
	testcert_free(&other);
	return 0;
}

static int found(const struct tls_anchors *a, const struct testcert *cert)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *trusted = sk_X509_new_null();
	struct str name;
	uint8_t hash[32];

	assert_true(cert_subject(buf_str(&cert->der), &name));
	digest_sha256(name, hash);
	tls_anchors_find(a, hash, trusted);
	return sk_X509_num(trusted);
}

/* Takes the list as OpenSSL does, and empties it as tls_hello.c does. */
static int n_names(const struct tls_anchors *a)
{
	STACK_OF(X509_NAME) *names = tls_anchors_names(a);
	int n = names != NULL ? sk_X509_NAME_num(names) : -1;

	for (int i = 0; i < n; i++) {
		assert_true(i2d_X509_NAME(sk_X509_NAME_value(names, i), NULL) > 0);
	}
	if (names != NULL) {
		sk_X509_NAME_zero(names);
	}
	sk_X509_NAME_pop_free(names, X509_NAME_free);
	return n;
}

TEST(few_anchors_are_found_by_their_name)
{
	const struct str ders[] = {buf_str(&root.der), buf_str(&namesake.der),
				   STR("no certificate"), buf_str(&other.der)};
	struct tls_anchors *a = tls_anchors_new(ders, COUNT(ders));

	assert_true(tls_anchors_are_read(a));
	assert_int_equal(found(a, &root), 2);
	assert_int_equal(found(a, &other), 1);
	tls_anchors_unref(a);
	a = tls_anchors_new(ders, 2);
	assert_int_equal(found(a, &other), 0);
	tls_anchors_unref(a);
}

TEST(names_are_lent_as_often_as_they_are_asked_for)
{
	const struct str ders[] = {buf_str(&root.der), buf_str(&namesake.der), buf_str(&other.der)};
	struct tls_anchors *a = tls_anchors_new(ders, COUNT(ders));
	struct tls_anchors *same = tls_anchors_ref(a);

	assert_int_equal(n_names(a), 2); /* namesakes stand together */
	tls_anchors_unref(a);
	assert_int_equal(n_names(same), 2);
	tls_anchors_unref(same);
}

TEST(of_many_anchors_only_the_names_are_kept_and_of_too_many_nothing)
{
	struct str ders[1000];

	for (size_t i = 0; i < COUNT(ders); i++) {
		ders[i] = buf_str(i % 2 == 0 ? &root.der : &other.der); /* never twice in a row */
	}
	struct tls_anchors *a = tls_anchors_new(ders, TLS_ANCHORS_READ_MAX);
	assert_true(tls_anchors_are_read(a));
	tls_anchors_unref(a);
	a = tls_anchors_new(ders, TLS_ANCHORS_READ_MAX + 1);
	assert_false(tls_anchors_are_read(a));
	assert_int_equal(n_names(a), TLS_ANCHORS_READ_MAX + 1);
	tls_anchors_unref(a);
	a = tls_anchors_new(ders, COUNT(ders)); /* 24 KB of names */
	assert_false(tls_anchors_are_read(a));
	assert_int_equal(n_names(a), -1);
	tls_anchors_unref(a);
}

TEST(without_anchors_there_is_nothing_to_name_and_to_find)
{
	struct tls_anchors *a = tls_anchors_new(NULL, 0);

	assert_true(tls_anchors_are_read(a));
	assert_int_equal(n_names(a), 0);
	assert_int_equal(found(a, &root), 0);
	tls_anchors_unref(a);
	assert_false(tls_anchors_are_read(NULL));
	assert_int_equal(n_names(NULL), -1);
	assert_null(tls_anchors_ref(NULL));
	tls_anchors_unref(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(few_anchors_are_found_by_their_name),
	cmocka_unit_test(names_are_lent_as_often_as_they_are_asked_for),
	cmocka_unit_test(of_many_anchors_only_the_names_are_kept_and_of_too_many_nothing),
	cmocka_unit_test(without_anchors_there_is_nothing_to_name_and_to_find),
};

int main(void)
{
	return cmocka_run_group_tests(tests, make_all, free_all);
}
