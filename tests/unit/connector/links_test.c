#include "connector/links.h"

#include <stdio.h>
#include <string.h>

#include "database.h"
#include "store/migrate.h"
#include "store/store.h"
#include "unit/connector/fake_keys.h"
#include "unit/tunnel/fake_relay.h"

#define ID "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"

enum {
	TURNS = 2000,
};

static const struct state_actor ADMIN = {.who = STR("user:Administrator"), .from = STR("")};

/* Control and both workers are one loop, which the test turns. */
struct scene {
	struct database *database;
	struct loop *loop;
	struct jobs *jobs;
	struct fake_relay relay;
	struct fake_keys keys;
	struct subaccounts *subaccounts;
	struct links *links;
	struct loop *workers[2];
	char region_host[STATE_HOST], key[STATE_HOST + STATE_UUID];
	int64_t certificate;
	msec_t now;
	int requests;
	bool drained;
	struct err err;
};

static void on_stream(struct tunnel *t, const struct h2_notice *n, const struct links_source *from)
{
	struct http_head head = {.status = 204};
	struct err err = {0};

	if (n->event == H2_HEAD) {
		struct scene *s = from->worker;
		s->requests++;
		assert_string_equal(from->subaccount, s->key);
		assert_string_equal(from->location_id, "hall-2");
		assert_ok(h2_respond(n->stream, &head, false, &err), &err);
		tunnel_flush(t);
	}
}

static void on_drained(void *user)
{
	((struct scene *)user)->drained = true;
}

/* A subaccount as enrolment leaves it behind. */
static void store_subaccount(struct scene *s)
{
	struct store *store = s->database->store;
	struct state_subaccount sa = {.subaccount = ID, .location_id = "hall-2", .connected = true};
	AUTO_BUF struct buf sealed = BUF_SECRET(KIB(8));

	memcpy(sa.region_host, s->region_host, sizeof(sa.region_host));
	sa.anchors_pem = str_dup(buf_str(&s->relay.root.pem));
	assert_ok(local_key_write(s->relay.client.local, &sealed, &s->err), &s->err);
	assert_ok(state_key_add(store, &ADMIN, sa.region_host, ID, buf_str(&sealed),
				buf_str(&s->relay.client.spki), &s->certificate, &s->err),
		  &s->err);
	assert_ok(state_certificate_received(store, &ADMIN, s->certificate,
					     buf_str(&s->relay.client.pem), 1, &s->err),
		  &s->err);
	assert_ok(state_subaccount_add(store, &ADMIN, &sa, &s->err), &s->err);
	state_subaccount_fini(&sa);
}

static void begin(struct scene *s, void **state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations}};

	*s = (struct scene){.database = *state, .now = 1000000};
	assert_ok(loop_new_simulated(s->now, &s->loop, &s->err), &s->err);
	assert_ok(jobs_new("test", 2, 100, &s->jobs, &s->err), &s->err);
	fake_relay_open(&s->relay, s->loop, s->jobs);
	snprintf(s->region_host, sizeof(s->region_host), "localhost:%u", s->relay.port);
	snprintf(s->key, sizeof(s->key), "%s@%s", ID, s->region_host);
	assert_ok(store_migrate(s->database->store, sets, COUNT(sets), &s->err), &s->err);
	store_subaccount(s);
	struct subaccounts_settings settings = {.store = s->database->store,
						.keys = fake_key_source(&s->keys)};
	assert_ok(subaccounts_new(&settings, &s->subaccounts, &s->err), &s->err);
}

static void start(struct scene *s)
{
	void *users[] = {s, s};

	s->workers[0] = s->workers[1] = s->loop;
	struct links_settings settings = {.control = s->loop,
					  .workers = s->workers,
					  .worker_users = users,
					  .n_workers = 2,
					  .jobs = s->jobs,
					  .subaccounts = s->subaccounts,
					  .on_stream = on_stream};
	s->links = links_new(&settings);
}

static void end(struct scene *s)
{
	links_free(s->links);
	fake_relay_close(&s->relay);
	for (int i = 0; i < 8; i++) {
		(void)loop_turn(s->loop, 1);
	}
	jobs_free(s->jobs);
	loop_free(s->loop);
	subaccounts_free(s->subaccounts);
	fake_keys_free(&s->keys);
}

