#include "http/server.h"

#include <netinet/in.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/unit.h"

enum {
	CROWD = 5,           /* connections that the listener takes */
	PATIENCE_MS = 30000, /* handlers run on threads that a busy machine may leave waiting */
};

/* A server on a loopback port and one bare client, in one thread; handlers run in a pool. */
struct stage {
	struct loop *loop;
	struct jobs *jobs, *slow;
	struct http_server *server;
	uint16_t port;
	int fd;
	struct buf seen;
	bool eof;
};

static sem_t gate;   /* each slow call waits for it */
static int upgrades; /* handed over, with a stream or without */

static void echo(struct http_call *call)
{
	http_answer_field(call, "X-Method", call->head->method);
	http_answer_text(call, 200, "text/plain", call->body);
}

static void item(struct http_call *call)
{
	http_answer_text(call, 200, "text/plain", http_param(call, "id"));
}

static void slow(struct http_call *call)
{
	sem_wait(&gate);
	item(call);
}

static void on_upgraded(struct stream *s, enum stream_event event, void *user UNUSED)
{
	if (event == STREAM_READABLE) {
		stream_write(s, STR("echo:"));
		stream_write(s, stream_peek(s));
		stream_consume(s, stream_peek(s).len);
	} else if (event != STREAM_SENT) {
		stream_close(s);
	}
}

static void upgraded(struct stream *take, void *user UNUSED)
{
	upgrades++;
	if (take == NULL) {
		return;
	}
	stream_set_handler(take, on_upgraded, NULL);
	stream_write(take, stream_peek(take));
	stream_consume(take, stream_peek(take).len);
}

static void upgrade(struct http_call *call)
{
	call->status = 101;
	http_answer_field(call, "Upgrade", STR("unit"));
	call->upgrade = upgraded;
}

static void huge(struct http_call *call)
{
	char *room = buf_reserve(&call->out, HTTP_SERVER_ANSWER_MAX);
	memset(room, 'x', HTTP_SERVER_ANSWER_MAX);
	buf_commit(&call->out, HTTP_SERVER_ANSWER_MAX);
	buf_add_c(&call->out, 'x');
}

static const struct http_route routes[] = {
	{.method = "POST", .pattern = "/echo", .handler = echo, .body_max = 100},
	{.method = "POST", .pattern = "/big", .handler = echo},
	{.method = "POST", .pattern = "/upload", .handler = echo, .body_max = 1 << 20},
	{.method = "GET", .pattern = "/items/{id}", .handler = item},
	{.method = "GET", .pattern = "/secret", .handler = echo, .roles = 1},
	{.method = "GET", .pattern = "/slow/{id}", .handler = slow, .roles = HTTP_ROUTE_SLOW},
	{.method = "GET", .pattern = "/closed", .handler = slow, .roles = HTTP_ROUTE_SLOW | 1},
	{.method = "GET", .pattern = "/up", .handler = upgrade},
	{.method = "GET", .pattern = "/huge", .handler = huge},
	{NULL},
};
static const struct http_route *const tables[] = {routes, NULL};

static bool authorize(struct http_call *call)
{
	if ((call->route->roles & 1) != 0) {
		http_problem(call, 403, "not you");
		return false;
	}
	return true;
}

static struct str owner(const struct http_call *call)
{
	return http_param(call, "id");
}

/* Reads what hooks may read, also where there was no handler. */
static bool render_error(struct http_call *call, unsigned status, const char *detail)
{
	if (!str_starts(call->path, STR("/plain/"))) {
		return false;
	}
	http_answer_text(call, status, "text/plain", str_of(detail));
	return true;
}

static void dial(struct stage *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(s->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(s->fd, (void *)&to, sizeof to), 0);
	s->eof = false;
	buf_reset(&s->seen);
}

static void start(struct stage *s)
{
	struct err err = {0};
	*s = (struct stage){.fd = -1, .seen = BUF(1 << 20)};
	assert_ok(loop_new_simulated(1000, &s->loop, &err), &err);
	sem_init(&gate, 0, 0);
	assert_ok(jobs_new("unit", 2, 10, &s->jobs, &err), &err);
	assert_ok(jobs_new("slow", 2, 2, &s->slow, &err), &err);
	struct http_server_settings settings = {.tables = tables,
						.jobs = s->jobs,
						.slow = s->slow,
						.slow_limit = "unit.slow.max",
						.owner = owner,
						.authorize = authorize,
						.render_error = render_error,
						.title = "Unit",
						.connections_max = CROWD,
						.bodies_max = 100000};
	assert_ok(http_server_new(s->loop, &settings, &s->server, &err), &err);
	assert_ok(http_server_listen(s->server, "127.0.0.1:0", NULL, NULL, &s->port, &err), &err);
	dial(s);
}

