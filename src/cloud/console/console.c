#include "cloud/console/console.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "cloud/console/console_priv.h"

enum {
	PAGE_DEFAULT = 100,
};

bool console_new(const struct console_settings *settings, struct console **out, struct err *err)
{
	if (settings->region_host == NULL || settings->region_host[0] == 0) {
		return err_set(err, ERR_CONFIG, "region.host is not set");
	}
	struct console *c = NEW(struct console);
	c->settings = *settings;
	pthread_mutex_init(&c->lock, NULL);
	c->names = BUF(CONSOLE_NAMES_MAX);
	*out = c;
	return true;
}

void console_free(struct console *c)
{
	if (c != NULL) {
		pthread_mutex_destroy(&c->lock);
		buf_fini(&c->names);
		free(c);
	}
}

bool console_set_names(struct console *c, const char *names, struct err *err)
{
	struct str rest = str_of(names), name;

	pthread_mutex_lock(&c->lock);
	buf_reset(&c->names);
	while (str_next_listed(&rest, &name)) {
		buf_add_str(&c->names, str_skip(name, str_starts(name, STR("*.")) ? 2 : 0));
		buf_add_c(&c->names, ',');
	}
	bool fits = !buf_failed(&c->names);
	pthread_mutex_unlock(&c->lock);
	return fits ||
	       err_set(err, ERR_CONFIG, "server.names: longer than %d bytes", CONSOLE_NAMES_MAX);
}

void console_add_names(struct console *c, struct buf *out)
{
	pthread_mutex_lock(&c->lock);
	buf_add_str(out, buf_str(&c->names));
	pthread_mutex_unlock(&c->lock);
}

#define ADMINISTRATOR "Administrator"

enum console_setup console_setup(struct store *s, struct err *err)
{
	struct directory_user user;
	int64_t n;

	if (!directory_user_count(s, &n, err)) {
		return CONSOLE_SETUP_FAILED;
	}
	if (n == 0) {
		return CONSOLE_SETUP_FIRST;
	}
	if (directory_user_find(s, STR(ADMINISTRATOR), &user, err)) {
		return user.must_change ? CONSOLE_SETUP_INITIAL : CONSOLE_SETUP_DONE;
	}
	return err->kind == ERR_MISSING ? CONSOLE_SETUP_DONE : CONSOLE_SETUP_FAILED;
}

void console_password_changed(const struct http_call *call, struct str name)
{
	const struct console_settings *s = &console_of(call)->settings;

	if (s->password_changed != NULL && str_eq(name, STR(ADMINISTRATOR))) {
		s->password_changed(s->changed_user);
	}
}

bool console_first_start(struct store *s, struct str setup_code, bool *made, struct err *err)
{
	const struct directory_actor actor = {.who = STR("system"), .from = STR("")};
	struct directory_user user = {.name = ADMINISTRATOR,
				      .display_name = ADMINISTRATOR,
				      .roles = DIRECTORY_ROLE_ADMINISTRATOR,
				      .must_change = true};
	int64_t n;

	*made = false;
	if (!directory_user_count(s, &n, err)) {
		return false;
	}
	if (n > 0) {
		return true;
	}
	*made = directory_user_create(s, &actor, &user, setup_code, err);
	return *made || err->kind == ERR_CONFLICT; /* another node was first */
}

struct console *console_of(const struct http_call *call)
{
	return ((const struct cloud_rooms *)call->user)->console;
}

struct store *console_store(const struct http_call *call)
{
	return console_of(call)->settings.store;
}

const struct directory_caller *console_caller(const struct http_call *call)
{
	return call->identity;
}

bool console_may(const struct http_call *call, unsigned roles)
{
	return (console_caller(call)->user.roles & roles) != 0;
}

void console_changed(const struct http_call *call)
{
	const struct console_settings *s = &console_of(call)->settings;

	if (s->changed != NULL) {
		s->changed(s->changed_user);
	}
}

/* How many were left out since the last row; -1: leave this one out too. */
static int may_note(struct console *c, int64_t now)
{
	int skipped = -1;

	pthread_mutex_lock(&c->lock);
	if (c->denied_s != now) {
		c->denied_s = now;
		c->denied = 0;
	}
	if (c->denied < CONSOLE_DENIED_PER_S) {
		c->denied++;
		skipped = (int)c->skipped;
		c->skipped = 0;
	} else {
		c->skipped++;
	}
	pthread_mutex_unlock(&c->lock);
	return skipped;
}

