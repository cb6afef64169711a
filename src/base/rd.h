#pragma once
/*
 * A cursor over bytes for parsing binary messages. A short read makes it fail for good; what was
 * asked for is then zero or empty, so that a parser tests once at its end with rd_done(). Numbers
 * are big-endian (RFC 1700 order).
 */
#include "base/buf.h"

struct rd {
	struct str rest;
	bool failed;
};

struct rd rd_over(struct str bytes);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
struct str rd_bytes(struct rd *r, size_t len);
struct str rd_blob(struct rd *r,
		   size_t max);   /* u32 length, then that many; longer than max fails */
bool rd_done(const struct rd *r); /* all read, nothing failed */

/* The writers of the same forms. */
void wr_u8(struct buf *b, uint8_t n);
void wr_u16(struct buf *b, uint16_t n);
void wr_u32(struct buf *b, uint32_t n);
void wr_u64(struct buf *b, uint64_t n);
void wr_blob(struct buf *b, struct str bytes);
