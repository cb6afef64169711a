/*
 * The connector's EST client against the cloud side's CA, over TLS on the loopback: the two rooms
 * never include each other, so that they understand each other is seen here.
 */
#include "cloud/ca/est.h"
#include "connector/enrol.h"
#include "unit/cloud/ca/ca_world.h"

struct stage {
	struct world w;
	struct cloud_rooms rooms;
	struct ca_listener listener;
	struct loop *loop;
	struct jobs *jobs;
	struct http_server *server;
	struct tls_config *tls;
	pthread_t thread;
	char region_host[64];
	struct enrol_peer peer;
	struct enrol_result result;
};

static struct tls_config *config_of(void *user)
{
	return tls_config_ref(((struct stage *)user)->tls);
}

static void *run(void *user)
{
	loop_run(((struct stage *)user)->loop);
	return NULL;
}

static void make_tls(struct stage *s)
{
	const char *const hosts[] = {"127.0.0.1", "localhost"};
	struct err err = {0};

	assert_ok(ca_listener_get(s->w.ca, "est", hosts, 2, clock_unix(), &s->listener, &err),
		  &err);
	assert_ok(
		tls_config_new(&(struct tls_settings){.server = true,
						      .peer = TLS_PEER_OPTIONAL,
						      .chain_pem = buf_str(&s->listener.chain_pem),
						      .key = s->listener.key,
						      .anchors_pem = ca_anchors_pem(s->w.ca),
						      .alpn = "http/1.1"},
			       &s->tls, &err),
		&err);
}

