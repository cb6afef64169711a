#include "base/json.h"

/* Mends what the original accepts into strict JSON, which the strict parser then judges. */
struct mender {
	struct str rest;
	struct buf *out;
	size_t depth;
	uint64_t objects; /* bit n: the container at depth n is an object */
	bool wants_name;  /* the next word is a member's name */
};
_Static_assert(JSON_DEPTH_MAX < 64, "one bit per level");

static bool ends_word(char c)
{
	return strchr(" \t\r\n{}[],:=\"", c) != NULL || (unsigned char)c < 0x20 || c == 0x7F;
}

static bool is_literal(struct str word)
{
	size_t sign = str_starts(word, STR("-"));
	bool number = word.len > sign && word.at[sign] >= '0' && word.at[sign] <= '9';
	for (size_t i = sign; number && i < word.len; i++) {
		number = strchr("0123456789.eE+-", word.at[i]) != NULL;
	}
	return number || str_eq(word, STR("true")) || str_eq(word, STR("false")) ||
	       str_eq(word, STR("null"));
}

static void mend_word(struct mender *m)
{
	size_t len = 0;
	while (len < m->rest.len && !ends_word(m->rest.at[len])) {
		len++;
	}
	struct str word = str_first(m->rest, len ? len : 1); /* a control byte: judged later */
	m->rest = str_skip(m->rest, word.len);
	if (len == 0 || (!m->wants_name && is_literal(word))) {
		buf_add_str(m->out, word);
		return;
	}
	struct jsonw w = jsonw_to(m->out);
	jsonw_str(&w, word);
}

static void copy_quoted(struct mender *m)
{
	size_t len = 1;
	while (len < m->rest.len && m->rest.at[len] != '"') {
		len += m->rest.at[len] == '\\' ? 2 : 1;
	}
	struct str quoted = str_first(m->rest, len + 1);
	buf_add_str(m->out, quoted);
	m->rest = str_skip(m->rest, quoted.len);
}

static bool in_object(const struct mender *m)
{
	return m->depth > 0 && (m->objects >> m->depth & 1) != 0;
}

static bool mend_structure(struct mender *m, char c)
{
	if (c == '{' || c == '[') {
		if (++m->depth > JSON_DEPTH_MAX) {
			return false;
		}
		uint64_t bit = (uint64_t)1 << m->depth;
		m->objects = c == '{' ? m->objects | bit : m->objects & ~bit;
	} else if ((c == '}' || c == ']') && m->depth > 0) {
		m->depth--;
	}
	m->wants_name = (c == '{' || c == ',') && in_object(m);
	buf_add_c(m->out, c == '=' ? ':' : c);
	m->rest = str_skip(m->rest, 1);
	return true;
}

static bool mend(struct str text, struct buf *out)
{
	struct mender m = {.rest = text, .out = out};
	while (m.rest.len) {
		char c = m.rest.at[0];
		if (c == '"') {
			copy_quoted(&m);
		} else if (c != '\0' && strchr("{}[],:=", c) != NULL) {
			if (!mend_structure(&m, c)) {
				return false;
			}
		} else if (c != '\0' && strchr(" \t\r\n", c) != NULL) {
			buf_add_c(out, c);
			m.rest = str_skip(m.rest, 1);
		} else {
			mend_word(&m);
		}
	}
	return true;
}

bool json_parse_lenient(struct str text, size_t max, struct json **out, struct err *err)
{
	struct err strict = {0};
	if (json_parse(text, max, out, &strict)) {
		return true;
	}
	if (strict.kind == ERR_LIMIT) {
		*err = strict;
		return false;
	}
	/* every byte may become a quoted one, or U+FFFD */
	AUTO_BUF struct buf mended = BUF_SECRET(max < SIZE_MAX / 8 ? max * 8 : max);
	if (!mend(text, &mended) || buf_failed(&mended)) {
		return err_set(err, ERR_LIMIT, "JSON nests deeper than %d levels", JSON_DEPTH_MAX);
	}
	struct err lenient = {0};
	if (!json_parse(buf_str(&mended), mended.max, out, &lenient)) {
		*err = strict; /* its line and column are those of the client's text */
		return false;
	}
	return true;
}
