/* What a handler asks of its request. */
#include "http/router.h"

struct str http_param(const struct http_call *call, const char *name)
{
	int i = call->route ? route_param_index(call->route->pattern, name) : -1;
	return i < 0 ? STR_NONE : call->params[i];
}

/* The first `name=value` of a list joined by '&'. */
static struct str find_pair(struct http_call *call, struct str pairs, const char *name)
{
	struct str pair = STR_NONE;
	while (str_next(&pairs, '&', &pair)) {
		size_t at = str_find(pair, '=');
		struct str key = http_decode(str_first(pair, at), true, call->arena);
		if (key.at != NULL && str_eq(key, str_of(name))) {
			return http_decode(str_skip(pair, at + 1), true, call->arena);
		}
	}
	return STR_NONE;
}

struct str http_query(struct http_call *call, const char *name)
{
	return find_pair(call, call->query, name);
}

/* The media type without its parameters. */
static struct str content_type(const struct http_call *call)
{
	struct str value = http_value(call->head, STR("content-type"));
	return str_trim(str_first(value, str_find(value, ';')));
}

struct str http_form(struct http_call *call, const char *name)
{
	if (!str_eq_nocase(content_type(call), STR("application/x-www-form-urlencoded"))) {
		return STR_NONE;
	}
	return find_pair(call, call->body, name);
}

struct str http_cookie(struct http_call *call, const char *name)
{
	const struct http_field *field = NULL;
	size_t at = 0;
	while ((field = http_find(call->head, STR("cookie"), &at)) != NULL) {
		struct str rest = field->value;
		struct str pair = STR_NONE;
		while (str_next(&rest, ';', &pair)) {
			pair = str_trim(pair);
			size_t end = str_find(pair, '=');
			if (end < pair.len && str_eq(str_first(pair, end), str_of(name))) {
				return str_skip(pair, end + 1);
			}
		}
	}
	return STR_NONE;
}

bool http_basic(struct http_call *call, struct str *user, struct str *password)
{
	enum {
		CREDENTIALS_MAX = 1024
	}; /* bytes; a name and a password */
	size_t at = 0;
	const struct http_field *field = http_find(call->head, STR("authorization"), &at);
	if (field == NULL || !str_starts_nocase(field->value, STR("basic ")) ||
	    http_find(call->head, STR("authorization"), &at) != NULL) {
		return false; /* two of them: which one would another reader take? */
	}
	AUTO_BUF struct buf text = BUF_SECRET(CREDENTIALS_MAX);
	if (!buf_add_decoded_base64(&text, str_trim(str_skip(field->value, 6)))) {
		return false;
	}
	size_t colon = str_find(buf_str(&text), ':');
	struct str copy = arena_str(call->arena, buf_str(&text));
	if (colon == text.len || copy.at == NULL || str_find(copy, '\0') < copy.len) {
		return false;
	}
	*user = str_first(copy, colon);
	*password = str_skip(copy, colon + 1);
	return true;
}

bool http_json(struct http_call *call, const struct json **out)
{
	struct err err = {0};
	if (call->json == NULL) {
		struct str type = content_type(call);
		if (!str_eq_nocase(type, STR("application/json")) &&
		    !str_ends(type, STR("+json"))) {
			http_problem(call, 415, "the body must be application/json");
			return false;
		}
		bool good =
			call->settings->lenient_json
				? json_parse_lenient(call->body, call->body.len, &call->json, &err)
				: json_parse(call->body, call->body.len, &call->json, &err);
		if (!good) {
			http_problem(call, 400, "%s", err.text);
			return false;
		}
	}
	*out = call->json;
	return true;
}

bool http_json_object(struct http_call *call, const struct json **out)
{
	const struct json *body = NULL;

	if (!http_json(call, &body)) {
		return false;
	}
	if (!json_is_object(body)) {
		http_problem(call, 400, "the body must be a JSON object");
		return false;
	}
	*out = body;
	return true;
}
