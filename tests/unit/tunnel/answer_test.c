#include "tunnel/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_page_of_html_becomes_one_line(void **state)
{
	char text[200];
	(void)state;

	answer_text_of_html(
		STR("<html><head><style>body { color: red }</style>\n"
		    "<title>ERROR: Cache Access Denied</title></head>\r\n"
		    "<!-- <b>no</b> --><body><p>Ask &lt;it@corp&gt; &amp; wait.\x01</p>"),
		text, sizeof(text));
	assert_string_equal(text, "ERROR: Cache Access Denied Ask <it@corp> & wait.");
}

static void a_page_in_another_character_set_becomes_utf8(UNUSED void **state)
{
	char text[64];

	answer_text_of_html(STR("<p>Zugriff f\xfcr Ger\xe4te</p>"), text, sizeof(text));
	assert_string_equal(text, "Zugriff f?r Ger?te");
	answer_text_of_body(STR("Dienst nicht verf\xfcgbar: gr\xc3\xbc\xc3\x9f"), text,
			    sizeof(text));
	assert_string_equal(text, "Dienst nicht verf?gbar: gr\xc3\xbc\xc3\x9f");
}

static void a_text_that_is_cut_stays_utf8(void **state)
{
	char text[8];
	(void)state;

	answer_text_of_html(STR("abcd\xe2\x82\xac\xe2\x82\xac"), text, sizeof(text));
	assert_true(str_is_utf8(str_of(text)));
	assert_string_equal(text, "abcd");
}

static void an_unclosed_tag_or_style_ends_the_text(void **state)
{
	char text[32];
	(void)state;

	answer_text_of_html(STR("a<style>b"), text, sizeof(text));
	assert_string_equal(text, "a");
	answer_text_of_html(STR("a<b"), text, sizeof(text));
	assert_string_equal(text, "a");
	answer_text_of_html(STR("<"), text, sizeof(text));
	assert_string_equal(text, "");
}

static void a_connect_answer_ends_with_its_head(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct http_head head = {0};
	struct err err = {0};
	char text[64];
	size_t used = 0;
	struct str in = STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03\x01");
	(void)state;

	assert_int_equal(answer_read(in, KIB(16), STR("CONNECT"), arena, &head, text, sizeof(text),
				     &used, &err),
			 H1_DONE);
	assert_int_equal(head.status, 200);
	assert_int_equal(used, in.len - 3);
}

static void a_proxys_refusal_shows_its_own_text(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct http_head head = {0};
	struct err err = {0};
	char text[64];
	size_t used = 0;
	(void)state;

	assert_int_equal(answer_read(STR("HTTP/1.1 407 Proxy Authentication Required\r\n"
					 "Transfer-Encoding: chunked\r\n\r\n"
					 "9\r\n<b>who ar\r\n8\r\ne you?</\r\n0\r\n\r\n"),
				     KIB(16), STR("CONNECT"), arena, &head, text, sizeof(text),
				     &used, &err),
			 H1_DONE);
	assert_int_equal(head.status, 407);
	assert_string_equal(text, "who are you?");
}

static void interim_answers_are_skipped(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct http_head head = {0};
	struct err err = {0};
	char text[64];
	size_t used = 0;
	(void)state;

	assert_int_equal(answer_read(STR("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
					 "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
				     KIB(16), STR("GET"), arena, &head, text, sizeof(text), &used,
				     &err),
			 H1_DONE);
	assert_int_equal(head.status, 403);
	assert_string_equal(text, "no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_in_another_character_set_becomes_utf8),
		cmocka_unit_test(a_page_of_html_becomes_one_line),
		cmocka_unit_test(a_text_that_is_cut_stays_utf8),
		cmocka_unit_test(an_unclosed_tag_or_style_ends_the_text),
		cmocka_unit_test(a_connect_answer_ends_with_its_head),
		cmocka_unit_test(a_proxys_refusal_shows_its_own_text),
		cmocka_unit_test(interim_answers_are_skipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
