#include "net/stream.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/issue.h"
#include "unit/net/seen.h"

static struct loop *l;
static struct jobs *jobs;
static struct tls_config *server_config, *client_config;
static struct local_key *root_key, *server_key, *client_key;
static struct key *server_signer, *client_signer;
static struct buf root_pem = BUF(KIB(64)), server_pem = BUF(KIB(64)), client_pem = BUF(KIB(64));

/* ---- certificates, made once ---- */

static struct local_key *make_key(struct key **signer, struct buf *spki)
{
	struct local_key *k = NULL;
	struct err err;

	assert_ok(local_key_generate(KEY_KIND_P256, &k, &err), &err);
	assert_ok(local_key_spki(k, spki, &err), &err);
	if (signer != NULL) {
		assert_ok(key_new(buf_str(spki), local_key_signer, k, signer, &err), &err);
	}
	return k;
}

static void issue(struct issue_facts *facts, struct str spki, struct str issuer, struct buf *der)
{
	struct err err;

	facts->not_before = clock_unix() - 3600;
	facts->not_after = clock_unix() + 3600;
	random_bytes(facts->serial, sizeof(facts->serial));
	assert_ok(issue_certificate(facts, spki, issuer, root_key, der, &err), &err);
}

static void make_certificates(void)
{
	AUTO_BUF struct buf spki = BUF(KIB(8)), root = BUF(KIB(8)), der = BUF(KIB(8));
	struct issue_facts facts = {.profile = ISSUE_ROOT, .subject = "CN=root"};

	root_key = make_key(NULL, &spki);
	issue(&facts, buf_str(&spki), STR_NONE, &root);
	cert_add_pem(&root_pem, buf_str(&root));

	buf_reset(&spki);
	server_key = make_key(&server_signer, &spki);
	facts = (struct issue_facts){.profile = ISSUE_SERVER,
				     .subject = "CN=relay",
				     .sans = {"relay.test"},
				     .n_sans = 1};
	issue(&facts, buf_str(&spki), buf_str(&root), &der);
	cert_add_pem(&server_pem, buf_str(&der));

	buf_reset(&spki);
	buf_reset(&der);
	client_key = make_key(&client_signer, &spki);
	facts = (struct issue_facts){.profile = ISSUE_CONNECTOR,
				     .subject = "CN=connector",
				     .uri = "spiffe://relay.test/subaccount/a/connector/b"};
	issue(&facts, buf_str(&spki), buf_str(&root), &der);
	cert_add_pem(&client_pem, buf_str(&der));
}

static int set_up(void **state UNUSED)
{
	struct err err;

	make_certificates();
	struct tls_settings server = {.server = true,
				      .peer = TLS_PEER_OPTIONAL,
				      .chain_pem = buf_str(&server_pem),
				      .key = server_signer,
				      .anchors_pem = buf_str(&root_pem)};
	struct tls_settings client = {.peer = TLS_PEER_VERIFY,
				      .chain_pem = buf_str(&client_pem),
				      .key = client_signer,
				      .anchors_pem = buf_str(&root_pem)};
	assert_ok(tls_config_new(&server, &server_config, &err), &err);
	assert_ok(tls_config_new(&client, &client_config, &err), &err);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	tls_config_unref(server_config);
	tls_config_unref(client_config);
	key_free(server_signer);
	key_free(client_signer);
	local_key_free(root_key);
	local_key_free(server_key);
	local_key_free(client_key);
	buf_fini(&root_pem);
	buf_fini(&server_pem);
	buf_fini(&client_pem);
	return 0;
}

static void start(void)
{
	struct err err;

	assert_ok(loop_new(&l, &err), &err);
	assert_ok(jobs_new("hs", 2, 16, &jobs, &err), &err);
}

static void stop(void)
{
	jobs_free(jobs);
	loop_free(l);
}

/* ---- two streams over one socket pair ---- */

struct both {
	struct seen client, server;
};
#define BOTH ((struct both){SEEN, SEEN})

