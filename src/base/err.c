#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

/* Cuts at a character's border, so that a cut text is still UTF-8. */
static void end_at_character(char *text, size_t size, int wanted)
{
	if (wanted < 0) {
		text[0] = '\0';
		return;
	}
	if ((size_t)wanted < size) {
		return;
	}
	size_t end = size - 1;
	size_t start = end;
	while (start > 0 && end - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
		start--;
	}
	if (start > 0) {
		unsigned char lead = (unsigned char)text[start - 1];
		size_t needs = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
		if (needs > 1 && end - (start - 1) < needs) {
			text[start - 1] = '\0';
		}
	}
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	char text[sizeof(err->text)]; /* the arguments may point into err->text */
	va_list args;
	va_start(args, fmt);
	int wanted = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	end_at_character(text, sizeof text, wanted);
	err->kind = kind;
	memcpy(err->text, text, sizeof text);
	return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
	char what[sizeof(err->text)];
	char text[sizeof(err->text)];
	va_list args;
	va_start(args, fmt);
	int wanted = vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	end_at_character(what, sizeof what, wanted);
	wanted = snprintf(text, sizeof text, "%s: %s", what, err->text);
	end_at_character(text, sizeof text, wanted);
	memcpy(err->text, text, sizeof text);
	return false;
}

bool err_errno(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	int number = errno;
	char what[sizeof(err->text)];
	char reason[128];
	va_list args;
	va_start(args, fmt);
	int wanted = vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	end_at_character(what, sizeof what, wanted);
	/* the GNU strerror_r: thread-safe, returns the text */
	err_set(err, kind, "%s: %s", what, strerror_r(number, reason, sizeof reason));
	errno = number;
	return false;
}
