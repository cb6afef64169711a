#include "http/router.h"

/* One decoded byte at the front of *s, or -1 when an escape is none. */
static int next_byte(struct str *s, bool plus)
{
	uint8_t byte = 0;
	if (s->at[0] != '%') {
		char c = s->at[0];
		*s = str_skip(*s, 1);
		return plus && c == '+' ? ' ' : (unsigned char)c;
	}
	if (!str_to_hex_bytes(str_first(str_skip(*s, 1), 2), &byte, 1)) {
		return -1;
	}
	*s = str_skip(*s, 3);
	return byte;
}

struct str http_decode(struct str s, bool plus, struct arena *arena)
{
	char *to = arena_get(arena, s.len + 1);
	size_t n = 0;
	if (to == NULL) {
		return STR_NONE;
	}
	while (s.len) {
		int byte = next_byte(&s, plus);
		if (byte <= 0) {
			return STR_NONE;
		}
		to[n++] = (char)byte;
	}
	to[n] = '\0';
	return (struct str){to, n};
}

static bool is_plain_segment(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c < 0x20 || c == 0x7F || c == '/' || c == '\\') {
			return false;
		}
	}
	return !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

/* Decodes one segment to path->path's end. */
static bool read_segment(struct http_path *path, char *into, struct str raw)
{
	char *start = into + path->path.len;
	size_t n = 0;
	while (raw.len) {
		int byte = next_byte(&raw, false);
		if (byte < 0 || byte == 0) {
			return false;
		}
		start[n++] = (char)byte;
	}
	struct str segment = {start, n};
	path->segments[path->n++] = segment;
	path->path.len += n;
	return is_plain_segment(segment) && str_is_utf8(segment);
}

bool http_path_read(struct str raw, struct arena *arena, struct http_path *out, struct err *err)
{
	struct str rest = str_first(raw, str_find(raw, '?'));
	struct http_path path = {.query = str_skip(raw, rest.len + 1)};
	char *into = arena_get(arena, rest.len + 1);
	if (into == NULL || rest.len == 0 || rest.at[0] != '/' || str_find(raw, '#') < raw.len) {
		return err_set(err, ERR_PROTOCOL, "the path must start with a slash");
	}
	path.path.at = into;
	rest = str_skip(rest, 1);
	struct str segment = STR_NONE;
	while (str_next(&rest, '/', &segment)) {
		bool last = rest.at == NULL;
		if (path.n == HTTP_SEGMENTS_MAX || (segment.len == 0 && !last)) {
			return err_set(err, ERR_PROTOCOL,
				       "the path has an empty segment, or more than %d",
				       HTTP_SEGMENTS_MAX);
		}
		into[path.path.len++] = '/';
		if (!read_segment(&path, into, segment)) {
			return err_set(
				err, ERR_PROTOCOL,
				"the path is ambiguous: dots, slashes, backslashes and control "
				"bytes may not be spelled into it");
		}
	}
	*out = path;
	return true;
}

enum piece_kind {
	PIECE_REST,
	PIECE_PARAM,
	PIECE_FRAMED, /* a parameter between literals: Items('{id}') */
	PIECE_LITERAL,
};

/* A segment of a pattern. */
struct piece {
	enum piece_kind kind;
	struct str name;           /* without braces; of a literal its text */
	struct str before, behind; /* of PIECE_FRAMED; not both empty */
};

static struct piece read_piece(struct str segment)
{
	size_t open = str_find(segment, '{'), close = str_find(segment, '}');
	struct piece p = {.kind = PIECE_LITERAL, .name = segment};

	if (open >= segment.len || close >= segment.len || close < open) {
		return p;
	}
	p.name = str_first(str_skip(segment, open + 1), close - open - 1);
	p.before = str_first(segment, open);
	p.behind = str_skip(segment, close + 1);
	if (p.before.len + p.behind.len > 0) {
		p.kind = PIECE_FRAMED;
		return p;
	}
	p.kind = str_ends(p.name, STR("*")) ? PIECE_REST : PIECE_PARAM;
	p.name.len -= p.kind == PIECE_REST;
	return p;
}

static bool is_plain(struct str s)
{
	return str_find(s, '{') == s.len && str_find(s, '}') == s.len && str_find(s, '*') == s.len;
}