static void start(struct stage *s, void *state)
{
	static const struct http_route *const tables[] = {est_routes, NULL};
	struct err err = {0};
	uint16_t port = 0;

	*s = (struct stage){.result = ENROL_RESULT};
	world_start(&s->w, state);
	s->rooms.ca = s->w.ca;
	make_tls(s);
	assert_ok(loop_new(&s->loop, &err), &err);
	assert_ok(jobs_new("system", 2, 10, &s->jobs, &err), &err);
	struct http_server_settings settings = {
		.tables = tables, .jobs = s->jobs, .user = &s->rooms, .title = "EST"};
	assert_ok(http_server_new(s->loop, &settings, &s->server, &err), &err);
	assert_ok(http_server_listen(s->server, "127.0.0.1:0", config_of, s, &port, &err), &err);
	snprintf(s->region_host, sizeof s->region_host, "127.0.0.1:%u", (unsigned)port);
	s->peer = (struct enrol_peer){.region_host = s->region_host,
				      .subaccount = s->w.subaccount,
				      .instance = WORLD_INSTANCE,
				      .root_pin = ca_root_pin(s->w.ca)};
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void end(struct stage *s)
{
	loop_stop(s->loop);
	pthread_join(s->thread, NULL);
	http_server_close(s->server);
	jobs_free(s->jobs);
	while (loop_turn(s->loop, 0)) {
	}
	loop_free(s->loop);
	tls_config_unref(s->tls);
	ca_listener_fini(&s->listener);
	enrol_result_fini(&s->result);
	world_end(&s->w);
}

static enum enrol_outcome enrol(struct stage *s, const struct enrol_proof *proof, struct err *err)
{
	enum enrol_outcome o = enrol_cacerts(&s->peer, &s->result, err);

	return o != ENROL_DONE ? o : enrol_certificate(&s->peer, proof, s->w.key, &s->result, err);
}

static void expect_done(enum enrol_outcome o, const struct err *err)
{
	if (o != ENROL_DONE) {
		fail_msg("outcome %d: %s", o, err->text);
	}
}

static void an_owner_enrols_and_the_certificate_renews_itself(void **state)
{
	struct stage s;
	struct err err = {0};
	struct cert_facts first, second;
	AUTO_BUF struct buf old = BUF(KIB(64));

	start(&s, *state);
	const struct enrol_proof alice = {.user = "alice", .password = WORLD_PASSWORD};
	expect_done(enrol(&s, &alice, &err), &err);
	assert_true(str_eq(buf_str(&s.result.anchors), ca_root_pem(s.w.ca)));
	assert_ok(cert_read_pem(buf_str(&s.result.chain), &first, &err), &err);
	assert_true(str_ends(str_of(first.uri), STR("/connector/" WORLD_INSTANCE)));
	assert_ok(directory_certificate_confirm(s.w.store, str_of(first.serial), clock_unix(),
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);

	buf_add_str(&old, buf_str(&s.result.chain));
	const struct enrol_proof renewal = {.chain_pem = buf_str(&old), .key = s.w.key};
	expect_done(enrol(&s, &renewal, &err), &err);
	assert_ok(cert_read_pem(buf_str(&s.result.chain), &second, &err), &err);
	assert_string_not_equal(first.serial, second.serial);
	assert_string_equal(first.uri, second.uri);

	assert_ok(directory_certificate_revoke(s.w.store, &world_actor, str_of(s.w.subaccount),
					       str_of(first.serial), clock_unix(), &err),
		  &err);
	assert_int_equal(enrol(&s, &renewal, &err), ENROL_REFUSED);
	end(&s);
}

static void authentication_data_enrols(void **state)
{
	struct stage s;
	struct err err = {0};
	AUTO_BUF struct buf text = BUF_SECRET(KIB(4));
	const struct directory_actor alice = {.who = STR("user:alice"), .from = STR("")};
	struct enrol_authdata data;
	int64_t expires = 0;

	start(&s, *state);
	assert_ok(directory_authdata_create(s.w.store, &alice, str_of(s.w.subaccount),
					    str_of(s.region_host), ca_root_pin(s.w.ca),
					    clock_unix(), &text, &expires, &err),
		  &err);
	assert_ok(enrol_read_authdata(buf_str(&text), &data, &err), &err);
	assert_string_equal(data.subaccount, s.w.subaccount);
	assert_string_equal(data.region_host, s.region_host);
	s.peer.root_pin = data.root_pin;
	expect_done(enrol(&s, &(struct enrol_proof){.token = data.token}, &err), &err);
	assert_int_equal(enrol(&s, &(struct enrol_proof){.token = "AAAA"}, &err), ENROL_WRONG);
	end(&s);
}

static void refusals_are_told_apart(void **state)
{
	struct stage s;
	struct err err = {0};

	start(&s, *state);
	assert_int_equal(
		enrol(&s, &(struct enrol_proof){.user = "alice", .password = "wrong"}, &err),
		ENROL_WRONG);
	assert_null(strstr(err.text, "bob"));
	assert_int_equal(
		enrol(&s, &(struct enrol_proof){.user = "bob", .password = WORLD_PASSWORD}, &err),
		ENROL_REFUSED);
	assert_non_null(strstr(err.text, "alice"));
	assert_non_null(strstr(err.text, "Core Account"));
	end(&s);
}

static void a_stranger_gets_no_password(void **state)
{
	struct stage s;
	struct err err = {0};
	uint8_t wrong[32] = {1};
	AUTO_BUF struct buf pin = BUF(65);

	start(&s, *state);
	s.peer.root_pin = NULL;
	assert_int_equal(enrol_cacerts(&s.peer, &s.result, &err), ENROL_UNTRUSTED);
	buf_add_hex(&pin, ca_root_pin(s.w.ca), 32);
	assert_string_equal(s.result.root_sha256, pin.at); /* to be confirmed by a person */
	s.peer.root_pin = wrong;
	assert_int_equal(enrol_cacerts(&s.peer, &s.result, &err), ENROL_UNTRUSTED);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SQLITE(an_owner_enrols_and_the_certificate_renews_itself),
		ON_SQLITE(authentication_data_enrols),
		ON_SQLITE(refusals_are_told_apart),
		ON_SQLITE(a_stranger_gets_no_password),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
