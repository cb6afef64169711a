#include "net/blocking.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/issue.h"
#include "unit/unit.h"

static struct tls_config *server_config, *client_config, *stranger_config;
static struct buf root_pem = BUF(KIB(64)), server_pem = BUF(KIB(64));

static msec_t soon(void)
{
	return clock_now() + SEC(10);
}

/* ---- certificates, made once ---- */

static void issue(struct issue_facts facts, struct local_key *subject, struct local_key *issuer,
		  struct buf *issuer_der, struct buf *der)
{
	AUTO_BUF struct buf spki = BUF(KIB(8));
	struct err err;

	facts.not_before = clock_unix() - 3600;
	facts.not_after = clock_unix() + 3600;
	random_bytes(facts.serial, sizeof(facts.serial));
	assert_ok(local_key_spki(subject, &spki, &err), &err);
	assert_ok(issue_certificate(&facts, buf_str(&spki),
				    issuer_der ? buf_str(issuer_der) : STR_NONE, issuer, der, &err),
		  &err);
}

static int set_up(void **state UNUSED)
{
	AUTO_BUF struct buf root = BUF(KIB(8)), der = BUF(KIB(8)), spki = BUF(KIB(8));
	AUTO_BUF struct buf other = BUF(KIB(8)), other_pem = BUF(KIB(8));
	struct local_key *root_key = NULL, *server_key = NULL;
	struct key *signer = NULL;
	struct err err;

	assert_ok(local_key_generate(KEY_KIND_P256, &root_key, &err), &err);
	assert_ok(local_key_generate(KEY_KIND_P256, &server_key, &err), &err);
	issue((struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=root"}, root_key, root_key,
	      NULL, &root);
	issue((struct issue_facts){.profile = ISSUE_SERVER,
				   .subject = "CN=relay",
				   .sans = {"relay.test"},
				   .n_sans = 1},
	      server_key, root_key, &root, &der);
	issue((struct issue_facts){.profile = ISSUE_ROOT, .subject = "CN=other"}, server_key,
	      server_key, NULL, &other);
	cert_add_pem(&root_pem, buf_str(&root));
	cert_add_pem(&other_pem, buf_str(&other));
	cert_add_pem(&server_pem, buf_str(&der));
	assert_ok(local_key_spki(server_key, &spki, &err), &err);
	assert_ok(key_new(buf_str(&spki), local_key_signer, server_key, &signer, &err), &err);
	struct tls_settings server = {
		.server = true, .chain_pem = buf_str(&server_pem), .key = signer};
	struct tls_settings client = {.peer = TLS_PEER_VERIFY, .anchors_pem = buf_str(&root_pem)};
	struct tls_settings stranger = {.peer = TLS_PEER_VERIFY,
					.anchors_pem = buf_str(&other_pem)};
	assert_ok(tls_config_new(&server, &server_config, &err), &err);
	assert_ok(tls_config_new(&client, &client_config, &err), &err);
	assert_ok(tls_config_new(&stranger, &stranger_config, &err), &err);
	*state = server_key;
	key_free(signer);
	local_key_free(root_key);
	return 0;
}

static int tear_down(void **state)
{
	tls_config_unref(server_config);
	tls_config_unref(client_config);
	tls_config_unref(stranger_config);
	local_key_free(*state);
	buf_fini(&root_pem);
	buf_fini(&server_pem);
	return 0;
}

/* ---- a peer on a thread ---- */

enum manner {
	ECHO,           /* until the end */
	ECHO_UNDER_TLS, /* the same */
	CUT_UNDER_TLS,  /* the handshake, then the socket goes away without close_notify */
};

struct peer {
	pthread_t thread;
	int fd;
	enum manner manner;
};

static void echo(struct blocking *b)
{
	char bytes[4096];
	size_t n = 0;
	struct err err;

	while (blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err) == BLOCKING_DATA &&
	       blocking_send(b, str_make(bytes, n), soon(), &err)) {
	}
}

