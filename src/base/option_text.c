#include "base/option.h"

/* The same table as text: help, example file, manual page. */

static const char *placeholder(enum option_type type)
{
	switch (type) {
	case OPTION_BOOL:
		return "on|off";
	case OPTION_TEXT:
		return "text";
	case OPTION_PORT:
		return "port";
	case OPTION_COUNT:
		return "number";
	case OPTION_BYTES:
		return "size";
	case OPTION_MSEC:
		return "time";
	}
	return "";
}

static void add_word(struct buf *out, const char *key)
{
	for (const char *c = key; *c != '\0'; c++) {
		buf_add_c(out, *c == '.' || *c == '_' ? '-' : *c);
	}
}

void options_write_help(const struct option *table, struct buf *out)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		buf_add_str(out, STR("  --"));
		add_word(out, o->key);
		if (o->type == OPTION_BOOL) {
			buf_add_str(out, STR("[=on|off]"));
		} else {
			buf_addf(out, " %s", placeholder(o->type));
		}
		buf_addf(out, "\n        %s", o->help);
		if (o->initial != NULL) {
			buf_addf(out, " (%s)", o->initial);
		}
		buf_add_c(out, '\n');
	}
}

void options_write_example(const struct option *table, struct buf *out)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		buf_addf(out, "# %s.\n# %s; %s.\n", o->help, placeholder(o->type),
			 o->live != NULL && strcmp(o->live, "live") == 0
				 ? "a change takes effect at SIGHUP"
				 : "a change takes effect at the next start");
		buf_addf(out, "#%s = %s\n\n", o->key, o->initial ? o->initial : "");
	}
}

/* Text of a manual: a backslash is an escape there, and a dot or quote at a line's start a macro.
 */
static void add_roff(struct buf *out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '\\') {
			buf_add_str(out, STR("\\e"));
		} else if ((*c == '.' || *c == '\'') && c == text) {
			buf_addf(out, "\\&%c", *c);
		} else {
			buf_add_c(out, *c);
		}
	}
}

void options_write_man(const struct option *table, struct buf *out)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		buf_add_str(out, STR(".It Fl Fl "));
		add_word(out, o->key);
		buf_addf(out, " Ns = Ns Ar %s\n", placeholder(o->type));
		add_roff(out, o->help);
		buf_add_str(out, STR(".\n"));
		if (o->initial != NULL && o->initial[0] != '\0') {
			buf_add_str(out, STR("The default is\n.Ql "));
			add_roff(out, o->initial);
			buf_add_str(out, STR(" .\n"));
		}
		if (o->live != NULL && strcmp(o->live, "live") != 0) {
			buf_add_str(out, STR("A change takes effect at the next start.\n"));
		}
	}
}
