/* Changing: flags, back up, restore, undo, the provider's entries, settings. */
#include "base/clock.h"
#include "cloud/keystore/api.h"
#include "cloud/keystore/keystore_priv.h"

static bool read_text(struct http_call *call, const struct json *body, const char *name,
		      struct str *out)
{
	const struct json *member = json_get(body, name);

	*out = STR("");
	if (member == NULL || json_is_null(member) || json_str(member, out)) {
		return true;
	}
	http_problem(call, 400, "\"%s\" must be a text", name);
	return false;
}

/* A body may be left out where each of its members may. */
static bool read_body(struct http_call *call, const struct json **body)
{
	*body = NULL;
	return call->body.len == 0 || http_json_object(call, body);
}

void api_put_entry(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct str alias;
	struct err err = {0};
	bool trusted;

	if (!api_alias(call, &alias) || !api_read_match(call, &change.if_match) ||
	    !http_json_object(call, &body)) {
		return;
	}
	if (!json_get_bool(body, "trustedForInbound", &trusted)) {
		http_problem(call, 400, "\"trustedForInbound\" must be true or false");
		return;
	}
	change.provider = (directory_caller(call)->user.roles & ACCESS_A) != 0 &&
			  keystore_alias_is_reserved(odata_keystore(call), alias);
	enum keystore_outcome outcome =
		keystore_set_flags(odata_keystore(call), &change, alias,
				   trusted ? KEYS_FLAG_INBOUND : 0, &report, &err);
	api_finish(call, outcome, &report, &err);
}

/* ---- backups ---- */

