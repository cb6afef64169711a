#include "programs/cli.h"

/* ---- one request ---- */

/* The region host of a subaccount that was named by its ID alone. */
static bool find_region(struct cli_run *run, const char *value, struct buf *region, struct err *err)
{
	struct str id = STR_NONE, named = STR_NONE;
	AUTO(json_free) struct json *list = NULL;
	cli_split_subaccount(str_of(value), &id, &named);
	if (named.at != NULL) {
		return true;
	}
	if (!cli_call(&run->session, "GET", "/api/v1/configuration/subaccounts", STR_NONE, &list,
		      err)) {
		return false;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		struct str own = STR_NONE, host = STR_NONE;
		if (!json_get_str(json_at(list, i), "subaccount", &own) || !str_eq(own, id) ||
		    !json_get_str(json_at(list, i), "regionHost", &host)) {
			continue;
		}
		if (region->len > 0) {
			return err_set(err, ERR_CONFIG, "two regions have it: say %.*s@REGION-HOST",
				       STR_ARGS(id));
		}
		buf_add_str(region, host);
	}
	if (region->len == 0) {
		return err_set(err, ERR_MISSING, "the connector has no subaccount %.*s",
			       STR_ARGS(id));
	}
	return true;
}

bool cli_path(struct cli_run *run, struct buf *path, struct err *err)
{
	const struct cli_parsed *p = run->parsed;
	AUTO_BUF struct buf region = BUF(512);
	for (int i = 0; i < CLI_ROWS_MAX && p->command->rows[i].name != NULL; i++) {
		if (p->command->rows[i].kind == CLI_SUBACCOUNT &&
		    !find_region(run, p->values[i], &region, err)) {
			return false;
		}
	}
	return cli_write_path(p->command, p->values, region.at, path, err);
}

const char *cli_value(const struct cli_run *run, const char *name)
{
	int row = cli_row_index(run->parsed->command, str_of(name));

	return row < 0 ? NULL : run->parsed->values[row];
}

void cli_print(struct cli_run *run, const struct json *json)
{
	if (cli_wants_json(&run->parsed->settings)) {
		cli_write_json(&run->out, json);
	} else {
		cli_write_text(&run->out, json, run->parsed->command->columns);
	}
}

struct rows {
	struct jsonw w;
	struct buf *next; /* where the next page begins; empty at the end */
	size_t left;      /* how many more are wanted */
	bool is_cut;      /* there were more */
};

/* Appends a page's items; whether another page is due. */
static bool add_page(struct rows *r, const struct json *page)
{
	const struct json *items = json_get(page, "items");
	struct str after = STR_NONE;
	size_t n = json_count(items), taken = n < r->left ? n : r->left;

	for (size_t i = 0; i < taken; i++) {
		jsonw_tree(&r->w, json_at(items, i));
	}
	r->left -= taken;
	buf_reset(r->next);
	if (json_get_str(page, "next", &after)) {
		cli_add_encoded(r->next, after);
	}
	r->is_cut = taken < n || (r->left == 0 && r->next->len > 0);
	return r->next->len > 0 && r->left > 0;
}

/* --limit, where a list may grow without end. */
static bool read_limit(const struct cli_run *run, size_t *limit, struct err *err)
{
	int row = cli_row_index(run->parsed->command, STR("limit"));
	uint64_t n;

	*limit = SIZE_MAX;
	if (row < 0) {
		return true;
	}
	const char *given = run->parsed->values[row];
	if (!str_to_u64(str_of(given ? given : run->parsed->command->rows[row].usual), &n) ||
	    n == 0) {
		return err_set(err, ERR_CONFIG, "--limit is a number from 1 on, not \"%s\"", given);
	}
	*limit = n;
	return true;
}

/* A list in pages becomes one array. */
static bool run_list(struct cli_run *run, const char *path, const struct json *first,
		     struct err *err)
{
	AUTO_BUF struct buf all = BUF(CLI_TEXT_MAX);
	AUTO_BUF struct buf next = BUF(CLI_PATH_MAX / 2);
	struct rows r = {.w = jsonw_to(&all), .next = &next};
	if (!read_limit(run, &r.left, err)) {
		return false;
	}
	jsonw_array(&r.w);
	bool more = add_page(&r, first);
	for (int pages = 1; more && pages < CLI_PAGES_MAX; pages++) {
		char url[CLI_PATH_MAX];
		AUTO(json_free) struct json *page = NULL;
		snprintf(url, sizeof url, "%.2000s?after=%s", path, next.at);
		if (!cli_call(&run->session, "GET", url, STR_NONE, &page, err)) {
			return false;
		}
		more = add_page(&r, page);
	}
	jsonw_array_end(&r.w);
	AUTO(json_free) struct json *list = NULL;
	if (buf_failed(&all) || !json_parse(buf_str(&all), CLI_TEXT_MAX, &list, err)) {
		return err_set(err, ERR_LIMIT, "the list is too long");
	}
	cli_print(run, list);
	if (r.is_cut) {
		run->note = "there are older ones: --limit N shows more";
	}
	return true;
}

