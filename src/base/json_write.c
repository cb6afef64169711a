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

void jsonw_str(struct jsonw *w, struct str s)
{
	begin(w);
	buf_add_c(w->out, '"');
	while (s.len) {
		size_t plain = 0;
		while (plain < s.len && is_plain(s.at[plain])) {
			plain++;
		}
		buf_add(w->out, s.at, plain);
		s = str_skip(s, plain);
		size_t n = str_utf8_length(s);
		if (n > 1) {
			buf_add(w->out, s.at, n);
		} else if (n == 1) {
			add_escaped(w->out, s.at[0]);
		} else if (s.len) {
			buf_add_str(w->out, STR("\xef\xbf\xbd"));
			n = 1;
		}
		s = str_skip(s, n);
	}
	buf_add_c(w->out, '"');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	jsonw_str(w, str_of(key));
	buf_add_c(w->out, ':');
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

void jsonw_key_time(struct jsonw *w, const char *key, int64_t unix_s)
{
	AUTO_BUF struct buf text = BUF(64);

	jsonw_key(w, key);
	if (unix_s == 0) {
		jsonw_null(w);
		return;
	}
	clock_add_rfc3339(&text, unix_s);
	jsonw_str(w, buf_str(&text));
}

void jsonw_key_time_ms(struct jsonw *w, const char *key, int64_t unix_ms)
{
	AUTO_BUF struct buf text = BUF(64);

	jsonw_key(w, key);
	if (unix_ms == 0) {
		jsonw_null(w);
		return;
	}
	clock_add_rfc3339_ms(&text, unix_ms);
	jsonw_str(w, buf_str(&text));
}
