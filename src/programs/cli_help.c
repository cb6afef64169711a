#include "programs/cli.h"

static const char *value_word(enum cli_kind kind)
{
	switch (kind) {
	case CLI_BOOL:
		return "[=on|off]";
	case CLI_SECRET:
		return "-file file";
	case CLI_NUMBER:
		return " number";
	case CLI_LIST:
		return " a,b,c";
	case CLI_HOST_PORT:
		return " host:port";
	case CLI_TEXT:
	case CLI_SUBACCOUNT:
	case CLI_RESOURCE:
	case CLI_ALIAS:
		return " text";
	}
	return "";
}

static bool is_optional(const struct cli_row *row)
{
	return !row->required || row->kind == CLI_SECRET;
}

void cli_write_usage(struct buf *out, const struct cli_command *c)
{
	buf_addf(out, "drawbridge %s", c->words);
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		if (cli_row_is_argument(&c->rows[i])) {
			buf_addf(out, c->rows[i].required ? " %s" : " [%s]", c->rows[i].name);
		}
	}
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		const struct cli_row *row = &c->rows[i];
		if (cli_row_is_argument(row)) {
			continue;
		}
		bool optional = is_optional(row);
		buf_addf(out, " %s--%s%s%s", optional ? "[" : "", row->name,
			 row->kind == CLI_BOOL ? "" : value_word(row->kind), optional ? "]" : "");
	}
}

static void write_command(struct buf *out, const struct cli_command *c)
{
	buf_add_str(out, STR("usage: "));
	cli_write_usage(out, c);
	buf_addf(out, "\n\n%s.\n\n", c->summary);
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		const struct cli_row *row = &c->rows[i];
		bool argument = cli_row_is_argument(row);
		buf_addf(out, "  %s%s%s\n        %s%s", argument ? "" : "--", row->name,
			 argument ? "" : value_word(row->kind), row->help,
			 row->kind == CLI_SECRET ? " (or the environment, or asked for)" : "");
		if (row->usual != NULL) {
			buf_addf(out, " (%s unless given)", row->usual);
		}
		buf_add_c(out, '\n');
	}
	buf_add_str(out, STR("\nOptions of every command:\n"));
	options_write_help(cli_option_table, out);
}

static bool is_in_group(const struct cli_command *c, struct str group)
{
	struct str words = str_of(c->words);
	return group.len == 0 ||
	       (str_starts(words, group) && words.len > group.len && words.at[group.len] == ' ');
}

void cli_write_help(struct buf *out, const struct cli_command *c, const char *group)
{
	bool known = false;
	if (c != NULL) {
		write_command(out, c);
		return;
	}
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *each = cli_command_at(at);
		known |= is_in_group(each, str_of(group));
	}
	struct str wanted = known ? str_of(group) : STR("");
	buf_add_str(out, STR("usage: drawbridge [options] command ...\n\n"));
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *each = cli_command_at(at);
		if (is_in_group(each, wanted)) {
			buf_addf(out, "  %-32s %s\n", each->words, each->summary);
		}
	}
	if (wanted.len == 0) {
		buf_addf(out, "  %-32s %s\n", "completion bash",
			 "What bash completes commands with");
	}
	buf_add_str(out, STR("\ndrawbridge command --help tells more of one, drawbridge --version "
			     "the version.\nOptions of every command:\n"));
	options_write_help(cli_option_table, out);
	buf_add_str(out, STR("\nExit status: 0 done, 1 refused or failed, 2 wrong usage.\n"));
}

static void add_options(struct buf *out, const struct cli_command *c)
{
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		if (!cli_row_is_argument(&c->rows[i])) {
			buf_addf(out, " --%s%s", c->rows[i].name,
				 c->rows[i].kind == CLI_SECRET ? "-file" : "");
		}
	}
}

/* " --NAME", once: `list` starts at `from`. */
static void add_valued(struct buf *out, size_t from, const struct cli_row *row)
{
	AUTO_BUF struct buf word = BUF(256);

	buf_addf(&word, " --%s%s ", row->name, row->kind == CLI_SECRET ? "-file" : "");
	buf_add_c(out, ' '); /* so that the last one ends in a space too */
	bool known = str_contains(str_skip(buf_str(out), from), buf_str(&word));
	out->len--;
	if (!known) {
		buf_add_str(out, str_first(buf_str(&word), word.len - 1));
	}
}

/* Every option of any command whose value is the next word, between spaces. */
static void add_options_with_value(struct buf *out)
{
	size_t from = out->len;

	for (const struct option *o = cli_option_table; o->key != NULL; o++) {
		buf_add_str(out, STR(" --"));
		for (const char *c = o->key; *c != '\0'; c++) {
			buf_add_c(out, *c == '.' ? '-' : *c);
		}
	}
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
			const struct cli_row *row = &c->rows[i];
			if (!cli_row_is_argument(row) && row->kind != CLI_BOOL) {
				add_valued(out, from, row);
			}
		}
	}
	buf_add_c(out, ' ');
}

static const char completion_start[] =
	"# bash completion of drawbridge: made by `drawbridge completion bash`\n"
	"_drawbridge() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} typed= word before= words options all=\n"
	"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	"\t\tcase $word in\n"
	"\t\t-*) ;;\n"
	"\t\t*) case \"$valued\" in *\" $before \"*) ;; *) typed+=\"$word \" ;; esac ;;\n"
	"\t\tesac\n"
	"\t\tbefore=${word:-x}\n"
	"\tdone\n"
	"\twhile IFS='|' read -r words options; do\n"
	"\t\tcase \"$words \" in\n"
	"\t\t\"$typed\"?*) word=${words#\"$typed\"}; all+=\" ${word%% *}\" ;;\n"
	"\t\tesac\n"
	"\t\tcase \"$typed\" in \"$words \"*) all+=\" $options\" ;; esac\n"
	"\tdone <<'END'\n";

/*
 * bash: the words typed so far choose among lines of "words|options"; a next word is what follows
 * them in some command.
 */
void cli_write_completion(struct buf *out)
{
	static const struct str start = {completion_start, sizeof completion_start - 1};
	size_t body = str_find(start, '{') + 2; /* behind the line that opens the function */
	buf_add_str(out, str_first(start, body));
	buf_add_str(out, STR("\tlocal valued='"));
	add_options_with_value(out);
	buf_add_str(out, STR("'\n"));
	buf_add_str(out, str_skip(start, body));
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		buf_addf(out, "%s|", c->words);
		add_options(out, c);
		buf_add_str(out, STR(" --help --output --url --login --password-file --ca-file "
				     "--root-pin --timeout\n"));
	}
	buf_add_str(out, STR("END\n"
			     "\tCOMPREPLY=($(compgen -W \"$all\" -- \"$cur\"))\n"
			     "}\n"
			     "complete -o default -F _drawbridge drawbridge\n"));
}
