/* Bodies of HTTP/1: chunked, read whole and in pieces of the first byte's size: the same comes out.
 */
#include <assert.h>

#include "http/h1_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct result {
	enum h1_outcome outcome;
	size_t used, n_trailers;
};

static struct result read_body(struct str in, size_t step, struct buf *out)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct http_head head = {.body = HTTP_BODY_CHUNKED};
	struct result r = {H1_MORE, 0, 0};
	struct h1_body body;
	struct err err;
	h1_body_start(&body, &head);
	while (r.used < in.len && r.outcome == H1_MORE) {
		struct str data;
		size_t used;
		r.outcome = h1_body_read(&body, str_first(str_skip(in, r.used), step), &used, &data,
					 &err);
		assert(used <= step && data.len <= used);
		assert(used > 0 || r.outcome != H1_MORE);
		buf_add_str(out, data);
		r.used += used;
	}
	if (r.outcome == H1_DONE) {
		struct http_field *fields;
		if (h1_body_trailers(&body, arena, &fields, &r.n_trailers, &err)) {
			for (size_t i = 0; i < r.n_trailers; i++) {
				assert(http_is_token(fields[i].name));
				assert(http_is_field_value(fields[i].value));
			}
		}
	}
	h1_body_fini(&body);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len == 0) {
		return 0;
	}
	AUTO_BUF struct buf whole = BUF(MIB(2));
	AUTO_BUF struct buf cut = BUF(MIB(2));
	struct str in = str_make(bytes + 1, len - 1);
	struct result a = read_body(in, SIZE_MAX, &whole);
	struct result b = read_body(in, bytes[0] ? bytes[0] : 1, &cut);
	assert(a.outcome == b.outcome && a.n_trailers == b.n_trailers);
	assert(a.outcome == H1_BAD || a.used == b.used);
	assert(a.outcome == H1_BAD || str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
