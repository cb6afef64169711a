/* Writers. Room is reserved once per head and filled by pointer: no formatting, no growing. */
#include "http/h1_engine.h"

enum {
	FRAMING_ROOM = 160, /* bytes of status, version, framing fields and their CRLFs */
	DECIMAL_ROOM = 20,
};

static char *put(char *at, struct str s)
{
	if (s.len) {
		memcpy(at, s.at, s.len);
	}
	return at + s.len;
}

static char *put_u64(char *at, uint64_t n)
{
	char digits[DECIMAL_ROOM];
	size_t i = sizeof digits;
	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return put(at, (struct str){digits + i, sizeof digits - i});
}

static char *put_field(char *at, struct str name, struct str value)
{
	at = put(at, name);
	*at++ = ':';
	*at++ = ' ';
	at = put(at, value);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static size_t fields_room(const struct http_field *fields, size_t n)
{
	size_t room = 0;
	for (size_t i = 0; i < n; i++) {
		room += fields[i].name.len + fields[i].value.len + 4;
	}
	return room;
}

static bool is_copied(const struct http_head *head, struct str name, bool own_host)
{
	if (http_is_framing(name)) {
		return head->upgrade && str_eq_nocase(name, STR("upgrade"));
	}
	return !(own_host && name.len == 4 && str_eq_nocase(name, STR("host")));
}

static char *put_fields(char *at, const struct http_head *head, bool own_host)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];
		if (is_copied(head, f->name, own_host)) {
			at = put_field(at, f->name, f->value);
		}
	}
	return at;
}

static char *put_length(char *at, uint64_t length)
{
	at = put(at, STR("Content-Length: "));
	at = put_u64(at, length);
	return put(at, STR("\r\n"));
}

static char *put_end(char *at, const struct http_head *head, bool keep_alive)
{
	if (head->upgrade) {
		at = put(at, STR("Connection: upgrade\r\n"));
	} else if (!keep_alive) {
		at = put(at, STR("Connection: close\r\n"));
	}
	return put(at, STR("\r\n"));
}

void h1_write_request(struct buf *out, const struct http_head *head, bool keep_alive)
{
	struct str target = head->path.len ? head->path : head->target;
	size_t room = head->method.len + target.len + head->authority.len +
		      fields_room(head->fields, head->n_fields) + FRAMING_ROOM;
	char *start = buf_reserve(out, room);
	if (start == NULL) {
		return;
	}
	char *at = put(start, head->method);
	*at++ = ' ';
	at = put(at, target);
	at = put(at, STR(" HTTP/1.1\r\n"));
	if (head->authority.len) {
		at = put_field(at, STR("Host"), head->authority);
	}
	at = put_fields(at, head, head->authority.len > 0);
	if (head->body == HTTP_BODY_LENGTH) {
		at = put_length(at, head->content_length);
	} else if (head->body == HTTP_BODY_CHUNKED) {
		at = put(at, STR("Transfer-Encoding: chunked\r\n"));
	}
	at = put_end(at, head, keep_alive);
	buf_commit(out, (size_t)(at - start));
}

/* What an answer says about its length (RFC 9112, 6.3). */
static char *put_response_framing(char *at, const struct http_head *head)
{
	enum http_body says = head->body;
	if (head->status / 100 == 1 || head->status == 204) {
		return at;
	}
	if (says == HTTP_BODY_NONE) {
		if (head->declared == HTTP_BODY_NONE) {
			return put_length(at, 0);
		}
		says = head->declared;
	}
	if (says == HTTP_BODY_LENGTH) {
		return put_length(at, head->content_length);
	}
	return says == HTTP_BODY_CHUNKED ? put(at, STR("Transfer-Encoding: chunked\r\n")) : at;
}

void h1_write_response(struct buf *out, const struct http_head *head, bool keep_alive)
{
	struct str reason = head->reason.len ? head->reason : str_of(http_reason(head->status));
	size_t room = reason.len + fields_room(head->fields, head->n_fields) + FRAMING_ROOM;
	char *start = buf_reserve(out, room);
	if (start == NULL) {
		return;
	}
	char *at = put(start, STR("HTTP/1.1 "));
	at = put_u64(at, head->status);
	*at++ = ' ';
	at = put(at, reason);
	at = put(at, STR("\r\n"));
	at = put_fields(at, head, false);
	at = put_response_framing(at, head);
	at = put_end(at, head, keep_alive);
	buf_commit(out, (size_t)(at - start));
}

void h1_write_chunk_head(struct buf *out, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char line[DECIMAL_ROOM];
	size_t at = sizeof line;
	line[--at] = '\n';
	line[--at] = '\r';
	do {
		line[--at] = digits[len % 16];
		len /= 16;
	} while (len);
	buf_add(out, line + at, sizeof line - at);
}

void h1_write_last_chunk(struct buf *out, const struct http_field *trailers, size_t n)
{
	char *start = buf_reserve(out, fields_room(trailers, n) + 5);
	if (start == NULL) {
		return;
	}
	char *at = put(start, STR("0\r\n"));
	for (size_t i = 0; i < n; i++) {
		if (!http_is_framing(trailers[i].name)) { /* RFC 9110, 6.5.1 */
			at = put_field(at, trailers[i].name, trailers[i].value);
		}
	}
	at = put(at, STR("\r\n"));
	buf_commit(out, (size_t)(at - start));
}