static bool run_one(struct cli_run *run, struct err *err)
{
	const struct cli_parsed *p = run->parsed;
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf body = BUF_SECRET(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;
	if (!cli_path(run, &path, err) || !cli_write_body(p->command, p->values, &body, err) ||
	    !cli_call(&run->session, p->command->method, path.at, buf_str(&body), &json, err)) {
		return false;
	}
	if (json_is_array(json_get(json, "items"))) {
		return run_list(run, path.at, json, err);
	}
	const struct json *shown = p->command->list ? json_get(json, p->command->list) : json;
	if (shown != NULL) {
		cli_print(run, shown);
	}
	return true;
}

/* ---- secrets of a command ---- */

/* "cloud-password" as DRAWBRIDGE_CLOUD_PASSWORD. */
static void environment_of(const char *name, char into[static 128])
{
	snprintf(into, 128, "DRAWBRIDGE_%s", name);
	for (char *c = into; *c != '\0'; c++) {
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c == '-' ? '_' : *c);
	}
}

/* Whether a secret that was not given is asked for. */
static bool is_due(const struct cli_parsed *p, int row)
{
	const struct cli_row *r = &p->command->rows[row];
	int user = cli_row_index(p->command, STR("cloud-user"));
	bool of_user =
		strcmp(r->name, "cloud-password") == 0 && user >= 0 && p->values[user] != NULL;
	char name[128];
	environment_of(r->name, name);
	return r->required || of_user || p->values[row] != NULL || getenv(name) != NULL;
}

/* Who enrols shows either a password or authentication data; of neither the server would complain.
 */
static bool has_proof(const struct cli_parsed *p, struct err *err)
{
	int user = cli_row_index(p->command, STR("cloud-user"));
	int data = cli_row_index(p->command, STR("authentication-data"));

	return user < 0 || data < 0 || p->values[user] != NULL || p->values[data] != NULL ||
	       err_set(err, ERR_CONFIG,
		       "\"%s\" needs --cloud-user with an owner's password, or "
		       "--authentication-data-file: see --help",
		       p->command->words);
}

/* Puts the secret itself in the place of its file's name. */
static bool read_secrets(struct cli_parsed *p, struct err *err)
{
	for (int i = 0; i < CLI_ROWS_MAX && p->command->rows[i].name != NULL; i++) {
		const struct cli_row *row = &p->command->rows[i];
		if (row->kind != CLI_SECRET || !is_due(p, i)) {
			continue;
		}
		char name[128];
		AUTO_BUF struct buf secret = BUF_SECRET(CLI_FILE_MAX);
		environment_of(row->name, name);
		/* what has to be told is a password that is set; the others prove something */
		bool good = row->required
				    ? cli_new_secret(p->values[i], name, row->help, &secret, err)
				    : cli_secret(p->values[i], name, row->help, &secret, err);
		if (!good) {
			return false;
		}
		free(p->values[i]);
		p->values[i] = buf_take(&secret);
	}
	return has_proof(p, err);
}

/* ---- the program ---- */

static int run_command(struct cli_parsed *p)
{
	struct err err = {0};
	struct cli_run run = {.parsed = p, .out = BUF_SECRET(CLI_TEXT_MAX)};
	bool good = (p->command->server == CLI_LOCAL ||
		     cli_session_open(p->command->server, &p->settings, &run.session, &err)) &&
		    read_secrets(p, &err) &&
		    (p->command->run ? p->command->run(&run, &err) : run_one(&run, &err));
	fwrite(run.out.len ? run.out.at : "", 1, run.out.len, stdout);
	bool told = fflush(stdout) == 0; /* before the reason, where both go to one terminal */
	if (run.note != NULL) {
		fprintf(stderr, "drawbridge: %s\n", run.note);
	}
	if (!good) {
		fprintf(stderr, "drawbridge: %s\n", err.text);
	}
	buf_fini(&run.out);
	cli_session_close(&run.session);
	return good && told ? 0 : err.kind == ERR_CONFIG ? 2 : 1;
}

static void print_help(const struct cli_parsed *p, FILE *to)
{
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	cli_write_help(&text, p->command, p->group);
	fwrite(text.at, 1, text.len, to);
}

static int print_completion(void)
{
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	cli_write_completion(&text);
	fwrite(text.at, 1, text.len, stdout);
	return 0;
}

int cli_main(int argc, char **argv)
{
	struct cli_parsed p = {0};
	struct err err = {0};
	int status = 0;
	if (argc == 3 && strcmp(argv[1], "completion") == 0 && strcmp(argv[2], "bash") == 0) {
		return print_completion();
	}
	if (!cli_parse(argc - 1, argv + 1, &p, &err)) {
		fprintf(stderr, "drawbridge: %s\n", err.text);
		if (argc < 2) {
			print_help(&p, stderr);
		}
		status = 2;
	} else if (p.version) {
		printf("drawbridge %s\n", DRAWBRIDGE_VERSION);
	} else if (p.help) {
		print_help(&p, stdout);
	} else {
		status = run_command(&p);
	}
	cli_parsed_fini(&p);
	return status;
}
