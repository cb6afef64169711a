#include "base/buf.h"

#include <stdarg.h>

enum {
	CAP_FIRST = 64, /* bytes of the first allocation */
};

static void wipe(void *at, size_t len)
{
	if (at != NULL) {
		explicit_bzero(at, len);
	}
}

void buf_fini(struct buf *b)
{
	if (b->wipes) {
		wipe(b->at, b->cap);
	}
	free(b->at);
	*b = (struct buf){.max = b->max, .wipes = b->wipes};
}

void buf_reset(struct buf *b)
{
	if (b->wipes) {
		wipe(b->at, b->cap);
	}
	b->len = 0;
	b->failed = false;
	if (b->at) {
		b->at[0] = '\0';
	}
}

bool buf_failed(const struct buf *b)
{
	return b->failed;
}

/* Moves the bytes to memory of `cap` bytes; realloc would leave copies of secrets behind. */
static void move_to(struct buf *b, size_t cap)
{
	if (!b->wipes) {
		b->at = must_realloc(b->at, cap);
		b->cap = cap;
		return;
	}
	char *at = must_alloc(cap);
	if (b->len) {
		memcpy(at, b->at, b->len);
	}
	wipe(b->at, b->cap);
	free(b->at);
	b->at = at;
	b->cap = cap;
}

static char *reserve_more(struct buf *b, size_t len)
{
	if (b->failed || len > b->max || b->len > b->max - len) {
		b->failed = true;
		return NULL;
	}
	size_t needs = b->len + len + 1; /* and the NUL */
	if (needs == 0) {
		b->failed = true; /* max is SIZE_MAX and so is the wish */
		return NULL;
	}
	if (needs > b->cap) {
		size_t cap = b->cap ? b->cap : CAP_FIRST;
		while (cap < needs) {
			cap = cap > SIZE_MAX / 2 ? needs : cap * 2;
		}
		move_to(b, cap > b->max && b->max < SIZE_MAX ? b->max + 1 : cap);
		b->at[b->len] = '\0';
	}
	return b->at + b->len;
}

char *buf_reserve(struct buf *b, size_t len)
{
	bool fits =
		!b->failed && len < b->cap - b->len && b->max - b->len >= len && b->max >= b->len;

	return fits ? b->at + b->len : reserve_more(b, len);
}

void buf_commit(struct buf *b, size_t len)
{
	if (len == 0 && b->at == NULL) {
		return;
	}
	b->len += len;
	b->at[b->len] = '\0';
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0) {
		return;
	}
	char *room = buf_reserve(b, len);
	if (room) {
		memcpy(room, bytes, len);
		buf_commit(b, len);
	}
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.at, s.len);
}

void buf_add_c(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	int wanted = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *room = wanted < 0 ? NULL : buf_reserve(b, (size_t)wanted);
	if (room) {
		vsnprintf(room, (size_t)wanted + 1, fmt, again);
		buf_commit(b, (size_t)wanted);
	}
	va_end(again);
	b->failed |= wanted < 0;
}

void buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	buf_add(b, digits + at, sizeof digits - at);
}

void buf_add_hex(struct buf *b, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;
	char *room = len > SIZE_MAX / 2 ? NULL : buf_reserve(b, len * 2);
	if (room == NULL) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		room[2 * i] = digits[from[i] >> 4];
		room[2 * i + 1] = digits[from[i] & 15];
	}
	buf_commit(b, len * 2);
}

static const char plain_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add_base64(struct buf *b, const uint8_t *from, size_t len, const char *alphabet,
		       bool pads)
{
	size_t whole = len / 3;
	size_t rest = len % 3;
	size_t tail = rest == 0 ? 0 : pads ? 4 : rest + 1;
	char *room = whole > (SIZE_MAX - 4) / 4 ? NULL : buf_reserve(b, whole * 4 + tail);
	if (room == NULL) {
		b->failed = true;
		return;
	}
	char *to = room;
	for (size_t i = 0; i < whole; i++, from += 3) {
		unsigned n = (unsigned)from[0] << 16 | (unsigned)from[1] << 8 | from[2];
		*to++ = alphabet[n >> 18];
		*to++ = alphabet[n >> 12 & 63];
		*to++ = alphabet[n >> 6 & 63];
		*to++ = alphabet[n & 63];
	}
	if (rest) {
		unsigned n = (unsigned)from[0] << 16 | (rest > 1 ? (unsigned)from[1] << 8 : 0);
		char last[4] = {alphabet[n >> 18], alphabet[n >> 12 & 63],
				rest > 1 ? alphabet[n >> 6 & 63] : '=', '='};
		memcpy(to, last, tail);
	}
	buf_commit(b, whole * 4 + tail);
}

void buf_add_base64(struct buf *b, const void *bytes, size_t len)
{
	add_base64(b, bytes, len, plain_alphabet, true);
}

void buf_add_base64url(struct buf *b, const void *bytes, size_t len)
{
	add_base64(b, bytes, len, url_alphabet, false);
}

static int value_of(char c, const char *alphabet)
{
	const char *hit = c ? strchr(alphabet, c) : NULL;
	return hit ? (int)(hit - alphabet) : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Appends as it reads; on a bad byte the caller cuts back to where it was. */
static bool decode(struct buf *b, struct str text, const char *alphabet, bool skips_space)
{
	unsigned bits = 0;
	size_t n = 0; /* characters of the alphabet read */
	size_t pads = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (skips_space && is_space(c)) {
			continue;
		}
		if (c == '=') {
			pads++;
			continue;
		}
		int value = value_of(c, alphabet);
		if (value < 0 || pads > 0) {
			return false;
		}
		bits = (bits << 6 | (unsigned)value) & 0xFFFFFF;
		n++;
		if (n % 4 != 1) {
			unsigned drop = n % 4 == 2 ? 4 : n % 4 == 3 ? 2 : 0;
			buf_add_c(b, (char)(bits >> drop & 0xFF));
		}
	}
	/* One spare character, or spare bits that are not zero: two texts for the same bytes. */
	unsigned spare = n % 4 == 2 ? bits & 15 : n % 4 == 3 ? bits & 3 : 0;
	bool full = (n + pads) % 4 == 0 && pads <= 2;
	return n % 4 != 1 && spare == 0 && (full || (!skips_space && pads == 0)) && !b->failed;
}

static bool add_decoded(struct buf *b, struct str text, const char *alphabet, bool skips_space)
{
	size_t before = b->len;
	if (decode(b, text, alphabet, skips_space)) {
		return true;
	}
	if (b->at) {
		explicit_bzero(b->at + before, b->len - before);
	}
	b->len = before;
	return false;
}

bool buf_add_decoded_base64(struct buf *b, struct str text)
{
	return add_decoded(b, text, plain_alphabet, true);
}

bool buf_add_decoded_base64url(struct buf *b, struct str text)
{
	return add_decoded(b, text, url_alphabet, false);
}

void buf_drop_front(struct buf *b, size_t len)
{
	size_t by = len < b->len ? len : b->len;
	if (by == 0) {
		return;
	}
	memmove(b->at, b->at + by, b->len - by);
	if (b->wipes) {
		wipe(b->at + b->len - by, by);
	}
	b->len -= by;
	b->at[b->len] = '\0';
}

struct str buf_str(const struct buf *b)
{
	return (struct str){b->at, b->len};
}

char *buf_take(struct buf *b)
{
	char *at = b->at ? b->at : must_alloc(1);
	*b = (struct buf){.max = b->max, .wipes = b->wipes};
	return at;
}
