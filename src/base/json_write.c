#include "base/clock.h"
#include "base/json.h"

struct jsonw jsonw_to(struct buf *out)
{
	return (struct jsonw){.out = out};
}

/* Every value begins and ends here, so that commas are right by construction. */
static void begin(struct jsonw *w)
{
	if (w->needs_comma) {
		buf_add_c(w->out, ',');
	}
	w->needs_comma = true;
}

static void open_container(struct jsonw *w, char c)
{
	begin(w);
	buf_add_c(w->out, c);
	w->needs_comma = false;
}

static void close_container(struct jsonw *w, char c)
{
	buf_add_c(w->out, c);
	w->needs_comma = true;
}

void jsonw_object(struct jsonw *w)
{
	open_container(w, '{');
}

void jsonw_object_end(struct jsonw *w)
{
	close_container(w, '}');
}

void jsonw_array(struct jsonw *w)
{
	open_container(w, '[');
}

void jsonw_array_end(struct jsonw *w)
{
	close_container(w, ']');
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7F && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Of eight bytes at once: a zero byte somewhere gives bits in EACH(0x80). */
static uint64_t zeros(uint64_t v)
{
	return (v - EACH(1)) & ~v;
}

/* How many bytes from the start on need no escape: nearly always all of them. */
static size_t plain_length(struct str s)
{
	size_t n = 0;

	for (uint64_t v; s.len - n >= sizeof(v); n += sizeof(v)) {
		memcpy(&v, s.at + n, sizeof(v));
		uint64_t special = ((v - EACH(0x20)) & ~v) | v | zeros(v ^ EACH(0x7F)) |
				   zeros(v ^ EACH('"')) | zeros(v ^ EACH('\\'));
		if ((special & EACH(0x80)) != 0) {
			break;
		}
	}
	while (n < s.len && is_plain(s.at[n])) {
		n++;
	}
	return n;
}

static void add_escaped(struct buf *b, char c)
{
	static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	for (size_t i = 0; i + 1 < sizeof short_forms; i += 2) {
		if (short_forms[i] == c) {
			buf_add_c(b, '\\');
			buf_add_c(b, short_forms[i + 1]);
			return;
		}
	}
	buf_addf(b, "\\u%04x", (unsigned char)c);
}

static void add_text(struct buf *b, struct str s)
{
	while (s.len) {
		size_t plain = plain_length(s);
		buf_add(b, s.at, plain);
		s = str_skip(s, plain);
		size_t n = str_utf8_length(s);
		if (n > 1) {
			buf_add(b, s.at, n);
		} else if (n == 1) {
			add_escaped(b, s.at[0]);
		} else if (s.len) {
			buf_add_str(b, STR("\xef\xbf\xbd"));
			n = 1;
		}
		s = str_skip(s, n);
	}
}

/* The text between its quotes, and what stands behind it: in one piece when nothing is escaped. */
static void add_quoted(struct jsonw *w, struct str s, struct str behind)
{
	begin(w);
	if (plain_length(s) < s.len) {
		buf_add_c(w->out, '"');
		add_text(w->out, s);
		buf_add_c(w->out, '"');
		buf_add_str(w->out, behind);
		return;
	}
	size_t len = s.len + 2 + behind.len;
	char *to = buf_reserve(w->out, len);
	if (to == NULL) {
		return;
	}
	to[0] = '"';
	if (s.len > 0) {
		memcpy(to + 1, s.at, s.len);
	}
	to[s.len + 1] = '"';
	memcpy(to + s.len + 2, behind.at, behind.len);
	buf_commit(w->out, len);
}

void jsonw_str(struct jsonw *w, struct str s)
{
	add_quoted(w, s, STR(""));
}

void jsonw_key(struct jsonw *w, const char *key)
{
	add_quoted(w, str_of(key), STR(":"));
	w->needs_comma = false;
}

void jsonw_int(struct jsonw *w, int64_t n)
{
	begin(w);
	if (n < 0) {
		buf_add_c(w->out, '-');
	}
	buf_add_u64(w->out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void jsonw_bool(struct jsonw *w, bool b)
{
	jsonw_raw(w, b ? STR("true") : STR("false"));
}

void jsonw_null(struct jsonw *w)
{
	jsonw_raw(w, STR("null"));
}

void jsonw_raw(struct jsonw *w, struct str json)
{
	begin(w);
	buf_add_str(w->out, json);
}

void jsonw_key_str(struct jsonw *w, const char *key, struct str s)
{
	jsonw_key(w, key);
	jsonw_str(w, s);
}

void jsonw_key_text(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	jsonw_str(w, str_of(s));
}

void jsonw_key_int(struct jsonw *w, const char *key, int64_t n)
{
	jsonw_key(w, key);
	jsonw_int(w, n);
}

void jsonw_key_bool(struct jsonw *w, const char *key, bool b)
{
	jsonw_key(w, key);
	jsonw_bool(w, b);
}

/* Digits and marks: nothing to escape. */
void jsonw_key_time(struct jsonw *w, const char *key, int64_t unix_s)
{
	jsonw_key(w, key);
	if (unix_s == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_raw(w, STR("\""));
	clock_add_rfc3339(w->out, unix_s);
	buf_add_c(w->out, '"');
}

void jsonw_key_time_ms(struct jsonw *w, const char *key, int64_t unix_ms)
{
	jsonw_key(w, key);
	if (unix_ms == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_raw(w, STR("\""));
	clock_add_rfc3339_ms(w->out, unix_ms);
	buf_add_c(w->out, '"');
}
