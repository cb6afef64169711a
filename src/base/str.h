#pragma once
/*
 * A borrowed piece of text or bytes: pointer and length, by value. May hold any byte, is never
 * freed and not NUL-terminated. Good as long as the memory that it was cut from.
 *
 * Case: only ASCII is folded (RFC 9110, 5.1: field names); no function here knows a locale.
 */
#include "base/defs.h"

struct str {
	const char *at; /* may be NULL when len is 0 */
	size_t len;     /* bytes */
};

#define STR(literal) ((struct str){"" literal "", sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For "%.*s". */
#define STR_ARGS(s) (int)(s).len, (s).at ? (s).at : ""

struct str str_of(const char *text); /* NULL gives an empty one */
struct str str_make(const void *bytes, size_t len);
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b);
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_skip(struct str s, size_t n);  /* without its first n bytes (or all) */
struct str str_first(struct str s, size_t n); /* its first n bytes (or all) */
struct str str_trim(struct str s);            /* without SP and HTAB around it */
/* Index of the first `c`, or s.len. */
size_t str_find(struct str s, char c);
size_t str_find_last(struct str s, char c); /* s.len when there is none */
bool str_contains(struct str s, struct str part);
/*
 * Cuts the part before the first `c` off *rest and returns it; without a `c` the whole rest.
 * Returns false when *rest was used up by the call before (at == NULL).
 */
bool str_next(struct str *rest, char c, struct str *part);
/* The next member of a comma list, trimmed, empty members skipped (RFC 9110, 5.6.1). */
bool str_next_listed(struct str *rest, struct str *member);

/* Digits only, no sign, no space, nothing behind; false on overflow or an empty string. */
NODISCARD bool str_to_u64(struct str s, uint64_t *out);
NODISCARD bool str_to_port(struct str s, uint16_t *out); /* 1 to 65535 */
int str_hex_digit(char c);                               /* 0 to 15, in either case; -1: none */
/* Exactly 2 * len hex digits in either case. */
NODISCARD bool str_to_hex_bytes(struct str s, uint8_t *out, size_t len);

char *str_dup(struct str s); /* NUL-terminated copy, owned by the caller; never NULL */
/* Copies into an array and ends it with NUL; false (and an empty array) when it does not fit. */
NODISCARD bool str_copy(struct str s, char *into, size_t size);
/* Compares in time that depends on the lengths only. */
bool str_eq_secret(struct str a, struct str b);
bool str_is_utf8(struct str s);
/* Bytes of the well-formed UTF-8 character that `s` starts with; 0 when there is none. */
size_t str_utf8_length(struct str s);
/* RFC 9562: 36 characters, lower-case or upper-case hex. */
bool str_is_uuid(struct str s);
