/*
 * Bodies. The chunk reader is a machine of single bytes for the framing, so that it takes all it is
 * given, and hands out data in whole pieces. It refuses what others mend: white space around a
 * size, a bare LF, a size that overflows, fields about framing in the trailers.
 */
#include "http/h1_priv.h"

enum phase {
	SIZE_FIRST, /* at least one digit */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* the beginning of a trailer line, or the last CR */
	TRAILER_LINE,
	TRAILER_LF, /* after "CR" of a line */
	END_LF,
	ENDED,
};

void h1_body_start(struct h1_body *b, const struct http_head *head)
{
	*b = (struct h1_body){
		.kind = head->body,
		.left = head->body == HTTP_BODY_LENGTH ? head->content_length : 0,
		.phase = SIZE_FIRST,
		.trailer_text = BUF(H1_TRAILERS_MAX),
	};
	b->complete = b->kind == HTTP_BODY_NONE || (b->kind == HTTP_BODY_LENGTH && b->left == 0);
}

void h1_body_fini(struct h1_body *b)
{
	buf_fini(&b->trailer_text);
}

static enum h1_outcome refuse(struct err *err, const char *why)
{
	err_set(err, ERR_PROTOCOL, "malformed body: %s", why);
	return H1_BAD;
}

/* One byte of "1a2b;ext=v CRLF". NULL: fine. */
static const char *step_size(struct h1_body *b, char c)
{
	int digit = str_hex_digit(c);
	if (++b->line_len > H1_CHUNK_LINE_MAX) {
		return "a chunk line that does not end";
	}
	if (b->phase != EXTENSION && digit >= 0) {
		if (b->left >> 59) {
			return "a chunk size that overflows";
		}
		b->left = b->left << 4 | (uint64_t)digit;
		b->phase = SIZE;
		return NULL;
	}
	if (b->phase == SIZE_FIRST) {
		return "a chunk without its size";
	}
	if (c == '\r') {
		b->phase = SIZE_LF;
		return NULL;
	}
	if (b->phase == SIZE) {
		b->phase = EXTENSION;
		return c == ';' ? NULL : "a chunk size that is no number";
	}
	return http_is_field_value((struct str){&c, 1}) ? NULL
							: "a control character in a chunk line";
}

static bool is_forbidden_trailer(struct str name)
{
	return http_is_framing(name) || str_eq_nocase(name, STR("host")) ||
	       str_eq_nocase(name, STR("te")) || str_eq_nocase(name, STR("trailer"));
}

/* The last `line_len` bytes of the text are a line. */
static const char *judge_trailer(const struct h1_body *b)
{
	struct str line = str_skip(buf_str(&b->trailer_text), b->trailer_text.len - b->line_len);
	struct http_field field;
	const char *why = h1_parse_field(line, &field);
	return why == NULL && is_forbidden_trailer(field.name) ? "a trailer about framing" : why;
}

static const char *step_trailer(struct h1_body *b, char c)
{
	if (b->phase == TRAILER && c == '\r') {
		b->phase = END_LF;
		return NULL;
	}
	if (b->phase != TRAILER_LF && c == '\n') {
		return "a bare LF";
	}
	if (b->phase != TRAILER_LF && c == '\r') {
		b->phase = TRAILER_LF;
		return judge_trailer(b);
	}
	if (b->phase == TRAILER_LF && c != '\n') {
		return "a bare CR";
	}
	buf_add_c(&b->trailer_text, c);
	if (buf_failed(&b->trailer_text)) {
		return "trailers that are too large";
	}
	b->line_len = c == '\n' ? 0 : b->line_len + 1;
	b->phase = c == '\n' ? TRAILER : TRAILER_LINE;
	return NULL;
}

/* One byte of framing. */
static const char *step(struct h1_body *b, char c)
{
	switch ((enum phase)b->phase) {
	case SIZE_FIRST:
	case SIZE:
	case EXTENSION:
		return step_size(b, c);
	case SIZE_LF:
		b->phase = b->left ? DATA : TRAILER;
		b->line_len = 0;
		return c == '\n' ? NULL : "a bare CR";
	case DATA_CR:
		b->phase = DATA_LF;
		return c == '\r' ? NULL : "a chunk longer than its size";
	case DATA_LF:
		b->phase = SIZE_FIRST;
		return c == '\n' ? NULL : "a bare CR";
	case TRAILER:
	case TRAILER_LINE:
	case TRAILER_LF:
		return step_trailer(b, c);
	case END_LF:
		b->phase = ENDED;
		b->complete = true;
		return c == '\n' ? NULL : "a bare CR";
	case DATA:
	case ENDED:
		break;
	}
	return "a byte behind the end";
}

/* As much of `left` as is there. */
static void take_data(struct h1_body *b, struct str in, size_t *used, struct str *data)
{
	*data = str_skip(in, *used);
	if (data->len > b->left) {
		data->len = (size_t)b->left;
	}
	b->left -= data->len;
	*used += data->len;
}

static enum h1_outcome read_chunked(struct h1_body *b, struct str in, size_t *used,
				    struct str *data, struct err *err)
{
	while (!b->complete && *used < in.len) {
		if (b->phase == DATA) {
			take_data(b, in, used, data);
			b->phase = b->left ? DATA : DATA_CR;
			return H1_MORE;
		}
		const char *why = step(b, in.at[*used]);
		if (why) {
			return refuse(err, why);
		}
		++*used;
	}
	return b->complete ? H1_DONE : H1_MORE;
}

enum h1_outcome h1_body_read(struct h1_body *b, struct str in, size_t *used, struct str *data,
			     struct err *err)
{
	*used = 0;
	*data = STR_NONE;
	if (b->complete) {
		return H1_DONE;
	}
	switch (b->kind) {
	case HTTP_BODY_CHUNKED:
		return read_chunked(b, in, used, data, err);
	case HTTP_BODY_TO_CLOSE:
		*data = in;
		*used = in.len;
		return H1_MORE;
	case HTTP_BODY_LENGTH:
		take_data(b, in, used, data);
		b->complete = b->left == 0;
		break;
	case HTTP_BODY_NONE:
		b->complete = true;
		break;
	}
	return b->complete ? H1_DONE : H1_MORE;
}

bool h1_body_trailers(struct h1_body *b, struct arena *arena, struct http_field **fields, size_t *n,
		      struct err *err)
{
	struct str rest = buf_str(&b->trailer_text);
	size_t lines = 0;
	for (size_t i = 0; i < rest.len; i++) {
		lines += rest.at[i] == '\n';
	}
	if (lines > HTTP_FIELDS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d trailers", HTTP_FIELDS_MAX);
	}
	struct http_field *list = arena_get(arena, (lines + 1) * sizeof *list);
	if (list == NULL) {
		return err_set(err, ERR_LIMIT, "trailers that are too large");
	}
	size_t count = 0;
	struct str line;
	while (rest.len && str_next(&rest, '\n', &line)) {
		if (line.len && h1_parse_field(line, &list[count]) == NULL) {
			count++;
		}
	}
	*fields = list;
	*n = count;
	return true;
}

bool h1_body_at_close(struct h1_body *b)
{
	b->complete |= b->kind == HTTP_BODY_TO_CLOSE;
	return b->complete;
}
