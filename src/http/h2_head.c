/* Heads to and from the library's form, and what HTTP/2 cannot carry. */
#include "http/h2_priv.h"

enum {
	FIELDS_FIRST = 16,
};

/* ---- judging ---- */

static bool judge_fields(const struct http_head *head, size_t *bytes, struct err *err)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];
		struct str trimmed = str_trim(f->value);
		if (!http_is_token(f->name)) {
			return err_set(err, ERR_PROTOCOL, "a field name that is no token");
		}
		if (!http_is_field_value(f->value) || trimmed.len != f->value.len) {
			return err_set(err, ERR_PROTOCOL,
				       "the value of \"%.*s\" has control characters or outer "
				       "spaces",
				       STR_ARGS(str_first(f->name, 80)));
		}
		*bytes += f->name.len + f->value.len;
	}
	return true;
}

static bool is_path(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.at[i];
		if (c <= 0x20 || c >= 0x7f || c == '#') {
			return false;
		}
	}
	return s.len > 0;
}

static bool judge_request(const struct http_head *head, struct err *err)
{
	bool connect = str_eq(head->method, STR("CONNECT"));
	if (!http_is_token(head->method)) {
		return err_set(err, ERR_PROTOCOL, "a method that is no token");
	}
	if (head->protocol.len && (!connect || !http_is_token(head->protocol))) {
		return err_set(err, ERR_PROTOCOL, "a :protocol without CONNECT");
	}
	if (!is_path(head->authority) || str_find(head->authority, '/') < head->authority.len) {
		return err_set(err, ERR_PROTOCOL, "no host, or one with strange characters");
	}
	if (connect && head->protocol.len == 0) {
		return true;
	}
	bool asterisk = str_eq(head->path, STR("*")) && str_eq(head->method, STR("OPTIONS"));
	if (!is_path(head->path) || (head->path.at[0] != '/' && !asterisk)) {
		return err_set(err, ERR_PROTOCOL,
			       "a path that does not begin with \"/\" or holds characters that "
			       "must be encoded");
	}
	return true;
}

bool h2_can_carry(const struct http_head *head, struct err *err)
{
	size_t bytes = head->method.len + head->path.len + head->authority.len + head->scheme.len +
		       64; /* names of pseudo-header fields, content-length */
	if (head->status == 0) {
		if (!judge_request(head, err)) {
			return false;
		}
	} else if (head->status < 100 || head->status > 999 || head->status == 101) {
		return err_set(err, ERR_PROTOCOL, "status %u has no place in HTTP/2", head->status);
	}
	if (!judge_fields(head, &bytes, err)) {
		return false;
	}
	if (bytes > H2_HEAD_MAX || head->n_fields > H2_FIELDS_MAX - H2_PSEUDO_MAX) {
		return err_set(err, ERR_LIMIT, "a header of %zu bytes in %zu fields is too large",
			       bytes, head->n_fields);
	}
	return true;
}

/* ---- building ---- */

static void add(nghttp2_nv *nv, struct str name, struct str value, uint8_t flags)
{
	/* The library's type lacks the const; it copies, and keeps what NO_COPY lends as it is. */
	union {
		const char *ours;
		uint8_t *theirs;
	} n = {name.at}, v = {value.at ? value.at : ""};
	*nv = (nghttp2_nv){
		.name = n.theirs,
		.value = v.theirs,
		.namelen = name.len,
		.valuelen = value.len,
		.flags = flags,
	};
}

static bool is_left_behind(const struct http_field *f, bool has_authority)
{
	switch (f->name.len) {
	case 2:
		return str_eq_nocase(f->name, STR("te")) &&
		       !str_eq_nocase(f->value, STR("trailers"));
	case 4:
		return has_authority && str_eq_nocase(f->name, STR("host"));
	default:
		return http_is_framing(f->name);
	}
}

