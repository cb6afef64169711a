#include "base/json.h"

#include <jansson.h>
#include <malloc.h>

/* jansson has macros of these names; here they are functions of ours */
#undef json_is_object
#undef json_is_array
#undef json_is_null

/* What goes through a tree may be a password or a key: its memory is wiped when it is freed. */
static void wipe_and_free(void *p)
{
	if (p != NULL) {
		explicit_bzero(p, malloc_usable_size(p));
		free(p);
	}
}

__attribute__((constructor)) static void set_allocator(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

/* struct json is never defined: it is jansson's value under another name. */
static const json_t *tree(const struct json *j)
{
	return (const json_t *)(const void *)j;
}

static const struct json *ours(const json_t *j)
{
	return (const struct json *)(const void *)j;
}

struct shape {
	size_t depth;  /* how deep brackets nest outside of strings; jansson itself would go 2048 */
	size_t values; /* at most so many: one behind each bracket and each comma */
};

static struct shape measure(struct str text)
{
	struct shape s = {.values = 1};
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (quoted && c == '\\') {
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '{' || c == '[')) {
			depth++;
			s.depth = depth > s.depth ? depth : s.depth;
			s.values++;
		} else if (!quoted && (c == '}' || c == ']') && depth > 0) {
			depth--;
		} else if (!quoted && c == ',') {
			s.values++;
		}
	}
	return s;
}

static bool has_fair_shape(struct str text, struct err *err)
{
	struct shape s = measure(text);
	size_t most = JSON_VALUES_FREE + text.len / 8;

	if (s.depth > JSON_DEPTH_MAX) {
		return err_set(err, ERR_LIMIT, "JSON nests deeper than %d levels", JSON_DEPTH_MAX);
	}
	most = most < JSON_VALUES_MAX ? most : (size_t)JSON_VALUES_MAX;
	return s.values <= most ||
	       err_set(err, ERR_LIMIT, "JSON of %zu bytes has more than %zu values", text.len,
		       most);
}

