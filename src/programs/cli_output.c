#include <time.h>

#include "base/clock.h"
#include "programs/cli.h"

enum {
	COLUMNS_MAX = 12,
	CELL_MAX = 1024, /* bytes of one value as text */
	WIDTH_MAX = 60,  /* columns of a table are not padded further */
};

bool cli_wants_json(const struct cli_settings *settings)
{
	return settings->output != NULL && strcmp(settings->output, "json") == 0;
}

void cli_write_json(struct buf *out, const struct json *json)
{
	struct jsonw w = jsonw_to(out);
	jsonw_tree(&w, json);
	buf_add_c(out, '\n');
}

/* Control characters of both sets as a dot: nothing that a server said moves the cursor. */
void cli_add_clean(struct buf *out, struct str s)
{
	while (s.len) {
		unsigned char c = (unsigned char)s.at[0];
		size_t n = str_utf8_length(s);
		bool c1 = n == 2 && c == 0xC2 && (unsigned char)s.at[1] < 0xA0;
		if (n == 0 || c < 0x20 || c == 0x7F || c1) {
			buf_add_c(out, '.');
		} else {
			buf_add(out, s.at, n);
		}
		s = str_skip(s, n ? n : 1);
	}
}

static void add_list(struct buf *out, const struct json *array);

/* Milliseconds, by the original's names for them; "creationDate" is a text there. */
static bool is_date_key(struct str key)
{
	return str_ends(key, STR("TimeStamp")) || str_ends(key, STR("creationDate"));
}

static bool as_int(struct str text, int64_t *number)
{
	uint64_t n;
	bool fits = str_to_u64(text, &n) && n <= INT64_MAX;

	*number = fits ? (int64_t)n : 0;
	return fits;
}

/* One value on one line. */
static void add_value(struct buf *out, const char *key, const struct json *value)
{
	struct str text = STR_NONE;
	int64_t number = 0;
	if (value == NULL || json_is_null(value)) {
		return;
	}
	bool is_date =
		is_date_key(str_of(key)) &&
		(json_int(value, &number) || (json_str(value, &text) && as_int(text, &number)));
	if (json_str(value, &text) && !is_date) {
		cli_add_clean(out, text);
	} else if (is_date && number > 0) {
		clock_add_rfc3339(out, number / 1000);
	} else if (json_is_array(value)) {
		add_list(out, value);
	} else {
		struct jsonw w = jsonw_to(out);
		jsonw_tree(&w, value);
	}
}

/* What an object of a list is called: its user, its name, or "DNS:localhost". */
static bool add_short_name(struct buf *out, const struct json *item)
{
	const struct json *name =
		json_get(item, "user") ? json_get(item, "user") : json_get(item, "name");
	struct str type = STR_NONE, value = STR_NONE;

	if (name != NULL) {
		add_value(out, "", name);
	} else if (json_get_str(item, "type", &type) && json_get_str(item, "value", &value)) {
		cli_add_clean(out, type);
		buf_add_c(out, ':');
		cli_add_clean(out, value);
	} else {
		return false;
	}
	return true;
}

/* Texts with commas between, and the short names of objects. */
static void add_list(struct buf *out, const struct json *array)
{
	for (size_t i = 0; i < json_count(array); i++) {
		const struct json *item = json_at(array, i);
		buf_add_str(out, i > 0 ? STR(", ") : STR(""));
		if (!add_short_name(out, item) && !json_is_array(item)) {
			add_value(out, "", item);
		}
	}
}

/* "tunnel.state" below an object. */
static const struct json *find(const struct json *object, struct str path, char key[static 64])
{
	struct str part = STR_NONE;
	while (object != NULL && str_next(&path, '.', &part)) {
		object = str_copy(part, key, 64) ? json_get(object, key) : NULL;
	}
	return object;
}

/* Characters, as near to columns of a terminal as a table of names needs. */
static size_t width_of(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		n += ((unsigned char)s.at[i] & 0xC0) != 0x80;
	}
	return n;
}

struct table {
	struct str names[COLUMNS_MAX]; /* headings */
	struct str paths[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	size_t n;
};

static void add_cell(struct buf *out, const struct json *row, struct str path)
{
	char key[64] = "";
	AUTO_BUF struct buf cell = BUF(CELL_MAX);
	const struct json *value = find(row, path, key);
	add_value(&cell, key, value);
	buf_add_str(out, cell.len ? buf_str(&cell) : STR("-"));
}

static struct str last_part(struct str path)
{
	size_t dot = str_find_last(path, '.');
	return dot < path.len ? str_skip(path, dot + 1) : path;
}

/* The last part of a path, unless another column ends so too. */
static struct str heading(const char *columns, struct str path)
{
	struct str rest = str_of(columns), other;
	struct str name = last_part(path);
	size_t same = 0;

