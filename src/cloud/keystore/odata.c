#include "cloud/keystore/odata.h"

#include <stdarg.h>

#include "base/clock.h"
#include "cloud/directory/rooms.h"
#include "http/router.h"
#include "store/denials.h"
#include "store/export_pace.h"

#define API "/api/v1"

struct keystore *odata_keystore(const struct http_call *call)
{
	return ((const struct cloud_rooms *)call->user)->keystore;
}

struct keystore_change odata_change(const struct http_call *call)
{
	const struct directory_caller *caller = directory_caller(call);

	return (struct keystore_change){.actor = caller->actor,
					.tenant = str_of(caller->subaccount),
					.if_match = DIRECTORY_ANY_VERSION,
					.now = clock_unix_ms()};
}

/* ---- answers ---- */

/* The path up to and including /api/v1; at == NULL for another path. */
static struct str service_path(struct str path)
{
	struct str rest = path;

	if (str_starts(rest, STR("/t/"))) {
		rest = str_skip(rest, 3);
		rest = str_skip(rest, str_find(rest, '/'));
	}
	if (!str_starts(rest, STR(API)) ||
	    (rest.len > strlen(API) && rest.at[strlen(API)] != '/')) {
		return STR_NONE;
	}
	return str_first(path, path.len - rest.len + strlen(API));
}

void odata_root(const struct http_call *call, struct buf *out)
{
	buf_add_str(out, STR("https://"));
	buf_add_str(out, call->head->authority);
	buf_add_str(out, service_path(call->path));
}

/* The phrases of the original's stack, where RFC 9110 has newer ones. */
static const char *code_of(unsigned status)
{
	return status == 413 ? "Payload Too Large" : http_reason(status);
}

static void write_error(struct http_call *call, unsigned status, const char *text)
{
	buf_reset(&call->out);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "error");
	jsonw_object(&w);
	jsonw_key_text(&w, "code", code_of(status));
	jsonw_key(&w, "message");
	jsonw_object(&w);
	jsonw_key_text(&w, "lang", "en");
	jsonw_key_text(&w, "value", text);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	http_answer_json(call, status);
}

bool keystore_render_error(struct http_call *call, unsigned status, const char *detail)
{
	if (service_path(call->path).at == NULL) {
		return false;
	}
	write_error(call, status, detail);
	return true;
}

void odata_error(struct http_call *call, unsigned status, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	write_error(call, status, text);
	if (status == 503 || status == 423) {
		http_answer_field(call, "Retry-After", STR("1"));
	}
}

void odata_refuse(struct http_call *call, enum keystore_outcome outcome, const struct err *err)
{
	odata_note_denied(call, outcome, err->text);
	odata_error(call, keystore_status(outcome, err), "%s", err->text);
}

void odata_fail(struct http_call *call, const struct err *err)
{
	odata_error(call, http_status_of(err->kind), "%s", err->text);
}

void odata_empty(struct http_call *call)
{
	buf_reset(&call->out);
	call->status = 204;
}

void odata_end(struct http_call *call)
{
	http_answer_field(call, "DataServiceVersion", STR("2.0"));
	http_answer_json(call, 200);
}

void odata_hex(struct str alias, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to = buf_reserve(out, 2 * alias.len);

	for (size_t i = 0; to != NULL && i < alias.len; i++) {
		unsigned char c = (unsigned char)alias.at[i];
		to[2 * i] = digits[c >> 4];
		to[2 * i + 1] = digits[c & 15];
	}
	buf_commit(out, to != NULL ? 2 * alias.len : 0);
}

/* Letters, digits and what is harmless on every file system. */
static char file_char(char c, bool first)
{
	bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		     c == '-' || c == '_' || (!first && (c == '.' || c == ' '));
	return plain ? c : '_';
}

void odata_file(struct http_call *call, const char *type, struct str alias, const char *suffix)
{
	AUTO_BUF struct buf field = BUF(KIB(2));

	buf_add_str(&field, STR("attachment; filename=\""));
	for (size_t i = 0; i < alias.len; i++) {
		buf_add_c(&field, file_char(alias.at[i], i == 0));
	}
	buf_addf(&field, "%s\"", suffix);
	http_answer_field(call, "Content-Disposition", buf_str(&field));
	http_answer_field(call, "Content-Type", str_of(type));
	http_answer_field(call, "X-Content-Type-Options", STR("nosniff"));
	call->status = 200;
}

