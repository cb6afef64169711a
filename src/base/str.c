#include "base/str.h"

struct str str_of(const char *text)
{
	return text ? (struct str){text, strlen(text)} : STR_NONE;
}

struct str str_make(const void *bytes, size_t len)
{
	return (struct str){bytes, len};
}

static int compare(const char *a, const char *b, size_t len)
{
	return len ? memcmp(a, b, len) : 0; /* memcmp may not be given NULL */
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && compare(a.at, b.at, a.len) == 0;
}

static unsigned char folded(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* The letters A to Z among eight bytes become small; bytes above 0x7f stay. */
static uint64_t folded8(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = x & (ones * 0x7f);
	uint64_t from_a = low + ones * (0x80 - 'A'); /* bit 7: 'A' or above */
	uint64_t above_z = low + ones * (0x7f - 'Z');
	uint64_t is_upper = (from_a ^ above_z) & ~x & (ones * 0x80);
	return x | is_upper >> 2;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len) {
		return false;
	}
	size_t i = 0;
	for (; i + 8 <= a.len; i += 8) {
		uint64_t x;
		uint64_t y;
		memcpy(&x, a.at + i, 8);
		memcpy(&y, b.at + i, 8);
		if (folded8(x) != folded8(y)) {
			return false;
		}
	}
	for (; i < a.len; i++) {
		if (folded(a.at[i]) != folded(b.at[i])) {
			return false;
		}
	}
	return true;
}

int str_cmp(struct str a, struct str b)
{
	int order = compare(a.at, b.at, a.len < b.len ? a.len : b.len);
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && compare(s.at, prefix.at, prefix.len) == 0;
}

bool str_starts_nocase(struct str s, struct str prefix)
{
	return str_eq_nocase(str_first(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_skip(struct str s, size_t n)
{
	size_t by = n < s.len ? n : s.len;
	return (struct str){by ? s.at + by : s.at, s.len - by};
}

struct str str_first(struct str s, size_t n)
{
	return (struct str){s.at, n < s.len ? n : s.len};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
	while (s.len && is_blank(s.at[0])) {
		s = str_skip(s, 1);
	}
	while (s.len && is_blank(s.at[s.len - 1])) {
		s.len--;
	}
	return s;
}

size_t str_find(struct str s, char c)
{
	const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;
	return hit ? (size_t)(hit - s.at) : s.len;
}

size_t str_find_last(struct str s, char c)
{
	const char *hit = s.len ? memrchr(s.at, c, s.len) : NULL;
	return hit ? (size_t)(hit - s.at) : s.len;
}

bool str_contains(struct str s, struct str part)
{
	if (part.len == 0) {
		return true;
	}
	return s.len >= part.len && memmem(s.at, s.len, part.at, part.len) != NULL;
}

bool str_next(struct str *rest, char c, struct str *part)
{
	if (rest->at == NULL) {
		return false;
	}
	size_t at = str_find(*rest, c);
	*part = str_first(*rest, at);
	*rest = at == rest->len ? STR_NONE : str_skip(*rest, at + 1);
	return true;
}

bool str_next_listed(struct str *rest, struct str *member)
{
	struct str part = STR_NONE;
	while (str_next(rest, ',', &part)) {
		part = str_trim(part);
		if (part.len) {
			*member = part;
			return true;
		}
	}
	return false;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t n = 0;
	if (s.len == 0) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.at[i] - '0'), &n)) {
			return false;
		}
	}
	*out = n;
	return true;
}

bool str_to_port(struct str s, uint16_t *out)
{
	uint64_t n = 0;
	if (!str_to_u64(s, &n) || n < 1 || n > UINT16_MAX) {
		return false;
	}
	*out = (uint16_t)n;
	return true;
}

int str_hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	unsigned char low = folded(c);
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

bool str_to_hex_bytes(struct str s, uint8_t *out, size_t len)
{
	if (len > SIZE_MAX / 2 || s.len != len * 2) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (str_hex_digit(s.at[i]) < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < len; i++) {
		out[i] =
			(uint8_t)(str_hex_digit(s.at[2 * i]) << 4 | str_hex_digit(s.at[2 * i + 1]));
	}
	return true;
}

char *str_dup(struct str s)
{
	char *copy = must_alloc(s.len + 1);
	if (s.len) {
		memcpy(copy, s.at, s.len);
	}
	return copy;
}

bool str_copy(struct str s, char *into, size_t size)
{
	if (size == 0) {
		return false;
	}
	bool fits = s.len < size;
	if (fits && s.len) {
		memcpy(into, s.at, s.len);
	}
	into[fits ? s.len : 0] = '\0';
	return fits;
}

bool str_eq_secret(struct str a, struct str b)
{
	if (a.len != b.len) {
		return false;
	}
	/* volatile, so that no compiler finds an early way out */
	volatile unsigned char differs = 0;
	for (size_t i = 0; i < a.len; i++) {
		differs = (unsigned char)(differs | (unsigned char)(a.at[i] ^ b.at[i]));
	}
	return differs == 0;
}

/* Length of the well-formed character at s.at[i] (Unicode 15, table 3-7), or 0. */
static size_t utf8_length(struct str s, size_t i)
{
	const unsigned char *p = (const unsigned char *)s.at + i;
	size_t left = s.len - i;
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xC2 ? 0
		   : p[0] < 0xE0 ? 2
		   : p[0] < 0xF0 ? 3
		   : p[0] < 0xF5 ? 4
				 : 0;
	if (n == 0 || n > left) {
		return 0;
	}
	for (size_t k = 1; k < n; k++) {
		if ((p[k] & 0xC0) != 0x80) {
			return 0;
		}
	}
	bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
	bool surrogate = p[0] == 0xED && p[1] > 0x9F;
	bool too_big = p[0] == 0xF4 && p[1] > 0x8F;
	return overlong || surrogate || too_big ? 0 : n;
}

size_t str_utf8_length(struct str s)
{
	return s.len ? utf8_length(s, 0) : 0;
}

bool str_is_utf8(struct str s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_length(s, i);
		if (n == 0) {
			return false;
		}
		i += n;
	}
	return true;
}

bool str_is_uuid(struct str s)
{
	if (s.len != 36) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.at[i] != '-' : str_hex_digit(s.at[i]) < 0) {
			return false;
		}
	}
	return true;
}
