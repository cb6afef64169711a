#include "connector/access.h"

#include "base/buf.h"
#include "base/err.h"

/*
 * One pass over the bytes with a table of classes. Refusing is the whole defence: a path that is
 * matched in one form and called in another is how access control in front of servers is passed
 * ("/public/..;/admin", "/public/%2e%2e/admin"). Encoded slashes are refused, too, although a URL
 * may hold them, because servers disagree on whether they separate segments.
 */

enum byte_class {
	BYTE_PLAIN, /* may stand in a path as it is */
	BYTE_SLASH,
	BYTE_DOT,
	BYTE_PERCENT,
	BYTE_QUERY,
	BYTE_NEEDS_ESCAPE, /* spaces, quotes, bytes above 0x7e …: never in a URL */
	BYTE_BAD,          /* '\\', '#', control characters: refused everywhere */
};

static enum byte_class class_of(char c)
{
	unsigned char u = (unsigned char)c;

	switch (c) {
	case '/':
		return BYTE_SLASH;
	case '.':
		return BYTE_DOT;
	case '%':
		return BYTE_PERCENT;
	case '?':
		return BYTE_QUERY;
	case '\\':
	case '#':
		return BYTE_BAD;
	case ' ':
		return BYTE_NEEDS_ESCAPE;
	default:
		break;
	}
	if (u < 0x20 || u == 0x7f) {
		return BYTE_BAD;
	}
	return u > 0x7f ? BYTE_NEEDS_ESCAPE : BYTE_PLAIN;
}

static bool is_unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static bool bad_byte(unsigned char c, size_t at, struct err *err)
{
	return err_set(err, ERR_PROTOCOL,
		       "the path holds the byte 0x%02x at %zu, which has no place in a URL", c, at);
}

/* "%XX" at `i`: its byte, or -1 with err for what is not accepted. */
static int escape_at(struct str s, size_t i, struct err *err)
{
	int high = i + 2 < s.len ? str_hex_digit(s.at[i + 1]) : -1;
	int low = i + 2 < s.len ? str_hex_digit(s.at[i + 2]) : -1;
	if (high < 0 || low < 0) {
		err_set(err, ERR_PROTOCOL, "the path has a '%%' without two hex digits at %zu", i);
		return -1;
	}
	int c = high * 16 + low;
	if (c == '.' || c == '/' || c == '\\' || c == 0) {
		const char *what = c == '.'    ? "dot"
				   : c == '/'  ? "slash"
				   : c == '\\' ? "backslash"
					       : "NUL";
		err_set(err, ERR_PROTOCOL, "the path holds an encoded %s (%.3s) at %zu", what,
			s.at + i, i);
		return -1;
	}
	return c;
}

/* Where ';' or its escape begins: a proxy in front of a servlet engine may decode it. */
static size_t find_semicolon(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == ';' || str_starts_nocase(str_skip(s, i), STR("%3b"))) {
			return i;
		}
	}
	return s.len;
}

/* Segments "", "." and ".."; what follows a ';' is a parameter of the segment to some servers. */
static bool segment_is_fine(struct str path, size_t from, size_t to, struct err *err)
{
	struct str segment = {path.at + from, to - from};
	struct str name = str_first(segment, find_semicolon(segment));

	if (segment.len == 0 && to < path.len) {
		return err_set(err, ERR_PROTOCOL, "the path has an empty segment (\"//\") at %zu",
			       from);
	}
	if (str_eq(name, STR(".")) || str_eq(name, STR(".."))) {
		return err_set(err, ERR_PROTOCOL, "the path has a \"%.*s\" segment at %zu",
			       STR_ARGS(name), from);
	}
	return true;
}

static bool segments_are_fine(struct str path, struct err *err)
{
	size_t from = 1;
	for (size_t i = 1; i <= path.len; i++) {
		if (i < path.len && path.at[i] != '/') {
			continue;
		}
		if (!segment_is_fine(path, from, i, err)) {
			return false;
		}
		from = i + 1;
	}
	return true;
}

static bool query_is_fine(struct str query, struct err *err)
{
	for (size_t i = 0; i < query.len; i++) {
		unsigned char c = (unsigned char)query.at[i];
		if (c <= 0x20 || c == 0x7f || c == '#') {
			return err_set(err, ERR_PROTOCOL,
				       "the query holds the byte 0x%02x at %zu, which has no place "
				       "in a URL",
				       c, i);
		}
	}
	return true;
}

/* Copies `path`, with unreserved escapes decoded and the others in upper case. */
static bool canonical_copy(struct str path, char *into, struct str *out, struct err *err)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < path.len; i++) {
		if (path.at[i] != '%') {
			into[n++] = path.at[i];
			continue;
		}
		int c = escape_at(path, i, err);
		if (c < 0) {
			return false;
		}
		if (is_unreserved(c)) {
			into[n++] = (char)c;
		} else {
			into[n++] = '%';
			into[n++] = digits[c >> 4];
			into[n++] = digits[c & 15];
		}
		i += 2;
	}
	*out = str_make(into, n);
	return true;
}

bool access_path_read(struct str raw, char *into, struct str *canonical, struct err *err)
{
	bool escapes = false, dots = false;
	size_t i = 0;

	if (raw.len == 0 || raw.at[0] != '/') {
		return err_set(err, ERR_PROTOCOL, "the path does not begin with \"/\"");
	}
	if (raw.len > ACCESS_PATH_MAX) {
		return err_set(err, ERR_PROTOCOL, "the path is longer than %d bytes",
			       ACCESS_PATH_MAX);
	}
	for (; i < raw.len && raw.at[i] != '?'; i++) {
		enum byte_class class = class_of(raw.at[i]);
		if (class == BYTE_BAD || class == BYTE_NEEDS_ESCAPE) {
			return bad_byte((unsigned char)raw.at[i], i, err);
		}
		escapes |= class == BYTE_PERCENT;
		dots |= class == BYTE_DOT || (class == BYTE_SLASH && i > 0);
	}
	struct str path = str_first(raw, i);
	if (!query_is_fine(str_skip(raw, i), err) || (dots && !segments_are_fine(path, err))) {
		return false;
	}
	if (escapes) {
		return canonical_copy(path, into, canonical, err);
	}
	*canonical = path;
	return true;
}

bool access_path_of_resource(struct str id, struct arena *arena, struct str *canonical,
			     struct err *err)
{
	if (id.len > ACCESS_PATH_MAX || str_find(id, '?') < id.len) {
		return err_set(err, ERR_CONFIG,
			       "a resource is a path without \"?\" of at most %d bytes",
			       ACCESS_PATH_MAX);
	}
	AUTO_BUF struct buf escaped = BUF(ACCESS_PATH_MAX * 3);
	for (size_t i = 0; i < id.len; i++) {
		if (class_of(id.at[i]) == BYTE_NEEDS_ESCAPE) {
			buf_addf(&escaped, "%%%02X", (unsigned)(unsigned char)id.at[i]);
		} else {
			buf_add_c(&escaped, id.at[i]);
		}
	}
	char *into = arena_get(arena, escaped.len + 1);
	struct str read;
	if (into == NULL) {
		return err_set(err, ERR_LIMIT, "the configuration is too large");
	}
	if (!access_path_read(buf_str(&escaped), into, &read, err)) {
		err->kind = ERR_CONFIG;
		return false;
	}
	*canonical = arena_str(arena, read);
	return canonical->at != NULL || err_set(err, ERR_LIMIT, "the configuration is too large");
}
