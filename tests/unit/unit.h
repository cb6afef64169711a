#pragma once
/*
 * What every unit test includes: cmocka with the headers that it forgot, and asserts for our types.
 * TEST(sentence) defines one; UNIT_MAIN(tests) runs the table of cmocka_unit_test() rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

/* cmocka hands every test a state that few use. */
#define TEST(sentence) static void sentence(void **state UNUSED)

#define assert_str(actual, expected)                                                               \
	do {                                                                                       \
		struct str actual_ = (actual);                                                     \
		const char *expected_ = (expected);                                                \
		if (!str_eq(actual_, str_of(expected_))) {                                         \
			fail_msg("got \"%.*s\", expected \"%s\"", STR_ARGS(actual_), expected_);   \
		}                                                                                  \
	} while (0)

/* That a function succeeded; otherwise its reason is the test's output. */
#define assert_ok(call, error)                                                                     \
	do {                                                                                       \
		if (!(call)) {                                                                     \
			fail_msg("%s failed: %s", #call, (error)->text);                           \
		}                                                                                  \
	} while (0)

#define assert_err(call, error, expected_kind, part)                                               \
	do {                                                                                       \
		(error)->kind = ERR_NONE;                                                          \
		assert_false(call);                                                                \
		assert_int_equal((error)->kind, expected_kind);                                    \
		if (!str_contains(str_of((error)->text), str_of(part))) {                          \
			fail_msg("\"%s\" does not say \"%s\"", (error)->text, part);               \
		}                                                                                  \
	} while (0)

#define UNIT_MAIN(tests)                                                                           \
	int main(void)                                                                             \
	{                                                                                          \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}
