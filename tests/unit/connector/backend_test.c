#include "connector/backend.h"

#include "unit/connector/origin.h"

struct client {
	struct backend_lease lease;
	bool opened, failed;
	struct backend_target *target;
};

static struct loop *loop;
static struct jobs *jobs;
static struct backend_pool *pool;
static struct backend_settings settings;
static struct origin origin;

static int set_up(void **state UNUSED)
{
	struct err err;

	assert_ok(loop_new(&loop, &err), &err);
	assert_ok(jobs_new("jobs", 1, 100, &jobs, &err), &err);
	settings = backend_settings_of(loop, jobs);
	pool = backend_pool_new(&settings);
	origin_open(&origin, loop, origin_reply);
	origin.reply = "ok";
	return 0;
}

static int tear_down(void **state UNUSED)
{
	backend_pool_free(pool);
	origin_close(&origin);
	jobs_free(jobs);
	for (int i = 0; i < 5; i++) {
		loop_turn(loop, 0);
	}
	loop_free(loop);
	return 0;
}

static void new_pool(void)
{
	backend_pool_free(pool);
	pool = backend_pool_new(&settings);
}

#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		msec_t start_ = clock_now();                                                       \
		while (!(condition)) {                                                             \
			loop_turn(loop, 10);                                                       \
			assert_true(clock_now() - start_ < SEC(30));                               \
		}                                                                                  \
	} while (0)

static void on_event(struct stream *s, enum stream_event event, void *user)
{
	struct client *c = user;

	(void)s;
	c->opened |= event == STREAM_OPEN;
	c->failed |= event == STREAM_FAILED;
}

static struct backend_target *target(const char *key, const char *host, struct tls_config *tls)
{
	struct access_mapping m = {
		.internal_host = str_of(host),
		.internal_port = origin.port,
		.pool_key = str_of(key),
		.protocol = tls ? ACCESS_HTTPS : ACCESS_HTTP,
	};
	return backend_target_ref(pool, &m, tls);
}

static enum backend_outcome ask(struct client *c, struct backend_target *t, uint64_t id)
{
	*c = (struct client){.target = t};
	c->lease.fn = on_event;
	c->lease.user = c;
	return backend_acquire(t, &c->lease, id, false);
}

static void get(struct client *c, struct backend_target *t, uint64_t id)
{
	if (ask(c, t, id) != BACKEND_HELD) {
		UNTIL(c->opened || c->failed);
	}
	assert_non_null(c->lease.stream);
}

static void a_connection_is_used_again_newest_first(void **state UNUSED)
{
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, two, three;

	get(&one, t, 0);
	get(&two, t, 0);
	assert_false(one.lease.reused);
	struct stream *newest = two.lease.stream;
	backend_release(&one.lease, -1);
	backend_release(&two.lease, -1);
	assert_int_equal(backend_count(pool).idle, 2);
	get(&three, t, 0);
	assert_true(three.lease.reused);
	assert_ptr_equal(three.lease.stream, newest);
	backend_abort(&three.lease);
	assert_int_equal(backend_count(pool).opened, 2);
	backend_target_unref(t);
	assert_int_equal(backend_count(pool).open, 0); /* its mapping is gone */
}

static void two_mappings_share_nothing(void **state UNUSED)
{
	struct backend_target *a = target("a", "127.0.0.1", NULL);
	struct backend_target *b = target("b", "127.0.0.1", NULL);
	struct client one, two;

	get(&one, a, 0);
	backend_release(&one.lease, -1);
	get(&two, b, 0);
	assert_false(two.lease.reused);
	backend_release(&two.lease, -1);
	backend_target_unref(a);
	backend_target_unref(b);
}

static void a_connection_with_unread_bytes_or_an_end_is_not_reused(void **state UNUSED)
{
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, two, three;

	get(&one, t, 0);
	UNTIL(origin.n_conns == 1);
	backend_release(&one.lease, -1);
	origin_say(&origin.conns[0], "stray"); /* in the kernel after this turn's flush */
	loop_turn(loop, 0);
	get(&two, t, 0);
	assert_false(two.lease.reused);
	UNTIL(origin.n_conns == 2);
	backend_release(&two.lease, -1);
	origin_drop(&origin.conns[1]);
	get(&three, t, 0);
	assert_false(three.lease.reused);
	assert_int_equal(backend_count(pool).stale, 2);
	backend_abort(&three.lease);
	backend_target_unref(t);
}

