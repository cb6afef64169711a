/* Who sends when: windows, fairness, the size of a turn. */
#include "unit/http/h2_wire.h"

static void answer_what_the_path_asks(struct wire *w UNUSED, struct seen *seen,
				      const struct h2_notice *n)
{
	struct err err;
	struct http_head head = {.status = 200};
	uint64_t size = 0;
	if (n->event == H2_HEAD && str_to_u64(str_skip(str_of(seen->path), 1), &size)) {
		assert_ok(h2_respond(n->stream, &head, true, &err), &err);
		seen->to_send = (size_t)size;
		wire_top_up(seen);
	}
}

TEST(nothing_comes_beyond_the_window_of_who_does_not_consume)
{
	struct wire w;
	struct seen slow = {.hold = true};
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	assert_non_null(wire_get(&w, &slow, "/5000000"));
	wire_run(&w);
	assert_int_equal(slow.body.len, H2_WINDOW_START);
	assert_int_equal(h2_unread(w.client), H2_WINDOW_START);
	/* What is consumed comes again, and no more. */
	h2_consume(slow.stream, H2_WINDOW_START / 2 - 1);
	wire_run(&w);
	assert_int_equal(slow.body.len, H2_WINDOW_START);
	h2_consume(slow.stream, 1);
	wire_run(&w);
	assert_int_equal(slow.body.len, H2_WINDOW_START * 3 / 2);
	assert_false(w.failed);
	buf_fini(&slow.body);
	wire_close(&w);
}

TEST(slow_readers_never_hold_back_the_others)
{
	struct wire w;
	static struct seen slow[64];
	struct seen quick = {0};
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	for (size_t i = 0; i < COUNT(slow); i++) {
		slow[i].hold = true;
		assert_non_null(wire_get(&w, &slow[i], "/1000000"));
	}
	wire_run(&w);
	for (size_t i = 0; i < 20; i++) {
		assert_non_null(wire_get(&w, &quick, "/100000"));
		wire_run(&w);
		assert_int_equal(quick.body.len, 100000);
		assert_true(quick.closed);
		buf_fini(&quick.body);
	}
	for (size_t i = 0; i < COUNT(slow); i++) {
		assert_int_equal(slow[i].body.len, H2_WINDOW_START);
		slow[i].hold = false;
		h2_consume(slow[i].stream, H2_WINDOW_START);
	}
	wire_run(&w);
	for (size_t i = 0; i < COUNT(slow); i++) {
		assert_int_equal(slow[i].body.len, 1000000);
		buf_fini(&slow[i].body);
	}
	assert_int_equal(h2_unread(w.client), 0);
	wire_close(&w);
}

/* Reads the heads of the frames in `bytes` and counts those of one type. */
static size_t count_frames(struct str bytes, uint8_t type)
{
	size_t n = 0;
	if (str_starts(bytes, STR("PRI * HTTP/2.0"))) {
		bytes = str_skip(bytes, 24);
	}
	while (bytes.len >= 9) {
		const uint8_t *at = (const uint8_t *)bytes.at;
		n += at[3] == type;
		bytes = str_skip(bytes, 9 + ((size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2]));
	}
	return n;
}

TEST(an_answer_below_half_a_window_costs_no_update)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	wire_run(&w);
	assert_non_null(wire_get(&w, &seen, "/131071"));
	size_t updates = 0;
	while (!seen.closed) {
		assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
		updates += count_frames(buf_str(&w.to_server), NGHTTP2_WINDOW_UPDATE);
		(void)wire_turn(&w, KIB(64));
	}
	assert_int_equal(updates, 0);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(a_turn_appends_about_what_it_may)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	assert_non_null(wire_get(&w, &seen, "/5000000"));
	for (size_t turn = 0; turn < 100; turn++) {
		size_t before = w.to_client.len;
		assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
		assert_ok(h2_drain(w.server, &w.to_client, KIB(64), &w.err), &w.err);
		assert_true(w.to_client.len - before < KIB(64) + KIB(16));
		(void)wire_deliver(&w, &w.to_server, w.server);
		(void)wire_deliver(&w, &w.to_client, w.client);
	}
	assert_true(seen.closed);
	buf_fini(&seen.body);
	wire_close(&w);
}

/* The stream ids of the DATA frames, in order, at most `max`. */
static size_t data_order(struct str bytes, int32_t *ids, size_t max)
{
	size_t n = 0;
	while (bytes.len >= 9 && n < max) {
		const uint8_t *at = (const uint8_t *)bytes.at;
		if (at[3] == NGHTTP2_DATA) {
			ids[n++] = at[5] << 24 | at[6] << 16 | at[7] << 8 | at[8];
		}
		bytes = str_skip(bytes, 9 + ((size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2]));
	}
	return n;
}