static void connect_both(struct both *b, const char *name, struct jobs *where)
{
	struct tls_engine *client = NULL, *server = NULL;
	struct err err;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_ok(tls_engine_new(client_config, name, &client, &err), &err);
	assert_ok(tls_engine_new(server_config, NULL, &server, &err), &err);
	b->client.stream = stream_adopt(l, fd[0], on_stream, &b->client);
	b->server.stream = stream_adopt(l, fd[1], on_stream, &b->server);
	stream_start_tls(b->server.stream, server, where, SEC(30));
	stream_start_tls(b->client.stream, client, where, SEC(30));
}

static void close_both(struct both *b)
{
	stream_close(b->client.stream);
	stream_close(b->server.stream);
}

static bool told(const struct seen *seen, char event)
{
	return strchr(seen->trace, event) != NULL;
}

static void turn_until_told(struct seen *seen, char event)
{
	msec_t end = clock_now() + SEC(10);

	while (!told(seen, event)) {
		if (clock_now() > end) {
			fail_msg("no '%c' but \"%s\"", event, seen->trace);
		}
		loop_turn(l, 100);
	}
}

TEST(a_handshake_in_jobs_opens_both_ends_with_the_peer_known)
{
	struct both b = BOTH;
	struct cert_facts facts;

	start();
	connect_both(&b, "relay.test", jobs);
	stream_write(b.client.stream, STR("early words"));
	turn_until_told(&b.client, 'o');
	turn_until_told(&b.server, 'r');
	assert_true(b.server.trace[0] == 'o');
	assert_string_equal(b.server.text, "early words");
	assert_int_equal(tls_peer(stream_tls(b.server.stream), &facts), TLS_PEER_TRUSTED);
	assert_string_equal(facts.uri, "spiffe://relay.test/subaccount/a/connector/b");
	stream_write(b.server.stream, STR("answer"));
	turn_until_told(&b.client, 'r');
	assert_string_equal(b.client.text, "answer");
	close_both(&b);
	stop();
}

TEST(a_server_under_another_name_is_not_trusted)
{
	struct both b = BOTH;

	start();
	connect_both(&b, "other.test", NULL);
	turn_until_told(&b.client, 'f');
	turn_until_told(&b.server, 'f');
	assert_false(told(&b.client, 'o'));
	close_both(&b);
	stop();
}

TEST(megabytes_pass_in_records_and_the_count_of_sent_bytes_is_payload)
{
	struct both b = BOTH;
	const size_t size = MIB(3);
	char *big = must_alloc(size);

	start();
	connect_both(&b, "relay.test", NULL);
	turn_until_told(&b.client, 'o');
	stream_write(b.client.stream, str_make(big, size));
	while (b.server.bytes < size) {
		loop_turn(l, 100);
	}
	for (int i = 0; stream_queued(b.client.stream) > 0 && i < 100; i++) {
		loop_turn(l, 10);
	}
	assert_int_equal(b.server.bytes, size);
	assert_int_equal(stream_sent(b.client.stream), size);
	free(big);
	close_both(&b);
	stop();
}

/*
 * A KeyUpdate that asks for one back (RFC 8446, 4.6.3) is answered at once by the TLS library. A
 * peer that sends them without end and reads nothing made the answers pile up here.
 */
TEST(a_peer_that_asks_for_new_keys_without_end_and_does_not_read_is_dropped)
{
	struct tls_engine *server = NULL;
	struct seen seen = SEEN;
	struct err err;
	size_t most = 0;
	int fd[2];

	start();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_ok(tls_engine_new(server_config, NULL, &server, &err), &err);
	seen.stream = stream_adopt(l, fd[1], on_stream, &seen);
	stream_start_tls(seen.stream, server, NULL, SEC(30));
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	assert_int_equal(SSL_set_fd(ssl, fd[0]), 1);
	SSL_set_alpn_protos(ssl, (const uint8_t *)"\x08http/1.1", 9);
	for (int i = 0; i < 50 && SSL_connect(ssl) != 1; i++) {
		loop_turn(l, 10);
	}
	turn_until_told(&seen, 'o');
	for (int i = 0; i < 60000 && !told(&seen, 'f'); i++) {
		(void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		(void)SSL_do_handshake(ssl);
		if (i % 64 == 0) {
			loop_turn(l, 0);
			size_t queued = stream_queued(seen.stream);
			most = queued > most ? queued : most;
		}
	}
	assert_true(told(&seen, 'f'));
	assert_int_equal(stream_failure(seen.stream)->kind, ERR_LIMIT);
	assert_in_range(most, 1, 256 * 1024);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd[0]);
	stream_close(seen.stream);
	stop();
}