static void keep_alive_timeouts_are_obeyed_with_a_second_to_spare(void **state UNUSED)
{
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one;

	get(&one, t, 0);
	backend_release(&one.lease, 1000); /* "timeout=1": nothing is left of it */
	assert_int_equal(backend_count(pool).open, 0);
	backend_target_unref(t);
}

static void idle_connections_are_closed_in_time(void **state UNUSED)
{
	settings.idle = 20;
	new_pool();
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one;

	get(&one, t, 0);
	backend_release(&one.lease, -1);
	assert_int_equal(backend_count(pool).idle, 1);
	UNTIL(backend_count(pool).open == 0);
	UNTIL(origin.n_closed == 1);
	backend_target_unref(t);
}

static void the_cap_makes_leases_wait_in_order(void **state UNUSED)
{
	settings.connections_max = 1;
	settings.waiting_max = 2;
	new_pool();
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, two, three, four;

	get(&one, t, 0);
	assert_int_equal(ask(&two, t, 0), BACKEND_WAITS);
	assert_int_equal(ask(&three, t, 0), BACKEND_WAITS);
	assert_int_equal(ask(&four, t, 0), BACKEND_REFUSED);
	assert_true(four.lease.overload);
	backend_abort(&four.lease);
	backend_release(&one.lease, -1);
	assert_false(two.opened); /* nobody is called inside a call that another made */
	UNTIL(two.opened);
	assert_true(two.lease.reused);
	assert_false(three.opened);
	backend_abort(&two.lease); /* its place is free for a new connection */
	UNTIL(three.opened);
	assert_false(three.lease.reused);
	backend_abort(&three.lease);
	backend_target_unref(t);
}

static void waiting_has_an_end(void **state UNUSED)
{
	settings.connections_max = 1;
	settings.wait_timeout = 20;
	new_pool();
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, two;

	/* On a busy machine the way to the back end takes longer, too. It is gone to its end: the
	 * next to ask finds it. */
	while (ask(&one, t, 0) != BACKEND_HELD) {
		UNTIL(one.opened || one.failed);
		if (one.opened) {
			break;
		}
		backend_abort(&one.lease);
	}
	assert_int_equal(ask(&two, t, 0), BACKEND_WAITS);
	UNTIL(two.failed);
	assert_true(two.lease.overload);
	assert_non_null(strstr(two.lease.failure.text, "busy"));
	backend_abort(&two.lease);
	backend_abort(&one.lease);
	backend_target_unref(t);
}

static void what_authenticated_itself_stays_with_its_client(void **state UNUSED)
{
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, other, again, nobody;

	get(&one, t, 7);
	struct stream *mine = one.lease.stream;
	backend_bind(&one.lease);
	backend_release(&one.lease, -1);
	get(&other, t, 8);
	assert_ptr_not_equal(other.lease.stream, mine);
	backend_release(&other.lease, -1);
	get(&nobody, t, 0);
	assert_ptr_not_equal(nobody.lease.stream, mine);
	backend_bind(&nobody.lease);
	backend_release(&nobody.lease, -1); /* belongs to nobody: closed */
	get(&again, t, 7);
	assert_ptr_equal(again.lease.stream, mine);
	backend_abort(&again.lease);
	backend_target_unref(t);
}

static void bound_connections_give_way_at_the_cap(void **state UNUSED)
{
	settings.connections_max = 1;
	new_pool();
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one, two;

	get(&one, t, 7);
	backend_bind(&one.lease);
	backend_release(&one.lease, -1);
	get(&two, t, 8);
	assert_false(two.lease.reused);
	backend_abort(&two.lease);
	backend_target_unref(t);
}

static void a_refused_connection_is_named(void **state UNUSED)
{
	struct backend_target *t = target("a", "127.0.0.1", NULL);
	struct client one;

	listener_close(origin.listener);
	origin.listener = NULL;
	assert_int_equal(ask(&one, t, 0), BACKEND_WAITS);
	UNTIL(one.failed);
	assert_non_null(strstr(one.lease.failure.text, "refused"));
	assert_false(one.lease.timed_out);
	backend_abort(&one.lease);
	assert_int_equal(backend_count(pool).open, 0);
	backend_target_unref(t);
}

