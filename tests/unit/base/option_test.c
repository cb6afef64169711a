#include "base/option.h"

#include <unistd.h>

#include "unit/base/sample_options.h"
#include "unit/unit.h"

static struct sample fresh(void)
{
	struct sample s = {0};
	options_init(sample_options, &s);
	return s;
}

TEST(defaults_come_from_the_table)
{
	struct sample s = fresh();
	assert_false(s.verbose);
	assert_null(s.host);
	assert_int_equal(s.port, 9444);
	assert_int_equal(s.body_max, 1 << 20);
	assert_int_equal(s.idle, 30000);
	options_fini(sample_options, &s);
}

TEST(values_out_of_form_or_bounds_are_refused_and_change_nothing)
{
	static const char *const bad[][2] = {
		{"relay.port", "0"},
		{"relay.port", "65536"},
		{"relay.port", "-1"},
		{"relay.workers", "65"},
		{"relay.workers", "4 "},
		{"http.body_max", "1024"},
		{"http.body_max", "1023B"},
		{"http.body_max", "1kib"},
		{"http.body_max", "99999999999GiB"},
		{"http.idle", "30"},
		{"http.idle", "2h"},
		{"log.verbose", "1"},
		{"log.verbose", ""},
		{"relay.hosts", "x"},
		{"", "x"},
	};
	struct sample s = fresh();
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		if (options_set(sample_options, &s, str_of(bad[i][0]), str_of(bad[i][1]), &err)) {
			fail_msg("%s = %s was taken", bad[i][0], bad[i][1]);
		}
		assert_int_equal(err.kind, ERR_CONFIG);
	}
	assert_int_equal(s.port, 9444);
	assert_int_equal(s.body_max, 1 << 20);
	options_fini(sample_options, &s);
}

TEST(what_is_out_of_bounds_is_told_them)
{
	static const char *const bad[][3] = {
		{"relay.workers", "65", "relay.workers: 65 is out of bounds, it goes from 1 to 64"},
		{"relay.port", "65536", "from 1 to 65535"},
		{"http.body_max", "1023B", "it goes from 1KiB on"},
		{"http.idle", "2h", "from 1s to 1h"},
		{"relay.hosts", "x", "see --help"},
	};
	struct sample s = fresh();
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		assert_false(options_set(sample_options, &s, str_of(bad[i][0]), str_of(bad[i][1]),
					 &err));
		assert_non_null(strstr(err.text, bad[i][2]));
	}
	options_fini(sample_options, &s);
}

static void write_file(char path[static 32], const char *text)
{
	snprintf(path, 32, "/tmp/option_test.XXXXXX");
	AUTO_FD int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

TEST(a_file_names_its_wrong_line)
{
	struct err err = {0};
	struct sample s = fresh();
	char path[32];
	write_file(
		path,
		"# first\r\n\n relay.host =  eu1 # not a comment\nrelay.port=80\nrelay.porT=1\n");
	assert_err(options_read_file(sample_options, &s, path, &err), &err, ERR_CONFIG,
		   ":5: there is no");
	assert_string_equal(s.host, "eu1 # not a comment");
	assert_int_equal(s.port, 80);
	unlink(path);
	assert_err(options_read_file(sample_options, &s, path, &err), &err, ERR_MISSING, path);
	write_file(path, "relay.host\n");
	assert_err(options_read_file(sample_options, &s, path, &err), &err, ERR_CONFIG,
		   ":1: a line is");
	unlink(path);
	options_fini(sample_options, &s);
}

TEST(the_environment_names_its_variable)
{
	struct err err = {0};
	struct sample s = fresh();
	setenv("DRAWBRIDGE_HTTP_BODY_MAX", "2KiB", 1);
	assert_ok(options_read_environment(sample_options, &s, &err), &err);
	assert_int_equal(s.body_max, 2048);
	setenv("DRAWBRIDGE_HTTP_BODY_MAX", "2", 1);
	assert_err(options_read_environment(sample_options, &s, &err), &err, ERR_CONFIG,
		   "DRAWBRIDGE_HTTP_BODY_MAX");
	unsetenv("DRAWBRIDGE_HTTP_BODY_MAX");
	options_fini(sample_options, &s);
}

static bool read_words(struct sample *s, int *used, struct err *err, const char *a, const char *b,
		       const char *c)
{
	char *words[3] = {NULL};
	const char *given[3] = {a, b, c};
	int n = 0;
	for (; n < 3 && given[n] != NULL; n++) {
		words[n] = must_strdup(given[n]);
	}
	bool good = options_read_words(sample_options, s, n, words, used, err);
	for (int i = 0; i < n; i++) {
		free(words[i]);
	}
	return good;
}

TEST(words_are_read_up_to_the_first_that_is_no_option)
{
	struct err err = {0};
	struct sample s = fresh();
	int used = 0;
	assert_ok(read_words(&s, &used, &err, "--relay-host", "eu1", "list"), &err);
	assert_int_equal(used, 2);
	assert_string_equal(s.host, "eu1");
	assert_ok(read_words(&s, &used, &err, "--log-verbose", "--http-body-max=4KiB", "--"), &err);
	assert_int_equal(used, 3);
	assert_true(s.verbose);
	assert_int_equal(s.body_max, 4096);
	assert_ok(read_words(&s, &used, &err, "--log-verbose=off", "--relay-host=", "-x"), &err);
	assert_int_equal(used, 2);
	assert_false(s.verbose);
	assert_null(s.host);
	assert_err(read_words(&s, &used, &err, "--relay-host", NULL, NULL), &err, ERR_CONFIG,
		   "needs a");
	assert_err(read_words(&s, &used, &err, "--relay.host=x", NULL, NULL), &err, ERR_CONFIG,
		   "no option");
	assert_err(read_words(&s, &used, &err, "--relay-port=x", NULL, NULL), &err, ERR_CONFIG,
		   "--relay-port: relay.port needs a port");
	options_fini(sample_options, &s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(defaults_come_from_the_table),
	cmocka_unit_test(values_out_of_form_or_bounds_are_refused_and_change_nothing),
	cmocka_unit_test(what_is_out_of_bounds_is_told_them),
	cmocka_unit_test(a_file_names_its_wrong_line),
	cmocka_unit_test(the_environment_names_its_variable),
	cmocka_unit_test(words_are_read_up_to_the_first_that_is_no_option),
};
UNIT_MAIN(tests)