static bool note_granted(struct http_call *call, struct str action, struct str object,
			 const char *what)
{
	const struct cloud_rooms *rooms = call->user;
	const struct directory_caller *caller = directory_caller(call);
	const struct denial granted = {.who = caller->actor.who,
				       .from = caller->actor.from,
				       .tenant = str_of(caller->subaccount),
				       .what = action,
				       .object = object,
				       .reason = what,
				       .status = 200};
	char seconds[24];
	msec_t wait = denials_note_export(rooms->denials, &granted);

	if (wait > 0) {
		(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)(wait + 999) / 1000);
		http_answer_field(call, "Retry-After", str_of(seconds));
		http_problem(call, 429,
			     "more downloads and signing requests of this subaccount than it may "
			     "make (%d, and then %d a second)",
			     (int)EXPORTS_BURST, (int)EXPORTS_PER_SECOND);
	}
	return wait == 0;
}

bool odata_note_export(struct http_call *call, struct str object, const char *what)
{
	return note_granted(call, STR("keystore.export"), object, what);
}

bool odata_note_csr(struct http_call *call, struct str alias)
{
	return note_granted(call, STR("keystore.csr"), alias, "signing request");
}

void odata_note_denied(const struct http_call *call, enum keystore_outcome outcome,
		       const char *reason)
{
	const struct cloud_rooms *rooms = call->user;
	const struct directory_caller *caller = directory_caller(call);
	AUTO_BUF struct buf what = BUF(64);

	if (outcome != KEYSTORE_RESERVED) {
		return;
	}
	buf_addf(&what, "denied %.*s", STR_ARGS(str_first(call->head->method, 32)));
	denials_note(rooms->denials, &(const struct denial){.who = caller->actor.who,
							    .from = caller->actor.from,
							    .tenant = str_of(caller->subaccount),
							    .what = buf_str(&what),
							    .object = call->path,
							    .reason = reason,
							    .status = 403});
}

/* ---- questions ---- */

static bool is_json_range(struct str range)
{
	struct str type = str_trim(str_first(range, str_find(range, ';')));

	return str_eq(type, STR("*/*")) || str_eq_nocase(type, STR("application/*")) ||
	       str_eq_nocase(type, STR("application/json"));
}

/* A range with q=0 is one that is not wanted (RFC 9110, 12.4.2). */
static bool is_refused_range(struct str range)
{
	struct str rest = range, part;

	while (str_next(&rest, ';', &part)) {
		part = str_trim(part);
		if (str_starts_nocase(part, STR("q=0")) && part.len > 2) {
			struct str zeros = str_skip(part, 3);
			while (zeros.len > 0 && (zeros.at[0] == '.' || zeros.at[0] == '0')) {
				zeros = str_skip(zeros, 1);
			}
			return zeros.len == 0;
		}
	}
	return false;
}

bool odata_accepts_json(struct http_call *call)
{
	struct str rest = http_value(call->head, STR("Accept")), range;

	if (rest.len == 0) {
		return true;
	}
	while (str_next_listed(&rest, &range)) {
		if (is_json_range(range) && !is_refused_range(range)) {
			return true;
		}
	}
	odata_error(call, 406, "the answer is application/json: send it in Accept, or no Accept");
	return false;
}

bool odata_check_options(struct http_call *call)
{
	static const char *const options[] = {"$filter", "$orderby", "$top", "$skip",
					      "$inlinecount"};

	if (!odata_accepts_json(call)) {
		return false;
	}
	for (size_t i = 0; i < COUNT(options); i++) {
		if (http_query(call, options[i]).at != NULL) {
			odata_error(call, 501, "the query option %s is not supported here",
				    options[i]);
			return false;
		}
	}
	return true;
}

