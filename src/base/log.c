#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum {
	LINE_MAX_BYTES = LOG_FIELDS_MAX * LOG_FIELD_MAX * 6 + 2048, /* every byte as \u00xx */
};

/* Written by log_setup() before the threads start, and by the reload of settings after. */
static atomic_int level_now = LOG_INFO;
static atomic_bool json_now;
static _Atomic(const char *) program_now = "drawbridge";

static const char level_names[][8] = {"error", "warning", "info", "debug"};

void log_setup(enum log_level level, bool json, const char *program)
{
	atomic_store(&level_now, (int)level);
	atomic_store(&json_now, json);
	atomic_store(&program_now, program);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

/* Between quotes of JSON; the text form uses the same escapes, so that one rule is safe for both.
 */
static void add_escaped(struct buf *b, struct str s)
{
	bool cut = s.len > LOG_FIELD_MAX;
	struct str rest = str_first(s, LOG_FIELD_MAX);
	while (rest.len) {
		unsigned char c = (unsigned char)rest.at[0];
		size_t n = str_utf8_length(rest);
		/* C1 controls (U+0080 to U+009F) steer some terminals as C0 do */
		bool c1 = n == 2 && c == 0xC2 && (unsigned char)rest.at[1] < 0xA0;
		if (c == '"' || c == '\\') {
			buf_add_c(b, '\\');
			buf_add_c(b, (char)c);
		} else if (c1) {
			buf_addf(b, "\\u%04x", (unsigned char)rest.at[1]);
		} else if (n == 0) {
			buf_add_str(b, STR("\\ufffd"));
			n = 1;
		} else if (c < 0x20 || c == 0x7F) {
			buf_addf(b, "\\u%04x", c);
		} else {
			buf_add(b, rest.at, n);
		}
		rest = str_skip(rest, n);
	}
	if (cut) {
		buf_add_str(b, STR("..."));
	}
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') {
			return false;
		}
	}
	return s.len > 0 && s.len <= LOG_FIELD_MAX;
}

static void add_quoted(struct buf *b, struct str s)
{
	buf_add_c(b, '"');
	add_escaped(b, s);
	buf_add_c(b, '"');
}

static void add_text_field(struct buf *b, const struct log_field *field)
{
	buf_addf(b, " %s=", field->name);
	if (field->is_number) {
		buf_addf(b, "%lld", (long long)field->number);
	} else if (is_plain(field->text)) {
		buf_add_str(b, field->text);
	} else {
		add_quoted(b, field->text);
	}
}

static void add_text_line(struct buf *b, enum log_level level, const char *message,
			  const struct log_field *fields, size_t n)
{
	clock_add_rfc3339_ms(b, clock_unix_ms());
	buf_addf(b, " %-7s %s", level_names[level], message);
	for (size_t i = 0; i < n; i++) {
		add_text_field(b, &fields[i]);
	}
}

static void add_json_line(struct buf *b, enum log_level level, const char *message,
			  const struct log_field *fields, size_t n)
{
	buf_add_str(b, STR("{\"time\":\""));
	clock_add_rfc3339_ms(b, clock_unix_ms());
	buf_addf(b, "\",\"level\":\"%s\",\"program\":\"%s\",\"message\":", level_names[level],
		 atomic_load(&program_now));
	add_quoted(b, str_of(message));
	for (size_t i = 0; i < n; i++) {
		buf_addf(b, ",\"%s\":", fields[i].name);
		if (fields[i].is_number) {
			buf_addf(b, "%lld", (long long)fields[i].number);
		} else {
			add_quoted(b, fields[i].text);
		}
	}
	buf_add_c(b, '}');
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
	AUTO_BUF struct buf line = BUF(LINE_MAX_BYTES);
	size_t most = n < LOG_FIELDS_MAX ? n : LOG_FIELDS_MAX;
	if (atomic_load_explicit(&json_now, memory_order_relaxed)) {
		add_json_line(&line, level, message, fields, most);
	} else {
		add_text_line(&line, level, message, fields, most);
	}
	buf_add_c(&line, '\n');
	ssize_t ignored = write(STDERR_FILENO, line.at, line.len);
	(void)ignored; /* nobody is left to be told */
}
