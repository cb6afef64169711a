/*
 * Heads. A head is taken whole once its empty line is there; before that, what has come is judged
 * line by line and nothing is kept, so that the verdict does not depend on how the bytes were cut.
 */
#include "http/h1_engine.h"

#include "http/h1_priv.h"

/* What the fields said about framing and connection, gathered in the one pass over them. */
struct said {
	struct str host, length, coding;
	uint8_t hosts, lengths, codings; /* how often, 2 for "more than once" */
	bool close, keep_alive, upgrade_listed, upgrade_field;
	bool expect, expect_unknown;
};

struct reader {
	const struct h1_limits *limits;
	struct http_field *fields; /* NULL: judge only */
	size_t n_fields;
	struct said said;
	unsigned status;
	const char *why;
};

static enum h1_outcome bad(struct reader *r, unsigned status, const char *why)
{
	r->status = status;
	r->why = why;
	return H1_BAD;
}

/* ---- fields ---- */

static void count(uint8_t *n)
{
	*n = *n ? 2 : 1;
}

static void note_connection(struct said *said, struct str list)
{
	struct str member;
	while (str_next_listed(&list, &member)) {
		said->close |= str_eq_nocase(member, STR("close"));
		said->keep_alive |= str_eq_nocase(member, STR("keep-alive"));
		said->upgrade_listed |= str_eq_nocase(member, STR("upgrade"));
	}
}

/* By length first: a field that says nothing about framing costs one jump. */
static void note(struct said *said, const struct http_field *f)
{
	switch (f->name.len) {
	case 4:
		if (http_is_named(f->name, STR("host"))) {
			count(&said->hosts);
			said->host = f->value;
		}
		break;
	case 6:
		if (http_is_named(f->name, STR("expect"))) {
			said->expect = str_eq_nocase(f->value, STR("100-continue"));
			said->expect_unknown |= !said->expect;
		}
		break;
	case 7:
		said->upgrade_field |= http_is_named(f->name, STR("upgrade"));
		break;
	case 10:
		if (http_is_named(f->name, STR("connection"))) {
			note_connection(said, f->value);
		}
		break;
	case 14:
		if (http_is_named(f->name, STR("content-length"))) {
			count(&said->lengths);
			said->length = f->value;
		}
		break;
	case 17:
		if (http_is_named(f->name, STR("transfer-encoding"))) {
			count(&said->codings);
			said->coding = f->value;
		}
		break;
	default:
		break;
	}
}

static enum h1_outcome read_field(struct reader *r, struct str line)
{
	struct http_field field;
	if (r->n_fields >= r->limits->fields_max) {
		return bad(r, 431, "too many header fields");
	}
	const char *why = h1_parse_field(line, &field);
	if (why) {
		return bad(r, 400, why);
	}
	if (r->fields) {
		r->fields[r->n_fields] = field;
		note(&r->said, &field);
	}
	r->n_fields++;
	return H1_DONE;
}

/* From *at on, behind the first line. H1_DONE: *at is behind the empty line. */
static enum h1_outcome read_fields(struct reader *r, struct str in, size_t *at)
{
	for (;;) {
		struct str line = STR_NONE;
		size_t used = 0;
		switch (h1_take_line(str_skip(in, *at), r->limits->line_max, &line, &used)) {
		case H1_LINE_MORE:
			return in.len > r->limits->head_max ? bad(r, 431, "the header is too large")
							    : H1_MORE;
		case H1_LINE_LONG:
			return bad(r, 431, "a header field is too long");
		case H1_LINE_BARE_LF:
			return bad(r, 400, "a bare LF");
		case H1_LINE_OK:
			break;
		}
		*at += used;
		if (*at > r->limits->head_max) {
			return bad(r, 431, "the header is too large");
		}
		if (line.len == 0) {
			return H1_DONE;
		}
		if (read_field(r, line) != H1_DONE) {
			return H1_BAD;
		}
	}
}

/* ---- authorities and targets ---- */

/* host [":" port] (RFC 3986, 3.2), without user information, which RFC 9110, 4.2.4 wants refused.
 */