void api_back_up(struct http_call *call)
{
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct keystore_pin pin;
	struct str note;
	struct err err = {0};

	if (!read_body(call, &body) || !read_text(call, body, "note", &note) ||
	    !api_read_match(call, &change.if_match)) {
		return;
	}
	if (note.len >= KEYSTORE_NOTE_MAX) {
		http_problem(call, 400, "\"note\" is longer than %d bytes", KEYSTORE_NOTE_MAX - 1);
		return;
	}
	enum keystore_outcome outcome =
		keystore_back_up(odata_keystore(call), &change, note, &pin, NULL, &err);
	if (outcome != KEYSTORE_DONE && outcome != KEYSTORE_SAME) {
		api_refuse(call, outcome, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_int(&w, "backup", pin.id);
	jsonw_key_int(&w, "generation", pin.generation);
	jsonw_key_time_ms(&w, "at", pin.at);
	jsonw_key_int(&w, "entries", pin.entries);
	jsonw_key_text(&w, "note", pin.note);
	jsonw_object_end(&w);
	http_answer_json(call, 201);
}

static bool read_restore_mode(struct http_call *call, struct str text, enum keystore_restore *mode)
{
	if (text.len == 0 || str_eq(text, STR("replace"))) {
		*mode = KEYSTORE_RESTORE_REPLACE;
		return true;
	}
	if (str_eq(text, STR("overwrite"))) {
		*mode = KEYSTORE_RESTORE_OVERWRITE;
		return true;
	}
	http_problem(call, 400, "mode must be replace (entries made since go) or overwrite");
	return false;
}

void api_preview(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct str pin = http_query(call, "backup");
	enum keystore_restore mode;
	struct err err = {0};
	uint64_t id = 0;

	if (!read_restore_mode(call, http_query(call, "mode"), &mode) ||
	    !api_read_match(call, &change.if_match)) {
		return;
	}
	if (pin.at != NULL && (!str_to_u64(pin, &id) || id > INT64_MAX)) {
		http_problem(call, 400, "backup must be the number of one, from /backups");
		return;
	}
	enum keystore_outcome outcome =
		keystore_preview(odata_keystore(call), &change, (int64_t)id, mode, &report, &err);
	api_finish(call, outcome, &report, &err);
}

void api_restore(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	const struct json *body;
	enum keystore_restore mode;
	int64_t pin = 0;
	struct str text;
	struct err err = {0};

	if (!read_body(call, &body) || !read_text(call, body, "mode", &text) ||
	    !read_restore_mode(call, text, &mode) || !api_read_match(call, &change.if_match)) {
		return;
	}
	const struct json *member = json_get(body, "backup");
	if (member != NULL && !json_is_null(member) && (!json_int(member, &pin) || pin < 1)) {
		http_problem(call, 400, "\"backup\" must be the number of one, from /backups");
		return;
	}
	enum keystore_outcome outcome =
		keystore_restore(odata_keystore(call), &change, pin, mode, &report, &err);
	api_finish(call, outcome, &report, &err);
}

void api_undo(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct err err = {0};

	if (!api_read_match(call, &change.if_match)) {
		return;
	}
	enum keystore_outcome outcome = keystore_undo(odata_keystore(call), &change, &report, &err);
	api_finish(call, outcome, &report, &err);
}

/* ---- the provider's entries: administrators only ---- */

static bool read_resource(struct http_call *call, const struct json *body, struct buf *file)
{
	struct str text;

	if (!read_text(call, body, "resource", &text)) {
		return false;
	}
	if (text.len == 0 || !buf_add_decoded_base64(file, text)) {
		http_problem(call, 400, "\"resource\" must be a file in base64");
		return false;
	}
	return true;
}

/* A lone certificate is no container with keys: the bytes tell. */
static enum keystore_outcome put_one(struct http_call *call, struct keystore_change *change,
				     struct str alias, struct str file, struct str password,
				     bool update, struct keystore_report *report, struct err *err)
{
	enum keystore_outcome outcome = keystore_put_certificate(odata_keystore(call), change,
								 alias, file, update, report, err);

	if (outcome != KEYSTORE_UNREADABLE && outcome != KEYSTORE_LIMIT) {
		return outcome;
	}
	keystore_report_fini(report);
	*err = (struct err){0};
	return keystore_put_key_pair(odata_keystore(call), change, alias, file, password, update,
				     report, err);
}

void api_provider_import(struct http_call *call)
{
	AUTO_BUF struct buf file = BUF_SECRET(ODATA_BODY_MAX);
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct str alias, password;
	bool update = false;
	struct err err = {0};

	change.provider = true;
	change.confirmed = true; /* who provides decides what is trusted */
	if (!http_json_object(call, &body) || !read_text(call, body, "alias", &alias) ||
	    !read_text(call, body, "password", &password) || !read_resource(call, body, &file)) {
		return;
	}
	(void)!json_get_bool(body, "update", &update);
	enum keystore_outcome outcome =
		alias.len > 0
			? put_one(call, &change, alias, buf_str(&file), password, update, &report,
				  &err)
			: keystore_import(odata_keystore(call), &change, buf_str(&file), password,
					  update ? KEYSTORE_OVERWRITE : KEYSTORE_MERGE, true,
					  &report, &err);
	api_finish(call, outcome, &report, &err);
}

void api_provider_delete(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct str alias;
	struct err err = {0};

	change.provider = true;
	if (!api_alias(call, &alias) || !api_read_match(call, &change.if_match)) {
		return;
	}
	enum keystore_outcome outcome =
		keystore_delete(odata_keystore(call), &change, &alias, 1, &report, &err);
	api_finish(call, outcome, &report, &err);
}

/* ---- settings ---- */

static void answer_settings(struct http_call *call)
{
	struct keystore_place place = api_place(call);
	struct keystore_head head;
	struct err err;

	if (!keystore_head(odata_keystore(call), &place, clock_unix_ms(), &head, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_bool(&w, "clientCertificateRequired", head.requires_certificate);
	jsonw_object_end(&w);
	api_answer_version(call, head.generation);
	http_answer_json(call, 200);
}

void api_settings(struct http_call *call)
{
	answer_settings(call);
}

void api_put_settings(struct http_call *call)
{
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct err err = {0};
	bool required;

	if (!http_json_object(call, &body) || !api_read_match(call, &change.if_match)) {
		return;
	}
	if (!json_get_bool(body, "clientCertificateRequired", &required)) {
		http_problem(call, 400, "\"clientCertificateRequired\" must be true or false");
		return;
	}
	enum keystore_outcome outcome =
		keystore_require_certificate(odata_keystore(call), &change, required, &err);
	if (outcome == KEYSTORE_DONE || outcome == KEYSTORE_SAME) {
		answer_settings(call);
	} else {
		api_refuse(call, outcome, &err);
	}
}
