#include "base/option.h"

enum {
	WIDEST = sizeof(msec_t),
};

static size_t size_of(const struct option *o)
{
	switch (o->type) {
	case OPTION_BOOL:
		return sizeof(bool);
	case OPTION_TEXT:
		return sizeof(char *);
	case OPTION_PORT:
		return sizeof(uint16_t);
	case OPTION_COUNT:
		return sizeof(uint32_t);
	case OPTION_BYTES:
		return sizeof(size_t);
	case OPTION_MSEC:
		return sizeof(msec_t);
	}
	return 0;
}

static bool differs(const struct option *o, const char *a, const char *b)
{
	const char *x, *y;

	if (o->type != OPTION_TEXT) {
		return memcmp(a + o->offset, b + o->offset, size_of(o)) != 0;
	}
	memcpy(&x, a + o->offset, sizeof(x));
	memcpy(&y, b + o->offset, sizeof(y));
	return (x == NULL) != (y == NULL) || (x != NULL && strcmp(x, y) != 0);
}

static void swap(const struct option *o, char *a, char *b)
{
	char keep[WIDEST];
	size_t n = size_of(o);

	memcpy(keep, a + o->offset, n);
	memcpy(a + o->offset, b + o->offset, n);
	memcpy(b + o->offset, keep, n);
}

size_t options_apply(const struct option *table, void *object, void *fresh, struct buf *waiting)
{
	size_t n = 0;

	for (const struct option *o = table; o->key != NULL; o++) {
		if (!differs(o, object, fresh)) {
			continue;
		}
		if (strcmp(o->live, "live") == 0) {
			swap(o, object, fresh);
			n++;
		} else {
			buf_addf(waiting, "%s%s", waiting->len > 0 ? ", " : "", o->key);
		}
	}
	return n;
}