static void stop(struct stage *s)
{
	http_server_close(s->server);
	close_fd(s->fd);
	for (int i = 0; i < 10; i++) {
		loop_turn(s->loop, 1);
	}
	jobs_free(s->jobs);
	jobs_free(s->slow);
	loop_free(s->loop);
	sem_destroy(&gate);
	buf_fini(&s->seen);
}

static void say(struct stage *s, const char *text)
{
	assert_int_equal(send(s->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void turn(struct stage *s)
{
	loop_turn(s->loop, 2);
	char bytes[65536];
	ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	s->eof |= n == 0;
	buf_add(&s->seen, bytes, n > 0 ? (size_t)n : 0);
}

/* Turns until the answers contain `text`. */
static void expect(struct stage *s, const char *text)
{
	for (msec_t end = clock_now() + PATIENCE_MS; clock_now() < end;) {
		if (str_contains(buf_str(&s->seen), str_of(text))) {
			return;
		}
		turn(s);
	}
	fail_msg("no \"%s\" in \"%.*s\"", text, STR_ARGS(str_first(buf_str(&s->seen), 2000)));
}

static void expect_eof(struct stage *s)
{
	for (msec_t end = clock_now() + PATIENCE_MS; !s->eof && clock_now() < end;) {
		turn(s);
	}
	assert_true(s->eof);
}

/* 60 KB of an upload of 65 KB; the fd stays with the caller. */
static int send_most(struct stage *s)
{
	static const char head[] = "POST /upload HTTP/1.1\r\nHost: a\r\n"
				   "Content-Length: 65000\r\n\r\n";
	static char piece[60000];

	say(s, head);
	for (size_t sent = 0; sent < sizeof(piece);) {
		ssize_t n = send(s->fd, piece + sent, sizeof(piece) - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		loop_turn(s->loop, 1);
	}
	for (int i = 0; i < 20; i++) {
		loop_turn(s->loop, 1);
	}
	return TAKE_FD(s->fd);
}

TEST(of_bodies_that_do_not_end_the_longest_gives_way)
{
	static char rest[5001];
	struct stage s;

	start(&s);
	int first = send_most(&s);
	loop_clock_set(s.loop, 1010);
	dial(&s);
	int second = send_most(&s); /* 120 KB of 100 KB: the first one had to go */
	s.fd = first;
	expect(&s, "503 ");
	expect(&s, "send it again");
	expect_eof(&s);
	assert_int_equal(http_server_count(s.server).overload, 1);
	close_fd(first);
	dial(&s);
	say(&s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nsmall");
	expect(&s, "small");
	close_fd(s.fd);
	s.fd = second;
	buf_reset(&s.seen);
	memset(rest, 'x', sizeof(rest) - 1);
	say(&s, rest);
	expect(&s, "200 OK");
	stop(&s);
}

TEST(requests_on_one_connection_are_answered_in_order)
{
	struct stage s;
	start(&s);
	say(&s, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
		"GET /items/a%20b HTTP/1.1\r\nHost: h\r\n\r\n"
		"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		"chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n");
	expect(&s, "\r\n\r\ndef");
	struct str seen = buf_str(&s.seen);
	assert_true(str_starts(
		seen,
		STR("HTTP/1.1 200 OK\r\nX-Method: POST\r\nContent-Type: text/plain\r\nDate: ")));
	assert_true(str_contains(seen, STR("Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK")));
	assert_true(str_contains(seen, STR("\r\n\r\na bHTTP/1.1 200 OK")));
	assert_int_equal(http_server_count(s.server).requests, 3);
	stop(&s);
}

TEST(head_tells_the_length_and_sends_nothing)
{
	struct stage s;
	start(&s);
	say(&s,
	    "HEAD /items/abcd HTTP/1.1\r\nHost: h\r\n\r\nGET /items/z HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&s, "\r\n\r\nz");
	assert_true(str_contains(buf_str(&s.seen), STR("Content-Length: 4\r\n\r\nHTTP/1.1 200")));
	stop(&s);
}

TEST(a_client_that_waits_for_100_gets_it)
{
	struct stage s;
	start(&s);
	say(&s,
	    "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	expect(&s, "HTTP/1.1 100 Continue\r\n\r\n");
	say(&s, "ok");
	expect(&s, "\r\n\r\nok");
	stop(&s);
}

TEST(what_is_not_there_and_what_is_not_served_are_told_apart)
{
	struct stage s;
	start(&s);
	say(&s, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\nPUT /items/1 HTTP/1.1\r\nHost: h\r\n\r\n"
		"OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\nGET /secret HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&s, "not you");
	struct str seen = buf_str(&s.seen);
	assert_true(str_starts(
		seen, STR("HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json")));
	assert_true(
		str_contains(seen, STR("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n")));
	assert_true(str_contains(seen, STR("HTTP/1.1 204 No Content\r\nAllow: POST\r\n")));
	assert_true(str_contains(seen, STR("HTTP/1.1 403 Forbidden")));
	stop(&s);
}

TEST(a_bad_head_or_path_behind_a_good_request_sees_nothing_of_that_one)
{
	static const char *const bad[] = {
		"GET /plain/%00 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /items/%zz HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct stage s;
		start(&s);
		say(&s, "GET /items/a HTTP/1.1\r\nHost: h\r\n\r\n");
		expect(&s, "\r\n\r\na");
		turn(&s); /* the first request's memory is given back */
		turn(&s);
		say(&s, bad[i]);
		expect(&s, "HTTP/1.1 400 ");
		expect(&s, i == 0 ? "text/plain" : "problem+json");
		expect_eof(&s);
		stop(&s);
	}
}

TEST(a_body_over_the_routes_limit_is_refused_early_and_counted)
{
	struct stage s;
	start(&s);
	say(&s, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
	expect(&s, "413 ");
	expect(&s, "the body is longer than the limit of 100 bytes");
	expect_eof(&s);
	close_fd(s.fd);
	dial(&s);
	say(&s, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n");
	for (int i = 0; i < 11; i++) {
		say(&s, "0123456789");
	}
	expect(&s, "413 ");
	assert_int_equal(http_server_count(s.server).refused_413, 2);
	stop(&s);
}

TEST(malformed_and_oversized_heads_are_refused_and_counted)
{
	struct stage s;
	start(&s);
	say(&s, "GET /items/1 HTTP/1.1\r\nHost : h\r\n\r\n");
	expect(&s, "400 Bad Request");
	expect_eof(&s);
	close_fd(s.fd);
	dial(&s);
	say(&s, "GET /items/../secret HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&s, "400 Bad Request");
	expect(&s, "ambiguous");
	close_fd(s.fd);
	dial(&s);
	say(&s, "GET /items/1 HTTP/1.1\r\nHost: h\r\n");
	for (int i = 0; i < HTTP_FIELDS_MAX; i++) {
		say(&s, "A: b\r\n");
	}
	say(&s, "\r\n");
	expect(&s, "431 ");
	assert_int_equal(http_server_count(s.server).refused_400, 2);
	assert_int_equal(http_server_count(s.server).refused_431, 1);
	stop(&s);
}

TEST(a_slow_head_and_a_slow_body_are_ended_and_an_idle_connection_silently)
{
	struct stage s;
	start(&s);
	say(&s, "GET /items/1 HT");
	turn(&s);
	turn(&s);
	loop_clock_set(s.loop, 1000 + SEC(11));
	expect(&s, "408 Request Timeout");
	close_fd(s.fd);
	dial(&s);
	say(&s, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
	turn(&s);
	turn(&s);
	loop_clock_set(s.loop, 1000 + SEC(50));
	expect(&s, "408 Request Timeout");
	assert_int_equal(http_server_count(s.server).refused_408, 2);
	close_fd(s.fd);
	dial(&s);
	turn(&s);
	turn(&s);
	loop_clock_set(s.loop, 1000 + SEC(200));
	expect_eof(&s);
	assert_int_equal(s.seen.len, 0);
	stop(&s);
}

/* Sends one byte of a body of 100 each 20 s; whether it was ended after `n` of them. */
static bool drips(struct stage *s, int n)
{
	msec_t now = 1000;

	say(s, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
	for (int i = 0; i < n; i++) {
		say(s, "a");
		for (int k = 0; k < 5; k++) {
			turn(s);
		}
		loop_clock_set(s->loop, now += SEC(20));
		turn(s);
		if (s->seen.len > 0) {
			return true;
		}
	}
	return false;
}

TEST(a_body_that_drips_is_ended_though_something_always_comes)
{
	struct stage s;
	start(&s);
	assert_true(drips(&s, 5));
	expect(&s, "408 Request Timeout");
	assert_int_equal(http_server_count(s.server).refused_408, 1);
	stop(&s);
}

/* As fast as is asked for, over a longer time than the timeout. */
TEST(a_body_that_comes_slowly_but_steadily_is_taken)
{
	struct stage s;
	msec_t now = 1000;
	char part[HTTP_SERVER_RATE_LEAST * 20 + 1];

	start(&s);
	memset(part, 'b', sizeof part - 1);
	part[sizeof part - 1] = '\0';
	char head[96];
	snprintf(head, sizeof head, "POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
		 5 * (sizeof part - 1));
	say(&s, head);
	for (int i = 0; i < 5; i++) {
		say(&s, part);
		for (int k = 0; k < 20; k++) {
			turn(&s);
		}
		loop_clock_set(s.loop, now += SEC(20));
		turn(&s);
	}
	expect(&s, "HTTP/1.1 200 OK");
	stop(&s);
}

/* Turns until the server has this many connections. */
static void until_connected(struct stage *s, uint64_t n)
{
	for (msec_t end = clock_now() + PATIENCE_MS;
	     http_server_count(s->server).connections != n && clock_now() < end;) {
		loop_turn(s->loop, 2);
	}
	assert_int_equal(http_server_count(s->server).connections, n);
}

TEST(who_says_nothing_keeps_nobody_out_of_a_full_listener)
{
	struct stage s;
	int silent[CROWD];
	char byte;

	start(&s);
	until_connected(&s, 1);
	say(&s, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
	turn(&s);
	int busy = s.fd;
	for (size_t i = 0; i < COUNT(silent); i++) {
		dial(&s);
		silent[i] = s.fd;
		until_connected(&s, 2 + i < CROWD ? 2 + i : CROWD);
	}
	/* The busy one was first and stays; the oldest of the silent ones gave way to the last. */
	for (int i = 0; i < 500 && recv(silent[0], &byte, 1, MSG_DONTWAIT) != 0; i++) {
		loop_turn(s.loop, 2);
	}
	assert_int_equal(recv(silent[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_true(recv(silent[1], &byte, 1, MSG_DONTWAIT) < 0);
	assert_int_equal(http_server_count(s.server).overload, 1);
	say(&s, "GET /items/last HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&s, "\r\n\r\nlast");
	for (size_t i = 0; i < COUNT(silent); i++) {
		close_fd(silent[i]);
	}
	s.fd = busy;
	buf_reset(&s.seen);
	say(&s, "b");
	expect(&s, "\r\n\r\nab");
	stop(&s);
}

TEST(an_upgrade_hands_over_the_stream_with_what_came_behind_the_head)
{
	struct stage s;
	start(&s);
	say(&s, "GET /up HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: unit\r\n\r\nmore");
	expect(&s, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: unit\r\n");
	expect(&s, "\r\n\r\nmore");
	say(&s, "x");
	expect(&s, "echo:x");
	assert_int_equal(http_server_count(s.server).connections, 0);
	close_fd(s.fd);
	s.fd = -1;
	for (int i = 0; i < 10; i++) {
		loop_turn(s.loop, 1);
	}
	stop(&s);
}

TEST(an_upgrade_whose_peer_went_away_is_told_so)
{
	struct stage s;
	start(&s);
	upgrades = 0;
	say(&s, "GET /up HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: unit\r\n\r\n");
	struct linger reset = {.l_onoff = 1};
	/* the head is read and the job sent in this turn; then the client resets */
	loop_turn(s.loop, 100);
	setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close_fd(s.fd);
	s.fd = -1;
	for (msec_t end = clock_now() + PATIENCE_MS; upgrades == 0 && clock_now() < end;) {
		loop_turn(s.loop, 1);
	}
	assert_int_equal(upgrades, 1);
	assert_int_equal(http_server_count(s.server).connections, 0);
	stop(&s);
}

TEST(an_answer_over_the_limit_is_a_fault_of_ours)
{
	struct stage s;
	start(&s);
	say(&s, "GET /huge HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&s, "500 Internal Server Error");
	stop(&s);
}

TEST(the_description_is_served)
{
	struct stage s;
	start(&s);
	say(&s, "GET /openapi.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	expect(&s, "\"/items/{id}\"");
	expect(&s, "Connection: close\r\n");
	expect_eof(&s);
	stop(&s);
}

/* Asks on a connection of its own, and waits until it has a slow thread or waits for one; the fd
 * is the caller's. */
static int ask_slowly(struct stage *s, const char *path, size_t running, size_t waiting)
{
	char text[80];

	dial(s);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	say(s, text);
	while (jobs_running(s->slow) != running || jobs_waiting(s->slow) != waiting) {
		loop_turn(s->loop, 1);
	}
	return TAKE_FD(s->fd);
}

static void expect_slow(struct stage *s, int fd, const char *answer)
{
	close_fd(s->fd);
	s->fd = fd;
	buf_reset(&s->seen);
	expect(s, answer);
}

TEST(slow_calls_wait_for_their_own_threads_and_stall_no_others)
{
	struct stage s;

	start(&s);
	close_fd(s.fd);
	int first = ask_slowly(&s, "/slow/mine", 1, 0);
	int second = ask_slowly(&s, "/slow/mine", 1, 1); /* though a thread is free */
	dial(&s);
	for (int i = 0; i < 4; i++) {
		say(&s, "GET /items/quick HTTP/1.1\r\nHost: a\r\n\r\n");
		expect(&s, "quick");
		buf_reset(&s.seen);
	}
	close_fd(s.fd);
	int other = ask_slowly(&s, "/slow/yours", 2, 1);
	for (int i = 0; i < 3; i++) {
		sem_post(&gate);
	}
	expect_slow(&s, other, "yours");
	expect_slow(&s, second, "mine");
	expect_slow(&s, first, "mine");
	stop(&s);
}

TEST(a_full_slow_queue_is_told_by_its_limits_name_and_the_connection_goes_on)
{
	struct stage s;

	start(&s);
	close_fd(s.fd);
	int first = ask_slowly(&s, "/slow/mine", 1, 0);
	int second = ask_slowly(&s, "/slow/mine", 1, 1);
	dial(&s);
	say(&s, "GET /slow/mine HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(&s, "try again later\"}");
	assert_true(str_contains(buf_str(&s.seen), STR("503 ")));
	assert_true(str_contains(buf_str(&s.seen), STR("Retry-After: 1")));
	assert_true(str_contains(buf_str(&s.seen), STR("(unit.slow.max)")));
	assert_int_equal(http_server_count(s.server).overload, 1);
	say(&s, "GET /items/quick HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(&s, "quick");
	say(&s, "GET /closed HTTP/1.1\r\nHost: a\r\n\r\n");
	expect(&s, "not you"); /* who may not, waits for nothing */
	sem_post(&gate);
	sem_post(&gate);
	expect_slow(&s, second, "mine");
	expect_slow(&s, first, "mine");
	stop(&s);
}

TEST(a_client_that_leaves_a_slow_call_harms_nobody)
{
	struct stage s;

	start(&s);
	close_fd(s.fd);
	int first = ask_slowly(&s, "/slow/mine", 1, 0);
	close_fd(ask_slowly(&s, "/slow/mine", 1, 1));
	for (int i = 0; i < 10; i++) {
		loop_turn(s.loop, 1);
	}
	sem_post(&gate);
	sem_post(&gate);
	expect_slow(&s, first, "mine");
	while (jobs_running(s.slow) > 0) {
		sched_yield();
	}
	stop(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(slow_calls_wait_for_their_own_threads_and_stall_no_others),
	cmocka_unit_test(a_full_slow_queue_is_told_by_its_limits_name_and_the_connection_goes_on),
	cmocka_unit_test(a_client_that_leaves_a_slow_call_harms_nobody),
	cmocka_unit_test(requests_on_one_connection_are_answered_in_order),
	cmocka_unit_test(of_bodies_that_do_not_end_the_longest_gives_way),
	cmocka_unit_test(head_tells_the_length_and_sends_nothing),
	cmocka_unit_test(a_client_that_waits_for_100_gets_it),
	cmocka_unit_test(what_is_not_there_and_what_is_not_served_are_told_apart),
	cmocka_unit_test(a_bad_head_or_path_behind_a_good_request_sees_nothing_of_that_one),
	cmocka_unit_test(a_body_over_the_routes_limit_is_refused_early_and_counted),
	cmocka_unit_test(malformed_and_oversized_heads_are_refused_and_counted),
	cmocka_unit_test(who_says_nothing_keeps_nobody_out_of_a_full_listener),
	cmocka_unit_test(a_body_that_drips_is_ended_though_something_always_comes),
	cmocka_unit_test(a_body_that_comes_slowly_but_steadily_is_taken),
	cmocka_unit_test(a_slow_head_and_a_slow_body_are_ended_and_an_idle_connection_silently),
	cmocka_unit_test(an_upgrade_hands_over_the_stream_with_what_came_behind_the_head),
	cmocka_unit_test(an_upgrade_whose_peer_went_away_is_told_so),
	cmocka_unit_test(an_answer_over_the_limit_is_a_fault_of_ours),
	cmocka_unit_test(the_description_is_served),
};
UNIT_MAIN(tests)
