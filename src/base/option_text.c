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

static bool is_live(const struct option *o)
{
	return o->live != NULL && strcmp(o->live, "live") == 0;
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
		buf_add_str(out, is_live(o) ? STR(" [live]\n") : STR("\n"));
	}
}

void options_write_example(const struct option *table, struct buf *out)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		buf_addf(out, "# %s.\n# %s; %s.\n", o->help, placeholder(o->type),
			 is_live(o) ? "a change takes effect at SIGHUP"
				    : "a change takes effect at the next start");
		buf_addf(out, "#%s = %s\n\n", o->key, o->initial ? o->initial : "");
	}
}

enum {
	MAN_LINE_MAX = 78, /* columns of a source line; mandoc -Tlint wants 80 */
};

/* A backslash is an escape in a manual, and a dot or quote at a line's start makes a macro. */
static void add_man_word(struct buf *out, struct str word, bool first)
{
	if (first && (word.at[0] == '.' || word.at[0] == '\'')) {
		buf_add_str(out, STR("\\&"));
	}
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] == '\\') {
			buf_add_str(out, STR("\\e"));
		} else {
			buf_add_c(out, word.at[i]);
		}
	}
}

void options_add_man_text(struct buf *out, struct str text)
{
	struct str word = STR_NONE;
	size_t column = 0;
	bool sentence_ended = false;
	while (str_next(&text, ' ', &word)) {
		if (word.len == 0) {
			continue;
		}
		if (column > 0 && (sentence_ended || column + 1 + word.len > MAN_LINE_MAX)) {
			buf_add_c(out, '\n');
			column = 0;
		} else if (column > 0) {
			buf_add_c(out, ' ');
			column++;
		}
		add_man_word(out, word, column == 0);
		column += word.len;
		sentence_ended = str_ends(word, STR("."));
	}
}

void options_write_man(const struct option *table, struct buf *out)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		buf_add_str(out, STR(".It Fl Fl "));
		add_word(out, o->key);
		buf_addf(out, " Ns = Ns Ar %s\n", placeholder(o->type));
		options_add_man_text(out, str_of(o->help));
		buf_add_str(out, STR(".\n"));
		if (o->initial != NULL && o->initial[0] != '\0') {
			buf_add_str(out, STR("The default is\n.Ql "));
			options_add_man_text(out, str_of(o->initial));
			buf_add_str(out, STR(" .\n"));
		}
		if (o->live != NULL && strcmp(o->live, "live") != 0) {
			buf_add_str(out, STR("A change takes effect at the next start.\n"));
		}
	}
}
