#pragma once
/* Time. Engines get it as a parameter; only loops and programs call this. */
#include "base/buf.h"

msec_t clock_now(void);      /* CLOCK_MONOTONIC, since an unspecified start */
int64_t clock_unix(void);    /* seconds since 1970-01-01 UTC */
int64_t clock_unix_ms(void); /* milliseconds since then */
/* "2026-11-22T02:46:10Z" (RFC 3339), and with milliseconds for the _ms form. */
void clock_add_rfc3339(struct buf *b, int64_t unix_s);
void clock_add_rfc3339_ms(struct buf *b, int64_t unix_ms);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). */
void clock_add_http_date(struct buf *b, int64_t unix_s);
NODISCARD bool clock_parse_http_date(struct str s, int64_t *unix_s); /* IMF-fixdate only */
/* "250ms", "30s", "10min", "12h", "365d"; a number without its unit is refused. */
NODISCARD bool clock_parse_duration(struct str s, msec_t *out);
