#include "http/h1_engine.h"

#include "unit/unit.h"

/* Reads a body fed in pieces of `step` bytes; what came out is appended to `out`. */
static enum h1_outcome read_all(enum http_body kind, uint64_t length, struct str in, size_t step,
				struct buf *out, size_t *total)
{
	struct http_head head = {.body = kind, .content_length = length};
	struct h1_body body;
	struct err err;
	enum h1_outcome outcome = H1_MORE;
	h1_body_start(&body, &head);
	*total = 0;
	while (in.len && outcome == H1_MORE) {
		struct str piece = str_first(in, step);
		while (piece.len && outcome == H1_MORE) {
			size_t used;
			struct str data;
			outcome = h1_body_read(&body, piece, &used, &data, &err);
			buf_add_str(out, data);
			*total += used;
			assert_true(used > 0 || outcome == H1_BAD);
			piece = str_skip(piece, used);
		}
		in = str_skip(in, step);
	}
	h1_body_fini(&body);
	return outcome;
}

TEST(chunks_come_out_whole_however_they_are_cut)
{
	struct str in = STR("5\r\nhello\r\n00A;x=\"y\"\r\n, chunked \r\n1\r\n!\r\n0\r\n\r\nrest");
	for (size_t step = 1; step <= in.len; step++) {
		AUTO_BUF struct buf out = BUF(KIB(1));
		size_t total;
		assert_int_equal(read_all(HTTP_BODY_CHUNKED, 0, in, step, &out, &total), H1_DONE);
		assert_true(str_eq(buf_str(&out), STR("hello, chunked !")));
		assert_int_equal(total, in.len - 4);
	}
}

TEST(malformed_chunks_are_refused_however_they_are_cut)
{
	static const struct str cases[] = {
		STR("\r\n"),
		STR(";x\r\n"),
		STR("g\r\n"),
		STR("-1\r\n"),
		STR("+1\r\na"),
		STR("0x1\r\na"),
		STR(" 1\r\na"),
		STR("1 \r\na"),
		STR("1 ;x\r\na"),
		STR("1\na"),
		STR("1\r\ra"),
		STR("1;a\nb"),
		STR("1;a\0b\r\n"),
		STR("1\r\nab"),
		STR("1\r\na\n"),
		STR("1\r\na\rb"),
		STR("10000000000000000\r\n"),
		STR("ffffffffffffffffffff\r\n"),
		STR("0\r\n\n"),
		STR("0\r\n\rx"),
		STR("0\r\na\r\n"),
		STR("0\r\na: b\n"),
		STR("0\r\na : b\r\n"),
		STR("0\r\n a: b\r\n"),
		STR("0\r\na: b\rc"),
		STR("0\r\nContent-Length: 5\r\n"),
		STR("0\r\nTransfer-Encoding: chunked\r\n"),
		STR("0\r\nHost: x\r\n"),
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].len; step++) {
			AUTO_BUF struct buf out = BUF(KIB(1));
			size_t total;
			if (read_all(HTTP_BODY_CHUNKED, 0, cases[i], step, &out, &total) !=
			    H1_BAD) {
				fail_msg("case %zu in steps of %zu passes", i, step);
			}
		}
	}
}

TEST(endless_extensions_and_zeros_are_refused)
{
	static const char *const starts[] = {"1;", "0"};
	for (size_t i = 0; i < COUNT(starts); i++) {
		AUTO_BUF struct buf in = BUF(KIB(64));
		AUTO_BUF struct buf out = BUF(KIB(1));
		size_t total;
		buf_add_str(&in, str_of(starts[i]));
		while (in.len < H1_CHUNK_LINE_MAX) {
			buf_add_c(&in, '0');
		}
		assert_int_equal(read_all(HTTP_BODY_CHUNKED, 0, buf_str(&in), 1, &out, &total),
				 H1_MORE);
		buf_add_c(&in, '0');
		assert_int_equal(read_all(HTTP_BODY_CHUNKED, 0, buf_str(&in), 7, &out, &total),
				 H1_BAD);
	}
}

TEST(endless_trailers_are_refused)
{
	AUTO_BUF struct buf in = BUF(KIB(64));
	AUTO_BUF struct buf out = BUF(KIB(1));
	size_t total;
	buf_add_str(&in, STR("0\r\n"));
	while (in.len < H1_TRAILERS_MAX + 2048) {
		buf_add_str(&in, STR("A: b\r\n"));
	}
	assert_int_equal(read_all(HTTP_BODY_CHUNKED, 0, buf_str(&in), 100, &out, &total), H1_BAD);
}

TEST(trailers_are_read)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(1), KIB(64));
	struct http_head head = {.body = HTTP_BODY_CHUNKED};
	struct h1_body body;
	struct err err;
	struct str in = STR("0\r\ngrpc-status: 0\r\nEmpty:\r\n\r\n");
	size_t used;
	struct str data;
	h1_body_start(&body, &head);
	assert_int_equal(h1_body_read(&body, in, &used, &data, &err), H1_DONE);
	assert_int_equal(used, in.len);
	struct http_field *fields;
	size_t n;
	assert_true(h1_body_trailers(&body, arena, &fields, &n, &err));
	assert_int_equal(n, 2);
	assert_true(str_eq(fields[0].name, STR("grpc-status")));
	assert_true(str_eq(fields[0].value, STR("0")));
	assert_true(str_eq(fields[1].name, STR("Empty")));
	assert_int_equal(fields[1].value.len, 0);
	h1_body_fini(&body);
}

TEST(a_length_takes_just_its_bytes)
{
	for (size_t step = 1; step < 8; step++) {
		AUTO_BUF struct buf out = BUF(KIB(1));
		size_t total;
		assert_int_equal(
			read_all(HTTP_BODY_LENGTH, 5, STR("hellorest"), step, &out, &total),
			H1_DONE);
		assert_true(str_eq(buf_str(&out), STR("hello")));
		assert_int_equal(total, 5);
	}
}

TEST(only_a_body_up_to_the_close_may_end_there)
{
	static const struct {
		enum http_body kind;
		bool fine;
	} cases[] = {
		{HTTP_BODY_NONE, true},
		{HTTP_BODY_LENGTH, false},
		{HTTP_BODY_CHUNKED, false},
		{HTTP_BODY_TO_CLOSE, true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head = {.body = cases[i].kind, .content_length = 5};
		struct h1_body body;
		struct err err;
		size_t used;
		struct str data;
		h1_body_start(&body, &head);
		(void)h1_body_read(&body, STR("1\r\n"), &used, &data, &err);
		assert_int_equal(h1_body_at_close(&body), cases[i].fine);
		h1_body_fini(&body);
	}
}

TEST(a_length_of_zero_is_complete_at_once)
{
	struct http_head head = {.body = HTTP_BODY_LENGTH};
	struct h1_body body;
	h1_body_start(&body, &head);
	assert_true(body.complete);
	h1_body_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_come_out_whole_however_they_are_cut),
		cmocka_unit_test(malformed_chunks_are_refused_however_they_are_cut),
		cmocka_unit_test(endless_extensions_and_zeros_are_refused),
		cmocka_unit_test(endless_trailers_are_refused),
		cmocka_unit_test(trailers_are_read),
		cmocka_unit_test(a_length_takes_just_its_bytes),
		cmocka_unit_test(only_a_body_up_to_the_close_may_end_there),
		cmocka_unit_test(a_length_of_zero_is_complete_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