static bool is_authority(struct str s, bool needs_port)
{
	static const uint8_t host_chars[256] = {
		['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['-'] = 1, ['.'] = 1,
		['_'] = 1,         ['~'] = 1,         ['%'] = 1,         ['!'] = 1, ['$'] = 1,
		['&'] = 1,         ['\''] = 1,        ['('] = 1,         [')'] = 1, ['*'] = 1,
		['+'] = 1,         [','] = 1,         [';'] = 1,         ['='] = 1,
	};
	size_t host = 0;
	if (s.len && s.at[0] == '[') {
		host = str_find(s, ']') + 1;
		for (size_t i = 1; i + 1 < host && i < s.len; i++) {
			if (!host_chars[(uint8_t)s.at[i]] && s.at[i] != ':') {
				return false;
			}
		}
	} else {
		while (host < s.len && host_chars[(uint8_t)s.at[host]]) {
			host++;
		}
	}
	if (host == 0 || host > s.len || (s.at[0] == '[' && host < 4)) {
		return false;
	}
	uint16_t port;
	struct str rest = str_skip(s, host);
	return rest.len == 0 ? !needs_port
			     : rest.at[0] == ':' && str_to_port(str_skip(rest, 1), &port);
}

/* "h" and "h:80" are the same place for http; anything else must be spelled alike. */
static bool same_authority(struct str a, struct str b, struct str scheme)
{
	struct str port = str_eq_nocase(scheme, STR("https")) ? STR(":443") : STR(":80");
	if (a.len < b.len) {
		struct str longer = b;
		b = a;
		a = longer;
	}
	return str_eq_nocase(a, b) || (a.len == b.len + port.len && str_ends(a, port) &&
				       str_eq_nocase(str_first(a, b.len), b));
}

static bool is_target(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.at[i];
		if (c <= 0x20 || c >= 0x7f || c == '#') {
			return false;
		}
	}
	return s.len > 0;
}

/* scheme "://" authority [path] ["?" query] */
static enum h1_outcome read_absolute(struct reader *r, struct http_head *head, struct arena *arena)
{
	size_t colon = str_find(head->target, ':');
	struct str rest = str_skip(head->target, colon);
	head->scheme = str_first(head->target, colon);
	if (!http_is_token(head->scheme) || !str_starts(rest, STR("://"))) {
		return bad(r, 400, "a request target of no known form");
	}
	rest = str_skip(rest, 3);
	size_t end = 0;
	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?') {
		end++;
	}
	head->authority = str_first(rest, end);
	head->path = str_skip(rest, end);
	if (!is_authority(head->authority, false)) {
		return bad(r, 400, "a request target without a proper host");
	}
	if (head->path.len == 0) {
		/* RFC 9112, 3.2.4: this is how "*" looks to a proxy. */
		head->path = str_eq(head->method, STR("OPTIONS")) ? STR("*") : STR("/");
	} else if (head->path.at[0] == '?') {
		char *path = arena_get(arena, head->path.len + 1);
		if (path == NULL) {
			return bad(r, 431, "the header is too large");
		}
		path[0] = '/';
		memcpy(path + 1, head->path.at, head->path.len);
		head->path = (struct str){path, head->path.len + 1};
	}
	return H1_DONE;
}

static enum h1_outcome read_target(struct reader *r, struct http_head *head, struct arena *arena)
{
	if (str_eq(head->method, STR("CONNECT"))) {
		head->authority = head->target;
		return is_authority(head->target, true)
			       ? H1_DONE
			       : bad(r, 400, "CONNECT without host and port");
	}
	if (head->target.at[0] == '/') {
		head->path = head->target;
		return H1_DONE;
	}
	if (str_eq(head->target, STR("*")) && str_eq(head->method, STR("OPTIONS"))) {
		head->path = head->target;
		return H1_DONE;
	}
	return read_absolute(r, head, arena);
}

/* ---- first lines ---- */

/* "HTTP/1.0" or "HTTP/1.1" exactly. */
static enum h1_outcome read_version(struct reader *r, struct str s, struct http_head *head)
{
	if (s.len != 8 || !str_starts(s, STR("HTTP/")) || s.at[6] != '.' || s.at[5] < '0' ||
	    s.at[5] > '9' || s.at[7] < '0' || s.at[7] > '9') {
		return bad(r, 400, "a first line without a proper HTTP version");
	}
	if (s.at[5] != '1' || s.at[7] > '1') {
		return bad(r, 505, "an HTTP version other than 1.0 and 1.1");
	}
	head->minor = (uint8_t)(s.at[7] - '0');
	return H1_DONE;
}

