/*
 * Heads of HTTP/1: the first byte chooses request or answer and the limits. Read whole and byte by
 * byte the verdict must be the same; a request that was taken is written and read back the same.
 */
#include <assert.h>

#include "http/h1_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct h1_limits tight = {64, 256, 4};

struct verdict {
	enum h1_outcome outcome;
	struct http_head head;
	size_t used;
};

static struct verdict read_head(struct str in, bool answer, const struct h1_limits *limits,
				struct arena *arena)
{
	struct verdict v = {0};
	struct err err;
	unsigned status = 0;
	arena_reset(arena);
	if (answer) {
		v.outcome = h1_read_response(in, limits, STR("GET"), arena, &v.head, &v.used, &err);
	} else {
		v.outcome = h1_read_request(in, limits, arena, &v.head, &v.used, &status, &err);
		assert(v.outcome != H1_BAD || (status >= 400 && status < 600));
	}
	assert(v.outcome != H1_DONE || v.used <= in.len);
	return v;
}

static void compare_trickled(struct str in, bool answer, const struct h1_limits *limits,
			     struct arena *arena, const struct verdict *whole)
{
	for (size_t n = 0; n <= in.len; n++) {
		struct verdict v = read_head(str_first(in, n), answer, limits, arena);
		if (v.outcome == H1_MORE) {
			continue;
		}
		assert(v.outcome == whole->outcome);
		assert(v.outcome != H1_DONE || v.used == whole->used);
		assert(v.head.n_fields == whole->head.n_fields);
		return;
	}
	assert(whole->outcome == H1_MORE);
}

static void write_and_read_back(const struct http_head *head)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(256));
	AUTO_BUF struct buf out = BUF(KIB(256));
	struct http_head copy = *head;
	if (str_eq(head->method, STR("CONNECT")) || head->minor == 0) {
		return;
	}
	h1_write_request(&out, &copy, head->keep_alive);
	struct h1_limits wide = {KIB(128), KIB(256), HTTP_FIELDS_MAX + 4};
	struct verdict back = read_head(buf_str(&out), false, &wide, arena);
	assert(back.outcome == H1_DONE && back.used == out.len);
	assert(str_eq(back.head.method, head->method) && str_eq(back.head.path, head->path));
	assert(str_eq(back.head.authority, head->authority));
	assert(back.head.body == head->body && back.head.content_length == head->content_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len == 0) {
		return 0;
	}
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(256));
	AUTO(arena_free) struct arena *other = arena_new(KIB(8), KIB(256));
	struct h1_limits limits = bytes[0] & 2 ? tight : H1_LIMITS;
	bool answer = bytes[0] & 1;
	struct str in = str_make(bytes + 1, len - 1);
	struct verdict whole = read_head(in, answer, &limits, arena);
	if (in.len < 2048) {
		compare_trickled(in, answer, &limits, other, &whole);
	}
	if (whole.outcome == H1_DONE && !answer) {
		write_and_read_back(&whole.head);
	}
	return 0;
}
