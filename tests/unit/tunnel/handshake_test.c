#include "tunnel/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SUBACCOUNT "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"
#define INSTANCE   "11112222-3333-4444-5555-666677778888"
#define REQUEST                                                                                    \
	"GET /ptth/subaccounts/" SUBACCOUNT " HTTP/1.1\r\nHost: relay.example\r\n"                 \
	"Connection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\nDrawbridge-Protocol: 1\r\n"           \
	"Drawbridge-Instance: " INSTANCE "\r\n"
#define WELCOME                                                                                    \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n"

static bool read_text(const char *text, struct arena *arena, struct ptth_request *out,
		      struct err *err)
{
	struct h1_limits limits = H1_LIMITS;
	struct http_head head = {0};
	size_t used = 0;
	unsigned status = 0;

	assert_int_equal(h1_read_request(str_of(text), &limits, arena, &head, &used, &status, err),
			 H1_DONE);
	return ptth_read_request(&head, arena, out, err);
}

static void what_is_written_is_read_back(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct ptth_request r = {.subaccount = STR(SUBACCOUNT),
				 .instance = STR(INSTANCE),
				 .location_id = STR("Werk M\xc3\xbcnchen/2"),
				 .protocol = PTTH_PROTOCOL,
				 .host = STR("relay.example:9444")};
	struct ptth_request back;
	struct err err = {0};
	(void)state;

	ptth_write_request(&text, &r);
	assert_true(read_text(text.at, arena, &back, &err));
	assert_true(str_eq(back.subaccount, r.subaccount));
	assert_true(str_eq(back.instance, r.instance));
	assert_true(str_eq(back.location_id, r.location_id));
	assert_true(str_eq(back.host, r.host));
	assert_int_equal(back.protocol, 1);
	assert_true(back.run.len == 0); /* an older connector says none */
	assert_false(back.probe);
	buf_reset(&text);
	r.probe = true;
	r.run = STR(INSTANCE);
	ptth_write_request(&text, &r);
	assert_true(read_text(text.at, arena, &back, &err));
	assert_true(back.probe);
	assert_true(str_eq(back.run, r.run));
	buf_reset(&text);
	r.run = STR("no uuid");
	ptth_write_request(&text, &r);
	assert_true(read_text(text.at, arena, &back, &err));
	assert_true(back.run.len == 0);
}

static void the_default_location_is_empty_and_not_sent(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct ptth_request r;
	struct err err = {0};
	(void)state;

	assert_true(read_text(REQUEST "X-Unknown: 1\r\n\r\n", arena, &r, &err));
	assert_int_equal(r.location_id.len, 0);
}

static void a_newer_protocol_is_welcome(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct ptth_request r;
	struct err err = {0};
	(void)state;

	assert_true(read_text("GET /ptth/subaccounts/" SUBACCOUNT " HTTP/1.1\r\nHost: r\r\n"
			      "Connection: Upgrade\r\nUpgrade: ptth\r\nALPN: http%2F1.1, h2\r\n"
			      "Drawbridge-Protocol: 7\r\nDrawbridge-Instance: " INSTANCE "\r\n\r\n",
			      arena, &r, &err));
	assert_int_equal(r.protocol, 7);
}

static void a_bad_request_is_refused_with_the_field_named(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{"POST /ptth/subaccounts/" SUBACCOUNT " HTTP/1.1\r\nHost: r\r\n\r\n", "GET"},
		{"GET /ptth/subaccounts/../x HTTP/1.1\r\nHost: r\r\n\r\n", "path"},
		{"GET /ptth/subaccounts/" SUBACCOUNT " HTTP/1.1\r\nHost: r\r\n\r\n", "Upgrade"},
		{"GET /ptth/subaccounts/" SUBACCOUNT
		 " HTTP/1.1\r\nHost: r\r\nConnection: upgrade\r\nUpgrade: ptth\r\n\r\n",
		 "ALPN"},
		{"GET /ptth/subaccounts/" SUBACCOUNT
		 " HTTP/1.1\r\nHost: r\r\nConnection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n\r\n",
		 "Protocol"},
		{"GET /ptth/subaccounts/" SUBACCOUNT
		 " HTTP/1.1\r\nHost: r\r\nConnection: upgrade\r\n"
		 "Upgrade: ptth\r\nALPN: h2\r\nDrawbridge-Protocol: 1\r\n\r\n",
		 "Instance"},
		{REQUEST "Drawbridge-Location-Id: ***\r\n\r\n", "Location"},
		{REQUEST "Drawbridge-Location-Id: YQBi\r\n\r\n", "Location"},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
		struct ptth_request r;
		struct err err = {0};
		assert_false(read_text(cases[i].text, arena, &r, &err));
		assert_int_equal(err.kind, ERR_PROTOCOL);
		assert_non_null(strstr(err.text, cases[i].named));
	}
}

static void a_location_that_is_too_long_is_refused(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	AUTO_BUF struct buf text = BUF(KIB(4));
	char location[PTTH_LOCATION_MAX + 1];
	struct ptth_request r = {.subaccount = STR(SUBACCOUNT),
				 .instance = STR(INSTANCE),
				 .location_id = {location, PTTH_LOCATION_MAX},
				 .protocol = 1,
				 .host = STR("r")};
	struct ptth_request back;
	struct err err = {0};
	(void)state;

	memset(location, 'x', sizeof(location));
	ptth_write_request(&text, &r);
	assert_true(read_text(text.at, arena, &back, &err));
	buf_reset(&text);
	r.location_id.len++;
	ptth_write_request(&text, &r);
	assert_false(read_text(text.at, arena, &back, &err));
}