TEST(an_orderly_end_is_told_as_such_and_a_broken_one_as_failure)
{
	struct both b = BOTH;

	start();
	connect_both(&b, "relay.test", NULL);
	turn_until_told(&b.client, 'o');
	stream_write(b.client.stream, STR("bye"));
	stream_close_after_flush(b.client.stream, SEC(10));
	turn_until_told(&b.server, 'e');
	assert_string_equal(b.server.text, "bye");
	stream_close(b.server.stream);
	stop();
}

TEST(a_stream_may_die_while_its_handshake_runs_in_a_job)
{
	start();
	for (int i = 0; i < 20; i++) {
		struct both b = BOTH;
		connect_both(&b, "relay.test", jobs);
		for (int turns = 0; turns < i % 5; turns++) {
			loop_turn(l, 1);
		}
		close_both(&b);
	}
	stop();
}

TEST(garbage_instead_of_a_hello_fails_the_stream)
{
	struct seen seen = SEEN;
	struct tls_engine *server = NULL;
	struct err err;
	int fd[2];

	start();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_ok(tls_engine_new(server_config, NULL, &server, &err), &err);
	struct stream *s = stream_adopt(l, fd[0], on_stream, &seen);
	assert_int_equal(write(fd[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	loop_turn(l, 100); /* read before TLS starts: fed to the engine */
	seen.take = 0;
	stream_start_tls(s, server, jobs, SEC(5));
	turn_until_told(&seen, 'f');
	stream_close(s);
	close(fd[1]);
	stop();
}

TEST(a_peer_that_says_nothing_is_dropped_when_the_time_is_over)
{
	struct seen seen = SEEN;
	struct tls_engine *server = NULL;
	struct err err;
	int fd[2];

	assert_ok(loop_new_simulated(1000, &l, &err), &err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_ok(tls_engine_new(server_config, NULL, &server, &err), &err);
	struct stream *s = stream_adopt(l, fd[0], on_stream, &seen);
	stream_start_tls(s, server, NULL, SEC(5));
	loop_turn(l, 0);
	loop_clock_set(l, 6001);
	loop_turn(l, 0);
	assert_string_equal(seen.trace, "f");
	stream_close(s);
	close(fd[1]);
	loop_free(l);
}

TEST(a_stream_under_tls_moves_with_its_keys_and_unread_bytes)
{
	struct both b = BOTH;
	struct stream_parts parts;
	struct seen moved = SEEN;

	start();
	connect_both(&b, "relay.test", jobs);
	b.server.take = 3;
	turn_until_told(&b.server, 'o');
	stream_write(b.client.stream, STR("GET /"));
	turn_until_told(&b.server, 'r');
	assert_true(stream_detach(b.server.stream, &parts));
	moved.stream = stream_attach(l, &parts, on_stream, &moved);
	turn_until_told(&moved, 'r');
	assert_string_equal(moved.text, " /");
	stream_write(moved.stream, STR("moved"));
	turn_until_told(&b.client, 'r');
	assert_string_equal(b.client.text, "moved");
	stream_close(moved.stream);
	stream_close(b.client.stream);
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_handshake_in_jobs_opens_both_ends_with_the_peer_known),
	cmocka_unit_test(a_server_under_another_name_is_not_trusted),
	cmocka_unit_test(megabytes_pass_in_records_and_the_count_of_sent_bytes_is_payload),
	cmocka_unit_test(a_peer_that_asks_for_new_keys_without_end_and_does_not_read_is_dropped),
	cmocka_unit_test(an_orderly_end_is_told_as_such_and_a_broken_one_as_failure),
	cmocka_unit_test(a_stream_may_die_while_its_handshake_runs_in_a_job),
	cmocka_unit_test(garbage_instead_of_a_hello_fails_the_stream),
	cmocka_unit_test(a_peer_that_says_nothing_is_dropped_when_the_time_is_over),
	cmocka_unit_test(a_stream_under_tls_moves_with_its_keys_and_unread_bytes),
};

int main(void)
{
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
