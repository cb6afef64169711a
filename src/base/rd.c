#include "base/rd.h"

struct rd rd_over(struct str bytes)
{
	return (struct rd){.rest = bytes};
}

struct str rd_bytes(struct rd *r, size_t len)
{
	if (r->failed || len > r->rest.len) {
		r->failed = true;
		return STR_NONE;
	}
	struct str bytes = str_first(r->rest, len);
	r->rest = str_skip(r->rest, len);
	return bytes;
}

static uint64_t number(struct rd *r, size_t len)
{
	struct str bytes = rd_bytes(r, len);
	uint64_t n = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		n = n << 8 | (uint8_t)bytes.at[i];
	}
	return n;
}

uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)number(r, 1);
}

uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)number(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)number(r, 4);
}

uint64_t rd_u64(struct rd *r)
{
	return number(r, 8);
}

struct str rd_blob(struct rd *r, size_t max)
{
	size_t len = rd_u32(r);
	if (len > max) {
		r->failed = true;
	}
	return rd_bytes(r, len);
}

bool rd_done(const struct rd *r)
{
	return !r->failed && r->rest.len == 0;
}

static void add_number(struct buf *b, uint64_t n, size_t len)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < len; i++) {
		bytes[i] = (uint8_t)(n >> (8 * (len - 1 - i)));
	}
	buf_add(b, bytes, len);
}

void wr_u8(struct buf *b, uint8_t n)
{
	add_number(b, n, 1);
}

void wr_u16(struct buf *b, uint16_t n)
{
	add_number(b, n, 2);
}

void wr_u32(struct buf *b, uint32_t n)
{
	add_number(b, n, 4);
}

void wr_u64(struct buf *b, uint64_t n)
{
	add_number(b, n, 8);
}

void wr_blob(struct buf *b, struct str bytes)
{
	if (bytes.len > UINT32_MAX) {
		b->failed = true;
		return;
	}
	wr_u32(b, (uint32_t)bytes.len);
	buf_add_str(b, bytes);
}
