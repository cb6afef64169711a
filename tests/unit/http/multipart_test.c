#include "http/multipart.h"

#include "base/buf.h"
#include "unit/unit.h"

#define TYPE STR("multipart/form-data; boundary=\"x y\"")
#define HEAD "Content-Disposition: form-data; name="

static void find(const char *body, const char *name, const char *expected)
{
	struct str content = STR_NONE;
	struct err err;
	bool found;

	assert_ok(multipart_find(TYPE, str_of(body), name, &content, &found, &err), &err);
	assert_int_equal(found, expected != NULL);
	if (expected != NULL) {
		assert_str(content, expected);
	}
}

TEST(parts_are_found_by_name)
{
	static const char body[] =
		"--x y\r\n" HEAD "\"a\"\r\n\r\none\r\n--x y  \r\n"
		"content-disposition: form-data; filename=\"name=b;\\\"\"; name=b\r\n"
		"Content-Type: text/plain\r\n\r\ntwo\r\n--xx\r\n\r\n\r\n--x y--\r\nepilogue";

	find(body, "a", "one");
	find(body, "b", "two\r\n--xx\r\n\r\n");
	find(body, "name", NULL);
	find(body, "filename", NULL);
}

TEST(a_part_says_its_file_and_type)
{
	struct multipart m;
	struct multipart_part part;
	struct err err;

	assert_ok(multipart_open(&m, TYPE,
				 STR("--x y\r\n" HEAD "\"f\"; filename=\"k.p12\"\r\n"
				     "Content-Type: application/x-pkcs12\r\n\r\n\r\n--x y--"),
				 &err),
		  &err);
	assert_int_equal(multipart_next(&m, &part, &err), MULTIPART_PART);
	assert_str(part.filename, "k.p12");
	assert_str(part.content_type, "application/x-pkcs12");
	assert_str(part.content, "");
	assert_int_equal(multipart_next(&m, &part, &err), MULTIPART_END);
	assert_int_equal(multipart_next(&m, &part, &err), MULTIPART_END);
}

TEST(a_preamble_and_a_part_without_head_are_passed_over)
{
	find("this is mime\r\n--x y\r\n\r\nbare\r\n--x y\r\n" HEAD "\"a\"\r\n\r\n1\r\n--x y--", "a",
	     "1");
}

TEST(bodies_that_are_broken_are_refused)
{
	static const char *const bodies[] = {
		"",
		"--x",
		"--x y",
		"--x y\r\n",
		"--x yz\r\n" HEAD "\"a\"\r\n\r\n1\r\n--x y--",
		"--x y\r\n" HEAD "\"a\"\r\n\r\n1",
		"--x y\r\n" HEAD "\"a\"\r\n1\r\n--x y--",
		"--x y\r\n" HEAD "\"a\"\r\n\r\n1\r\n--x y",
		"--x y\r\n" HEAD "\"a\"\r\n\r\n1\r\n--x y\r\n" HEAD "\"b\"\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct str content;
		struct err err;
		bool found;
		assert_err(multipart_find(TYPE, str_of(bodies[i]), "a", &content, &found, &err),
			   &err, ERR_CONFIG, "body");
	}
}

TEST(a_type_without_a_usable_boundary_is_refused)
{
	static const char *const types[] = {
		"application/json",
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/form-data; xboundary=a",
		"multipart/mixed; boundary=a",
		("multipart/form-data; "
		 "boundary="
		 "12345678901234567890123456789012345678901234567890123456789012345678901"),
	};

	for (size_t i = 0; i < COUNT(types); i++) {
		struct multipart m;
		struct err err;
		assert_err(multipart_open(&m, str_of(types[i]), STR("--a--"), &err), &err,
			   ERR_CONFIG, "boundary");
	}
}

TEST(a_body_of_nothing_but_boundaries_is_cut_off)
{
	AUTO_BUF struct buf body = BUF(KIB(4));
	struct str content;
	struct err err;
	bool found;

	for (int i = 0; i < MULTIPART_PARTS_MAX + 1; i++) {
		buf_add_str(&body, STR("--x y\r\n\r\n\r\n"));
	}
	buf_add_str(&body, STR("--x y--"));
	assert_err(multipart_find(TYPE, buf_str(&body), "a", &content, &found, &err), &err,
		   ERR_LIMIT, "more than 64 parts");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(parts_are_found_by_name),
	cmocka_unit_test(a_part_says_its_file_and_type),
	cmocka_unit_test(a_preamble_and_a_part_without_head_are_passed_over),
	cmocka_unit_test(bodies_that_are_broken_are_refused),
	cmocka_unit_test(a_type_without_a_usable_boundary_is_refused),
	cmocka_unit_test(a_body_of_nothing_but_boundaries_is_cut_off),
};

UNIT_MAIN(tests)
