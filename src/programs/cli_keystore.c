/*
 * `drawbridge keystore`: a client of the tenants' API as spec/keystore.md section 3 has it, so that
 * what the command does, scripts written for the original can do too.
 */
#include "programs/cli_keystore.h"
#include "base/clock.h"

enum {
	ALIAS_HEX_MAX = 8192,
};

/* ---- paths ---- */

void keystore_service(const struct cli_run *run, struct buf *path)
{
	buf_add_str(path, STR("/t/"));
	cli_add_encoded(path, str_of(cli_value(run, "SUBACCOUNT")));
	buf_add_str(path, STR("/api/v1/"));
}

void keystore_add_entry(struct buf *path, const char *set, struct str alias)
{
	buf_addf(path, "%s('", set);
	for (size_t i = 0; i < alias.len; i++) {
		buf_addf(path, "%02X", (unsigned char)alias.at[i]);
	}
	buf_add_str(path, STR("')"));
}

void keystore_add_query(struct buf *path, const char *name, struct str value)
{
	bool first = str_find(buf_str(path), '?') == path->len;

	buf_addf(path, "%s%s=", first ? "?" : "&", name);
	cli_add_encoded(path, value);
}

static const char *state_of(const struct cli_run *run)
{
	const char *backup = cli_value(run, "backup");

	return backup && strcmp(backup, "on") == 0 ? "backup_admin_system" : "system";
}

bool keystore_write(struct cli_run *run, const char *method, struct buf *path, struct str body,
		    struct json **json, struct err *err)
{
	AUTO_BUF struct buf service = BUF(CLI_PATH_MAX - 1);

	keystore_service(run, &service);
	if (buf_failed(path) || buf_failed(&service)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	return (run->session.csrf_token[0] != '\0' ||
		cli_open_session(&run->session, service.at, err)) &&
	       cli_call(&run->session, method, path->at, body, json, err);
}

/* ---- list ---- */

struct listing {
	struct jsonw w;
	int64_t until_ms; /* only entries that end before; 0: all */
	size_t n, ending;
};

/* "/Date(1492098664000)/", with a zone behind it or not. */
bool keystore_date(struct str text, int64_t *unix_ms)
{
	uint64_t ms;

	if (!str_starts(text, STR("/Date("))) {
		return false;
	}
	text = str_skip(text, 6);
	size_t digits = 0;
	while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9') {
		digits++;
	}
	if (!str_to_u64(str_first(text, digits), &ms) || ms > INT64_MAX) {
		return false;
	}
	*unix_ms = (int64_t)ms;
	return true;
}

/* The entry without what only browsers of the API need, its dates as the rest of the CLI has them.
 */
void keystore_add_clean(struct jsonw *w, const struct json *entry)
{
	void *iter = NULL;
	struct str key, text;
	const struct json *value;

	jsonw_object(w);
	while (json_next(entry, &iter, &key, &value)) {
		AUTO_BUF struct buf name = BUF(256);
		AUTO_BUF struct buf date = BUF(64);
		int64_t ms;
		if (str_eq(key, STR("__metadata")) || json_get(value, "__deferred")) {
			continue;
		}
		buf_add_str(&name, key);
		if (json_str(value, &text) && keystore_date(text, &ms)) {
			clock_add_rfc3339(&date, ms / 1000);
			jsonw_key_str(w, name.at, buf_str(&date));
		} else if (name.len > 0) {
			jsonw_key(w, name.at);
			jsonw_tree(w, value);
		}
	}
	jsonw_object_end(w);
}

static void add_row(struct listing *l, const struct json *entry)
{
	struct str text;
	int64_t ends;

	if (!json_get_str(entry, "ValidNotAfter", &text) || !keystore_date(text, &ends)) {
		ends = INT64_MAX;
	}
	if (l->until_ms && ends >= l->until_ms) {
		return;
	}
	l->n++;
	l->ending += ends < (l->until_ms ? l->until_ms : clock_unix_ms());
	keystore_add_clean(&l->w, entry);
}

/* The server pages at 1,000 with a whole URL in __next; only its query is taken. */
static bool next_page(const struct json *page, struct buf *path)
{
	struct str next;

	if (!json_get_str(page, "__next", &next)) {
		return false;
	}
	size_t query = str_find(next, '?');
	size_t base = str_find(buf_str(path), '?');
	if (query >= next.len) {
		return false;
	}
	path->len = base;
	buf_add_str(path, str_skip(next, query));
	return !buf_failed(path);
}

bool keystore_each(struct cli_run *run, struct buf *path, keystore_entry_fn *fn, void *user,
		   struct err *err)
{
	for (int pages = 0; pages < CLI_PAGES_MAX; pages++) {
		AUTO(json_free) struct json *json = NULL;
		if (!cli_call(&run->session, "GET", path->at, STR_NONE, &json, err)) {
			return false;
		}
		const struct json *page = json_get(json, "d");
		const struct json *rows = json_get(page, "results");
		if (!json_is_array(rows)) {
			return err_set(err, ERR_PROTOCOL, "the list of entries is not understood");
		}
		for (size_t i = 0; i < json_count(rows); i++) {
			fn(json_at(rows, i), user);
		}
		if (!next_page(page, path)) {
			return true;
		}
	}
	return err_set(err, ERR_LIMIT, "the list does not end");
}

