#include "crypto/formats/format.h"
#include "unit/crypto/formats/material.h"

static void a_head_is_read(UNUSED void **state)
{
	static const struct {
		struct str bytes;
		bool good, whole;
		uint8_t tag;
		size_t content, rest;
	} rows[] = {
		{{"\x30\x00", 2}, true, true, 0x30, 0, 0},
		{{"\x04\x02xyz", 5}, true, true, 0x04, 2, 1},
		{{"\x04\x81\x02xyz", 6}, true, true, 0x04, 2, 1},
		{{"\x30\x80\x00\x00", 4}, true, false, 0x30, 2, 0},
		{{"\x30\x82\x01\x00x", 5}, true, false, 0x30, 1, 0},
		{{"\x30\x85\x00\x00\x00\x00\x01x", 8}, false, false, 0, 0, 0},
		{{"\x1f\x81\x01\x00", 4}, false, false, 0, 0, 0},
		{{"\x30", 1}, false, false, 0, 0, 0},
		{{"\x30\x82\x01", 3}, false, false, 0, 0, 0},
		{{"", 0}, false, false, 0, 0, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct der_head head = {0};
		assert_int_equal(der_head(rows[i].bytes, &head), rows[i].good);
		assert_int_equal(head.tag, rows[i].tag);
		assert_int_equal(head.whole, rows[i].whole);
		assert_int_equal(head.content.len, rows[i].content);
		assert_int_equal(head.rest.len, rows[i].rest);
	}
}

static void a_shape_goes_in_and_along(UNUSED void **state)
{
	const struct str bytes = {"\x30\x08\x02\x01\x00\x30\x03\x06\x01\x2a", 10};

	assert_true(der_looks(bytes, "0"));
	assert_true(der_looks(bytes, "0(2"));
	assert_true(der_looks(bytes, "0(20"));
	assert_true(der_looks(bytes, "0(20(6"));
	assert_true(der_looks(bytes, "0(.0(6"));
	assert_false(der_looks(bytes, "0(22"));
	assert_false(der_looks(bytes, "0(200"));
	assert_false(der_looks(bytes, "00"));
	assert_false(der_looks(bytes, "0(20(66"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_read),
		cmocka_unit_test(a_shape_goes_in_and_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
