#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connector/access.h"

static bool reads(const char *raw, const char *canonical)
{
	char into[ACCESS_PATH_MAX];
	struct str got;
	struct err err;

	return access_path_read(str_of(raw), into, &got, &err) && str_eq(got, str_of(canonical));
}

/* Refused, with `naming` in the reason. */
static bool refuses(struct str raw, const char *naming)
{
	char into[ACCESS_PATH_MAX * 2];
	struct str got;
	struct err err = {0};

	return !access_path_read(raw, into, &got, &err) && strstr(err.text, naming) != NULL;
}

static void a_plain_path_is_its_own_canonical_form(void **state)
{
	(void)state;
	assert_true(reads("/", "/"));
	assert_true(reads("/a/b", "/a/b"));
	assert_true(reads("/a/b/", "/a/b/"));
	assert_true(reads("/a/b?x=/../y&z=%2e", "/a/b"));
	assert_true(reads("/a.b/.hidden/..x", "/a.b/.hidden/..x"));
	assert_true(reads("/a;v=1/b:c@d,e(f)'g'*h!i$j+k=l", "/a;v=1/b:c@d,e(f)'g'*h!i$j+k=l"));
}

static void needless_escapes_are_matched_as_what_they_mean(void **state)
{
	(void)state;
	assert_true(reads("/%61dm%69n", "/admin"));
	assert_true(reads("/%7euser", "/~user"));
	assert_true(reads("/a%c3%a9%20b", "/a%C3%A9%20b"));
	assert_true(reads("/100%25", "/100%25"));
}

static void what_two_parsers_read_differently_is_refused(void **state)
{
	(void)state;
	assert_true(refuses(STR("/a/../b"), "\"..\" segment"));
	assert_true(refuses(STR("/.."), "\"..\" segment"));
	assert_true(refuses(STR("/a/./b"), "\".\" segment"));
	assert_true(refuses(STR("/a/."), "\".\" segment"));
	assert_true(refuses(STR("/a/..;/b"), "\"..\" segment"));
	/* nginx decodes it once and hands "..;" on to a servlet engine */
	assert_true(refuses(STR("/a/..%3b/b"), "\"..\" segment"));
	assert_true(refuses(STR("/a/.%3Bx/b"), "\".\" segment"));
	assert_true(refuses(STR("/a/.;x=1"), "\".\" segment"));
	assert_true(refuses(STR("/a//b"), "empty segment"));
	assert_true(refuses(STR("//a"), "empty segment"));
	assert_true(refuses(STR("/a/%2e%2E/b"), "encoded dot (%2e)"));
	assert_true(refuses(STR("/a%2Fb"), "encoded slash (%2F)"));
	assert_true(refuses(STR("/a%5cb"), "encoded backslash (%5c)"));
	assert_true(refuses(STR("/a%00"), "encoded NUL"));
	assert_true(refuses(STR("/a\\b"), "0x5c"));
	assert_true(refuses(STR("/a#b"), "0x23"));
	assert_true(refuses(STR("/a b"), "0x20"));
	assert_true(refuses(STR("/a\r\nX: y"), "0x0d"));
	assert_true(refuses(STR("/a\0b"), "0x00"));
	assert_true(refuses(STR("/\xc3\xa9"), "0xc3"));
}

static void bad_escapes_are_refused(void **state)
{
	(void)state;
	assert_true(refuses(STR("/a%"), "without two hex digits"));
	assert_true(refuses(STR("/a%4"), "without two hex digits"));
	assert_true(refuses(STR("/a%zz"), "without two hex digits"));
	assert_true(refuses(STR("/a%u0041"), "without two hex digits"));
	/* the digits must not be taken from the query */
	assert_true(refuses(STR("/a%?20"), "without two hex digits"));
}

static void a_path_must_begin_with_a_slash_and_be_short_enough(void **state)
{
	(void)state;
	char much[ACCESS_PATH_MAX + 1];
	memset(much, 'a', sizeof much);
	much[0] = '/';
	char into[ACCESS_PATH_MAX];
	struct str got;
	struct err err;

	assert_true(refuses(STR(""), "begin with"));
	assert_true(refuses(STR("*"), "begin with"));
	assert_true(refuses(STR("http://h/a"), "begin with"));
	assert_true(refuses(str_make(much, sizeof much), "longer than 8192"));
	assert_true(access_path_read(str_make(much, sizeof much - 1), into, &got, &err));
}

static void a_query_is_only_checked_for_bytes_that_end_a_line(void **state)
{
	(void)state;
	assert_true(reads("/a?q=//..%zz\\", "/a"));
	assert_true(refuses(STR("/a?b c"), "query"));
	assert_true(refuses(STR("/a?b\r\n"), "query"));
	assert_true(refuses(STR("/a?b#c"), "query"));
}

static void a_resource_may_be_written_as_a_person_would(void **state)
{
	(void)state;
	AUTO(arena_free) struct arena *arena = arena_new(256, KIB(64));
	struct str got;
	struct err err;

	assert_true(access_path_of_resource(STR("/a b/\xc3\xa9"), arena, &got, &err));
	assert_true(str_eq(got, STR("/a%20b/%C3%A9")));
	assert_false(access_path_of_resource(STR("/a?b"), arena, &got, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_false(access_path_of_resource(STR("a"), arena, &got, &err));
	assert_false(access_path_of_resource(STR("/a/../b"), arena, &got, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_path_is_its_own_canonical_form),
		cmocka_unit_test(needless_escapes_are_matched_as_what_they_mean),
		cmocka_unit_test(what_two_parsers_read_differently_is_refused),
		cmocka_unit_test(bad_escapes_are_refused),
		cmocka_unit_test(a_path_must_begin_with_a_slash_and_be_short_enough),
		cmocka_unit_test(a_query_is_only_checked_for_bytes_that_end_a_line),
		cmocka_unit_test(a_resource_may_be_written_as_a_person_would),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
