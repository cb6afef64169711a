#include "unit/cloud/relay/relay_world.h"

static void the_newest_dial_of_an_installation_replaces_the_oldest_tunnel(void **state)
{
	struct world w;
	struct end *ends[3] = {NULL};

	start(&w, state);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dial(&w, &FIRST, &ends[i]), 101);
	}
	for (int i = 0; !ends[0]->draining && !ends[1]->draining && i < 500; i++) {
		loop_turn(w.control, 20);
	}
	assert_true(ends[0]->draining != ends[1]->draining);
	assert_false(ends[2]->draining);
	stop(&w);
}

/* Lets FIRST in, up to its 101. */
static void let_in(struct world *w, struct fixture *f, struct cert_facts *facts)
{
	fill_call(f, w, &FIRST, facts);
	relay_routes[0].handler(&f->call);
	assert_int_equal(f->call.status, 101);
	assert_int_equal(holds_total(w->relay->holds), 1);
}

static void a_connection_that_never_came_gives_its_place_back(void **state)
{
	struct world w;
	struct cert_facts facts;
	struct fixture f;

	start(&w, state);
	let_in(&w, &f, &facts);
	f.call.upgrade(NULL, f.call.upgrade_user);
	assert_int_equal(holds_total(w.relay->holds), 0);
	fixture_end(&f);
	stop(&w);
}

static void a_connector_that_goes_before_its_101_left_gives_its_place_back(void **state)
{
	struct world w;
	struct cert_facts facts;
	struct fixture f;
	int fd[2];

	start(&w, state);
	let_in(&w, &f, &facts);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	struct stream *near = stream_adopt(w.control, fd[0], ignore, NULL);
	stream_write(near, STR("!"));
	close(fd[1]);
	f.call.upgrade(near, f.call.upgrade_user);
	for (msec_t end = clock_now() + PATIENCE_MS; holds_total(w.relay->holds) > 0;) {
		assert_true(clock_now() < end);
		loop_turn(w.control, 20);
	}
	assert_int_equal(count(&w).tunnels_opened_total, 0);
	fixture_end(&f);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(the_newest_dial_of_an_installation_replaces_the_oldest_tunnel),
		ON_SQLITE(a_connection_that_never_came_gives_its_place_back),
		ON_SQLITE(a_connector_that_goes_before_its_101_left_gives_its_place_back),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
