#include "http/h1_engine.h"

#include "unit/unit.h"

#define H "Host: h\r\n"

/* Feeds `in` one byte more at a time, each time from memory of exactly that size. */
static enum h1_outcome trickle(struct str in, struct arena *arena, unsigned *status, size_t *used)
{
	struct http_head head;
	struct err err;
	for (size_t len = 0; len <= in.len; len++) {
		char *exact = must_alloc(len + 1);
		memcpy(exact, in.at, len);
		enum h1_outcome outcome = h1_read_request(str_make(exact, len), &H1_LIMITS, arena,
							  &head, used, status, &err);
		free(exact);
		arena_reset(arena);
		if (outcome != H1_MORE) {
			return outcome;
		}
	}
	return H1_MORE;
}

TEST(each_smuggling_trick_is_refused)
{
	static const struct {
		const char *name;
		struct str in;
		unsigned status;
	} cases[] = {
		{"two Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
		 400},
		{"two unlike Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"),
		 400},
		{"a list of Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"), 400},
		{"a signed Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"), 400},
		{"a negative Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n"), 400},
		{"a hexadecimal Content-Length",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"), 400},
		{"an empty Content-Length", STR("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
		 400},
		{"a Content-Length that overflows",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n"), 400},
		{"a Content-Length beyond 63 bits",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n"), 400},
		{"CL and TE",
		 STR("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n"),
		 400},
		{"TE and CL",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
		     "Content-Length: 5\r\n\r\n"),
		 400},
		{"two Transfer-Encoding",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n"),
		 501},
		{"xchunked", STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
		 501},
		{"chunked, identity",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n"), 501},
		{"gzip, chunked",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501},
		{"quoted chunked",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n"), 501},
		{"chunked behind a vertical tab",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
		     "chunked\r\n\r\n"),
		 400},
		{"an empty Transfer-Encoding",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"), 501},
		{"Transfer-Encoding with a space before its colon",
		 STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n"), 400},
		{"Transfer-Encoding in 1.0",
		 STR("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 400},
		{"obs-fold", STR("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"), 400},
		{"obs-fold with a tab", STR("GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n"), 400},
		{"white space before the first field", STR("GET / HTTP/1.1\r\n " H "\r\n"), 400},
		{"a bare LF in the first line", STR("GET / HTTP/1.1\n" H "\r\n"), 400},
		{"a bare LF behind a field", STR("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400},
		{"a bare LF at the end", STR("GET / HTTP/1.1\r\n" H "\n"), 400},
		{"a bare CR in a value", STR("GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n"), 400},
		{"a CR before CRLF", STR("GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n"), 400},
		{"NUL in a value", STR("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"), 400},
		{"NUL in a name", STR("GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n"), 400},
		{"NUL in the target", STR("GET /\0 HTTP/1.1\r\n" H "\r\n"), 400},
		{"a name that is empty", STR("GET / HTTP/1.1\r\n" H ": b\r\n\r\n"), 400},
		{"a name that is no token", STR("GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n"), 400},
		{"a line without a colon", STR("GET / HTTP/1.1\r\n" H "Abc\r\n\r\n"), 400},
		{"two spaces behind the method", STR("GET  / HTTP/1.1\r\n" H "\r\n"), 400},
		{"two spaces before the version", STR("GET /  HTTP/1.1\r\n" H "\r\n"), 400},
		{"a tab behind the method", STR("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400},
		{"a space in the target", STR("GET /a b HTTP/1.1\r\n" H "\r\n"), 400},
		{"a space behind the version", STR("GET / HTTP/1.1 \r\n" H "\r\n"), 400},
		{"a space before the method", STR(" GET / HTTP/1.1\r\n" H "\r\n"), 400},
		{"a fragment in the target", STR("GET /#a HTTP/1.1\r\n" H "\r\n"), 400},
		{"raw UTF-8 in the target", STR("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"), 400},
		{"a relative target", STR("GET a HTTP/1.1\r\n" H "\r\n"), 400},
		{"an asterisk with GET", STR("GET * HTTP/1.1\r\n" H "\r\n"), 400},
		{"a method that is no token", STR("G@T / HTTP/1.1\r\n" H "\r\n"), 400},
		{"no version", STR("GET /\r\n" H "\r\n"), 400},
		{"a version in lower case", STR("GET / http/1.1\r\n" H "\r\n"), 400},
		{"version 2.0", STR("GET / HTTP/2.0\r\n" H "\r\n"), 505},
		{"version 1.2", STR("GET / HTTP/1.2\r\n" H "\r\n"), 505},
		{"version 1.10", STR("GET / HTTP/1.10\r\n" H "\r\n"), 400},
		{"the preface of HTTP/2", STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
		{"two empty lines before", STR("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), 400},
		{"a bare LF before", STR("\nGET / HTTP/1.1\r\n" H "\r\n"), 400},
		{"no Host", STR("GET / HTTP/1.1\r\n\r\n"), 400},
		{"no Host beside an absolute form", STR("GET http://h/ HTTP/1.1\r\n\r\n"), 400},
		{"an empty Host", STR("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400},
		{"two Hosts", STR("GET / HTTP/1.1\r\n" H H "\r\n"), 400},
		{"a Host with a path", STR("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"), 400},
		{"a Host with user information", STR("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"), 400},
		{"a Host with a bad port", STR("GET / HTTP/1.1\r\nHost: h:x\r\n\r\n"), 400},
		{"a Host with port 65536", STR("GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n"), 400},
		{"a Host that is a list", STR("GET / HTTP/1.1\r\nHost: h h\r\n\r\n"), 400},
		{"an open bracket", STR("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400},
		{"a Host unlike the target", STR("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), 400},
		{"a port unlike the target", STR("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		 400},
		{"https's port for http", STR("GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		 400},
		{"user information in the target", STR("GET http://u@h/ HTTP/1.1\r\n" H "\r\n"),
		 400},
		{"a target without a host", STR("GET http:/// HTTP/1.1\r\n" H "\r\n"), 400},
		{"CONNECT without a port", STR("CONNECT h HTTP/1.1\r\n" H "\r\n"), 400},
		{"CONNECT with a path", STR("CONNECT /x HTTP/1.1\r\n" H "\r\n"), 400},
		{"CONNECT with a body",
		 STR("CONNECT h:1 HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 400},
		{"an unknown Expect", STR("GET / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n"), 417},
	};
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head;
		struct err err;
		unsigned status = 0;
		unsigned trickled = 0;
		size_t used;
		arena_reset(arena);
		enum h1_outcome outcome = h1_read_request(cases[i].in, &H1_LIMITS, arena, &head,
							  &used, &status, &err);
		if (outcome != H1_BAD || status != cases[i].status ||
		    trickle(cases[i].in, arena, &trickled, &used) != H1_BAD || trickled != status) {
			fail_msg("%s: outcome %d, status %u, byte by byte %u", cases[i].name,
				 (int)outcome, status, trickled);
		}
	}
}

static const struct good {
	struct str in;
	struct str authority, path, scheme;
	enum http_body body;
	uint64_t length;
	bool keep_alive;
} good_requests[] = {
	{STR("GET / HTTP/1.1\r\n" H "\r\n"), STR("h"), STR("/"), STR(""), HTTP_BODY_NONE, 0, true},
	{STR("\r\nGET /a?b HTTP/1.1\r\n" H "\r\n"), STR("h"), STR("/a?b"), STR(""), HTTP_BODY_NONE,
	 0, true},
	{STR("GET http://H:80/x HTTP/1.1\r\n" H "\r\n"), STR("H:80"), STR("/x"), STR("http"),
	 HTTP_BODY_NONE, 0, true},
	{STR("GET http://h HTTP/1.1\r\nHost: h:80\r\n\r\n"), STR("h"), STR("/"), STR("http"),
	 HTTP_BODY_NONE, 0, true},
	{STR("GET http://[::1]:81?q=1 HTTP/1.1\r\nHost: [::1]:81\r\n\r\n"), STR("[::1]:81"),
	 STR("/?q=1"), STR("http"), HTTP_BODY_NONE, 0, true},
	{STR("OPTIONS * HTTP/1.1\r\n" H "\r\n"), STR("h"), STR("*"), STR(""), HTTP_BODY_NONE, 0,
	 true},
	{STR("OPTIONS http://h HTTP/1.1\r\n" H "\r\n"), STR("h"), STR("*"), STR("http"),
	 HTTP_BODY_NONE, 0, true},
	{STR("CONNECT h:443 HTTP/1.1\r\n" H "\r\n"), STR("h:443"), STR(""), STR(""), HTTP_BODY_NONE,
	 0, true},
	{STR("POST / HTTP/1.1\r\n" H "Content-Length: 007\r\n\r\n"), STR("h"), STR("/"), STR(""),
	 HTTP_BODY_LENGTH, 7, true},
	{STR("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nConnection: Close\r\n\r\n"), STR("h"),
	 STR("/"), STR(""), HTTP_BODY_LENGTH, 0, false},
	{STR("POST / HTTP/1.1\r\n" H "transfer-encoding:\tChunked \r\n\r\n"), STR("h"), STR("/"),
	 STR(""), HTTP_BODY_CHUNKED, 0, true},
	{STR("GET / HTTP/1.0\r\n\r\n"), STR(""), STR("/"), STR(""), HTTP_BODY_NONE, 0, false},
	{STR("GET / HTTP/1.0\r\n" H "Connection: x, keep-alive\r\n\r\n"), STR("h"), STR("/"),
	 STR(""), HTTP_BODY_NONE, 0, true},
};

TEST(a_good_request_reads_the_same_however_it_is_cut)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	for (size_t i = 0; i < COUNT(good_requests); i++) {
		const struct good *g = &good_requests[i];
		struct http_head head;
		struct err err;
		unsigned status = 0;
		size_t used = 0;
		arena_reset(arena);
		assert_int_equal(
			h1_read_request(g->in, &H1_LIMITS, arena, &head, &used, &status, &err),
			H1_DONE);
		assert_int_equal(used, g->in.len);
		assert_true(str_eq(head.authority, g->authority));
		assert_true(str_eq(head.path, g->path));
		assert_true(str_eq(head.scheme, g->scheme));
		assert_int_equal(head.body, g->body);
		assert_int_equal(head.content_length, g->length);
		assert_int_equal(head.keep_alive, g->keep_alive);
		arena_reset(arena);
		used = 0;
		assert_int_equal(trickle(g->in, arena, &status, &used), H1_DONE);
		assert_int_equal(used, g->in.len);
	}
}

TEST(what_follows_a_request_is_left_alone)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct str in = STR("GET /1 HTTP/1.1\r\n" H "A: b\r\n\r\nGET /2 HTTP/1.1\n");
	struct http_head head;
	struct err err;
	unsigned status;
	size_t used;
	assert_int_equal(h1_read_request(in, &H1_LIMITS, arena, &head, &used, &status, &err),
			 H1_DONE);
	assert_true(str_starts(str_skip(in, used), STR("GET /2")));
	assert_int_equal(head.n_fields, 2);
	assert_true(str_eq(http_value(&head, STR("a")), STR("b")));
}

TEST(flags_of_the_head_are_seen)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct str in = STR("GET / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nUpgrade: ptth\r\n"
			    "Connection: keep-alive, Upgrade\r\nCookie: a\r\n\r\n");
	struct http_head head;
	struct err err;
	unsigned status;
	size_t used;
	assert_int_equal(h1_read_request(in, &H1_LIMITS, arena, &head, &used, &status, &err),
			 H1_DONE);
	assert_true(head.expect_continue);
	assert_true(head.upgrade);
	assert_true(head.fields[4].sensitive);
	assert_false(head.fields[2].sensitive);
}

/* "GET / HTTP/1.1 CRLF Host: h CRLF" and then `n` times `line`; no end. */
static void grow(struct buf *b, struct str line, size_t n)
{
	buf_reset(b);
	buf_add_str(b, STR("GET / HTTP/1.1\r\n" H));
	for (size_t i = 0; i < n; i++) {
		buf_add_str(b, line);
	}
}

static unsigned status_of(struct str in)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct http_head head;
	struct err err;
	unsigned status = 0;
	size_t used;
	enum h1_outcome outcome =
		h1_read_request(in, &H1_LIMITS, arena, &head, &used, &status, &err);
	return outcome == H1_BAD ? status : (unsigned)outcome;
}

TEST(what_is_too_large_is_refused_before_it_ends)
{
	AUTO_BUF struct buf b = BUF(MIB(1));
	grow(&b, STR("A: b\r\n"), HTTP_FIELDS_MAX - 1);
	assert_int_equal(status_of(buf_str(&b)), H1_MORE);
	buf_add_str(&b, STR("A: b\r\n"));
	assert_int_equal(status_of(buf_str(&b)), 431);

	grow(&b, STR("aaaaaaaa"), HTTP_LINE_MAX / 8);
	assert_int_equal(status_of(buf_str(&b)), H1_MORE);
	buf_add_str(&b, STR("aa"));
	assert_int_equal(status_of(buf_str(&b)), 431);

	grow(&b, STR(""), 0);
	for (size_t i = 0; i < 9; i++) {
		buf_add_str(&b, STR("A: "));
		for (size_t j = 0; j < HTTP_LINE_MAX - 8; j++) {
			buf_add_c(&b, 'a');
		}
		buf_add_str(&b, STR("\r\n"));
	}
	assert_int_equal(status_of(buf_str(&b)), 431);

	buf_reset(&b);
	buf_add_str(&b, STR("GET /"));
	for (size_t j = 0; j < HTTP_LINE_MAX; j++) {
		buf_add_c(&b, 'a');
	}
	assert_int_equal(status_of(buf_str(&b)), 414);
}

TEST(an_arena_that_is_full_refuses)
{
	AUTO(arena_free) struct arena *arena = arena_new(64, 128);
	struct http_head head;
	struct err err;
	unsigned status = 0;
	size_t used;
	assert_int_equal(h1_read_request(STR("GET / HTTP/1.1\r\n" H "\r\n"), &H1_LIMITS, arena,
					 &head, &used, &status, &err),
			 H1_BAD);
	assert_int_equal(status, 431);
}

static const struct answer {
	struct str in, method;
	enum h1_outcome outcome;
	unsigned status;
	enum http_body body, declared;
	uint64_t length;
	bool keep_alive;
} answers[] = {
	{STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), STR("GET"), H1_DONE, 200,
	 HTTP_BODY_LENGTH, HTTP_BODY_NONE, 3, true},
	{STR("HTTP/1.1 200 OK\r\n\r\n"), STR("GET"), H1_DONE, 200, HTTP_BODY_TO_CLOSE,
	 HTTP_BODY_NONE, 0, false},
	{STR("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n"), STR("GET"), H1_DONE, 200,
	 HTTP_BODY_LENGTH, HTTP_BODY_NONE, 3, false},
	{STR("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), STR("GET"), H1_DONE, 200,
	 HTTP_BODY_LENGTH, HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), STR("HEAD"), H1_DONE, 200,
	 HTTP_BODY_NONE, HTTP_BODY_LENGTH, 9, true},
	{STR("HTTP/1.1 200 OK\r\n\r\n"), STR("HEAD"), H1_DONE, 200, HTTP_BODY_NONE,
	 HTTP_BODY_TO_CLOSE, 0, true},
	{STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), STR("GET"), H1_DONE, 304,
	 HTTP_BODY_NONE, HTTP_BODY_LENGTH, 9, true},
	{STR("HTTP/1.1 204 No Content\r\n\r\n"), STR("GET"), H1_DONE, 204, HTTP_BODY_NONE,
	 HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), STR("GET"), H1_DONE, 204,
	 HTTP_BODY_NONE, HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), STR("GET"), H1_DONE, 103,
	 HTTP_BODY_NONE, HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n"), STR("CONNECT"), H1_DONE, 200,
	 HTTP_BODY_NONE, HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), STR("GET"), H1_DONE, 200,
	 HTTP_BODY_CHUNKED, HTTP_BODY_NONE, 0, true},
	{STR("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0,
	 0, false},
	{STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"), STR("GET"),
	 H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
	 STR("HEAD"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1 2000 OK\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1 099 OK\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1  200 OK\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/2.0 200 OK\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("SSH-2.0-OpenSSH\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1 200 O\0K\r\n\r\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
	{STR("HTTP/1.1 200 OK\nA: b\n\n"), STR("GET"), H1_BAD, 0, 0, 0, 0, false},
};

TEST(an_answer_is_framed_by_status_method_and_fields)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	for (size_t i = 0; i < COUNT(answers); i++) {
		const struct answer *a = &answers[i];
		struct http_head head = {0};
		struct err err;
		size_t used = 0;
		arena_reset(arena);
		assert_int_equal(
			h1_read_response(a->in, &H1_LIMITS, a->method, arena, &head, &used, &err),
			a->outcome);
		assert_int_equal(head.status, a->status);
		assert_int_equal(head.body, a->body);
		assert_int_equal(head.declared, a->declared);
		assert_int_equal(head.content_length, a->length);
		assert_int_equal(head.keep_alive, a->keep_alive);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_smuggling_trick_is_refused),
		cmocka_unit_test(a_good_request_reads_the_same_however_it_is_cut),
		cmocka_unit_test(what_follows_a_request_is_left_alone),
		cmocka_unit_test(flags_of_the_head_are_seen),
		cmocka_unit_test(what_is_too_large_is_refused_before_it_ends),
		cmocka_unit_test(an_arena_that_is_full_refuses),
		cmocka_unit_test(an_answer_is_framed_by_status_method_and_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
