#include "programs/cli.h"

bool cli_row_is_argument(const struct cli_row *row)
{
	return row->name[0] >= 'A' && row->name[0] <= 'Z';
}

int cli_row_index(const struct cli_command *c, struct str name)
{
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		if (str_eq(str_of(c->rows[i].name), name)) {
			return i;
		}
	}
	return -1;
}

void cli_parsed_fini(struct cli_parsed *p)
{
	options_fini(cli_option_table, &p->settings);
	for (int i = 0; i < CLI_ROWS_MAX; i++) {
		if (p->values[i] != NULL) {
			explicit_bzero(p->values[i], strlen(p->values[i]));
			free(TAKE(p->values[i]));
		}
	}
}

/* How many words of the line are the command's name; 0 when it is another command. */
static int named_by(const struct cli_command *c, int n, char **words)
{
	struct str rest = str_of(c->words);
	struct str word = STR_NONE;
	int i = 0;
	for (; str_next(&rest, ' ', &word); i++) {
		if (i == n || !str_eq(word, str_of(words[i]))) {
			return 0;
		}
	}
	return i;
}

static int find_command(struct cli_parsed *p, int n, char **words)
{
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		int used = named_by(c, n, words);
		if (used > 0) {
			p->command = c;
			return used;
		}
	}
	return 0;
}

static bool is_group(const char *words)
{
	size_t len = strlen(words);

	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		if (strncmp(c->words, words, len) == 0 && c->words[len] == ' ') {
			return true;
		}
	}
	return false;
}

/* "cloud owner" of "drawbridge cloud owner --help". */
static void note_group(struct cli_parsed *p, int n, char **words)
{
	struct buf group = BUF(sizeof(p->group) - 1);
	for (int i = 0; i < n && words[i][0] != '-'; i++) {
		buf_addf(&group, "%s%s", i > 0 ? " " : "", words[i]);
	}
	bool fits = str_copy(buf_str(&group), p->group, sizeof p->group);
	(void)fits; /* what does not fit is no group; the rest names none either */
	buf_fini(&group);
}

static void take_value(struct cli_parsed *p, int row, struct str value)
{
	free(p->values[row]);
	p->values[row] = str_dup(value);
}

static bool take_argument(struct cli_parsed *p, const char *word, struct err *err)
{
	for (int i = 0; i < CLI_ROWS_MAX && p->command->rows[i].name != NULL; i++) {
		if (cli_row_is_argument(&p->command->rows[i]) && p->values[i] == NULL) {
			take_value(p, i, str_of(word));
			return true;
		}
	}
	bool is_value = strcmp(word, "on") == 0 || strcmp(word, "off") == 0;
	if (word[0] == '-' && word[1] != '\0') {
		return err_set(err, ERR_CONFIG, "there is no option %s: see --help", word);
	}
	return err_set(err, ERR_CONFIG, "%s is one word too many for \"%s\"%s%s", word,
		       p->command->words, is_value ? ": a switch is written --name=" : "",
		       is_value ? word : "");
}

/* The row that `--name` sets; a secret is named with -file behind it. */
static int option_row(const struct cli_command *c, struct str name)
{
	int row = cli_row_index(c, name);
	bool secret = row >= 0 && c->rows[row].kind == CLI_SECRET;
	if (row >= 0 && !cli_row_is_argument(&c->rows[row])) {
		return secret ? -1 : row;
	}
	if (!str_ends(name, STR("-file"))) {
		return -1;
	}
	row = cli_row_index(c, str_first(name, name.len - 5));
	return row >= 0 && c->rows[row].kind == CLI_SECRET ? row : -1;
}

static bool take_option(struct cli_parsed *p, int n, char **words, int *used, struct err *err)
{
	struct str rest = str_skip(str_of(words[0]), 2);
	struct str name = STR_NONE;
	str_next(&rest, '=', &name);
	int row = option_row(p->command, name);
	if (row < 0) {
		int taken = 0;
		/* one option only, or "a --b c" would read past the next argument */
		int most = rest.at == NULL && n > 1 ? 2 : 1;
		bool good = options_read_words(cli_option_table, &p->settings, most, words, &taken,
					       err);
		*used += taken;
		return good;
	}
	*used += 1;
	if (rest.at == NULL && p->command->rows[row].kind == CLI_BOOL) {
		rest = STR("on");
	} else if (rest.at == NULL) {
		if (n < 2) {
			return err_set(err, ERR_CONFIG, "%s needs a value", words[0]);
		}
		rest = str_of(words[1]);
		*used += 1;
	}
	take_value(p, row, rest);
	return true;
}

