#include "keyd/serials.h"

#include "unit/keyd/place.h"
#include "unit/unit.h"

TEST(each_certificate_is_one_line_and_only_one)
{
	struct place p = {0};
	char text[1024];
	struct err err;
	const struct issue_facts facts = {.profile = ISSUE_CONNECTOR,
					  .subject = "CN=a\n1970 forged",
					  .not_after = PLACE_NOW + 86400,
					  .serial = {0x3f, 0x9a}};

	place_open(&p);
	assert_ok(serials_add(p.serials, PLACE_NOW, &facts, &err), &err);
	assert_ok(serials_add(p.serials, PLACE_NOW, &facts, &err), &err);
	size_t len = place_serials(&p, text, sizeof(text));
	struct str rest = str_make(text, len), line;
	for (int i = 0; i < 2; i++) {
		assert_true(str_next(&rest, '\n', &line));
		assert_str(line, "2027-01-15T08:00:00Z connector 3f9a0000000000000000000000000000 "
				 "2027-01-16T08:00:00Z CN=a?1970 forged");
	}
	assert_int_equal(rest.len, 0);
	place_close(&p);
}

TEST(a_list_that_cannot_be_opened_says_what_to_look_at)
{
	struct serials *s;
	struct err err;

	assert_err(serials_open(-1, &s, &err), &err, ERR_SYSTEM, "read-only");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_certificate_is_one_line_and_only_one),
	cmocka_unit_test(a_list_that_cannot_be_opened_says_what_to_look_at),
};
UNIT_MAIN(tests)