static size_t add_fields(struct h2_engine *e, size_t n, const struct http_head *head)
{
	bool has_authority = head->authority.len > 0;
	for (size_t i = 0; i < head->n_fields && n < COUNT(e->nv) - 1; i++) {
		const struct http_field *f = &head->fields[i];
		if (!is_left_behind(f, has_authority)) {
			add(&e->nv[n++], f->name, f->value,
			    f->sensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
		}
	}
	if (head->body == HTTP_BODY_LENGTH ||
	    (head->body == HTTP_BODY_NONE && head->declared == HTTP_BODY_LENGTH)) {
		size_t at = sizeof e->number;
		uint64_t left = head->content_length;
		do {
			e->number[--at] = (char)('0' + left % 10);
			left /= 10;
		} while (left);
		/* Rarely the same twice: indexing it would only push out what repeats. */
		add(&e->nv[n++], STR("content-length"),
		    (struct str){e->number + at, sizeof e->number - at},
		    NGHTTP2_NV_FLAG_NO_COPY_NAME);
	}
	return n;
}

size_t h2_build_request(struct h2_engine *e, const struct http_head *head)
{
	const uint8_t lent = NGHTTP2_NV_FLAG_NO_COPY_NAME;
	size_t n = 0;
	add(&e->nv[n++], STR(":method"), head->method, lent);
	if (head->protocol.len) {
		add(&e->nv[n++], STR(":protocol"), head->protocol, lent);
	}
	if (head->protocol.len || !str_eq(head->method, STR("CONNECT"))) {
		add(&e->nv[n++], STR(":scheme"), head->scheme.len ? head->scheme : STR("http"),
		    lent);
		add(&e->nv[n++], STR(":path"), head->path, lent);
	}
	if (head->authority.len) {
		add(&e->nv[n++], STR(":authority"), head->authority, lent);
	}
	return add_fields(e, n, head);
}

size_t h2_build_response(struct h2_engine *e, const struct http_head *head)
{
	e->status[0] = (char)('0' + head->status / 100 % 10);
	e->status[1] = (char)('0' + head->status / 10 % 10);
	e->status[2] = (char)('0' + head->status % 10);
	add(&e->nv[0], STR(":status"), (struct str){e->status, 3}, NGHTTP2_NV_FLAG_NO_COPY_NAME);
	return add_fields(e, 1, head);
}

size_t h2_build_trailers(struct h2_engine *e, struct http_field *fields, size_t n)
{
	struct http_head head = {.fields = fields, .n_fields = n};
	return add_fields(e, 0, &head);
}

/* ---- gathering ---- */

void h2_gather_start(struct h2_stream *s)
{
	arena_reset(s->arena);
	s->head = (struct http_head){.minor = 1, .keep_alive = true};
	s->head_bytes = 0;
	s->fields_cap = 0;
	s->has_length = false;
}

static bool grow_fields(struct h2_stream *s)
{
	size_t cap = s->fields_cap ? s->fields_cap * 2 : FIELDS_FIRST;
	if (cap > H2_FIELDS_MAX) {
		return false;
	}
	struct http_field *fields = arena_get(s->arena, cap * sizeof *fields);
	if (fields == NULL) {
		return false;
	}
	if (s->head.n_fields) {
		memcpy(fields, s->head.fields, s->head.n_fields * sizeof *fields);
	}
	s->head.fields = fields;
	s->fields_cap = cap;
	return true;
}

/* The library has checked names, order and presence (RFC 9113, 8.3). */
static void gather_pseudo(struct http_head *head, struct str name, struct str value)
{
	uint64_t status = 0;
	switch (name.len) {
	case 5:
		head->path = value;
		break;
	case 7:
		if (name.at[1] == 'm') {
			head->method = value;
		} else if (name.at[2] == 'c') {
			head->scheme = value;
		} else if (str_to_u64(value, &status)) {
			head->status = (unsigned)status;
		}
		break;
	case 9:
		head->protocol = value;
		break;
	case 10:
		head->authority = value;
		break;
	default:
		break;
	}
}

bool h2_gather(struct h2_stream *s, struct str name, struct str value, bool sensitive)
{
	s->head_bytes += name.len + value.len;
	if (s->head_bytes > H2_HEAD_MAX) {
		return false;
	}
	char *at = arena_get(s->arena, name.len + value.len);
	if (at == NULL) {
		return false;
	}
	memcpy(at, name.at, name.len);
	memcpy(at + name.len, value.at, value.len);
	name.at = at;
	value.at = at + name.len;
	if (name.len && name.at[0] == ':') {
		gather_pseudo(&s->head, name, value);
		return true;
	}
	if (s->head.n_fields == s->fields_cap && !grow_fields(s)) {
		return false;
	}
	s->head.fields[s->head.n_fields++] = (struct http_field){
		.name = name,
		.value = value,
		.sensitive = sensitive || http_is_sensitive(name),
	};
	if (str_eq(name, STR("content-length"))) {
		s->has_length = str_to_u64(value, &s->head.content_length);
	} else if (str_eq(name, STR("expect"))) {
		s->head.expect_continue = str_eq_nocase(value, STR("100-continue"));
	}
	return true;
}

/* What body follows, and for an answer without one what its content-length says. */
void h2_gather_end(struct h2_stream *s, bool end_stream)
{
	struct http_head *head = &s->head;
	head->target = head->path.len ? head->path : head->authority;
	/* An empty DATA frame may end these: a chunk of theirs would be read as the next answer. */
	bool bodiless = s->is_head_request || head->status == 204 || head->status == 304;
	if (!end_stream && !bodiless) {
		head->body = s->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED;
	} else if (s->is_head_request || head->status == 304) {
		head->declared = s->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_TO_CLOSE;
	} else if (s->has_length && head->content_length == 0) {
		head->body = HTTP_BODY_LENGTH;
	}
	if (head->status / 100 == 1) {
		head->body = HTTP_BODY_NONE;
	}
}
