/* Commands that are more than one request of text members. */
#include "programs/cli.h"

/* {"oldPassword","newPassword"}; the old one is what the login uses: a setup code, at first. */
static bool change_password(struct cli_run *run, const char *path, const char *new_password,
			    struct err *err)
{
	AUTO_BUF struct buf body = BUF_SECRET(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct jsonw w = jsonw_to(&body);
	jsonw_object(&w);
	jsonw_key_str(&w, "oldPassword", buf_str(&run->session.password));
	jsonw_key_text(&w, "newPassword", new_password);
	jsonw_object_end(&w);
	if (!cli_call(&run->session, "PUT", path, buf_str(&body), &json, err)) {
		return false;
	}
	buf_reset(&run->session.password);
	buf_add_str(&run->session.password, str_of(new_password));
	return true;
}

bool cli_connector_setup(struct cli_run *run, struct err *err)
{
	AUTO(json_free) struct json *json = NULL;
	return change_password(run, "/api/v1/configuration/connector/authentication/basic",
			       cli_value(run, "new-password"), err) &&
	       cli_call(&run->session, "POST", "/api/v1/configuration/connector/haRole",
			STR("\"master\""), &json, err);
}

bool cli_cloud_setup(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	buf_add_str(&path, STR("/api/drawbridge/v1/users/"));
	cli_add_encoded(&path, str_of(run->parsed->settings.login));
	buf_add_str(&path, STR("/password"));
	return change_password(run, path.at, cli_value(run, "new-password"), err);
}

/* One's own password is changed by whoever knows it; another's is set by an administrator. */
bool cli_cloud_password(struct cli_run *run, struct err *err)
{
	const struct cli_parsed *p = run->parsed;
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf body = BUF_SECRET(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;

	if (!cli_path(run, &path, err)) {
		return false;
	}
	if (strcmp(cli_value(run, "NAME"), p->settings.login) == 0) {
		return change_password(run, path.at, cli_value(run, "user-password"), err);
	}
	return cli_write_body(p->command, p->values, &body, err) &&
	       cli_call(&run->session, "PUT", path.at, buf_str(&body), &json, err);
}

/* The list names subaccounts only: each is asked for. */
static bool add_subaccounts(struct cli_run *run, struct jsonw *w, struct err *err)
{
	static const char base[] = "/api/v1/configuration/subaccounts";
	AUTO(json_free) struct json *list = NULL;
	if (!cli_call(&run->session, "GET", base, STR_NONE, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		struct str region = STR_NONE, id = STR_NONE;
		AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
		AUTO(json_free) struct json *one = NULL;
		if (!json_get_str(json_at(list, i), "regionHost", &region) ||
		    !json_get_str(json_at(list, i), "subaccount", &id)) {
			return err_set(err, ERR_PROTOCOL,
				       "the list of subaccounts is not understood");
		}
		buf_add_str(&path, str_of(base));
		buf_add_c(&path, '/');
		cli_add_encoded(&path, region);
		buf_add_c(&path, '/');
		cli_add_encoded(&path, id);
		if (!cli_call(&run->session, "GET", path.at, STR_NONE, &one, err)) {
			return false;
		}
		jsonw_tree(w, one);
	}
	return true;
}

static bool add_member(struct cli_run *run, struct jsonw *w, const char *path, const char *key,
		       struct err *err)
{
	AUTO(json_free) struct json *json = NULL;
	if (!cli_call(&run->session, "GET", path, STR_NONE, &json, err)) {
		return false;
	}
	jsonw_key(w, key);
	jsonw_tree(w, json_get(json, key));
	return true;
}

bool cli_connector_status(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct jsonw w = jsonw_to(&text);
	jsonw_object(&w);
	if (!add_member(run, &w, "/api/v1/connector/version", "version", err) ||
	    !add_member(run, &w, "/api/v1/configuration/connector", "ha", err)) {
		return false;
	}
	jsonw_key(&w, "subaccounts");
	jsonw_array(&w);
	if (!add_subaccounts(run, &w, err)) {
		return false;
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	if (!json_parse(buf_str(&text), CLI_TEXT_MAX, &json, err)) {
		return false;
	}
	if (cli_wants_json(&run->parsed->settings)) {
		cli_write_json(&run->out, json);
		return true;
	}
	struct str version = STR_NONE, role = STR_NONE;
	bool whole = json_get_str(json, "version", &version) && json_get_str(json, "ha", &role);
	buf_addf(&run->out, "version: %.*s\nrole: %.*s\n", STR_ARGS(version),
		 STR_ARGS(whole ? role : STR("undefined")));
	cli_write_text(&run->out, json_get(json, "subaccounts"), run->parsed->command->columns);
	return true;
}

/* The file goes as it is: PEM with one certificate or several, or DER. */
bool cli_trust_add(struct cli_run *run, struct err *err)
{
	int row = cli_row_index(run->parsed->command, STR("FILE"));
	AUTO_BUF struct buf file = BUF(CLI_FILE_MAX);
	AUTO(json_free) struct json *json = NULL;

	if (row < 0 || !cli_read_file(run->parsed->values[row], &file, err)) {
		return false;
	}
	if (file.len == 0) {
		return err_set(err, ERR_CONFIG, "%s is empty", run->parsed->values[row]);
	}
	run->session.content_type = "application/pkix-cert";
	return cli_call(&run->session, "POST",
			"/api/v1/configuration/connector/onPremises/truststore/certificates",
			buf_str(&file), &json, err);
}