void console_note_denied(struct http_call *call, struct str who, const char *why)
{
	AUTO_BUF struct buf what = BUF(64), object = BUF(512), after = BUF(KIB(2));
	struct jsonw w = jsonw_to(&after);
	char from[80] = "";
	struct err err;
	int skipped = may_note(console_of(call), clock_unix());

	if (skipped < 0) {
		return;
	}
	address_format(&call->peer, from, sizeof(from));
	buf_addf(&what, "denied %.*s", (int)(call->head->method.len % 32), call->head->method.at);
	buf_add_str(&object, str_first(call->path, 500));
	jsonw_object(&w);
	jsonw_key_text(&w, "reason", why);
	jsonw_key_int(&w, "left out before", skipped);
	jsonw_object_end(&w);
	const struct directory_caller *caller = call->identity;
	const struct change_audit audit = {.who = str_is_utf8(who) ? who : STR("user:?"),
					   .tenant = str_of(caller ? caller->subaccount : ""),
					   .from = str_of(from),
					   .what = buf_str(&what),
					   .object = buf_str(&object),
					   .after = buf_str(&after)};
	if (!store_denied(console_store(call), &audit, &err)) {
		log_error("a denied attempt could not be recorded", LOG_ERR(&err));
	}
}

/* ---- bodies ---- */

bool console_take_text(struct http_call *call, const struct json *body, const char *name,
		       bool required, char *into, size_t size)
{
	const struct json *member = json_get(body, name);
	struct str value;

	if (member == NULL && !required) {
		return true;
	}
	if (member == NULL || !json_str(member, &value)) {
		http_problem(call, 400, "\"%s\" must be a text", name);
		return false;
	}
	if (!str_copy(value, into, size)) {
		http_problem(call, 400, "\"%s\" is longer than %zu bytes", name, size - 1);
		return false;
	}
	if (strlen(into) != value.len) {
		http_problem(call, 400, "\"%s\" holds a NUL", name);
		return false;
	}
	return true;
}

bool console_take_bool(struct http_call *call, const struct json *body, const char *name,
		       bool *into)
{
	const struct json *member = json_get(body, name);

	if (member != NULL && !json_bool(member, into)) {
		http_problem(call, 400, "\"%s\" must be true or false", name);
		return false;
	}
	return true;
}

bool console_read_page(struct http_call *call, struct console_page *page)
{
	struct str limit = http_query(call, "limit");
	uint64_t n = PAGE_DEFAULT;

	if (limit.at != NULL && (!str_to_u64(limit, &n) || n < 1 || n > DIRECTORY_PAGE_MAX)) {
		http_problem(call, 400, "limit must be a number from 1 to %d", DIRECTORY_PAGE_MAX);
		return false;
	}
	page->limit = (size_t)n;
	page->after = http_query(call, "after");
	return true;
}

bool console_read_match(struct http_call *call, int64_t *version)
{
	struct str match = http_value(call->head, STR("If-Match"));
	uint64_t n;

	*version = DIRECTORY_ANY_VERSION;
	if (match.at == NULL || str_eq(match, STR("*"))) {
		return true;
	}
	if (match.len < 3 || match.at[0] != '"' || match.at[match.len - 1] != '"' ||
	    !str_to_u64(str_make(match.at + 1, match.len - 2), &n) || n > INT32_MAX) {
		http_problem(call, 400, "If-Match must be an ETag that this server gave out, or *");
		return false;
	}
	*version = (int64_t)n;
	return true;
}

/* ---- answers ---- */

void console_answer_version(struct http_call *call, int64_t version)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "\"%lld\"", (long long)version);
	http_answer_field(call, "ETag", str_of(tag));
}

struct jsonw console_begin_list(struct http_call *call)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	return w;
}

void console_end_list(struct http_call *call, struct jsonw *w, const char *next)
{
	jsonw_array_end(w);
	jsonw_key(w, "next");
	if (next != NULL) {
		jsonw_str(w, str_of(next));
	} else {
		jsonw_null(w);
	}
	jsonw_object_end(w);
	http_answer_json(call, 200);
}

void console_answer_empty(struct http_call *call)
{
	call->status = 204;
}

/* As a URI (RFC 3986): names may hold blanks, percent signs and letters of any script. */
static void add_uri(struct buf *out, struct str path)
{
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.at[i];
		if (c <= 0x20 || c >= 0x7f || strchr("%\"<>\\^`{|}?#[]", c) != NULL) {
			buf_addf(out, "%%%02X", c);
		} else {
			buf_add_c(out, (char)c);
		}
	}
}

void console_answer_created(struct http_call *call, const char *fmt, ...)
{
	char path[1024];
	AUTO_BUF struct buf uri = BUF(sizeof(path) * 3);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	add_uri(&uri, str_of(path));
	http_answer_field(call, "Location", buf_str(&uri));
	http_answer_json(call, 201);
}

void console_finish(struct http_call *call, bool ok, const struct err *err)
{
	if (!ok) {
		http_problem_err(call, err);
		return;
	}
	console_changed(call);
	console_answer_empty(call);
}
