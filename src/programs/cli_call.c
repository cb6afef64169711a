#include "programs/cli.h"

static const char *const usual_urls[] = {
	[CLI_CONNECTOR] = "https://localhost:8443",
	[CLI_CLOUD] = "https://localhost:9443",
};

static bool set_trust(struct cli_session *s, struct err *err)
{
	const struct cli_settings *settings = s->settings;
	if (settings->root_pin != NULL) {
		s->has_pin = str_to_hex_bytes(str_of(settings->root_pin), s->pin, sizeof s->pin);
		if (!s->has_pin) {
			return err_set(err, ERR_CONFIG, "--root-pin needs 64 hex digits");
		}
	}
	if (settings->ca_file == NULL) {
		return true;
	}
	return cli_read_file(settings->ca_file, &s->anchors, err) &&
	       (str_contains(buf_str(&s->anchors), STR("-----BEGIN CERTIFICATE-----")) ||
		err_set(err, ERR_CONFIG, "--ca-file: %s holds no certificate in PEM",
			settings->ca_file));
}

bool cli_session_open(enum cli_server server, const struct cli_settings *settings,
		      struct cli_session *out, struct err *err)
{
	*out = (struct cli_session){.settings = settings,
				    .server = server,
				    .password = BUF_SECRET(CLI_FILE_MAX),
				    .anchors = BUF(CLI_FILE_MAX)};
	struct str url = str_of(settings->url ? settings->url : usual_urls[server]);
	while (str_ends(url, STR("/"))) {
		url.len--;
	}
	if (!str_copy(url, out->url, sizeof out->url)) {
		return err_set(err, ERR_CONFIG, "--url is too long");
	}
	char prompt[300];
	snprintf(prompt, sizeof prompt, "Password of %s at %.200s",
		 settings->login ? settings->login : "", out->url);
	return set_trust(out, err) && cli_secret(settings->password_file, "DRAWBRIDGE_PASSWORD",
						 prompt, &out->password, err);
}

void cli_session_close(struct cli_session *s)
{
	buf_fini(&s->password);
	buf_fini(&s->anchors);
}

/* The reason out of problem+json, or out of the original's two forms. */
static void find_reason(const struct json *json, struct str *text)
{
	const struct json *odata = json_get(json_get(json, "error"), "message");

	if (!json_get_str(json, "detail", text) && !json_get_str(json, "message", text) &&
	    !json_get_str(odata, "value", text)) {
		*text = STR_NONE;
	}
}

/* A certificate that has to be confirmed (spec/keystore.md, 3.5): the answer is the entry. */
static bool is_unconfirmed(struct cli_session *s, const struct json *json)
{
	struct str fingerprint;

	return json_get_str(json, "FingerprintSha256", &fingerprint) &&
	       str_copy(fingerprint, s->untrusted, sizeof(s->untrusted));
}

/* What only the command line knows of a refusal. */
static const char *next_step(const struct cli_session *s, unsigned status, struct str text)
{
	bool connector = s->server == CLI_CONNECTOR;

	if (status == 403 && str_contains(text, STR("initial password"))) {
		return connector ? ": drawbridge connector setup does it"
				 : ": drawbridge cloud user password NAME does it";
	}
	if (status == 404 && str_contains(text, STR("nothing at this path"))) {
		return connector ? ": is this the address of a connector?"
				 : ": is this the address of the cloud side?";
	}
	return "";
}

static bool refused(struct cli_session *s, const struct fetch_answer *a, struct err *err)
{
	AUTO(json_free) struct json *json = NULL;
	struct err ignored;
	struct str text = STR_NONE;

	if (json_parse(buf_str(&a->body), a->body.max, &json, &ignored)) {
		find_reason(json, &text);
		if (is_unconfirmed(s, json)) {
			return err_set(err, ERR_DENIED,
				       "nothing that is trusted stands behind this certificate. If "
				       "its owner confirms the SHA-256 fingerprint, repeat with "
				       "--fingerprint %s",
				       s->untrusted);
		}
	}
	if (text.len == 0) {
		text = str_of(a->status == 401 ? "the user or the password is wrong"
					       : http_reason(a->status));
	}
	return err_set(err, ERR_DENIED, "%s: %.*s (HTTP %u)%s", s->url,
		       STR_ARGS(str_first(text, 300)), a->status, next_step(s, a->status, text));
}

