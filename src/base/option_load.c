#include "base/option.h"

enum {
	TEXT_MAX_BYTES = 1 << 18, /* --help of the longest table is a tenth of it */
};

static void show(const struct option *table, const struct option_program *program, bool example)
{
	AUTO_BUF struct buf text = BUF(TEXT_MAX_BYTES);
	if (example) {
		options_write_example(table, &text);
	} else {
		buf_addf(&text, "usage: %s [--config file] [options]\n\n%s\n\n", program->name,
			 program->summary);
		buf_addf(&text, "  --config file\n        the settings file (%s)\n",
			 program->config ? program->config : "none");
		buf_add_str(&text, STR("  --example-config\n        print a settings file with all "
				       "defaults\n  --version\n        print the version\n"));
		options_write_help(table, &text);
		buf_add_str(&text,
			    STR("\nEach option is also a line \"key = value\" of the file, with "
				"dots for the\ndashes between its words, and a variable "
				"DRAWBRIDGE_... of the environment.\nA change of one marked "
				"[live] takes effect at SIGHUP, of others at the next start.\n"));
	}
	fwrite(text.at, 1, text.len, stdout);
}

/* --config, --help and the like; what is none of them moves to rest[]. */
struct start {
	const char *config;
	bool help, version, example;
	char **rest;
	int n;
};

static bool read_start(struct start *s, int argc, char **argv, struct err *err)
{
	for (int i = 1; i < argc; i++) {
		struct str word = str_of(argv[i]);
		if (str_eq(word, STR("--help"))) {
			s->help = true;
		} else if (str_eq(word, STR("--version"))) {
			s->version = true;
		} else if (str_eq(word, STR("--example-config"))) {
			s->example = true;
		} else if (str_starts(word, STR("--config=")) ||
			   str_starts(word, STR("--config-file="))) {
			s->config = strchr(argv[i], '=') + 1;
		} else if (str_eq(word, STR("--config")) || str_eq(word, STR("--config-file"))) {
			if (i + 1 == argc) {
				return err_set(err, ERR_CONFIG, "%s needs a file", argv[i]);
			}
			s->config = argv[++i];
		} else {
			s->rest[s->n++] = argv[i];
		}
	}
	return true;
}

static bool read_file(const struct option *table, void *object, const char *named,
		      const char *usual, struct err *err)
{
	if (named != NULL) {
		return options_read_file(table, object, named, err);
	}
	/* only the usual place may be empty: a file that was named must be there */
	return usual == NULL || options_read_file(table, object, usual, err) ||
	       err->kind == ERR_MISSING;
}

/* A row "config.file", where there is one, tells which file SIGHUP reads again. */
static bool note_file(const struct option *table, void *object, const char *named, struct err *err)
{
	for (const struct option *o = table; named != NULL && o->key != NULL; o++) {
		if (strcmp(o->key, "config.file") == 0) {
			return options_set(table, object, str_of(o->key), str_of(named), err);
		}
	}
	return true;
}

static bool read_all(const struct option *table, void *object, const struct option_program *program,
		     const struct start *s, struct err *err)
{
	const char *named = s->config ? s->config : getenv("DRAWBRIDGE_CONFIG");
	int used = 0;
	if (named == NULL) {
		named = getenv("DRAWBRIDGE_CONFIG_FILE");
	}
	if (!read_file(table, object, named, program->config, err) ||
	    !options_read_environment(table, object, err) ||
	    !options_read_words(table, object, s->n, s->rest, &used, err)) {
		return false;
	}
	if (used < s->n) {
		return err_set(err, ERR_CONFIG, "%s is no option: see --help", s->rest[used]);
	}
	return note_file(table, object, named, err);
}

enum options_outcome options_load(const struct option *table, void *object,
				  const struct option_program *program, int argc, char **argv,
				  struct err *err)
{
	AUTO_FREE char **rest = NEW_ARRAY(char *, (size_t)argc + 1);
	struct start s = {.rest = rest};
	options_init(table, object);
	if (!read_start(&s, argc, argv, err)) {
		return OPTIONS_FAILED;
	}
	if (s.version) {
		printf("%s %s\n", program->name, DRAWBRIDGE_VERSION);
		return OPTIONS_SHOWN;
	}
	if (s.help || s.example) {
		show(table, program, s.example);
		return OPTIONS_SHOWN;
	}
	return read_all(table, object, program, &s, err) ? OPTIONS_READ : OPTIONS_FAILED;
}