TEST(a_small_answer_passes_bulk_that_is_under_way)
{
	struct wire w;
	struct seen bulk[3] = {0};
	struct seen small = {0};
	int32_t ids[64];
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	for (size_t i = 0; i < COUNT(bulk); i++) {
		assert_non_null(wire_get(&w, &bulk[i], "/5000000"));
	}
	for (size_t i = 0; i < 3; i++) {
		(void)wire_turn(&w, KIB(64));
	}
	assert_non_null(wire_get(&w, &small, "/1000"));
	assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
	(void)wire_deliver(&w, &w.to_server, w.server);
	assert_int_equal(w.to_client.len, 0);
	assert_ok(h2_drain(w.server, &w.to_client, KIB(64), &w.err), &w.err);
	size_t n = data_order(buf_str(&w.to_client), ids, COUNT(ids));
	assert_true(n >= 3);
	assert_int_equal(ids[0], h2_id(small.stream));
	wire_run(&w);
	for (size_t i = 0; i < COUNT(bulk); i++) {
		assert_int_equal(bulk[i].body.len, 5000000);
		buf_fini(&bulk[i].body);
	}
	buf_fini(&small.body);
	wire_close(&w);
}

TEST(bulk_streams_take_turns)
{
	struct wire w;
	struct seen bulk[4] = {0};
	size_t had[4];
	wire_open(&w, 5);
	w.server_app = answer_what_the_path_asks;
	for (size_t i = 0; i < COUNT(bulk); i++) {
		assert_non_null(wire_get(&w, &bulk[i], "/8000000"));
	}
	for (size_t i = 0; i < 40; i++) {
		(void)wire_turn(&w, KIB(64));
	}
	for (size_t i = 0; i < COUNT(bulk); i++) {
		had[i] = bulk[i].body.len;
	}
	for (size_t i = 0; i < 40; i++) {
		(void)wire_turn(&w, KIB(64));
	}
	size_t least = SIZE_MAX;
	size_t most = 0;
	for (size_t i = 0; i < COUNT(bulk); i++) {
		size_t got = bulk[i].body.len - had[i];
		least = got < least ? got : least;
		most = got > most ? got : most;
		buf_fini(&bulk[i].body);
	}
	assert_true(least > 0);
	assert_true(most - least <= 4 * H2_QUANTUM);
	wire_close(&w);
}

TEST(uploads_take_turns_too)
{
	struct wire w;
	struct seen huge = {.to_send = 4000000};
	struct seen second = {.to_send = 20000};
	int32_t ids[8];
	wire_open(&w, 5);
	wire_run(&w);
	assert_non_null(wire_get(&w, &huge, "/1"));
	assert_non_null(wire_get(&w, &second, "/2"));
	assert_ok(h2_drain(w.client, &w.to_server, KIB(64), &w.err), &w.err);
	size_t n = data_order(buf_str(&w.to_server), ids, COUNT(ids));
	bool among_the_first_three = false;
	for (size_t i = 0; i < n && i < 3; i++) {
		among_the_first_three |= ids[i] == h2_id(second.stream);
	}
	assert_true(among_the_first_three);
	wire_run(&w);
	assert_int_equal(w.at_server[0].body.len, 4000000);
	assert_int_equal(w.at_server[1].body.len, 20000);
	wire_close(&w);
}

static void trickle(struct wire *w UNUSED, struct seen *seen UNUSED, const struct h2_notice *n)
{
	struct err err;
	struct http_head head = {.status = 200};
	if (n->event == H2_HEAD) {
		assert_ok(h2_respond(n->stream, &head, true, &err), &err);
	}
}

TEST(what_is_sent_now_and_then_leaves_at_once)
{
	struct wire w;
	struct seen seen = {0};
	wire_open(&w, 5);
	w.server_app = trickle;
	assert_non_null(wire_get(&w, &seen, "/"));
	wire_run(&w);
	for (size_t i = 1; i <= 300; i++) {
		h2_send(w.at_server[0].stream, STR("an event of the server\n"));
		assert_true(h2_wants_drain(w.server));
		wire_run(&w);
		assert_int_equal(seen.body.len, i * 23);
	}
	h2_end(w.at_server[0].stream, NULL, 0);
	wire_run(&w);
	assert_int_equal(seen.ends, 1);
	buf_fini(&seen.body);
	wire_close(&w);
}

TEST(both_ends_write_10_mb_before_either_reads)
{
	struct wire w;
	static struct seen up[40];
	wire_open(&w, 11);
	w.server_app = answer_what_the_path_asks;
	for (size_t i = 0; i < COUNT(up); i++) {
		up[i].to_send = 250000;
		assert_non_null(wire_get(&w, &up[i], "/250000"));
	}
	wire_run(&w);
	assert_false(w.failed);
	for (size_t i = 0; i < COUNT(up); i++) {
		assert_int_equal(up[i].body.len, 250000);
		assert_int_equal(w.at_server[i].body.len, 250000);
		buf_fini(&up[i].body);
	}
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_comes_beyond_the_window_of_who_does_not_consume),
		cmocka_unit_test(slow_readers_never_hold_back_the_others),
		cmocka_unit_test(an_answer_below_half_a_window_costs_no_update),
		cmocka_unit_test(a_turn_appends_about_what_it_may),
		cmocka_unit_test(a_small_answer_passes_bulk_that_is_under_way),
		cmocka_unit_test(bulk_streams_take_turns),
		cmocka_unit_test(uploads_take_turns_too),
		cmocka_unit_test(what_is_sent_now_and_then_leaves_at_once),
		cmocka_unit_test(both_ends_write_10_mb_before_either_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
