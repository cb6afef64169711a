#include <unistd.h>

#include "unit/base/sample_options.h"
#include "unit/unit.h"

static const struct option_program program = {"unit", "A test", "/nonexistent/unit.conf"};

static enum options_outcome load(struct sample *s, struct err *err, const char *a, const char *b)
{
	char name[] = "unit";
	char *argv[4] = {name, a ? must_strdup(a) : NULL, b ? must_strdup(b) : NULL, NULL};
	int argc = 1 + (a != NULL) + (b != NULL);
	*s = (struct sample){0};
	enum options_outcome outcome = options_load(sample_options, s, &program, argc, argv, err);
	free(argv[1]);
	free(argv[2]);
	return outcome;
}

TEST(later_sources_win)
{
	char path[] = "/tmp/option_load.XXXXXX";
	{
		static const char text[] = "relay.host = file\nrelay.port = 1\nrelay.workers = 1\n";
		AUTO_FD int fd = mkstemp(path);
		assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	}
	struct sample s;
	struct err err = {0};
	setenv("DRAWBRIDGE_CONFIG", path, 1);
	setenv("DRAWBRIDGE_RELAY_PORT", "2", 1);
	setenv("DRAWBRIDGE_RELAY_WORKERS", "2", 1);
	assert_int_equal(load(&s, &err, "--relay-workers=3", NULL), OPTIONS_READ);
	assert_string_equal(s.host, "file");
	assert_int_equal(s.port, 2);
	assert_int_equal(s.workers, 3);
	options_fini(sample_options, &s);
	unsetenv("DRAWBRIDGE_CONFIG");
	unsetenv("DRAWBRIDGE_RELAY_PORT");
	unsetenv("DRAWBRIDGE_RELAY_WORKERS");
	unlink(path);
}

struct with_file {
	char *config_file, *name;
};

TEST(a_row_for_the_file_knows_which_one_was_read)
{
	static const struct option table[] = {
		{"config.file", OPTION_FIELD(struct with_file, config_file), NULL, 0, 0, "File",
		 "restart"},
		{"name", OPTION_FIELD(struct with_file, name), NULL, 0, 0, "Name", "live"},
		{NULL},
	};
	char path[] = "/tmp/option_load.XXXXXX", name[] = "unit", option[] = "--config-file";
	{
		AUTO_FD int fd = mkstemp(path);
		assert_int_equal(write(fd, "name = x\n", 9), 9);
	}
	char *argv[] = {name, option, path, NULL};
	struct with_file w = {0};
	struct err err = {0};
	assert_int_equal(options_load(table, &w, &program, 3, argv, &err), OPTIONS_READ);
	assert_string_equal(w.config_file, path);
	assert_string_equal(w.name, "x");
	options_fini(table, &w);
	unlink(path);
}

TEST(only_the_usual_file_may_be_absent)
{
	struct sample s;
	struct err err = {0};
	assert_int_equal(load(&s, &err, NULL, NULL), OPTIONS_READ);
	assert_int_equal(load(&s, &err, "--config", "/nonexistent/x"), OPTIONS_FAILED);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_int_equal(load(&s, &err, "--config", NULL), OPTIONS_FAILED);
}

TEST(a_stray_word_is_refused)
{
	struct sample s;
	struct err err = {0};
	assert_int_equal(load(&s, &err, "start", NULL), OPTIONS_FAILED);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.text, "start is no option"));
}

TEST(help_and_version_end_the_start)
{
	struct sample s;
	struct err err = {0};
	assert_int_equal(load(&s, &err, "--version", "--nonsense"), OPTIONS_SHOWN);
	assert_int_equal(load(&s, &err, "--help", NULL), OPTIONS_SHOWN);
	assert_int_equal(load(&s, &err, "--example-config", NULL), OPTIONS_SHOWN);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(later_sources_win),
	cmocka_unit_test(a_row_for_the_file_knows_which_one_was_read),
	cmocka_unit_test(only_the_usual_file_may_be_absent),
	cmocka_unit_test(a_stray_word_is_refused),
	cmocka_unit_test(help_and_version_end_the_start),
};
UNIT_MAIN(tests)
