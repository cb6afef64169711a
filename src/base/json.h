#pragma once
/*
 * JSON: reading through jansson with bounds, writing with a streaming writer of our own (a list of
 * 10,000 entries costs jansson 400 ms, docs in spec). RFC 8259.
 *
 * Read: json_parse() gives a tree; struct json is jansson's value, lent or owned as named here.
 * Numbers must fit int64; duplicate keys, \u0000 and what is no UTF-8 are refused; depth and size
 * are bounded (ERR_LIMIT; anything else wrong in the text is ERR_CONFIG). A tree's memory is wiped
 * when it is freed, since passwords pass through it.
 * A "tolerant" getter also takes "true", "17" as strings, as clients of the original send them.
 */
#include "base/buf.h"
#include "base/err.h"

struct json; /* a jansson value under another name, so that jansson.h stays in base */

enum {
	JSON_DEPTH_MAX = 32, /* nesting; deeper input is refused (stack of the parser) */
	/*
	 * Values in one text: a tree takes up to 230 bytes for each, so 32 MiB of "{}," would take
	 * 2.5 GiB. Any text has the first number; a longer one may have one in eight bytes more, up
	 * to the second.
	 */
	JSON_VALUES_FREE = 50 * 1000,
	JSON_VALUES_MAX = 2 * 1000 * 1000,
};

/* Parses all of `text` (at most `max` bytes). The result is owned: json_free(). */
NODISCARD bool json_parse(struct str text, size_t max, struct json **out, struct err *err);
/*
 * The same after mending what the original's own curl samples send: `{level="ALL"}`, that is names
 * without quotes and `=` for `:`, and a bare word as a string. Only for the administration API.
 */
NODISCARD bool json_parse_lenient(struct str text, size_t max, struct json **out, struct err *err);
void json_free(struct json *j); /* takes NULL */
DEFINE_AUTO(json_free, struct json *)

/* Lent children; NULL when absent or of another type. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_at(const struct json *array, size_t i);
size_t json_count(const struct json *array); /* 0 for what is no array */
bool json_is_object(const struct json *j);
bool json_is_array(const struct json *j);
bool json_is_null(const struct json *j);
/* Each member: *iter starts NULL; false at the end. */
bool json_next(const struct json *object, void **iter, struct str *key, const struct json **value);

/* Values; false when absent or of another type (out untouched). Texts are lent by the tree. */
NODISCARD bool json_str(const struct json *j, struct str *out);
NODISCARD bool json_int(const struct json *j, int64_t *out); /* tolerant: "17" too */
NODISCARD bool json_bool(const struct json *j, bool *out);   /* tolerant: "true" too */
NODISCARD bool json_get_str(const struct json *object, const char *key, struct str *out);
NODISCARD bool json_get_int(const struct json *object, const char *key, int64_t *out);
NODISCARD bool json_get_bool(const struct json *object, const char *key, bool *out);

/* ---- writing: commas and escapes are the writer's business ---- */
struct jsonw {
	struct buf *out; /* lent; its sticky failure is the writer's */
	bool needs_comma;
};

struct jsonw jsonw_to(struct buf *out);
void jsonw_object(struct jsonw *w); /* { as a value */
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key); /* then one value */
void jsonw_str(struct jsonw *w, struct str s);    /* bytes that are no UTF-8 become U+FFFD */
void jsonw_int(struct jsonw *w, int64_t n);
void jsonw_bool(struct jsonw *w, bool b);
void jsonw_null(struct jsonw *w);
void jsonw_raw(struct jsonw *w, struct str json);       /* a value that is JSON already */
void jsonw_tree(struct jsonw *w, const struct json *j); /* a value that was read; NULL: null */
/* key and value in one call */
void jsonw_key_str(struct jsonw *w, const char *key, struct str s);
void jsonw_key_text(struct jsonw *w, const char *key, const char *s);
void jsonw_key_int(struct jsonw *w, const char *key, int64_t n);
void jsonw_key_bool(struct jsonw *w, const char *key, bool b);
/* RFC 3339 in UTC, to the second or the millisecond; null for 0. */
void jsonw_key_time(struct jsonw *w, const char *key, int64_t unix_s);
void jsonw_key_time_ms(struct jsonw *w, const char *key, int64_t unix_ms);