static enum h1_outcome read_request_line(struct reader *r, struct str line, struct http_head *head)
{
	head->method = str_first(line, str_find(line, ' '));
	struct str rest = str_skip(line, head->method.len + 1);
	head->target = str_first(rest, str_find(rest, ' '));
	rest = str_skip(rest, head->target.len + 1);
	if (!http_is_token(head->method)) {
		return bad(r, 400, "a method that is no token");
	}
	if (!is_target(head->target)) {
		return bad(r, 400, "a request target with a character that must be encoded");
	}
	return read_version(r, rest, head);
}

static enum h1_outcome read_status_line(struct reader *r, struct str line, struct http_head *head)
{
	enum h1_outcome outcome = read_version(r, str_first(line, 8), head);
	if (outcome != H1_DONE) {
		return outcome;
	}
	uint64_t status = 0;
	struct str digits = str_first(str_skip(line, 9), 3);
	if (line.len < 12 || line.at[8] != ' ' || !str_to_u64(digits, &status) || status < 100) {
		return bad(r, 502, "a status line without a proper status");
	}
	/* The space before an empty reason is left out by some servers; nothing hangs on it. */
	if (line.len > 12 && line.at[12] != ' ') {
		return bad(r, 502, "a status line without a proper status");
	}
	head->status = (unsigned)status;
	head->reason = str_skip(line, 13);
	return http_is_field_value(head->reason)
		       ? H1_DONE
		       : bad(r, 502, "a control character in the status line");
}

/* ---- framing (RFC 9112, 6.3) ---- */

static enum h1_outcome read_framing(struct reader *r, struct http_head *head)
{
	const struct said *said = &r->said;
	if (said->codings) {
		if (said->lengths) {
			return bad(r, 400, "Content-Length beside Transfer-Encoding");
		}
		if (head->minor == 0) {
			return bad(r, 400, "Transfer-Encoding in HTTP/1.0");
		}
		if (said->codings > 1 || !str_eq_nocase(said->coding, STR("chunked"))) {
			return bad(r, 501, "a Transfer-Encoding other than \"chunked\"");
		}
		head->body = HTTP_BODY_CHUNKED;
	} else if (said->lengths) {
		if (said->lengths > 1) {
			return bad(r, 400, "two Content-Length");
		}
		if (!str_to_u64(said->length, &head->content_length) ||
		    head->content_length > INT64_MAX) {
			return bad(r, 400, "a Content-Length that is no number");
		}
		head->body = HTTP_BODY_LENGTH;
	}
	head->keep_alive = !said->close && (head->minor == 1 || said->keep_alive);
	head->upgrade = said->upgrade_listed && said->upgrade_field;
	return H1_DONE;
}

static enum h1_outcome finish_request(struct reader *r, struct http_head *head, struct arena *arena)
{
	const struct said *said = &r->said;
	if (said->hosts > 1) {
		return bad(r, 400, "two Host fields");
	}
	if (said->hosts == 0 && head->minor == 1) {
		return bad(r, 400, "no Host field");
	}
	if (said->hosts && !is_authority(said->host, false)) {
		return bad(r, 400, "a Host field that is no host");
	}
	if (read_target(r, head, arena) != H1_DONE || read_framing(r, head) != H1_DONE) {
		return H1_BAD;
	}
	if (head->scheme.len && said->hosts &&
	    !same_authority(head->authority, said->host, head->scheme)) {
		return bad(r, 400, "a Host field unlike the request target");
	}
	if (head->authority.len == 0) {
		head->authority = said->host;
	}
	if (str_eq(head->method, STR("CONNECT")) && (said->lengths || said->codings)) {
		return bad(r, 400, "CONNECT with a body");
	}
	if (said->expect_unknown) {
		return bad(r, 417, "an Expect that is not 100-continue");
	}
	head->expect_continue = said->expect && head->minor == 1;
	return H1_DONE;
}

