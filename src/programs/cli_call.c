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
	return settings->ca_file == NULL || cli_read_file(settings->ca_file, &s->anchors, err);
}

bool cli_session_open(enum cli_server server, const struct cli_settings *settings,
		      struct cli_session *out, struct err *err)
{
	*out = (struct cli_session){.settings = settings,
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

/* The reason out of problem+json, or out of the original's form. */
static bool refused(const struct cli_session *s, const struct fetch_answer *a, struct err *err)
{
	AUTO(json_free) struct json *json = NULL;
	struct err ignored;
	struct str text = STR_NONE;
	if (json_parse(buf_str(&a->body), a->body.max, &json, &ignored) &&
	    !json_get_str(json, "detail", &text) && !json_get_str(json, "message", &text)) {
		text = STR_NONE;
	}
	if (text.len == 0) {
		text = str_of(a->status == 401 ? "the user or the password is wrong"
					       : http_reason(a->status));
	}
	return err_set(err, ERR_DENIED, "%s: %.*s (HTTP %u)", s->url,
		       STR_ARGS(str_first(text, 300)), a->status);
}

static bool read_answer(const struct cli_session *s, const struct fetch_answer *a,
			struct json **json, struct err *err)
{
	if (a->status >= 300) {
		return refused(s, a, err);
	}
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

bool cli_call(struct cli_session *s, const char *method, const char *path, struct str body,
	      struct json **json, struct err *err)
{
	char url[sizeof(s->url) + CLI_PATH_MAX];
	/* no session is wanted: the password goes with each request */
	struct http_field fields[] = {
		{.name = STR("Accept"), .value = STR("application/json")},
		{.name = STR("Connection"), .value = STR("close")},
		{.name = STR("Content-Type"),
		 .value = str_of(s->content_type ? s->content_type : "application/json")},
	};
	snprintf(url, sizeof url, "%s%s", s->url, path);
	struct fetch_request request = {.method = method,
					.url = url,
					.fields = fields,
					.n_fields = body.len ? 3 : 2,
					.body = body,
					.user = s->settings->login,
					.password = s->password.at,
					.anchors_pem = buf_str(&s->anchors),
					.system_anchors = s->anchors.len == 0 && !s->has_pin,
					.root_pin = s->has_pin ? s->pin : NULL,
					.timeout = s->settings->timeout};
	struct fetch_answer answer;
	*json = NULL;
	bool good = fetch(&request, &answer, err) ? read_answer(s, &answer, json, err)
						  : explain(s, &answer, err);
	fetch_answer_fini(&answer);
	return good;
}