bool odata_alias(struct http_call *call, struct str *alias)
{
	struct str hex = http_param(call, "alias");
	uint8_t *bytes = arena_get(call->arena, hex.len / 2 + 1);

	if (hex.len % 2 != 0) {
		odata_error(call, 500, "hexBinary needs to be even-length: %.*s",
			    STR_ARGS(str_first(hex, 200)));
		return false;
	}
	if (hex.len > ODATA_HEX_MAX || bytes == NULL) {
		odata_error(call, 404, "no entry has an alias of that length");
		return false;
	}
	if (!str_to_hex_bytes(hex, bytes, hex.len / 2)) {
		odata_error(call, 500, "contains illegal character for hexBinary: %.*s",
			    STR_ARGS(str_first(hex, 200)));
		return false;
	}
	*alias = str_make(bytes, hex.len / 2);
	if (!str_is_utf8(*alias) || str_find(*alias, '\0') < alias->len) {
		odata_error(call, 404, "the alias is no text in UTF-8, so no entry has it");
		return false;
	}
	return true;
}

bool odata_flag(struct http_call *call, const char *name, bool *value)
{
	struct str text = http_query(call, name);

	if (text.at == NULL) {
		return true;
	}
	bool yes = str_eq_nocase(text, STR("true"));
	if (!yes && !str_eq_nocase(text, STR("false"))) {
		odata_error(call, 400, "%s must be true or false", name);
		return false;
	}
	*value = yes;
	return true;
}

const char *odata_store_name(struct str name)
{
	static const char *const names[] = {KEYSTORE_SYSTEM, KEYSTORE_BACKUP, KEYSTORE_RENEWAL,
					    KEYSTORE_HISTORY};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (str_eq(name, str_of(names[i]))) {
			return names[i];
		}
	}
	return NULL;
}

bool odata_place(struct http_call *call, struct keystore_place *place)
{
	struct str name = http_query(call, "keystoreName");
	const char *known = name.at != NULL ? odata_store_name(name) : KEYSTORE_SYSTEM;

	if (known == NULL) {
		odata_error(call, 400,
			    "keystoreName is \"%.*s\": it must be system, backup_admin_system, "
			    "KeyRenewal or KeyHistory",
			    STR_ARGS(str_first(name, 100)));
		return false;
	}
	*place = (struct keystore_place){.tenant = str_of(directory_caller(call)->subaccount),
					 .name = known};
	return true;
}

/* Digits with an optional minus in front. */
static bool read_number(struct str text, int64_t *n)
{
	uint64_t magnitude;
	bool negative = str_starts(text, STR("-"));

	if (!str_to_u64(str_skip(text, negative), &magnitude) || magnitude > INT64_MAX) {
		return false;
	}
	*n = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}

bool odata_read_date(struct str text, int64_t *unix_ms)
{
	if (!str_starts(text, STR("/Date(")) || !str_ends(text, STR(")/")) || text.len < 9) {
		return false;
	}
	text = str_first(str_skip(text, 6), text.len - 8);
	/* the offset tells how to show the moment, not which it is */
	size_t plus = str_find(str_skip(text, 1), '+'), minus = str_find(str_skip(text, 1), '-');
	size_t end = 1 + (plus < minus ? plus : minus);
	struct str offset = str_skip(text, end);
	uint64_t minutes;
	if (offset.len > 0 && (offset.len > 5 || !str_to_u64(str_skip(offset, 1), &minutes))) {
		return false;
	}
	return read_number(str_first(text, end), unix_ms);
}

bool odata_text(struct http_call *call, const struct json *body, const char *name, struct str *out)
{
	const struct json *member = json_get(body, name);

	*out = STR("");
	if (member == NULL || json_is_null(member) || json_str(member, out)) {
		return true;
	}
	odata_error(call, 400, "the property %s must be a text", name);
	return false;
}

bool odata_bytes(struct http_call *call, const struct json *body, const char *name, struct buf *out)
{
	struct str text;

	if (!odata_text(call, body, name, &text)) {
		return false;
	}
	if (text.len == 0 || !buf_add_decoded_base64(out, text)) {
		odata_error(call, 400, "the property %s must be base64", name);
		return false;
	}
	return true;
}
