#include "crypto/ossl.h"

#include "unit/crypto/testca.h"

static void a_name_is_read_and_written_in_the_same_order(UNUSED void **state)
{
	struct err err = {0};
	AUTO(X509_NAME_free) X509_NAME *name = ossl_name("CN=a b,OU=x\\,y,O=Größe,C=DE", &err);
	char text[100];

	assert_non_null(name);
	ossl_name_text(name, text, sizeof text);
	assert_string_equal(text, "CN=a b,OU=x\\,y,O=Größe,C=DE");
}

static void a_long_name_is_cut_between_characters(UNUSED void **state)
{
	struct err err = {0};
	AUTO(X509_NAME_free) X509_NAME *name = ossl_name("CN=ääääääääääääääää", &err);

	assert_non_null(name);
	for (size_t size = 8; size < 36; size++) {
		char text[36];
		ossl_name_text(name, text, size);
		assert_true(strlen(text) < size);
		assert_true(str_is_utf8(str_of(text)));
		assert_true(size > 35 || str_ends(str_of(text), STR("…")));
	}
}

static void a_part_that_is_too_long_is_refused(UNUSED void **state)
{
	struct err err = {0};
	char text[400] = "O=";

	memset(text + 2, 'x', 300);
	assert_null(ossl_name(text, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_null(ossl_name("C=toolong", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_read_and_written_in_the_same_order),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(a_part_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