static void on_listed(const struct json *entry, void *user)
{
	add_row(user, entry);
}

static bool read_within(const struct cli_run *run, struct listing *l, struct err *err)
{
	const char *within = cli_value(run, "expiring-within");
	msec_t ms;

	if (!within) {
		return true;
	}
	if (!clock_parse_duration(str_of(within), &ms)) {
		return err_set(err, ERR_CONFIG, "--expiring-within is a time like 30d, not \"%s\"",
			       within);
	}
	l->until_ms = clock_unix_ms() + ms;
	return true;
}

static bool judge_expiry(const struct cli_run *run, const struct listing *l, struct err *err)
{
	const char *fail = cli_value(run, "fail-on-expiry");
	const char *within = cli_value(run, "expiring-within");

	if (!fail || strcmp(fail, "on") != 0 || l->ending == 0) {
		return true;
	}
	return err_set(err, ERR_DENIED, "%zu %s %s%s", l->ending,
		       l->ending == 1 ? "entry" : "entries",
		       within ? "expired or expire within " : "expired", within ? within : "");
}

bool cli_keystore_list(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct listing l = {.w = jsonw_to(&text)};

	if (!read_within(run, &l, err)) {
		return false;
	}
	keystore_service(run, &path);
	buf_add_str(&path, STR("KeystoreEntries"));
	keystore_add_query(&path, "keystoreName", str_of(state_of(run)));
	jsonw_array(&l.w);
	if (!keystore_each(run, &path, on_listed, &l, err)) {
		return false;
	}
	jsonw_array_end(&l.w);
	if (buf_failed(&text) || !json_parse(buf_str(&text), CLI_TEXT_MAX, &json, err)) {
		return err_set(err, ERR_LIMIT, "the list is too long");
	}
	cli_print(run, json);
	return judge_expiry(run, &l, err);
}

/* ---- one entry ---- */

static void on_chain(const struct json *certificate, void *user)
{
	keystore_add_clean(user, certificate);
}

bool cli_keystore_show(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf chain = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL, *shown = NULL;
	struct jsonw w = jsonw_to(&text);

	keystore_service(run, &path);
	keystore_add_entry(&path, "KeystoreEntries", str_of(cli_value(run, "ALIAS")));
	buf_addf(&chain, "%s/ChainCertificates", path.at);
	keystore_add_query(&path, "keystoreName", str_of(state_of(run)));
	keystore_add_query(&chain, "keystoreName", str_of(state_of(run)));
	if (buf_failed(&path) || buf_failed(&chain)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	if (!cli_call(&run->session, "GET", path.at, STR_NONE, &json, err)) {
		return false;
	}
	jsonw_object(&w);
	jsonw_key(&w, "entry");
	keystore_add_clean(&w, json_get(json, "d"));
	jsonw_key(&w, "chain");
	jsonw_array(&w);
	if (!keystore_each(run, &chain, on_chain, &w, err)) {
		return false;
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	if (!json_parse(buf_str(&text), CLI_TEXT_MAX, &shown, err)) {
		return false;
	}
	if (cli_wants_json(&run->parsed->settings)) {
		cli_write_json(&run->out, shown);
		return true;
	}
	cli_write_text(&run->out, json_get(shown, "entry"), NULL);
	buf_add_c(&run->out, '\n');
	cli_write_text(&run->out, json_get(shown, "chain"), run->parsed->command->columns);
	return true;
}

/* ---- changes without a file ---- */

static bool finish(struct cli_run *run, const struct json *json)
{
	const struct json *rows = json_get(json_get(json, "d"), "results");

	if (json_is_array(rows)) {
		keystore_print_report(run, rows);
	}
	return true;
}

void keystore_print_report(struct cli_run *run, const struct json *rows)
{
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct jsonw w = jsonw_to(&text);
	struct err ignored;

	jsonw_array(&w);
	for (size_t i = 0; i < json_count(rows); i++) {
		keystore_add_clean(&w, json_at(rows, i));
	}
	jsonw_array_end(&w);
	if (!buf_failed(&text) && json_parse(buf_str(&text), CLI_TEXT_MAX, &json, &ignored)) {
		cli_print(run, json);
	}
}

static void add_text(struct jsonw *w, const struct cli_run *run, const char *row, const char *key)
{
	const char *value = cli_value(run, row);

	if (value) {
		jsonw_key_text(w, key, value);
	}
}

static void add_date(struct jsonw *w, const char *key, int64_t unix_ms)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "/Date(%lld)/", (long long)unix_ms);
	jsonw_key_text(w, key, text);
}

static bool add_validity(struct jsonw *w, const struct cli_run *run, struct err *err)
{
	const char *valid = cli_value(run, "valid-for");
	msec_t ms;

	if (!valid) {
		return true;
	}
	if (!clock_parse_duration(str_of(valid), &ms) || ms <= 0) {
		return err_set(err, ERR_CONFIG, "--valid-for is a time like 730d, not \"%s\"",
			       valid);
	}
	add_date(w, "ValidNotBefore", clock_unix_ms());
	add_date(w, "ValidNotAfter", clock_unix_ms() + ms);
	return true;
}