static bool take_words(struct cli_parsed *p, int n, char **words, struct err *err)
{
	int at = 0;
	bool only_arguments = false;
	while (at < n) {
		struct str word = str_of(words[at]);
		if (!only_arguments && str_eq(word, STR("--"))) {
			only_arguments = true;
			at++;
		} else if (!only_arguments && str_starts(word, STR("--"))) {
			if (!take_option(p, n - at, words + at, &at, err)) {
				return false;
			}
		} else if (!take_argument(p, words[at++], err)) {
			return false;
		}
	}
	return true;
}

static bool has_required(const struct cli_parsed *p, struct err *err)
{
	const struct cli_command *c = p->command;
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		const struct cli_row *row = &c->rows[i];
		bool in_path = cli_row_is_argument(row) && row->json == NULL;
		bool given = p->values[i] != NULL && !(in_path && p->values[i][0] == '\0');
		if (!row->required || given || row->kind == CLI_SECRET) {
			continue;
		}
		return err_set(err, ERR_CONFIG, "\"%s\" needs %s%s: see --help", c->words,
			       cli_row_is_argument(row) ? "" : "--", row->name);
	}
	return true;
}

/* Each is on or off behind this: a command asks for no other word for it. */
static bool settle_switches(struct cli_parsed *p, struct err *err)
{
	const struct cli_command *c = p->command;
	bool yes = false;

	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		const struct cli_row *row = &c->rows[i];
		if (row->kind != CLI_BOOL || p->values[i] == NULL) {
			continue;
		}
		if (!cli_read_switch(str_of(p->values[i]), &yes)) {
			return err_set(err, ERR_CONFIG, "%s%s is on or off",
				       cli_row_is_argument(row) ? "" : "--", row->name);
		}
		take_value(p, i, yes ? STR("on") : STR("off"));
	}
	return true;
}

static bool check_settings(const struct cli_settings *s, struct err *err)
{
	struct str output = str_of(s->output);
	if (!str_eq(output, STR("text")) && !str_eq(output, STR("json"))) {
		return err_set(err, ERR_CONFIG, "--output is text or json");
	}
	return true;
}

/* The words without --help and --version, which may stand anywhere. */
static int without_questions(struct cli_parsed *p, int n, char **words, char **rest)
{
	int kept = 0;
	for (int i = 0; i < n; i++) {
		struct str word = str_of(words[i]);
		if (str_eq(word, STR("--help")) || str_eq(word, STR("-h"))) {
			p->help = true;
		} else if (str_eq(word, STR("--version"))) {
			p->version = true;
		} else {
			rest[kept++] = words[i];
		}
	}
	return kept;
}

bool cli_parse(int n, char **words, struct cli_parsed *out, struct err *err)
{
	AUTO_FREE char **rest = NEW_ARRAY(char *, (size_t)n + 1);
	int used = 0;
	options_init(cli_option_table, &out->settings);
	n = without_questions(out, n, words, rest);
	if (!options_read_environment(cli_option_table, &out->settings, err) ||
	    !options_read_words(cli_option_table, &out->settings, n, rest, &used, err)) {
		return false;
	}
	note_group(out, n - used, rest + used);
	int named = find_command(out, n - used, rest + used);
	if (out->help || out->version) {
		return true;
	}
	if (out->command == NULL && out->group[0] == '\0') {
		return err_set(err, ERR_CONFIG, "a command is missing: see drawbridge --help");
	}
	if (out->command == NULL && is_group(out->group)) {
		return err_set(err, ERR_CONFIG,
			       "\"%s\" is the start of several commands: see drawbridge %s --help",
			       out->group, out->group);
	}
	if (out->command == NULL) {
		return err_set(err, ERR_CONFIG, "there is no command \"%s\": see drawbridge --help",
			       out->group);
	}
	used += named;
	return take_words(out, n - used, rest + used, err) && has_required(out, err) &&
	       settle_switches(out, err) && check_settings(&out->settings, err);
}