static struct link_status look(struct scene *s)
{
	struct link_status_set *set = links_status(s->links);
	const struct link_status *st = link_status_find(set, s->key);
	struct link_status copy = st != NULL ? *st : (struct link_status){0};

	link_status_set_unref(set);
	return copy;
}

/* The clock stands while a thread works for the loop: its time is the machine's, not ours. */
#define UNTIL(s, condition)                                                                        \
	do {                                                                                       \
		int turns_ = 0;                                                                    \
		while (!(condition) && turns_ < TURNS) {                                           \
			if (jobs_waiting((s)->jobs) + jobs_running((s)->jobs) == 0) {              \
				turns_++;                                                          \
				(s)->now += 50;                                                    \
				loop_clock_set((s)->loop, (s)->now);                               \
			}                                                                          \
			(void)loop_turn((s)->loop, 5);                                             \
		}                                                                                  \
		if (!(condition)) {                                                                \
			fail_msg("never: %s (%s)", #condition, look(s).reason);                    \
		}                                                                                  \
	} while (0)

static bool is_confirmed(struct scene *s)
{
	struct subaccount_set *set = subaccounts_ref(s->subaccounts);
	bool confirmed = set->rows[0].certificate_confirmed &&
			 strcmp(set->rows[0].state.owners, "ann@plant") == 0;

	subaccount_set_unref(set);
	return confirmed;
}

TEST(a_subaccount_is_connected_its_certificate_confirmed_its_owners_learned)
{
	struct scene s;

	begin(&s, state);
	start(&s);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED);
	assert_true(look(&s).connected_since_ms > 0);
	assert_int_equal(look(&s).tunnels, 1);
	assert_string_equal(look(&s).owners, "ann@plant");
	assert_string_equal(look(&s).reason, "");
	UNTIL(&s, is_confirmed(&s));
	UNTIL(&s, s.relay.tunnels[0] != NULL && tunnel_is_usable(s.relay.tunnels[0]));
	struct http_head head = {.method = STR("GET"),
				 .scheme = STR("http"),
				 .authority = STR("erp:80"),
				 .path = STR("/")};
	assert_non_null(h2_request(tunnel_h2(s.relay.tunnels[0]), &head, false, NULL));
	tunnel_flush(s.relay.tunnels[0]);
	UNTIL(&s, s.relay.answered == 1);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.relay.welcomed, 1); /* nothing of this needed a second dial */
	end(&s);
}

static bool run_sql(struct db *db, void *user, struct err *err)
{
	struct stmt *st = NULL;

	return db_prepare(db, user, &st, err) && stmt_run(st, NULL, err);
}

static void sql(struct scene *s, const char *text)
{
	assert_ok(store_tx(s->database->store, run_sql, (void *)(uintptr_t)text, &s->err), &s->err);
}

static bool are_owners_known(struct scene *s)
{
	struct subaccount_set *set = subaccounts_ref(s->subaccounts);
	bool known = strcmp(set->rows[0].state.owners, "ann@plant") == 0;

	subaccount_set_unref(set);
	return known;
}

TEST(what_the_database_did_not_take_is_told_again_while_the_tunnel_stays_up)
{
	struct scene s;

	begin(&s, state);
	sql(&s, "create trigger full before update on state_certificate "
		"begin select raise(abort, 'no room'); end");
	start(&s);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED && are_owners_known(&s));
	/* The certificate's turn came before the owners', and it was refused. */
	UNTIL(&s, jobs_waiting(s.jobs) + jobs_running(s.jobs) == 0);
	assert_false(is_confirmed(&s));
	sql(&s, "drop trigger full");
	UNTIL(&s, is_confirmed(&s));
	assert_int_equal(s.relay.welcomed, 1);
	end(&s);
}

TEST(as_many_tunnels_are_dialled_as_the_relay_asks_for)
{
	struct scene s;

	begin(&s, state);
	s.relay.tunnels_wanted = 3;
	start(&s);
	UNTIL(&s, look(&s).tunnels == 3);
	assert_int_equal(look(&s).wanted, 3);
	assert_int_equal(fake_relay_count(&s.relay), 3);
	end(&s);
}