static void names_are_resolved_in_jobs(void **state UNUSED)
{
	struct backend_target *t = target("a", "localhost", NULL);
	struct client one, two;

	assert_int_equal(ask(&one, t, 0), BACKEND_WAITS);
	assert_int_equal(ask(&two, t, 0), BACKEND_WAITS);
	UNTIL(one.opened && two.opened);
	backend_abort(&one.lease);
	backend_abort(&two.lease);
	backend_target_unref(t);
}

static void an_unknown_name_fails_all_that_wait(void **state UNUSED)
{
	settings.wait_timeout = 3000; /* a name service may be slow to say no */
	new_pool();
	struct backend_target *t = target("a", "no-such-host.invalid", NULL);
	struct client one, two;

	assert_int_equal(ask(&one, t, 0), BACKEND_WAITS);
	assert_int_equal(ask(&two, t, 0), BACKEND_WAITS);
	UNTIL(one.failed && two.failed);
	assert_non_null(strstr(one.lease.failure.text, "no-such-host.invalid"));
	backend_abort(&one.lease);
	backend_abort(&two.lease);
	backend_target_unref(t);
}

static void a_pool_may_go_while_a_name_is_on_its_way(void **state UNUSED)
{
	struct backend_target *t = target("a", "localhost", NULL);
	struct client one;

	assert_int_equal(ask(&one, t, 0), BACKEND_WAITS);
	backend_abort(&one.lease);
	backend_target_unref(t);
	backend_pool_free(pool);
	pool = backend_pool_new(&settings);
	UNTIL(jobs_waiting(jobs) == 0);
}

static void https_verifies_the_name_and_the_issuer(void **state UNUSED)
{
	struct origin_tls tls;
	struct client good, bad;

	origin_tls_open(&tls);
	origin.tls = tls.server;
	struct backend_target *t = target("good", "127.0.0.1", tls.client);
	get(&good, t, 0);
	backend_release(&good.lease, -1);
	backend_target_unref(t);

	t = target("bad", "127.0.0.1", tls.stranger);
	assert_int_equal(ask(&bad, t, 0), BACKEND_WAITS);
	UNTIL(bad.failed);
	if (!strstr(bad.lease.failure.text, "Plant CA")) {
		fail_msg("%s", bad.lease.failure.text);
	}
	assert_non_null(strstr(bad.lease.failure.text, "trust store"));
	backend_abort(&bad.lease);
	backend_target_unref(t);

	/* the right CA, but another name than the certificate's */
	t = target("name", "localhost", tls.client);
	assert_int_equal(ask(&bad, t, 0), BACKEND_WAITS);
	UNTIL(bad.failed);
	assert_null(strstr(bad.lease.failure.text, "trust store"));
	backend_abort(&bad.lease);
	backend_target_unref(t);
	origin_tls_close(&tls);
}

static void https_without_any_trust_is_refused_with_the_next_step(void **state UNUSED)
{
	struct access_mapping m = {.internal_host = STR("127.0.0.1"),
				   .internal_port = origin.port,
				   .pool_key = STR("x"),
				   .protocol = ACCESS_HTTPS};
	struct backend_target *t = backend_target_ref(pool, &m, NULL);
	struct client one;

	assert_int_equal(ask(&one, t, 0), BACKEND_REFUSED);
	assert_non_null(strstr(one.lease.failure.text, "trust store"));
	backend_abort(&one.lease);
	backend_target_unref(t);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_connection_is_used_again_newest_first),
		CASE(two_mappings_share_nothing),
		CASE(a_connection_with_unread_bytes_or_an_end_is_not_reused),
		CASE(keep_alive_timeouts_are_obeyed_with_a_second_to_spare),
		CASE(idle_connections_are_closed_in_time),
		CASE(the_cap_makes_leases_wait_in_order),
		CASE(waiting_has_an_end),
		CASE(what_authenticated_itself_stays_with_its_client),
		CASE(bound_connections_give_way_at_the_cap),
		CASE(a_refused_connection_is_named),
		CASE(names_are_resolved_in_jobs),
		CASE(an_unknown_name_fails_all_that_wait),
		CASE(a_pool_may_go_while_a_name_is_on_its_way),
		CASE(https_verifies_the_name_and_the_issuer),
		CASE(https_without_any_trust_is_refused_with_the_next_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
