#include "http/h1_engine.h"

#include "unit/unit.h"

static struct http_field fields[] = {
	{STR("Host"), STR("old"), false},          {STR("Accept"), STR("*/*"), false},
	{STR("Connection"), STR("x"), false},      {STR("Upgrade"), STR("ptth"), false},
	{STR("Content-Length"), STR("99"), false}, {STR("Transfer-Encoding"), STR("gzip"), false},
};

TEST(the_framing_of_a_request_is_ours)
{
	AUTO_BUF struct buf out = BUF(KIB(4));
	struct http_head head = {
		.method = STR("POST"),
		.target = STR("http://v/x"),
		.path = STR("/x"),
		.authority = STR("real:81"),
		.fields = fields,
		.n_fields = COUNT(fields),
		.body = HTTP_BODY_LENGTH,
		.content_length = 18446744073709551615u,
	};
	h1_write_request(&out, &head, true);
	assert_string_equal(out.at, "POST /x HTTP/1.1\r\nHost: real:81\r\nAccept: */*\r\n"
				    "Content-Length: 18446744073709551615\r\n\r\n");
	buf_reset(&out);
	head.body = HTTP_BODY_CHUNKED;
	head.authority = STR_NONE;
	h1_write_request(&out, &head, false);
	assert_string_equal(out.at, "POST /x HTTP/1.1\r\nHost: old\r\nAccept: */*\r\n"
				    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
	buf_reset(&out);
	head.body = HTTP_BODY_NONE;
	head.upgrade = true;
	h1_write_request(&out, &head, true);
	assert_string_equal(out.at, "POST /x HTTP/1.1\r\nHost: old\r\nAccept: */*\r\n"
				    "Upgrade: ptth\r\nConnection: upgrade\r\n\r\n");
}

TEST(an_answer_says_what_its_body_is)
{
	static const struct {
		unsigned status;
		enum http_body body, declared;
		const char *text;
	} cases[] = {
		{200, HTTP_BODY_NONE, HTTP_BODY_NONE,
		 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{200, HTTP_BODY_NONE, HTTP_BODY_LENGTH,
		 "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		{200, HTTP_BODY_NONE, HTTP_BODY_TO_CLOSE, "HTTP/1.1 200 OK\r\n\r\n"},
		{200, HTTP_BODY_LENGTH, HTTP_BODY_NONE,
		 "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		{200, HTTP_BODY_CHUNKED, HTTP_BODY_NONE,
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{204, HTTP_BODY_NONE, HTTP_BODY_NONE, "HTTP/1.1 204 No Content\r\n\r\n"},
		{100, HTTP_BODY_NONE, HTTP_BODY_NONE, "HTTP/1.1 100 Continue\r\n\r\n"},
		{299, HTTP_BODY_TO_CLOSE, HTTP_BODY_NONE, "HTTP/1.1 299 \r\n\r\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF struct buf out = BUF(KIB(4));
		struct http_head head = {.status = cases[i].status,
					 .body = cases[i].body,
					 .declared = cases[i].declared,
					 .content_length = 7};
		h1_write_response(&out, &head, true);
		assert_string_equal(out.at, cases[i].text);
	}
}

TEST(chunks_are_written_as_they_are_read)
{
	AUTO_BUF struct buf out = BUF(KIB(4));
	const struct http_field trailer[] = {{STR("content-length"), STR("5"), false},
					     {STR("A"), STR("b"), false},
					     {STR("transfer-encoding"), STR("x"), false}};
	h1_write_chunk_head(&out, 0x1a2b);
	h1_write_chunk_head(&out, 9);
	h1_write_last_chunk(&out, trailer, COUNT(trailer));
	h1_write_last_chunk(&out, NULL, 0);
	assert_string_equal(out.at, "1a2b\r\n9\r\n0\r\nA: b\r\n\r\n0\r\n\r\n");
}

TEST(what_is_written_reads_back)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	AUTO_BUF struct buf out = BUF(KIB(4));
	struct http_head head = {.method = STR("PUT"),
				 .path = STR("/a?b"),
				 .authority = STR("h"),
				 .fields = fields + 1,
				 .n_fields = 1,
				 .body = HTTP_BODY_LENGTH,
				 .content_length = 12};
	struct http_head back;
	struct err err;
	unsigned status;
	size_t used;
	h1_write_request(&out, &head, true);
	assert_int_equal(
		h1_read_request(buf_str(&out), &H1_LIMITS, arena, &back, &used, &status, &err),
		H1_DONE);
	assert_int_equal(used, out.len);
	assert_int_equal(back.content_length, 12);
	assert_true(str_eq(back.path, head.path));
}

TEST(a_buffer_that_is_full_fails)
{
	AUTO_BUF struct buf out = BUF(8);
	struct http_head head = {.status = 200};
	h1_write_response(&out, &head, true);
	assert_true(buf_failed(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_framing_of_a_request_is_ours),
		cmocka_unit_test(an_answer_says_what_its_body_is),
		cmocka_unit_test(chunks_are_written_as_they_are_read),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(a_buffer_that_is_full_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