bool keystore_add_subject(struct jsonw *w, const struct cli_run *run, struct err *err)
{
	static const char *const rows[][2] = {
		{"signature", "SignatureAlgorithm"},
		{"common-name", "CommonName"},
		{"organization-unit", "OrganizationUnit"},
		{"organization", "Organization"},
		{"locality", "Locality"},
		{"state", "State"},
		{"country", "Country"},
		{"email", "Email"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		add_text(w, run, rows[i][0], rows[i][1]);
	}
	return add_validity(w, run, err);
}

bool cli_keystore_create(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf body = BUF(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct jsonw w = jsonw_to(&body);
	uint64_t size;
	const char *bits = cli_value(run, "key-size");

	if (bits && !str_to_u64(str_of(bits), &size)) {
		return err_set(err, ERR_CONFIG, "--key-size is a number of bits");
	}
	jsonw_object(&w);
	jsonw_key_text(&w, "Hexalias", "00");
	add_text(&w, run, "ALIAS", "Alias");
	add_text(&w, run, "key-type", "KeyType");
	add_text(&w, run, "curve", "KeyAlgorithmParameter");
	if (bits) {
		jsonw_key_int(&w, "KeySize", (int64_t)size);
	}
	if (!keystore_add_subject(&w, run, err)) {
		return false;
	}
	jsonw_object_end(&w);
	keystore_service(run, &path);
	buf_add_str(&path, STR("KeyPairGenerationRequests?returnKeystoreEntries=true"));
	return keystore_write(run, "POST", &path, buf_str(&body), &json, err) && finish(run, json);
}

bool cli_keystore_rename(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO(json_free) struct json *json = NULL;

	keystore_service(run, &path);
	keystore_add_entry(&path, "KeystoreEntries", str_of(cli_value(run, "ALIAS")));
	keystore_add_query(&path, "renameAlias", str_of(cli_value(run, "NEW-ALIAS")));
	return keystore_write(run, "PUT", &path, STR("{\"Status\":null}"), &json, err);
}

bool cli_keystore_delete(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO(json_free) struct json *json = NULL;

	keystore_service(run, &path);
	keystore_add_entry(&path, "KeystoreEntries", str_of(cli_value(run, "ALIAS")));
	return keystore_write(run, "DELETE", &path, STR_NONE, &json, err);
}

bool cli_keystore_preview(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO(json_free) struct json *json = NULL;
	const char *mode = cli_value(run, "mode");
	const char *backup = cli_value(run, "backup");

	buf_add_str(&path, STR("/api/drawbridge/v1/subaccounts/"));
	cli_add_encoded(&path, str_of(cli_value(run, "SUBACCOUNT")));
	buf_add_str(&path, STR("/keystore/preview"));
	keystore_add_query(&path, "mode", str_of(mode ? mode : "replace"));
	if (backup) {
		keystore_add_query(&path, "backup", str_of(backup));
	}
	if (buf_failed(&path)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	if (!cli_call(&run->session, "GET", path.at, STR_NONE, &json, err)) {
		return false;
	}
	cli_print(run, json_get(json, "items"));
	return true;
}

/* What it met is printed either way; a problem is exit status 1, for scripts. */
bool cli_keystore_test(struct cli_run *run, struct err *err)
{
	const struct cli_parsed *p = run->parsed;
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf body = BUF(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct str text = STR_NONE, next = STR_NONE;
	bool ok = false;

	if (!cli_write_path(p->command, p->values, NULL, &path, err) ||
	    !cli_write_body(p->command, p->values, &body, err) ||
	    !cli_call(&run->session, "POST", path.at, buf_str(&body), &json, err)) {
		return false;
	}
	cli_print(run, json);
	if (json_get_bool(json, "ok", &ok) && ok) {
		return true;
	}
	const struct json *problem = json_get(json, "problem");
	if (!json_get_str(problem, "text", &text) || !json_get_str(problem, "next", &next)) {
		text = STR("the connection failed");
	}
	return err_set(err, ERR_DENIED, "%.*s: %.*s", STR_ARGS(text), STR_ARGS(next));
}

/* Damage is printed, and is exit status 1, for monitoring jobs. */
bool cli_keystore_verify(struct cli_run *run, struct err *err)
{
	const struct cli_parsed *p = run->parsed;
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO(json_free) struct json *json = NULL;
	int64_t damaged = 0;

	if (!cli_write_path(p->command, p->values, NULL, &path, err) ||
	    !cli_call(&run->session, "GET", path.at, STR_NONE, &json, err)) {
		return false;
	}
	cli_print(run, json);
	if (!json_get_int(json, "damaged", &damaged)) {
		return err_set(err, ERR_PROTOCOL, "the server's answer has no result");
	}
	return damaged == 0 ||
	       err_set(err, ERR_DENIED,
		       "%lld damaged: delete them and import them again; backups made since an "
		       "entry came share its content, and so the damage",
		       (long long)damaged);
}
