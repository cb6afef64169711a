#include "tunnel/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

struct text_sink {
	char *at;
	size_t size, len;
	bool space; /* a blank is due before the next letter */
};

static void sink_letter(struct text_sink *sink, char c)
{
	if ((unsigned char)c <= ' ' || c == 0x7f) {
		sink->space = sink->len > 0;
		return;
	}
	if (sink->len + 2 >= sink->size) {
		return;
	}
	if (sink->space) {
		sink->at[sink->len++] = ' ';
		sink->space = false;
	}
	sink->at[sink->len++] = c;
}

/* A page in another character set is told too: neither a database nor JSON takes its bytes. */
static void mend_letters(char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = str_utf8_length(str_make(text + i, len - i));
		text[i] = n > 0 ? text[i] : '?';
		i += n > 0 ? n : 1;
	}
}

/* A sequence that was cut at the end of the array would be no UTF-8. */
static void sink_end(struct text_sink *sink)
{
	size_t whole = sink->len;

	while (whole > 0 && ((unsigned char)sink->at[whole - 1] & 0xc0) == 0x80) {
		whole--;
	}
	if (whole > 0 && (unsigned char)sink->at[whole - 1] >= 0xc0 &&
	    !str_is_utf8(str_make(sink->at + whole - 1, sink->len - whole + 1))) {
		sink->len = whole - 1;
	}
	sink->at[sink->len] = '\0';
	mend_letters(sink->at, sink->len);
}

/* The bytes up to and with the end of the tag that starts at html.at. */
static size_t tag_len(struct str html)
{
	static const struct {
		struct str open, close;
	} silent[] = {
		{STR("<style"), STR("</style")},
		{STR("<script"), STR("</script")},
		{STR("<!--"), STR("-->")},
	};
	size_t skip = 0;

	for (size_t i = 0; i < COUNT(silent); i++) {
		if (!str_starts_nocase(html, silent[i].open)) {
			continue;
		}
		while (skip < html.len &&
		       !str_starts_nocase(str_skip(html, skip), silent[i].close)) {
			skip++;
		}
	}
	struct str rest = str_skip(html, skip);
	return skip + str_first(rest, str_find(rest, '>') + 1).len;
}

static size_t entity_len(struct str html, char *letter)
{
	static const struct {
		struct str name;
		char letter;
	} entities[] = {
		{STR("&amp;"), '&'},  {STR("&lt;"), '<'},   {STR("&gt;"), '>'},
		{STR("&quot;"), '"'}, {STR("&#39;"), '\''}, {STR("&nbsp;"), ' '},
	};

	for (size_t i = 0; i < COUNT(entities); i++) {
		if (str_starts(html, entities[i].name)) {
			*letter = entities[i].letter;
			return entities[i].name.len;
		}
	}
	*letter = html.at[0];
	return 1;
}

void answer_text_of_html(struct str html, char *into, size_t size)
{
	struct text_sink sink = {.at = into, .size = size};

	while (html.len > 0) {
		char c = html.at[0];
		size_t used = 1;
		if (c == '<') {
			used = tag_len(html);
			c = ' ';
		} else if (c == '&') {
			used = entity_len(html, &c);
		}
		sink_letter(&sink, c);
		html = str_skip(html, used);
	}
	sink_end(&sink);
}

static bool problem_detail(struct str body, char *into, size_t size)
{
	AUTO(json_free) struct json *problem = NULL;
	struct err ignored;
	struct str detail;

	if (!json_parse(body, body.len, &problem, &ignored) ||
	    (!json_get_str(problem, "detail", &detail) &&
	     !json_get_str(problem, "title", &detail))) {
		return false;
	}
	struct text_sink sink = {.at = into, .size = size};
	for (size_t i = 0; i < detail.len; i++) {
		sink_letter(&sink, detail.at[i]);
	}
	sink_end(&sink);
	return true;
}

void answer_text_of_body(struct str body, char *into, size_t size)
{
	if (!problem_detail(body, into, size)) {
		answer_text_of_html(body, into, size);
	}
}

/* Gathers the content of the body at `in`; what was cut short stays useful in *text. */
static enum h1_outcome read_body(struct str in, const struct http_head *head, struct buf *text,
				 size_t *used, struct err *err)
{
	enum h1_outcome outcome = H1_MORE;
	struct h1_body body;
	size_t piece_used = 0;

	*used = 0;
	h1_body_start(&body, head);
	while (!body.complete) {
		struct str piece = STR_NONE;
		outcome = h1_body_read(&body, str_skip(in, *used), &piece_used, &piece, err);
		buf_add_str(text, piece);
		*used += piece_used;
		if (outcome != H1_MORE || (piece_used == 0 && piece.len == 0)) {
			break;
		}
	}
	if (body.complete) {
		outcome = H1_DONE;
	}
	h1_body_fini(&body);
	return outcome;
}

static bool has_body(const struct http_head *head, struct str method)
{
	bool tunnel = str_eq(method, STR("CONNECT")) && head->status / 100 == 2;

	return head->status != 101 && !tunnel && head->body != HTTP_BODY_NONE;
}

static enum h1_outcome read_final_head(struct str in, struct str method, struct arena *arena,
				       struct http_head *head, size_t *used, struct err *err)
{
	struct h1_limits limits = H1_LIMITS;
	size_t head_used = 0;

	*used = 0;
	for (;;) {
		*head = (struct http_head){0};
		enum h1_outcome outcome = h1_read_response(str_skip(in, *used), &limits, method,
							   arena, head, &head_used, err);
		if (outcome != H1_DONE) {
			head->status = 0;
			return outcome;
		}
		*used += head_used;
		if (head->status == 101 || head->status / 100 != 1) {
			return H1_DONE;
		}
	}
}

enum h1_outcome answer_read(struct str in, size_t max, struct str method, struct arena *arena,
			    struct http_head *head, char *text, size_t size, size_t *used,
			    struct err *err)
{
	size_t body_used = 0;

	text[0] = '\0';
	enum h1_outcome outcome = read_final_head(in, method, arena, head, used, err);
	if (outcome == H1_DONE && has_body(head, method)) {
		AUTO_BUF struct buf body = BUF(max);
		outcome = read_body(str_skip(in, *used), head, &body, &body_used, err);
		*used += body_used;
		answer_text_of_body(buf_str(&body), text, size);
	}
	if (outcome == H1_MORE && in.len >= max) {
		(void)err_set(err, ERR_LIMIT, "the answer is longer than %zu bytes", max);
		return H1_BAD;
	}
	return outcome;
}