static void a_refusal_brings_its_word_for_programs(void **state)
{
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	assert_int_equal(ptth_read_answer(STR("HTTP/1.1 403 Forbidden\r\n"
					      "Drawbridge-Refusal: superseded\r\n"
					      "Content-Length: 2\r\n\r\nno"),
					  &answer, &used, &err),
			 H1_DONE);
	assert_int_equal(answer.status, 403);
	assert_string_equal(answer.refusal, "superseded");
	assert_string_equal(answer.detail, "no");
}

static void a_welcome_leaves_the_bytes_behind_it(void **state)
{
	static const char head[] =
		WELCOME "Drawbridge-Tunnels: 3\r\nDrawbridge-Owners: ann@x, bob@y\r\n"
			"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
	static const char both[] =
		WELCOME "Drawbridge-Tunnels: 3\r\nDrawbridge-Owners: ann@x, bob@y\r\n"
			"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nPRI * HTTP/2.0";
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	for (size_t n = 0; n < sizeof(head) - 1; n++) {
		assert_int_equal(ptth_read_answer(str_make(both, n), &answer, &used, &err),
				 H1_MORE);
	}
	assert_int_equal(ptth_read_answer(str_of(both), &answer, &used, &err), H1_DONE);
	assert_int_equal(used, sizeof(head) - 1);
	assert_int_equal(answer.status, 101);
	assert_int_equal(answer.tunnels, 3);
	assert_string_equal(answer.owners, "ann@x, bob@y");
	assert_int_equal(answer.date, 784111777);
}

static void welcome_fields_are_understood_by_the_other_end(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct http_field fields[PTTH_WELCOME_FIELDS];
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	buf_add_str(&text, STR("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"));
	size_t n = ptth_welcome_fields(5, STR("ann@x"), arena, fields);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%.*s: %.*s\r\n", STR_ARGS(fields[i].name),
			 STR_ARGS(fields[i].value));
	}
	buf_add_str(&text, STR("\r\n"));
	assert_int_equal(ptth_read_answer(buf_str(&text), &answer, &used, &err), H1_DONE);
	assert_int_equal(answer.tunnels, 5);
	assert_string_equal(answer.owners, "ann@x");
}

static void the_number_of_tunnels_is_bounded(void **state)
{
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	assert_int_equal(ptth_read_answer(STR(WELCOME "Drawbridge-Tunnels: 4000000\r\n\r\n"),
					  &answer, &used, &err),
			 H1_DONE);
	assert_int_equal(answer.tunnels, PTTH_TUNNELS_MAX);
	assert_int_equal(ptth_read_answer(STR(WELCOME "Drawbridge-Tunnels: 0\r\n\r\n"), &answer,
					  &used, &err),
			 H1_DONE);
	assert_int_equal(answer.tunnels, 1);
}

static void a_refusal_shows_its_reason_and_its_pause(void **state)
{
	static const char text[] =
		"HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\n"
		"Retry-After: 7\r\nContent-Length: 47\r\n\r\n"
		"{\"title\":\"Conflict\",\"detail\":\"held by plant 2\"}";
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	assert_int_equal(ptth_read_answer(str_make(text, sizeof(text) - 10), &answer, &used, &err),
			 H1_MORE);
	assert_int_equal(answer.status, 409);
	assert_int_equal(ptth_read_answer(str_of(text), &answer, &used, &err), H1_DONE);
	assert_int_equal(answer.status, 409);
	assert_int_equal(answer.retry_after_s, 7);
	assert_string_equal(answer.detail, "held by plant 2");
}

static void what_is_no_relay_is_told_apart(void **state)
{
	AUTO_BUF struct buf endless = BUF(KIB(64));
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	(void)state;

	assert_int_equal(ptth_read_answer(STR("SSH-2.0-OpenSSH_9.2\r\n\r\n"), &answer, &used, &err),
			 H1_BAD);
	assert_int_equal(ptth_read_answer(STR("HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
					      "Upgrade: websocket\r\n\r\n"),
					  &answer, &used, &err),
			 H1_BAD);
	assert_non_null(strstr(err.text, "no relay"));

	buf_add_str(&endless, STR("HTTP/1.1 403 No\r\nContent-Length: 999999\r\n\r\n"));
	while (endless.len < PTTH_ANSWER_MAX) {
		buf_add_c(&endless, 'x');
	}
	assert_int_equal(ptth_read_answer(buf_str(&endless), &answer, &used, &err), H1_BAD);
	assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(the_default_location_is_empty_and_not_sent),
		cmocka_unit_test(a_newer_protocol_is_welcome),
		cmocka_unit_test(a_bad_request_is_refused_with_the_field_named),
		cmocka_unit_test(a_location_that_is_too_long_is_refused),
		cmocka_unit_test(a_refusal_brings_its_word_for_programs),
		cmocka_unit_test(a_welcome_leaves_the_bytes_behind_it),
		cmocka_unit_test(welcome_fields_are_understood_by_the_other_end),
		cmocka_unit_test(the_number_of_tunnels_is_bounded),
		cmocka_unit_test(a_refusal_shows_its_reason_and_its_pause),
		cmocka_unit_test(what_is_no_relay_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
