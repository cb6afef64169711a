/* Applications on the TLS port: with and without a client certificate, moved and refused. */
#include "cloud/relay/front_priv.h"
#include "crypto/seal.h"
#include "unit/cloud/relay/fake_runtime.h"
#include "unit/cloud/relay/stage.h"
#include "unit/crypto/testca.h"

#define OTHER_SUBACCOUNT "0f9a7c1e-5b1d-4c3e-9b1a-000000000009"
#define GET_IT           "GET http://erp:80/a HTTP/1.1\r\nHost: erp:80\r\n@\r\n"

static struct testcert root, server, client, stranger;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=Customer Root");
	testcert_server(&server, &root, KEY_KIND_P256, "acme.relay.example");
	testcert_client(&client, &root, clock_unix() - 60, clock_unix() + 3600);
	testcert_key(&stranger, KEY_KIND_P256);
	testcert_issue(&stranger, NULL,
		       (struct issue_facts){.profile = ISSUE_ROOT,
					    .subject = "CN=Stranger",
					    .not_before = clock_unix() - 60,
					    .not_after = clock_unix() + 3600});
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&server);
	testcert_free(&client);
	testcert_free(&stranger);
	return 0;
}

/* ---- whose trust: user is the owner's id ---- */

static void find_root(UNUSED void *user, UNUSED const uint8_t subject_sha256[static 32],
		      tls_der_fn *fn, void *to)
{
	(void)fn(buf_str(&root.der), to);
}

static bool on_hello(UNUSED struct str name, void *user, struct tls_trust *out)
{
	out->asks = true;
	out->find = find_root;
	return str_copy(str_of(user), out->owner, sizeof(out->owner));
}

/* ---- an application under TLS; what it sends is text, what it hears is in `plain` ---- */

struct app {
	struct stage s;
	struct tls_config *server, *client;
	struct tls_engine *tls;
	struct buf plain;
	struct err err;
	bool up, failed;
};

static void send_out(struct app *a, struct buf *out)
{
	if (out->len > 0 && a->s.client >= 0) {
		stage_put(&a->s, buf_str(out));
	}
	buf_reset(out);
}

static void read_plain(struct app *a, struct buf *out)
{
	char into[4096];
	size_t n = 0;
	enum tls_outcome o;

	while ((o = tls_read(a->tls, into, sizeof(into), &n, out, &a->err)) == TLS_OK) {
		buf_add(&a->plain, into, n);
	}
	a->failed = a->failed || o == TLS_FAILED;
}

/* Everything on its way arrives. */
static void settle(struct app *a)
{
	AUTO_BUF struct buf out = BUF(MIB(1));

	for (int i = 0; i < 6 && !a->failed; i++) {
		stage_settle(&a->s);
		if (a->s.answer.len > 0) {
			tls_feed(a->tls, buf_str(&a->s.answer));
		}
		enum tls_outcome o = tls_handshake(a->tls, &out, &a->err);
		a->up = o == TLS_OK;
		a->failed = o == TLS_FAILED;
		if (a->up) {
			read_plain(a, &out);
		}
		buf_reset(&a->s.answer);
		send_out(a, &out);
	}
}

static void say(struct app *a, const char *text)
{
	AUTO_BUF struct buf plain = BUF(MIB(1)), out = BUF(MIB(1));
	struct err err;

	stage_spell(&a->s, text, &plain);
	buf_reset(&a->plain);
	assert_ok(tls_write(a->tls, buf_str(&plain), &out, &err), &err);
	send_out(a, &out);
	settle(a);
}