	while (str_next_listed(&rest, &other)) {
		same += str_eq(last_part(other), name);
	}
	return same > 1 ? path : name;
}

static struct table lay_out(const struct json *rows, const char *columns)
{
	struct table t = {0};
	struct str rest = str_of(columns);
	while (t.n < COLUMNS_MAX && str_next_listed(&rest, &t.paths[t.n])) {
		t.names[t.n] = heading(columns, t.paths[t.n]);
		t.widths[t.n] = t.names[t.n].len;
		for (size_t i = 0; i < json_count(rows); i++) {
			AUTO_BUF struct buf cell = BUF(CELL_MAX);
			add_cell(&cell, json_at(rows, i), t.paths[t.n]);
			size_t width = width_of(buf_str(&cell));
			width = width < WIDTH_MAX ? width : WIDTH_MAX;
			t.widths[t.n] = width > t.widths[t.n] ? width : t.widths[t.n];
		}
		t.n++;
	}
	return t;
}

static void pad(struct buf *out, size_t from, size_t width)
{
	size_t have = width_of(str_skip(buf_str(out), from));
	buf_add_str(out, STR("  ")); /* behind a cell that is wider than its column too */
	for (; have < width; have++) {
		buf_add_c(out, ' ');
	}
}

static void write_table(struct buf *out, const struct json *rows, const char *columns)
{
	struct table t = lay_out(rows, columns);
	for (size_t c = 0; c < t.n; c++) {
		size_t from = out->len;
		for (size_t i = 0; i < t.names[c].len; i++) {
			char letter = t.names[c].at[i];
			buf_add_c(out,
				  (char)(letter >= 'a' && letter <= 'z' ? letter - 32 : letter));
		}
		if (c + 1 < t.n) {
			pad(out, from, t.widths[c]);
		}
	}
	buf_add_c(out, '\n');
	for (size_t r = 0; r < json_count(rows); r++) {
		for (size_t c = 0; c < t.n; c++) {
			size_t from = out->len;
			add_cell(out, json_at(rows, r), t.paths[c]);
			if (c + 1 < t.n) {
				pad(out, from, t.widths[c]);
			}
		}
		buf_add_c(out, '\n');
	}
}

/* Armoured text and nothing else (RFC 7468): what may keep its lines, because it cannot pose as
 * lines of ours. */
static bool is_pem(struct str text)
{
	if (!str_starts(text, STR("-----BEGIN "))) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '\n' || c == ' ' || c == '+' ||
			     c == '/' || c == '=' || c == '-';
		if (!known) {
			return false;
		}
	}
	return true;
}

static void add_pem(struct buf *out, struct str text)
{
	struct str line = STR_NONE;

	while (str_next(&text, '\n', &line)) {
		if (line.len > 0) {
			buf_addf(out, "%.*s\n", STR_ARGS(line));
		}
	}
}

/* Objects that add_list() has no short name for. */
static bool is_list_of_objects(const struct json *value)
{
	const struct json *first = json_is_array(value) ? json_at(value, 0) : NULL;
	AUTO_BUF struct buf ignored = BUF(CELL_MAX);

	return json_is_object(first) && !add_short_name(&ignored, first);
}

static void write_object(struct buf *out, const struct json *object, struct str prefix,
			 bool in_list);

static void write_member(struct buf *out, struct str name, const struct json *value, bool in_list)
{
	struct str text = STR_NONE;
	bool pem = json_str(value, &text) && is_pem(text);

	if (json_is_object(value)) {
		write_object(out, value, name, in_list);
	} else if (is_list_of_objects(value)) {
		for (size_t i = 0; i < json_count(value); i++) {
			AUTO_BUF struct buf item = BUF(CELL_MAX);
			buf_addf(&item, "%.*s.%zu", STR_ARGS(name), i + 1);
			write_object(out, json_at(value, i), buf_str(&item), true);
		}
	} else if (pem && !in_list) { /* of several certificates the facts are read: see JSON */
		buf_addf(out, "%.*s:\n", STR_ARGS(name));
		add_pem(out, text);
	} else if (!pem) {
		char key[CELL_MAX];
		bool fits = str_copy(name, key, sizeof(key));
		buf_addf(out, "%.*s: ", STR_ARGS(name));
		add_value(out, fits ? key : "", value);
		buf_add_c(out, '\n');
	}
}

/* Recursion ends with the depth of JSON that was read. */
static void write_object(struct buf *out, const struct json *object, struct str prefix,
			 bool in_list)
{
	void *iter = NULL;
	struct str key = STR_NONE;
	const struct json *value = NULL;
	while (json_next(object, &iter, &key, &value)) {
		AUTO_BUF struct buf name = BUF(CELL_MAX);
		buf_addf(&name, "%.*s%s", STR_ARGS(prefix), prefix.len ? "." : "");
		cli_add_clean(&name, key);
		if (!str_eq(key, STR("_links"))) {
			write_member(out, buf_str(&name), value, in_list);
		}
	}
}

void cli_write_text(struct buf *out, const struct json *json, const char *columns)
{
	if (json_is_object(json)) {
		size_t from = out->len;
		write_object(out, json, STR_NONE, false);
		buf_add_str(out, out->len == from ? STR("none\n") : STR(""));
	} else if (json_is_array(json) && columns != NULL) {
		write_table(out, json, columns);
	} else if (json != NULL) {
		add_value(out, "", json);
		buf_add_c(out, '\n');
	}
}