bool json_parse(struct str text, size_t max, struct json **out, struct err *err)
{
	if (text.len > max) {
		return err_set(err, ERR_LIMIT, "JSON of %zu bytes is longer than the limit of %zu",
			       text.len, max);
	}
	if (!has_fair_shape(text, err)) {
		return false;
	}
	json_error_t why;
	/* without JSON_ALLOW_NUL: a text with \u0000 would mean one thing here and another in C */
	json_t *j = json_loadb(text.at ? text.at : "", text.len,
			       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (j == NULL) {
		return err_set(err, ERR_CONFIG, "no valid JSON, line %d column %d: %s", why.line,
			       why.column, why.text);
	}
	*out = (struct json *)(void *)j;
	return true;
}

void json_free(struct json *j)
{
	json_decref((json_t *)(void *)j);
}

const struct json *json_get(const struct json *object, const char *key)
{
	return ours(json_object_get(tree(object), key));
}

const struct json *json_at(const struct json *array, size_t i)
{
	return ours(json_array_get(tree(array), i));
}

size_t json_count(const struct json *array)
{
	return json_array_size(tree(array));
}

bool json_is_object(const struct json *j)
{
	return j != NULL && json_typeof(tree(j)) == JSON_OBJECT;
}

bool json_is_array(const struct json *j)
{
	return j != NULL && json_typeof(tree(j)) == JSON_ARRAY;
}

bool json_is_null(const struct json *j)
{
	return j != NULL && json_typeof(tree(j)) == JSON_NULL;
}

bool json_next(const struct json *object, void **iter, struct str *key, const struct json **value)
{
	/* jansson's walk asks for a tree that may be written; it writes nothing */
	json_t *o = (json_t *)(uintptr_t)object;
	*iter = *iter ? json_object_iter_next(o, *iter) : json_object_iter(o);
	if (*iter == NULL) {
		return false;
	}
	*key = str_make(json_object_iter_key(*iter), json_object_iter_key_len(*iter));
	*value = ours(json_object_iter_value(*iter));
	return true;
}

bool json_str(const struct json *j, struct str *out)
{
	if (j == NULL || json_typeof(tree(j)) != JSON_STRING) {
		return false;
	}
	*out = str_make(json_string_value(tree(j)), json_string_length(tree(j)));
	return true;
}

static bool text_to_int(struct str s, int64_t *out)
{
	bool negative = str_starts(s, STR("-"));
	uint64_t n = 0;
	uint64_t most = (uint64_t)INT64_MAX + negative;
	if (!str_to_u64(str_skip(s, negative), &n) || n > most) {
		return false;
	}
	*out = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

bool json_int(const struct json *j, int64_t *out)
{
	struct str text;
	if (json_str(j, &text)) {
		return text_to_int(text, out);
	}
	if (j == NULL || json_typeof(tree(j)) != JSON_INTEGER) {
		return false;
	}
	*out = json_integer_value(tree(j));
	return true;
}

bool json_bool(const struct json *j, bool *out)
{
	struct str text = STR_NONE;
	if (j == NULL) {
		return false;
	}
	bool is_text = json_str(j, &text);
	bool yes = json_typeof(tree(j)) == JSON_TRUE || (is_text && str_eq(text, STR("true")));
	bool no = json_typeof(tree(j)) == JSON_FALSE || (is_text && str_eq(text, STR("false")));
	if (yes || no) {
		*out = yes;
	}
	return yes || no;
}

bool json_get_str(const struct json *object, const char *key, struct str *out)
{
	return json_str(json_get(object, key), out);
}

bool json_get_int(const struct json *object, const char *key, int64_t *out)
{
	return json_int(json_get(object, key), out);
}

bool json_get_bool(const struct json *object, const char *key, bool *out)
{
	return json_bool(json_get(object, key), out);
}

static void write_tree(struct jsonw *w, const struct json *j);

static void write_members(struct jsonw *w, const struct json *object)
{
	void *iter = NULL;
	struct str key = STR_NONE;
	const struct json *value = NULL;
	jsonw_object(w);
	while (json_next(object, &iter, &key, &value)) {
		jsonw_str(w, key);
		buf_add_c(w->out, ':');
		w->needs_comma = false;
		write_tree(w, value);
	}
	jsonw_object_end(w);
}

static void write_elements(struct jsonw *w, const struct json *array)
{
	jsonw_array(w);
	for (size_t i = 0; i < json_count(array); i++) {
		write_tree(w, json_at(array, i));
	}
	jsonw_array_end(w);
}

/* Stays a real when it is read again: "-0" and "1" would come back as integers. */
static void write_real(struct jsonw *w, double real)
{
	char number[32];
	snprintf(number, sizeof number, "%.17g", real);
	size_t len = strlen(number);
	if (strpbrk(number, ".e") == NULL && len + 3 <= sizeof number) {
		memcpy(number + len, ".0", 3);
	}
	jsonw_raw(w, str_of(number));
}

/* Recursion ends: a tree is at most JSON_DEPTH_MAX deep. */
static void write_tree(struct jsonw *w, const struct json *j)
{
	struct str text = STR_NONE;
	switch (json_typeof(tree(j))) {
	case JSON_OBJECT:
		write_members(w, j);
		return;
	case JSON_ARRAY:
		write_elements(w, j);
		return;
	case JSON_STRING:
		if (json_str(j, &text)) {
			jsonw_str(w, text);
		}
		return;
	case JSON_INTEGER:
		jsonw_int(w, json_integer_value(tree(j)));
		return;
	case JSON_REAL:
		write_real(w, json_real_value(tree(j)));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		jsonw_bool(w, json_typeof(tree(j)) == JSON_TRUE);
		return;
	case JSON_NULL:
		jsonw_null(w);
		return;
	}
}

void jsonw_tree(struct jsonw *w, const struct json *j)
{
	if (j == NULL) {
		jsonw_null(w);
	} else {
		write_tree(w, j);
	}
}
