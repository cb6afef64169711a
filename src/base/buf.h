#pragma once
/*
 * Growing bytes with a maximum and a sticky failure.
 *
 * Writers append and look at the end only: once an append would pass `max` the buffer takes nothing
 * more and buf_failed() says so. The bytes are kept NUL-terminated for convenience; the NUL is not
 * counted. buf_wipe variants overwrite memory before it is given back, also when growing.
 *
 * Open struct: `at` and `len` may be read by anyone and written only here.
 */
#include "base/str.h"

struct buf {
	char *at;
	size_t len, cap, max; /* bytes */
	bool failed;          /* an append did not fit; sticky until buf_reset */
	bool wipes;           /* holds secrets: memory is cleared before free and when it moves */
};

#define BUF(max_bytes)        ((struct buf){.max = (max_bytes)})
#define BUF_SECRET(max_bytes) ((struct buf){.max = (max_bytes), .wipes = true})

void buf_fini(struct buf *b); /* frees the memory; the buffer may be used again */
void buf_reset(
	struct buf *b); /* forgets bytes and failure, keeps the memory (cleared if it wipes) */
bool buf_failed(const struct buf *b);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_c(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_add_u64(struct buf *b, uint64_t n); /* decimal; cheaper than buf_addf */
void buf_add_hex(struct buf *b, const void *bytes, size_t len);
/* base64 of RFC 4648: section 4 with padding, or section 5 (url) without. */
void buf_add_base64(struct buf *b, const void *bytes, size_t len);
void buf_add_base64url(struct buf *b, const void *bytes, size_t len);
/* Decodes and appends; either alphabet as named, padding optional in the url form; white space is
 * skipped only in the plain form. False, with nothing appended, on any other byte. */
NODISCARD bool buf_add_decoded_base64(struct buf *b, struct str text);
NODISCARD bool buf_add_decoded_base64url(struct buf *b, struct str text);
/* Room for `len` more bytes, or NULL when that would pass max; commit what was written. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
void buf_drop_front(struct buf *b, size_t len); /* moves the rest down */
struct str buf_str(const struct buf *b);        /* good until the next append */
char *buf_take(struct buf *b); /* the bytes, owned by the caller; b is empty after */

static inline void auto_buf(struct buf *b)
{
	buf_fini(b);
}
#define AUTO_BUF __attribute__((cleanup(auto_buf)))