static void *be_peer(void *user)
{
	struct peer *p = user;
	int copy = p->manner == CUT_UNDER_TLS ? dup(p->fd) : -1;
	AUTO(blocking_free) struct blocking *b = blocking_adopt(p->fd);
	struct err err;

	if (p->manner == ECHO || (blocking_start_tls(b, server_config, NULL, soon(), &err) &&
				  p->manner == ECHO_UNDER_TLS)) {
		echo(b);
	} else if (copy >= 0) {
		shutdown(copy, SHUT_RDWR);
	}
	close_fd(copy);
	return NULL;
}

static struct blocking *start_peer(struct peer *p, enum manner manner)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	*p = (struct peer){.fd = fd[1], .manner = manner};
	assert_int_equal(pthread_create(&p->thread, NULL, be_peer, p), 0);
	return blocking_adopt(fd[0]);
}

static void end_peer(struct peer *p, struct blocking *b)
{
	blocking_free(b);
	pthread_join(p->thread, NULL);
}

/* ---- tests ---- */

static int listen_on_loopback(struct address *at)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	assert_true(address_parse(STR("127.0.0.1"), ntohs(any.sin_port), at));
	return fd;
}

TEST(connects_sends_and_receives_until_the_end)
{
	struct address at;
	AUTO_FD int listener = listen_on_loopback(&at);
	AUTO(blocking_free) struct blocking *b = NULL;
	char bytes[64];
	size_t n = 0;
	struct err err;

	assert_ok(blocking_connect(&at, soon(), &b, &err), &err);
	assert_null(blocking_tls(b));
	int fd = accept(listener, NULL, NULL);
	assert_ok(blocking_send(b, STR("hello"), soon(), &err), &err);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 5);
	assert_int_equal(send(fd, "answer", 6, 0), 6);
	close(fd);
	assert_int_equal(blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err),
			 BLOCKING_DATA);
	assert_str(str_make(bytes, n), "answer");
	assert_int_equal(blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err), BLOCKING_END);
}

TEST(a_closed_port_is_named)
{
	struct address at;
	struct blocking *b = NULL;
	struct err err;

	close(listen_on_loopback(&at));
	assert_err(blocking_connect(&at, soon(), &b, &err), &err, ERR_NETWORK, "127.0.0.1:");
	assert_null(b);
}

TEST(silence_ends_at_the_deadline)
{
	struct address at;
	AUTO_FD int listener = listen_on_loopback(&at);
	AUTO(blocking_free) struct blocking *b = NULL;
	char bytes[8];
	size_t n = 0;
	struct err err;

	assert_true(listener >= 0);
	assert_ok(blocking_connect(&at, soon(), &b, &err), &err);
	assert_int_equal(blocking_receive(b, bytes, sizeof(bytes), &n, clock_now() + 20, &err),
			 BLOCKING_FAILED);
	assert_int_equal(err.kind, ERR_NETWORK);
	assert_true(str_contains(str_of(err.text), STR("no answer in time")));
	assert_err(blocking_start_tls(b, client_config, "relay.test", clock_now() + 20, &err), &err,
		   ERR_NETWORK, "no answer in time");
}

TEST(a_peer_that_does_not_read_ends_a_send_at_the_deadline)
{
	struct address at;
	AUTO_FD int listener = listen_on_loopback(&at);
	AUTO(blocking_free) struct blocking *b = NULL;
	AUTO_FREE char *much = must_alloc(MIB(32));
	struct err err;

	assert_true(listener >= 0);
	assert_ok(blocking_connect(&at, soon(), &b, &err), &err);
	assert_err(blocking_send(b, str_make(much, MIB(32)), clock_now() + 20, &err), &err,
		   ERR_NETWORK, "no answer in time");
}

TEST(names_are_resolved_and_literals_need_no_resolver)
{
	struct address found[ADDRESSES_MAX];
	size_t n = 0;
	struct err err;

	assert_ok(blocking_resolve("localhost", 443, soon(), found, &n, &err), &err);
	assert_true(n > 0);
	assert_int_equal(address_port(&found[0]), 443);
	assert_ok(blocking_resolve("::1", 80, 0, found, &n, &err), &err);
	assert_int_equal(n, 1);
}

