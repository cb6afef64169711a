/* `drawbridge subaccount export` and `import`: the configuration of a subaccount as a file. */
#include <unistd.h>

#include "programs/cli.h"

enum {
	ZIP_MAX = 16 * 1024 * 1024, /* as the connector takes (base/archive.h) */
};

bool cli_subaccount_export(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf zip = BUF(CLI_TEXT_MAX);

	if (cli_value(run, "to") == NULL && isatty(STDOUT_FILENO)) {
		return err_set(err, ERR_CONFIG,
			       "a ZIP is no text for a terminal: name a file, --to FILE");
	}
	return cli_path(run, &path, err) &&
	       cli_call_raw(&run->session, "GET", path.at, STR_NONE, &zip, err) &&
	       cli_put_out(run, buf_str(&zip), err);
}

static bool is_on(const struct cli_run *run, const char *row)
{
	const char *value = cli_value(run, row);

	return value && strcmp(value, "on") == 0;
}

static void print_plan(struct cli_run *run, const struct json *json)
{
	const struct json *changes = json_get(json, "changes");

	if (cli_wants_json(&run->parsed->settings)) {
		cli_write_json(&run->out, json);
	} else if (json_count(changes) == 0) {
		buf_add_str(&run->out, STR("nothing differs\n"));
	} else {
		cli_write_text(&run->out, changes, run->parsed->command->columns);
	}
}

bool cli_subaccount_import(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf zip = BUF(ZIP_MAX);
	AUTO(json_free) struct json *json = NULL;
	const char *mode = cli_value(run, "mode");

	if (!cli_read_file(cli_value(run, "FILE"), &zip, err) || !cli_path(run, &path, err)) {
		return false;
	}
	if (zip.len == 0) {
		return err_set(err, ERR_CONFIG, "%s is empty", cli_value(run, "FILE"));
	}
	buf_add_str(&path, STR("?mode="));
	cli_add_encoded(&path, str_of(mode ? mode : "add"));
	buf_addf(&path, "&preview=%s", is_on(run, "preview") ? "true" : "false");
	buf_addf(&path, "&resources=%s", is_on(run, "without-resources") ? "false" : "true");
	buf_addf(&path, "&settings=%s", is_on(run, "without-settings") ? "false" : "true");
	if (buf_failed(&path)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	run->session.content_type = "application/zip";
	if (!cli_call(&run->session, "POST", path.at, buf_str(&zip), &json, err)) {
		return false;
	}
	print_plan(run, json);
	return true;
}