TEST(disconnect_drains_and_connect_dials_again)
{
	struct scene s;

	begin(&s, state);
	start(&s);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED && is_confirmed(&s));
	assert_ok(subaccounts_connect(s.subaccounts, &ADMIN, str_of(s.region_host), STR(ID), false,
				      &s.err),
		  &s.err);
	links_apply(s.links);
	UNTIL(&s, fake_relay_count(&s.relay) == 0);
	assert_int_equal(look(&s).state, LINK_STATUS_DISCONNECTED);
	assert_int_equal(look(&s).connected_since_ms, 0);
	assert_ok(subaccounts_connect(s.subaccounts, &ADMIN, str_of(s.region_host), STR(ID), true,
				      &s.err),
		  &s.err);
	links_apply(s.links);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED);
	end(&s);
}

TEST(a_first_dial_is_no_failure)
{
	struct scene s;

	begin(&s, state);
	start(&s);
	assert_int_equal(look(&s).state, LINK_STATUS_CONNECTING);
	assert_string_equal(link_status_name(look(&s).state), "Disconnected");
	assert_string_equal(link_status_own_name(look(&s).state), "Connecting");
	assert_string_equal(link_status_own_name(LINK_STATUS_FAILURE), "ConnectFailure");
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED);
	assert_string_equal(link_status_name(look(&s).state), "Connected");
	end(&s);
}

TEST(a_refusal_is_a_failure_with_its_reason)
{
	struct scene s;

	begin(&s, state);
	s.relay.refusal = "HTTP/1.1 403 X\r\nContent-Length: 7\r\n\r\nrevoked";
	start(&s);
	UNTIL(&s, look(&s).refused == 403);
	assert_int_equal(look(&s).state, LINK_STATUS_FAILURE);
	assert_string_equal(link_status_name(look(&s).state), "ConnectFailure");
	assert_true(str_contains(str_of(look(&s).reason), STR("revoked")));
	s.relay.refusal = NULL;
	links_hurry(s.links);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED);
	end(&s);
}

TEST(a_new_location_opens_a_new_tunnel_and_drains_the_old)
{
	struct scene s;
	struct subaccount_edit edit = {.location_id = STR("hall-9")};

	begin(&s, state);
	start(&s);
	UNTIL(&s, look(&s).state == LINK_STATUS_CONNECTED && is_confirmed(&s));
	assert_ok(subaccounts_edit(s.subaccounts, &ADMIN, str_of(s.region_host), STR(ID), &edit,
				   &s.err),
		  &s.err);
	links_apply(s.links);
	UNTIL(&s, s.relay.welcomed == 2 && fake_relay_count(&s.relay) == 1);
	assert_string_equal(s.relay.location, "hall-9");
	assert_int_equal(look(&s).state, LINK_STATUS_CONNECTED);
	end(&s);
}

TEST(a_shutdown_drains_every_tunnel_and_tells)
{
	struct scene s;

	begin(&s, state);
	s.relay.tunnels_wanted = 2;
	start(&s);
	UNTIL(&s, look(&s).tunnels == 2);
	links_drain(s.links, SEC(30), on_drained, &s);
	UNTIL(&s, s.drained);
	UNTIL(&s, fake_relay_count(&s.relay) == 0);
	assert_int_equal(s.relay.welcomed, 2);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_SQLITE(a_subaccount_is_connected_its_certificate_confirmed_its_owners_learned),
		ON_SQLITE(what_the_database_did_not_take_is_told_again_while_the_tunnel_stays_up),
		ON_SQLITE(as_many_tunnels_are_dialled_as_the_relay_asks_for),
		ON_SQLITE(disconnect_drains_and_connect_dials_again),
		ON_SQLITE(a_first_dial_is_no_failure),
		ON_SQLITE(a_refusal_is_a_failure_with_its_reason),
		ON_SQLITE(a_new_location_opens_a_new_tunnel_and_drains_the_old),
		ON_SQLITE(a_shutdown_drains_every_tunnel_and_tells),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