TEST(a_name_that_nobody_knows_is_refused_in_time_or_at_the_deadline)
{
	struct address found[ADDRESSES_MAX];
	size_t n = 77;
	struct err err;

	for (int i = 0; i < 4; i++) { /* also the thread that finds itself left alone */
		assert_err(
			blocking_resolve("nobody.invalid", 443, clock_now() - i, found, &n, &err),
			&err, ERR_NETWORK, "cannot resolve nobody.invalid");
	}
	assert_int_equal(n, 77);
}

TEST(carries_bytes_under_tls_and_sees_its_end)
{
	struct peer peer;
	struct blocking *b = start_peer(&peer, ECHO_UNDER_TLS);
	AUTO_FREE char *much = must_alloc(100000), *back = must_alloc(100000);
	size_t got = 0, n = 0;
	struct cert_facts facts;
	struct err err;

	assert_ok(blocking_start_tls(b, client_config, "relay.test", soon(), &err), &err);
	assert_int_equal(tls_peer(blocking_tls(b), &facts), TLS_PEER_TRUSTED);
	memset(much, 'x', 100000);
	assert_ok(blocking_send(b, str_make(much, 100000), soon(), &err), &err);
	while (got < 100000) {
		assert_int_equal(blocking_receive(b, back + got, 100000 - got, &n, soon(), &err),
				 BLOCKING_DATA);
		got += n;
	}
	assert_true(str_eq(str_make(back, got), str_make(much, got)));
	end_peer(&peer, b);
}

TEST(a_wrong_name_or_an_unknown_issuer_fails_and_the_chain_can_be_seen)
{
	static const struct {
		const char *name;
		bool stranger;
	} wrong[] = {{"other.test", false}, {"relay.test", true}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct peer peer;
		struct blocking *b = start_peer(&peer, ECHO_UNDER_TLS);
		AUTO_BUF struct buf pem = BUF(KIB(64));
		struct err err;

		assert_err(blocking_start_tls(b,
					      wrong[i].stranger ? stranger_config : client_config,
					      wrong[i].name, soon(), &err),
			   &err, ERR_DENIED, wrong[i].name);
		assert_true(tls_peer_chain_pem(blocking_tls(b), &pem));
		assert_str(buf_str(&pem), server_pem.at);
		end_peer(&peer, b);
	}
}

TEST(an_end_without_close_notify_is_a_failure)
{
	struct peer peer;
	struct blocking *b = start_peer(&peer, CUT_UNDER_TLS);
	char bytes[8];
	size_t n = 0;
	struct err err;

	assert_ok(blocking_start_tls(b, client_config, "relay.test", soon(), &err), &err);
	assert_int_equal(blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err),
			 BLOCKING_FAILED);
	assert_int_equal(err.kind, ERR_NETWORK);
	end_peer(&peer, b);
}

TEST(a_peer_that_speaks_no_tls_is_told_apart)
{
	struct peer peer;
	struct blocking *b = start_peer(&peer, ECHO); /* our own hello comes back */
	struct err err;

	assert_err(blocking_start_tls(b, client_config, "relay.test", soon(), &err), &err,
		   ERR_PROTOCOL, "TLS handshake");
	end_peer(&peer, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects_sends_and_receives_until_the_end),
		cmocka_unit_test(a_closed_port_is_named),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(a_peer_that_does_not_read_ends_a_send_at_the_deadline),
		cmocka_unit_test(names_are_resolved_and_literals_need_no_resolver),
		cmocka_unit_test(a_name_that_nobody_knows_is_refused_in_time_or_at_the_deadline),
		cmocka_unit_test(carries_bytes_under_tls_and_sees_its_end),
		cmocka_unit_test(a_wrong_name_or_an_unknown_issuer_fails_and_the_chain_can_be_seen),
		cmocka_unit_test(an_end_without_close_notify_is_a_failure),
		cmocka_unit_test(a_peer_that_speaks_no_tls_is_told_apart),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