static bool explain(struct cli_session *s, const struct fetch_answer *a, struct err *err)
{
	if (a->untrusted) {
		err_set(err, ERR_DENIED,
			"%s is not trusted, nothing was sent. Its root has the fingerprint %s: if "
			"that is "
			"what its operator says, pass --root-pin with it, or --ca-file with the "
			"root",
			s->url, a->peer_root_sha256);
	}
	return false;
}

/* Fields besides those of a session: two that are always sent, and the body's type. */
static size_t add_fields(const struct cli_session *s, bool has_body, struct http_field *fields)
{
	size_t n = 0;

	fields[n++] = (struct http_field){.name = STR("Accept"), .value = STR("application/json")};
	if (s->csrf_token[0]) {
		fields[n++] = (struct http_field){.name = STR("X-CSRF-Token"),
						  .value = str_of(s->csrf_token)};
		fields[n++] =
			(struct http_field){.name = STR("Cookie"), .value = str_of(s->cookies)};
	} else { /* no session is wanted: the password goes with each request */
		fields[n++] = (struct http_field){.name = STR("Connection"), .value = STR("close")};
	}
	if (has_body) {
		fields[n++] = (struct http_field){
			.name = STR("Content-Type"),
			.value = str_of(s->content_type ? s->content_type : "application/json")};
	}
	return n;
}

static bool ask(struct cli_session *s, struct fetch_request *r, const char *path,
		struct fetch_answer *answer, struct err *err)
{
	char url[sizeof(s->url) + CLI_PATH_MAX];

	(void)snprintf(url, sizeof(url), "%s%s", s->url, path);
	r->url = url;
	r->user = s->settings->login;
	r->password = s->password.at;
	r->anchors_pem = buf_str(&s->anchors);
	r->system_anchors = s->anchors.len == 0 && !s->has_pin;
	r->root_pin = s->has_pin ? s->pin : NULL;
	r->timeout = s->settings->timeout;
	r->answer_max = CLI_TEXT_MAX;
	if (!fetch(r, answer, err)) {
		return explain(s, answer, err);
	}
	return answer->status < 300 || refused(s, answer, err);
}

static bool call(struct cli_session *s, const char *method, const char *path, struct str body,
		 struct fetch_answer *answer, struct err *err)
{
	struct http_field fields[4];
	struct fetch_request request = {.method = method, .fields = fields, .body = body};

	request.n_fields = add_fields(s, body.len > 0, fields);
	return ask(s, &request, path, answer, err);
}

bool cli_open_session(struct cli_session *s, const char *path, struct err *err)
{
	const struct http_field fields[] = {
		{.name = STR("Accept"), .value = STR("application/json")},
		{.name = STR("X-CSRF-Token"), .value = STR("Fetch")},
	};
	struct fetch_request request = {
		.method = "GET", .fields = fields, .n_fields = COUNT(fields)};
	struct fetch_answer answer;
	bool good = ask(s, &request, path, &answer, err);

	if (good && (answer.csrf_token[0] == '\0' || answer.cookies[0] == '\0')) {
		good = err_set(err, ERR_PROTOCOL, "%s gave no session with a CSRF token", s->url);
	}
	if (good) {
		memcpy(s->csrf_token, answer.csrf_token, sizeof(s->csrf_token));
		memcpy(s->cookies, answer.cookies, sizeof(s->cookies));
	}
	fetch_answer_fini(&answer);
	return good;
}

bool cli_call_raw(struct cli_session *s, const char *method, const char *path, struct str body,
		  struct buf *out, struct err *err)
{
	struct fetch_answer answer;
	bool good = call(s, method, path, body, &answer, err);

	if (good) {
		buf_add_str(out, buf_str(&answer.body));
		good = !buf_failed(out) || err_set(err, ERR_LIMIT, "the answer is too long");
	}
	fetch_answer_fini(&answer);
	return good;
}

static bool read_answer(const struct cli_session *s, const struct fetch_answer *a,
			struct json **json, struct err *err)
{
	if (a->body.len == 0) {
		return true;
	}
	if (str_starts_nocase(str_of(a->content_type), STR("text/html"))) {
		return err_set(err, ERR_DENIED, "%s answers with a web page: is the URL right?",
			       s->url);
	}
	if (!json_parse(buf_str(&a->body), a->body.max, json, err)) {
		return err_wrap(err, "the answer of %s", s->url);
	}
	return true;
}

bool cli_call(struct cli_session *s, const char *method, const char *path, struct str body,
	      struct json **json, struct err *err)
{
	struct fetch_answer answer;

	*json = NULL;
	bool good = call(s, method, path, body, &answer, err) && read_answer(s, &answer, json, err);
	fetch_answer_fini(&answer);
	return good;
}