static void app_start(struct app *a, const char *owner, const struct testcert *cert)
{
	const struct tls_settings ss = {.server = true,
					.peer = TLS_PEER_BY_NAME,
					.tickets = true,
					.alpn = "http/1.1",
					.chain_pem = buf_str(&server.pem),
					.key = server.key,
					.hello = on_hello,
					.hello_user = (void *)(uintptr_t)owner};
	struct tls_settings cs = {.peer = TLS_PEER_VERIFY, .anchors_pem = buf_str(&root.pem)};
	struct tls_engine *far = NULL;
	struct err err;
	int fd[2];

	*a = (struct app){.up = false};
	if (cert != NULL) {
		cs.chain_pem = buf_str(&cert->pem);
		cs.key = cert->key;
	}
	stage_start(&a->s);
	stage_tunnel_up(&a->s);
	a->plain = BUF(MIB(1));
	assert_ok(tls_config_new(&ss, &a->server, &err), &err);
	assert_ok(tls_config_new(&cs, &a->client, &err), &err);
	assert_ok(tls_engine_new(a->client, "acme.relay.example", &a->tls, &err), &err);
	assert_ok(tls_engine_new(a->server, NULL, &far, &err), &err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	a->s.client = fd[0];
	front_accept_tls(a->s.worker, fd[1], far);
	settle(a);
}

static void app_stop(struct app *a)
{
	tls_engine_free(a->tls);
	stage_stop(&a->s);
	tls_config_unref(a->server);
	tls_config_unref(a->client);
	buf_fini(&a->plain);
}

static void require(struct stage *s, bool locked)
{
	struct directory_snapshot *snap = fake_snapshot(&s->fake);

	fake_runtime(&s->runtime, (struct runtime_tenant){.requires_certificate = true});
	snap->subaccount.locked = locked;
	snapshot_publish(&s->fake.cell, &snap->base);
}

#define assert_plain_has(a, expected)                                                              \
	do {                                                                                       \
		if (!str_contains(buf_str(&(a)->plain), str_of(expected))) {                       \
			fail_msg("got \"%.*s\" %s", STR_ARGS(buf_str(&(a)->plain)),                \
				 (a)->err.text);                                                   \
		}                                                                                  \
	} while (0)

/* ---- what must hold ---- */

TEST(a_request_goes_through_under_tls)
{
	struct app a;

	app_start(&a, FAKE_SUBACCOUNT, NULL);
	assert_true(a.up);
	for (int i = 0; i < 2; i++) {
		say(&a, GET_IT);
		assert_int_equal(a.s.connector.requests, i + 1);
		stage_answer(&a.s, "hello");
		settle(&a);
		assert_plain_has(&a, "\r\n\r\nhello");
	}
	assert_int_equal(a.s.worker->counters.tls_handshakes_total, 1);
	assert_int_equal(a.s.worker->counters.tls_certificates_total, 0);
	assert_int_equal(a.s.worker->counters.tls_failed_total, 0);
	app_stop(&a);
}

TEST(a_certificate_does_not_replace_the_token)
{
	struct app a;

	app_start(&a, FAKE_SUBACCOUNT, &client);
	assert_int_equal(a.s.worker->counters.tls_certificates_total, 1);
	say(&a, "GET http://erp/ HTTP/1.1\r\nHost: erp\r\n\r\n");
	assert_plain_has(&a, "HTTP/1.1 407 ");
	say(&a, GET_IT);
	assert_int_equal(a.s.connector.requests, 1);
	app_stop(&a);
}

TEST(another_tenants_token_beside_a_certificate_is_refused)
{
	struct app a;

	app_start(&a, OTHER_SUBACCOUNT, &client);
	say(&a, GET_IT);
	assert_plain_has(&a, "HTTP/1.1 403 ");
	assert_plain_has(&a, "is one of subaccount " OTHER_SUBACCOUNT ", the token is one of");
	assert_int_equal(a.s.connector.requests, 0);
	assert_int_equal(a.s.worker->counters.refused_certificate_total, 1);
	assert_int_equal(a.s.worker->counters.refused_locked_total, 0);
	app_stop(&a);
	app_start(&a, OTHER_SUBACCOUNT, NULL); /* without one the name says nothing */
	say(&a, GET_IT);
	assert_int_equal(a.s.connector.requests, 1);
	app_stop(&a);
}

TEST(where_a_certificate_is_required_no_way_leads_around_it)
{
	struct app a;
	struct stage s;

	app_start(&a, FAKE_SUBACCOUNT, NULL);
	require(&a.s, false);
	say(&a, GET_IT);
	assert_plain_has(&a, "HTTP/1.1 403 ");
	assert_plain_has(&a, "takes requests with a client certificate only");
	app_stop(&a);
	app_start(&a, FAKE_SUBACCOUNT, &client);
	require(&a.s, false);
	say(&a, GET_IT);
	assert_int_equal(a.s.connector.requests, 1);
	app_stop(&a);
	stage_start(&s); /* the port without TLS */
	stage_tunnel_up(&s);
	require(&s, false);
	stage_ask(&s, GET_IT);
	assert_answer_starts(&s, "HTTP/1.1 403 ");
	assert_int_equal(s.worker->counters.refused_certificate_total, 1);
	stage_stop(&s);
}

TEST(a_locked_tenant_is_told_that_first)
{
	struct app a;

	app_start(&a, FAKE_SUBACCOUNT, NULL);
	require(&a.s, true);
	say(&a, GET_IT);
	assert_plain_has(&a, "is locked");
	assert_int_equal(a.s.worker->counters.refused_locked_total, 1);
	app_stop(&a);
}

TEST(a_connection_moves_with_its_tls)
{
	struct app a;

	app_start(&a, FAKE_SUBACCOUNT, &client);
	say(&a, GET_IT);
	stage_answer(&a.s, "one");
	settle(&a);
	assert_plain_has(&a, "one");
	tunnel_close(TAKE(a.s.connector.tunnel));
	stage_settle(&a.s);
	a.s.elsewhere_key = STR(FAKE_SUBACCOUNT "/");
	say(&a, GET_IT);
	assert_int_equal(a.s.moved_to, 1);
	assert_non_null(a.s.moved.tls);
	assert_string_equal(tls_owner(a.s.moved.tls), FAKE_SUBACCOUNT);
	assert_int_equal(tls_peer(a.s.moved.tls, NULL), TLS_PEER_TRUSTED);
	a.s.elsewhere_key = STR("");
	stage_tunnel_up(&a.s);
	front_attach(a.s.worker, &a.s.moved, 1);
	stage_settle(&a.s);
	assert_int_equal(a.s.connector.requests, 2);
	stage_answer(&a.s, "two");
	settle(&a);
	assert_plain_has(&a, "two");
	say(&a, GET_IT);
	assert_int_equal(a.s.connector.requests, 3);
	app_stop(&a);
}

TEST(a_refused_certificate_is_told_by_an_alert_although_a_request_follows)
{
	AUTO_BUF struct buf out = BUF(KIB(64));
	struct app a;
	struct err err;

	app_start(&a, FAKE_SUBACCOUNT, &stranger);
	/* In TLS 1.3 the client is done first, and sends its request behind its Finished. */
	assert_true(a.failed);
	assert_non_null(strstr(a.err.text, "alert unknown ca"));
	assert_int_equal(a.s.worker->counters.tls_failed_total, 1);
	assert_int_equal(a.s.worker->counters.tls_refused_total, 1);
	assert_int_equal(a.s.worker->counters.clients, 0);
	assert_true(send(a.s.client, "more", 4, MSG_NOSIGNAL) == 4); /* it is thrown away */
	stage_settle(&a.s);
	assert_false(a.s.client_reset);
	assert_false(tls_write(a.tls, STR("x"), &out, &err));
	app_stop(&a);
}

TEST(a_client_that_says_nothing_is_given_up)
{
	struct app a;
	struct tls_engine *far = NULL;
	struct err err;
	int fd[2];

	app_start(&a, FAKE_SUBACCOUNT, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_ok(tls_engine_new(a.server, NULL, &far, &err), &err);
	front_accept_tls(a.s.worker, fd[1], far);
	stage_settle(&a.s);
	assert_int_equal(a.s.worker->counters.clients, 2);
	stage_wait(&a.s, FRONT_HANDSHAKE_MS + 1000);
	assert_int_equal(a.s.worker->counters.clients, 1);
	assert_int_equal(a.s.worker->counters.tls_failed_total, 1);
	assert_int_equal(a.s.worker->counters.tls_refused_total, 0);
	close(fd[0]);
	app_stop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_through_under_tls),
		cmocka_unit_test(a_certificate_does_not_replace_the_token),
		cmocka_unit_test(another_tenants_token_beside_a_certificate_is_refused),
		cmocka_unit_test(where_a_certificate_is_required_no_way_leads_around_it),
		cmocka_unit_test(a_locked_tenant_is_told_that_first),
		cmocka_unit_test(a_connection_moves_with_its_tls),
		cmocka_unit_test(
			a_refused_certificate_is_told_by_an_alert_although_a_request_follows),
		cmocka_unit_test(a_client_that_says_nothing_is_given_up),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
