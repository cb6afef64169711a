#include "unit/crypto/formats/material.h"

/* container_prepare() was not called: the legacy provider is not there, as on some systems. */
static void what_cannot_be_decrypted_is_named(UNUSED void **state)
{
	AUTO(container_free)
	struct container *c = opened_file("pkcs12/openssl-rc2.p12", "changeit");
	const struct container_item *safe = NULL;

	assert_true(c->weak_cipher);
	assert_int_equal(count_kind(c, CONTAINER_SKIPPED), c->n);
	for (size_t i = 0; i < c->n; i++) {
		if (c->items[i].reason == CONTAINER_UNSUPPORTED) {
			safe = &c->items[i];
		}
	}
	assert_non_null(safe);
	assert_string_equal(
		safe->why,
		"entries encrypted with pbeWithSHA1And40BitRC2-CBC, which is not supported");
	assert_int_equal(item_named(c, "old")->reason, CONTAINER_NO_CERTIFICATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_decrypted_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
