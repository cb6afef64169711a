#include "programs/cli.h"
#include "unit/unit.h"

/* What no compiler sees: that the table is right in itself. */
TEST(every_command_is_whole)
{
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		if (c->summary == NULL ||
		    (c->run == NULL && (c->method == NULL || c->path == NULL))) {
			fail_msg("%s lacks something", c->words);
		}
		assert_false(str_ends(str_of(c->summary), STR(".")));
		for (const struct cli_command *d = c + 1; d->words != NULL; d++) {
			/* the first that matches is taken: none may begin with another */
			assert_false(str_starts(str_of(d->words), str_of(c->words)) &&
				     (d->words[strlen(c->words)] == ' ' ||
				      d->words[strlen(c->words)] == 0));
		}
	}
}

TEST(every_place_in_a_path_has_its_row_and_every_row_a_use)
{
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
			char place[64];
			snprintf(place, sizeof place, "{%s}", c->rows[i].name);
			bool used = c->run != NULL || c->rows[i].json != NULL ||
				    strstr(c->path, place) != NULL ||
				    strcmp(c->rows[i].name, "limit") == 0; /* of any list */
			if (!used) {
				fail_msg("%s: %s is used nowhere", c->words, c->rows[i].name);
			}
		}
		struct str rest = str_of(c->path), part = STR_NONE;
		str_next(&rest, '{', &part);
		while (str_next(&rest, '{', &part)) {
			assert_true(cli_row_index(c, str_first(part, str_find(part, '}'))) >= 0);
		}
	}
}

TEST(defaults_of_the_options_parse)
{
	struct cli_settings s = {0};
	options_init(cli_option_table, &s);
	assert_string_equal(s.login, "Administrator");
	options_fini(cli_option_table, &s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_command_is_whole),
	cmocka_unit_test(every_place_in_a_path_has_its_row_and_every_row_a_use),
	cmocka_unit_test(defaults_of_the_options_parse),
};
UNIT_MAIN(tests)
