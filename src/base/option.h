#pragma once
/*
 * Settings from one table per program: the only source of the parser of file, environment and
 * command line, of `--help`, the manual page, the commented example file and `/openapi.json`.
 *
 * File form: `key = value` per line, `#` comments, keys with dots. Each key is an option too:
 * `relay.host` is `--relay-host`, and DRAWBRIDGE_RELAY_HOST in the environment. Later wins in the
 * order default, file, environment, command line. A number without its unit is refused.
 */
#include "base/buf.h"
#include "base/err.h"

enum option_type {
	OPTION_BOOL,  /* on/off, true/false, yes/no */
	OPTION_TEXT,  /* char *, owned by the object; an empty value means unset: NULL */
	OPTION_PORT,  /* uint16_t, 0 where the row's least allows it: "any free port" */
	OPTION_COUNT, /* uint32_t, a plain number */
	OPTION_BYTES, /* size_t: 512B, 64KiB, 16MiB, 1GiB */
	OPTION_MSEC,  /* msec_t: 250ms, 30s, 10min, 12h, 365d */
};

struct option {
	const char *key; /* NULL ends the table */
	size_t offset;
	enum option_type type;
	const char *initial; /* default, in the form that the user writes; NULL: unset */
	int64_t least, most; /* bounds for numbers, in bytes or ms or units; 0, 0: none */
	const char *help;    /* one sentence without a full stop */
	const char *live;    /* "live" or "restart": when a change in the file takes effect */
};

#define OPTION_FIELD(object, field)                                                                \
	.offset = offsetof(object, field), .type = _Generic(((object *)NULL)->field,               \
					   bool: OPTION_BOOL,                                      \
					   char *: OPTION_TEXT,                                    \
					   uint16_t: OPTION_PORT,                                  \
					   uint32_t: OPTION_COUNT,                                 \
					   size_t: OPTION_BYTES,                                   \
					   msec_t: OPTION_MSEC)

/* Fills `object` (zeroed before) with the defaults of `table`. Asserts that each default parses. */
void options_init(const struct option *table, void *object);
void options_fini(const struct option *table, void *object); /* frees the texts */
NODISCARD bool options_set(const struct option *table, void *object, struct str key,
			   struct str value, struct err *err);
/* An unknown key or bad value names file and line. */
NODISCARD bool options_read_file(const struct option *table, void *object, const char *path,
				 struct err *err);
NODISCARD bool options_read_environment(const struct option *table, void *object, struct err *err);
/*
 * `--key value`, `--key=value`, and `--key` alone for a bool. Stops at the first word that is no
 * option, and at `--`; *used tells how many words were read.
 */
NODISCARD bool options_read_words(const struct option *table, void *object, int n, char **words,
				  int *used, struct err *err);
/*
 * After a file was read again into `fresh`: rows marked "live" that differ are swapped, so `object`
 * has the new value and `fresh` frees the old one. Keys of the others that differ are appended to
 * `waiting`, with commas: they wait for a restart. Returns how many were taken over.
 */
size_t options_apply(const struct option *table, void *object, void *fresh, struct buf *waiting);
void options_write_help(const struct option *table, struct buf *out);
void options_write_example(const struct option *table, struct buf *out); /* the commented file */
void options_write_man(const struct option *table,
		       struct buf *out); /* mdoc rows for section OPTIONS */
/* A running text of a manual: escaped, in short lines, each sentence on its own. */
void options_add_man_text(struct buf *out, struct str text);

/* ---- the start of a program: everything above in its order ---- */
struct option_program {
	const char *name;    /* "drawbridge-cloud" */
	const char *summary; /* one line for --help */
	const char *config;  /* file read when --config names none; it may be absent. NULL: none */
};

enum options_outcome {
	OPTIONS_READ,   /* go on */
	OPTIONS_SHOWN,  /* --help, --version or --example-config was answered on stdout: exit 0 */
	OPTIONS_FAILED, /* see err: print it, exit 2 */
};

/*
 * Defaults, then the file (`--config FILE` or `--config-file FILE`, DRAWBRIDGE_CONFIG or
 * DRAWBRIDGE_CONFIG_FILE, or the program's own; a row "config.file" is set to it), then the
 * environment, then the words. Words that are no options are refused. `object` is zeroed before;
 * options_fini() is due whatever the outcome.
 */
NODISCARD enum options_outcome options_load(const struct option *table, void *object,
					    const struct option_program *program, int argc,
					    char **argv, struct err *err);