static enum h1_outcome finish_response(struct reader *r, struct http_head *head, struct str method)
{
	bool connected = str_eq(method, STR("CONNECT")) && head->status / 100 == 2;
	if (connected || head->status / 100 == 1 || head->status == 204) {
		/* RFC 9112, 6.3: no body, whatever the fields say; contradictions are refused. */
		if (!connected && (r->said.codings || r->said.lengths > 1)) {
			return bad(r, 502, "a body in an answer that has none");
		}
		r->said.codings = 0;
		r->said.lengths = 0;
		return read_framing(r, head);
	}
	if (read_framing(r, head) != H1_DONE) {
		return H1_BAD;
	}
	if (str_eq(method, STR("HEAD")) || head->status == 304) {
		head->declared = head->body == HTTP_BODY_NONE ? HTTP_BODY_TO_CLOSE : head->body;
		head->body = HTTP_BODY_NONE;
	} else if (head->body == HTTP_BODY_NONE) {
		head->body = HTTP_BODY_TO_CLOSE;
		head->keep_alive = false;
	}
	return H1_DONE;
}

/* ---- both ---- */

typedef enum h1_outcome first_line_fn(struct reader *r, struct str line, struct http_head *head);

/* Whether the empty line is there. (memmem takes seven instructions a byte, this one a few a line.)
 */
static bool has_end(struct str in)
{
	const char *lf;
	while (in.len && (lf = memchr(in.at, '\n', in.len)) != NULL) {
		in = str_skip(in, (size_t)(lf - in.at) + 1);
		if (in.len >= 2 && in.at[0] == '\r' && in.at[1] == '\n') {
			return true;
		}
	}
	return false;
}

/* The lines; the fields are kept when the head is whole. */
static enum h1_outcome read_lines(struct reader *r, struct str in, struct arena *arena,
				  first_line_fn *first, struct http_head *head, size_t *at)
{
	struct str line = STR_NONE;
	size_t used = 0;
	switch (h1_take_line(in, r->limits->line_max, &line, &used)) {
	case H1_LINE_MORE:
		return H1_MORE;
	case H1_LINE_LONG:
		return bad(r, 414, "the first line is too long");
	case H1_LINE_BARE_LF:
		return bad(r, 400, "a bare LF");
	case H1_LINE_OK:
		break;
	}
	if (first(r, line, head) != H1_DONE) {
		return H1_BAD;
	}
	*at = used;
	if (has_end(in)) {
		size_t room = r->limits->fields_max > HTTP_FIELDS_MAX ? r->limits->fields_max
								      : HTTP_FIELDS_MAX;
		r->fields = arena_get(arena, room * sizeof(struct http_field));
		if (r->fields == NULL) {
			return bad(r, 431, "the header is too large");
		}
	}
	enum h1_outcome outcome = read_fields(r, in, at);
	head->fields = r->fields;
	head->n_fields = r->n_fields;
	return outcome;
}

enum h1_outcome h1_read_request(struct str in, const struct h1_limits *limits, struct arena *arena,
				struct http_head *head, size_t *used, unsigned *status,
				struct err *err)
{
	struct reader r = {.limits = limits};
	struct http_head h = {0};
	size_t at = 0;
	size_t skipped = str_starts(in, STR("\r\n")) ? 2 : 0;
	enum h1_outcome outcome =
		read_lines(&r, str_skip(in, skipped), arena, read_request_line, &h, &at);
	if (outcome == H1_DONE) {
		outcome = finish_request(&r, &h, arena);
	}
	if (outcome == H1_BAD) {
		*status = r.status;
		err_set(err, ERR_PROTOCOL, "malformed request: %s", r.why);
	}
	if (outcome == H1_DONE) {
		*head = h;
		*used = at + skipped;
	}
	return outcome;
}

enum h1_outcome h1_read_response(struct str in, const struct h1_limits *limits,
				 struct str request_method, struct arena *arena,
				 struct http_head *head, size_t *used, struct err *err)
{
	struct reader r = {.limits = limits};
	struct http_head h = {0};
	size_t at = 0;
	enum h1_outcome outcome = read_lines(&r, in, arena, read_status_line, &h, &at);
	if (outcome == H1_DONE) {
		outcome = finish_response(&r, &h, request_method);
	}
	if (outcome == H1_BAD) {
		err_set(err, ERR_PROTOCOL, "malformed answer: %s", r.why);
	}
	if (outcome == H1_DONE) {
		*head = h;
		*used = at;
	}
	return outcome;
}