bool route_is_valid(const struct http_route *route)
{
	struct str rest = str_skip(str_of(route->pattern), 1);
	struct str segment = STR_NONE;
	size_t params = 0;
	bool valid = route->pattern[0] == '/' && route->handler != NULL;
	while (valid && str_next(&rest, '/', &segment)) {
		struct piece p = read_piece(segment);
		params += p.kind != PIECE_LITERAL;
		valid = is_plain(p.name) && is_plain(p.before) && is_plain(p.behind) &&
			(p.kind != PIECE_REST || rest.at == NULL);
	}
	return valid && params <= HTTP_PARAMS_MAX;
}

/* Whether the piece takes this segment; *value is what its parameter is. */
static bool piece_takes(const struct piece *p, struct str segment, struct str *value)
{
	*value = segment;
	switch (p->kind) {
	case PIECE_LITERAL:
		return str_eq(p->name, segment);
	case PIECE_PARAM:
		return segment.len > 0;
	case PIECE_FRAMED:
		if (segment.len <= p->before.len + p->behind.len ||
		    !str_starts(segment, p->before) || !str_ends(segment, p->behind)) {
			return false;
		}
		*value = str_first(str_skip(segment, p->before.len),
				   segment.len - p->before.len - p->behind.len);
		return true;
	case PIECE_REST:
	default:
		return true;
	}
}

/* From segment i to the path's end, with its slashes. */
static struct str tail(const struct http_path *path, size_t i)
{
	return str_skip(path->path, (size_t)(path->segments[i].at - path->path.at));
}

/* *score orders the patterns that match one path: per segment literal, framed, parameter, rest. */
static bool match(const char *pattern, const struct http_path *path, struct str *params,
		  uint64_t *score)
{
	struct str rest = str_skip(str_of(pattern), 1);
	struct str segment = STR_NONE, value = STR_NONE;
	size_t i = 0, n = 0;
	*score = 0;
	for (; str_next(&rest, '/', &segment); i++) {
		struct piece p = read_piece(segment);
		if (i == path->n || !piece_takes(&p, path->segments[i], &value)) {
			return false;
		}
		*score = *score << 2 | p.kind;
		if (p.kind == PIECE_REST) {
			params[n] = tail(path, i);
			*score <<= 2 * (path->n - i - 1);
			return true;
		}
		if (p.kind != PIECE_LITERAL) {
			params[n++] = value;
		}
	}
	return i == path->n;
}

static bool serves(const struct http_route *route, struct str method)
{
	struct str own = str_of(route->method);
	return str_eq(own, method) || (str_eq(method, STR("HEAD")) && str_eq(own, STR("GET")));
}

static void allow_one(struct buf *allow, const char *method)
{
	buf_add_str(allow, allow->len ? STR(", ") : STR(""));
	buf_add_str(allow, str_of(method));
	if (strcmp(method, "GET") == 0) {
		buf_add_str(allow, STR(", HEAD"));
	}
}

enum route_outcome route_find(const struct http_route *const *tables, const struct http_path *path,
			      struct str method, const struct http_route **out, struct str *params,
			      struct buf *allow)
{
	uint64_t best = 0;
	const struct http_route *found = NULL;
	for (; *tables != NULL; tables++) {
		for (const struct http_route *r = *tables; r->method != NULL; r++) {
			struct str own[HTTP_PARAMS_MAX] = {0};
			uint64_t score = 0;
			if (!match(r->pattern, path, own, &score)) {
				continue;
			}
			allow_one(allow, r->method);
			if (serves(r, method) && (found == NULL || score > best)) {
				found = r;
				best = score;
				memcpy(params, own, sizeof own);
			}
		}
	}
	if (found != NULL) {
		*out = found;
		return ROUTE_FOUND;
	}
	return allow->len ? ROUTE_METHOD : ROUTE_NONE;
}

bool route_next_param(struct str *pattern, struct str *name)
{
	struct str segment = STR_NONE;

	while (str_next(pattern, '/', &segment)) {
		struct piece p = read_piece(segment);
		if (p.kind != PIECE_LITERAL) {
			*name = p.name;
			return true;
		}
	}
	return false;
}

int route_param_index(const char *pattern, const char *name)
{
	struct str rest = str_of(pattern), own = STR_NONE;

	for (int n = 0; route_next_param(&rest, &own); n++) {
		if (str_eq(own, str_of(name))) {
			return n;
		}
	}
	return -1;
}
