#include "programs/cli.h"
#include "unit/unit.h"

/* Parses words that end with NULL. */
static bool parse(struct cli_parsed *p, struct err *err, ...)
{
	char *words[24] = {NULL};
	int n = 0;
	va_list args;
	va_start(args, err);
	for (const char *w = va_arg(args, const char *); w != NULL;
	     w = va_arg(args, const char *)) {
		words[n++] = must_strdup(w);
	}
	va_end(args);
	*p = (struct cli_parsed){0};
	bool good = cli_parse(n, words, p, err);
	for (int i = 0; i < n; i++) {
		free(words[i]);
	}
	return good;
}

static const char *value(const struct cli_parsed *p, const char *name)
{
	int row = cli_row_index(p->command, str_of(name));
	assert_true(row >= 0);
	return p->values[row];
}

TEST(arguments_and_options_come_in_any_order)
{
	struct cli_parsed p;
	struct err err = {0};
	assert_ok(parse(&p, &err, "--url", "https://h:1", "resource", "add", "S@r:1", "--enabled",
			"v:80", "--output=json", "/a", "--description", "text", NULL),
		  &err);
	assert_string_equal(p.command->words, "resource add");
	assert_string_equal(p.settings.url, "https://h:1");
	assert_string_equal(p.settings.output, "json");
	assert_string_equal(value(&p, "SUBACCOUNT"), "S@r:1");
	assert_string_equal(value(&p, "VIRTUAL"), "v:80");
	assert_string_equal(value(&p, "PATH"), "/a");
	assert_string_equal(value(&p, "enabled"), "on");
	assert_string_equal(value(&p, "description"), "text");
	assert_null(value(&p, "exact-match-only"));
	cli_parsed_fini(&p);
}

TEST(two_dashes_end_the_options)
{
	struct cli_parsed p;
	struct err err = {0};
	assert_ok(parse(&p, &err, "cloud", "user", "delete", "--", "--odd", NULL), &err);
	assert_string_equal(value(&p, "NAME"), "--odd");
	cli_parsed_fini(&p);
}

static void assert_wrong(const char *part, struct cli_parsed *p, bool good, const struct err *err)
{
	assert_false(good);
	assert_int_equal(err->kind, ERR_CONFIG);
	if (strstr(err->text, part) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
	}
	cli_parsed_fini(p);
}

TEST(wrong_usage_says_what_is_wrong)
{
	struct cli_parsed p;
	struct err e = {0};
	assert_wrong("a command is missing", &p, parse(&p, &e, NULL), &e);
	assert_wrong("no command \"cloud fly\"", &p, parse(&p, &e, "cloud", "fly", NULL), &e);
	assert_wrong("needs VIRTUAL", &p, parse(&p, &e, "mapping", "delete", "S", NULL), &e);
	assert_wrong("drawbridge cloud member --help", &p, parse(&p, &e, "cloud", "member", NULL),
		     &e);
	assert_wrong("one word too many", &p, parse(&p, &e, "subaccount", "list", "x", NULL), &e);
	assert_wrong("written --name=off", &p, parse(&p, &e, "subaccount", "list", "off", NULL),
		     &e);
	assert_wrong("needs TRUST", &p, parse(&p, &e, "keystore", "trust-inbound", "S", "a", NULL),
		     &e);
	assert_wrong("no option -x", &p, parse(&p, &e, "subaccount", "list", "-x", NULL), &e);
	assert_wrong("no option --colour", &p,
		     parse(&p, &e, "subaccount", "list", "--colour", NULL), &e);
	assert_wrong("needs --name", &p, parse(&p, &e, "cloud", "service-key", "create", "S", NULL),
		     &e);
	assert_wrong("--output is text or json", &p,
		     parse(&p, &e, "subaccount", "list", "--output", "xml", NULL), &e);
	assert_wrong("needs a value", &p,
		     parse(&p, &e, "cloud", "service-key", "create", "S", "--name", NULL), &e);
}

TEST(a_switch_is_on_or_off_by_any_of_its_words)
{
	static const char *const words[][2] = {
		{"--backup=true", "on"}, {"--backup=yes", "on"},  {"--backup", "on"},
		{"--backup=no", "off"},  {"--backup=off", "off"},
	};
	struct cli_parsed p;
	struct err e = {0};
	for (size_t i = 0; i < COUNT(words); i++) {
		assert_ok(parse(&p, &e, "keystore", "show", "S", "a", words[i][0], NULL), &e);
		assert_string_equal(value(&p, "backup"), words[i][1]);
		cli_parsed_fini(&p);
	}
	assert_wrong("--backup is on or off", &p,
		     parse(&p, &e, "keystore", "show", "S", "a", "--backup=abc", NULL), &e);
	assert_wrong("--new-data-keys is on or off", &p,
		     parse(&p, &e, "cloud", "master-key", "reseal", "--new-data-keys=", NULL), &e);
	assert_wrong("needs ALIAS", &p, parse(&p, &e, "keystore", "show", "S", "", NULL), &e);
}

TEST(a_secret_is_no_word_of_the_command_line)
{
	struct cli_parsed p;
	struct err e = {0};
	assert_wrong("no option --cloud-password", &p,
		     parse(&p, &e, "subaccount", "add", "--cloud-password", "x", NULL), &e);
	assert_ok(parse(&p, &e, "subaccount", "add", "--cloud-password-file", "/x", NULL), &e);
	assert_string_equal(value(&p, "cloud-password"), "/x");
	cli_parsed_fini(&p);
}

TEST(help_is_answered_wherever_it_stands)
{
	struct cli_parsed p;
	struct err e = {0};
	assert_ok(parse(&p, &e, "mapping", "add", "--help", NULL), &e);
	assert_true(p.help);
	assert_string_equal(p.command->words, "mapping add");
	cli_parsed_fini(&p);
	assert_ok(parse(&p, &e, "--help", "cloud", "owner", NULL), &e);
	assert_null(p.command);
	assert_string_equal(p.group, "cloud owner");
	cli_parsed_fini(&p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(arguments_and_options_come_in_any_order),
	cmocka_unit_test(two_dashes_end_the_options),
	cmocka_unit_test(wrong_usage_says_what_is_wrong),
	cmocka_unit_test(a_switch_is_on_or_off_by_any_of_its_words),
	cmocka_unit_test(a_secret_is_no_word_of_the_command_line),
	cmocka_unit_test(help_is_answered_wherever_it_stands),
};
UNIT_MAIN(tests)
