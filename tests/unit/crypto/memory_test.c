#include "crypto/memory.h"

#include <openssl/crypto.h>

#include "unit/unit.h"

/* The freed block comes back at once: malloc keeps the last one of a size at hand. */
static bool is_wiped(size_t len)
{
	unsigned char *p = OPENSSL_malloc(len);
	size_t same = 0;

	memset(p, 0x5a, len);
	OPENSSL_free(p);
	unsigned char *again = malloc(len);
	for (size_t i = 0; i < len; i++) {
		same += again[i] == 0x5a;
	}
	free(again);
	return same < len / 2;
}

TEST(freed_memory_is_wiped_from_the_start)
{
	assert_true(memory_wipe_ossl(true));
	assert_true(is_wiped(64));
	assert_true(is_wiped(20000));
}

TEST(what_grows_keeps_its_bytes)
{
	char *p = OPENSSL_strdup("content");

	for (size_t len = 16; len < 100000; len *= 3) {
		p = OPENSSL_realloc(p, len);
		assert_string_equal(p, "content");
	}
	OPENSSL_free(p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(freed_memory_is_wiped_from_the_start),
	cmocka_unit_test(what_grows_keeps_its_bytes),
};
UNIT_MAIN(tests)
