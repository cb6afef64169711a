/* The connection test against servers on loopback, each a thread with one connection. */
#include "cloud/keystore/connection_test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/seal.h"
#include "net/blocking.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

static struct testcert root, other_root, server, old_server, client, other_client;

static int make_all(UNUSED void **state)
{
	int64_t now = clock_unix();

	testcert_root(&root, "CN=Root");
	testcert_root(&other_root, "CN=Other Root");
	testcert_server(&server, &root, KEY_KIND_P256, "localhost");
	testcert_client(&client, &root, now - 60, now + 3600);
	testcert_client(&other_client, &other_root, now - 60, now + 3600);
	testcert_key(&old_server, KEY_KIND_P256);
	testcert_issue(&old_server, &root,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {"localhost"},
					    .n_sans = 1,
					    .not_before = now - 7200,
					    .not_after = now - 3600});
	return 0;
}

static int free_all(UNUSED void **state)
{
	struct testcert *all[] = {&root, &other_root, &server, &old_server, &client, &other_client};

	for (size_t i = 0; i < COUNT(all); i++) {
		testcert_free(all[i]);
	}
	return 0;
}

/* ---- the server ---- */

struct peer {
	pthread_t thread;
	int fd;
	uint16_t port;
	struct tls_config *config; /* NULL: answers in plain text */
	enum tls_peer_state saw;
};

static void trust_root(UNUSED void *user, UNUSED const uint8_t subject_sha256[static 32],
		       tls_der_fn *fn, void *to)
{
	(void)fn(buf_str(&root.der), to);
}

/* Names it to clients; one for each handshake. */
static struct tls_anchors *name_root(void)
{
	const struct str der = buf_str(&root.der);

	return tls_anchors_new(&der, 1);
}

static void let_go(void *user)
{
	tls_anchors_unref(user);
}

static bool demand(UNUSED struct str name, UNUSED void *user, struct tls_trust *out)
{
	out->
		requires
	= true;
	out->find = trust_root;
	out->anchors = out->user = name_root();
	out->release = let_go;
	return true;
}

static void *be_peer(void *user)
{
	struct peer *p = user;
	int fd = accept(p->fd, NULL, NULL);
	AUTO(blocking_free) struct blocking *b = blocking_adopt(fd);
	msec_t soon = clock_now() + SEC(10);
	struct err err;
	char bytes[100];
	size_t n = 0;

	if (p->config == NULL) {
		assert_true(blocking_send(b, STR("220 mail.example\r\n"), soon, &err));
	} else if (blocking_start_tls(b, p->config, NULL, soon, &err)) {
		p->saw = tls_peer(blocking_tls(b), NULL);
	}
	(void)blocking_receive(b, bytes, sizeof(bytes), &n, soon, &err); /* until it goes */
	return NULL;
}

static void serve(struct peer *p, const struct testcert *cert, bool demands)
{
	struct tls_settings s = {.server = true, .allow_tls12 = true};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);
	struct err err = {.kind = ERR_NONE};

	*p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	assert_int_equal(bind(p->fd, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(p->fd, 1), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&any, &len), 0);
	p->port = ntohs(any.sin_port);
	if (cert != NULL) {
		s.chain_pem = buf_str(&cert->pem);
		s.key = cert->key;
		s.peer = demands ? TLS_PEER_BY_NAME : TLS_PEER_NONE;
		s.hello = demands ? demand : NULL;
		assert_true(tls_config_new(&s, &p->config, &err));
	}
	assert_int_equal(pthread_create(&p->thread, NULL, be_peer, p), 0);
}

static void end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
	tls_config_unref(p->config);
}

/* ---- the tenant ---- */

static const struct testcert *trusted, *owned; /* of these tests' keystore */

static void find(UNUSED void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn,
		 void *to)
{
	struct str name;
	uint8_t hash[32];

	assert_true(cert_subject(buf_str(&trusted->der), &name));
	digest_sha256(name, hash);
	if (memcmp(hash, subject_sha256, 32) == 0) {
		(void)fn(buf_str(&trusted->der), to);
	}
}

static bool open_key(UNUSED void *user, size_t pair, struct key **out, UNUSED struct err *err)
{
	assert_int_equal(pair, 0);
	*out = key_ref(owned->key);
	return true;
}

static bool no_key(UNUSED void *user, UNUSED size_t pair, UNUSED struct key **out, struct err *err)
{
	return err_set(err, ERR_SYSTEM, "the key process is away");
}

static struct connection_test test_of(const char *host, uint16_t port)
{
	return (struct connection_test){.host = host,
					.port = port,
					.validate = true,
					.find = find,
					.open = open_key,
					.allow = "127.0.0.0/8, ::1"};
}

/* One test against one server; `pair` NULL: the keystore has none. */
static struct connection_result run(const struct testcert *cert, bool demands,
				    struct connection_test t, const struct testcert *pair)
{
	struct connection_result r = {.problem = CONNECTION_FINE};
	struct err err = {.kind = ERR_NONE};
	struct str chain = pair != NULL ? buf_str(&pair->der) : STR_NONE;
	const struct connection_pair own = {
		.alias = "Edge", .not_after = INT64_MAX, .chain = &chain, .n = 1};
	struct peer p;

	serve(&p, cert, demands);
	owned = pair;
	t.port = p.port;
	t.pairs = &own;
	t.n_pairs = pair != NULL ? 1 : 0;
	if (!connection_test_run(&t, &r, &err)) {
		fail_msg("%s", err.text);
	}
	end(&p);
	return r;
}

static void expect(struct connection_result r, enum connection_problem problem, const char *text)
{
	if (r.problem != problem || strstr(r.text, text) == NULL) {
		fail_msg("%s: %s", connection_problem_name(r.problem), r.text);
	}
	assert_int_equal(problem == CONNECTION_FINE, r.next[0] == '\0');
	connection_result_fini(&r);
}

/* ---- what must hold ---- */

TEST(a_good_server_is_shown_with_its_chain)
{
	trusted = &root;
	struct connection_result r = run(&server, false, test_of("localhost", 0), &client);
	assert_true(r.accepted);
	assert_false(r.asked);
	assert_int_equal(r.pair, 1); /* none was shown */
	assert_string_equal(r.protocol, "TLSv1.3");
	assert_true(strlen(r.cipher) > 10);
	assert_int_equal(r.chain.len, server.der.len + 4);
	assert_non_null(strstr(r.address, "127.0.0.1:"));
	expect(r, CONNECTION_FINE, "");
}

TEST(what_is_wrong_is_said_with_the_next_step)
{
	struct connection_test t = test_of("localhost", 0);

	trusted = &other_root;
	expect(run(&server, false, t, NULL), CONNECTION_UNTRUSTED, "SHA-256 ");
	trusted = &root;
	expect(run(&old_server, false, t, NULL), CONNECTION_EXPIRED, "expired");
	expect(run(NULL, false, t, NULL), CONNECTION_NO_TLS, "");
	expect(run(&server, true, t, NULL), CONNECTION_CERTIFICATE_REQUIRED, "none was shown");
	t.host = "::ffff:127.0.0.1"; /* reached, and not a name of the certificate */
	expect(run(&server, false, t, NULL), CONNECTION_OTHER_NAME, "not one for ::ffff");
}

TEST(without_validation_it_goes_on_and_still_tells)
{
	struct connection_test t = test_of("localhost", 0);

	t.validate = false;
	trusted = &other_root;
	struct connection_result r = run(&server, true, t, &client);
	assert_true(r.accepted && r.asked);
	expect(r, CONNECTION_UNTRUSTED, "SHA-256 ");
}

TEST(a_pair_is_shown_when_the_server_asks)
{
	struct connection_test t = test_of("localhost", 0);

	trusted = &root;
	struct connection_result r = run(&server, true, t, &client);
	assert_true(r.accepted && r.asked);
	assert_int_equal(r.n_acceptable, 1);
	assert_int_equal(r.pair, 0);
	expect(r, CONNECTION_FINE, "");
	r = run(&server, true, t, &other_client); /* its issuer is not acceptable */
	assert_int_equal(r.pair, 1);
	expect(r, CONNECTION_CERTIFICATE_REQUIRED, "none was shown");
	t.alias = "edge"; /* in any case, and as one wants it */
	r = run(&server, true, t, &other_client);
	assert_int_equal(r.pair, 0);
	assert_false(r.accepted);
	expect(r, CONNECTION_CERTIFICATE_REFUSED, "\"Edge\" (TLS alert 48)");
	t.open = no_key;
	expect(run(&server, true, t, &client), CONNECTION_KEY_FAILED, "the key process is away");
}

TEST(a_server_that_is_not_there_is_a_result)
{
	struct connection_test t = test_of("localhost", 1);
	struct connection_result r = {.accepted = false};
	struct err err;

	assert_true(connection_test_run(&t, &r, &err));
	expect(r, CONNECTION_UNREACHABLE, "127.0.0.1:1");
	t.host = "nowhere.invalid";
	r = (struct connection_result){.accepted = false};
	assert_true(connection_test_run(&t, &r, &err));
	expect(r, CONNECTION_UNRESOLVED, "nowhere.invalid");
}

static void refused(struct connection_test t, enum err_kind kind, const char *text)
{
	struct connection_result r = {.accepted = false};
	struct err err = {.kind = ERR_NONE};

	assert_false(connection_test_run(&t, &r, &err));
	assert_int_equal(err.kind, kind);
	if (strstr(err.text, text) == NULL) {
		fail_msg("%s", err.text);
	}
	connection_result_fini(&r);
}

TEST(places_that_are_not_for_tests_are_refused_by_address)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1",       "[::1]",
					    "0.0.0.0",   "169.254.169.254", "::ffff:127.0.0.1",
					    "ff02::1"};
	struct connection_test t = test_of("", 443);

	t.allow = "10.0.0.0/8";
	for (size_t i = 0; i < COUNT(hosts); i++) {
		t.host = hosts[i];
		refused(t, ERR_DENIED, "connection tests do not go there");
	}
}

TEST(input_is_judged_first)
{
	static const char *const hosts[] = {"",
					    "  ",
					    "a b",
					    "user@host",
					    "host?x",
					    "host#x",
					    "https://api.example.com",
					    "api.example.com/path"};
	struct connection_test t = test_of("", 443);

	for (size_t i = 0; i < COUNT(hosts); i++) {
		t.host = hosts[i];
		refused(t, ERR_CONFIG, "host: ");
	}
	t.host = "https://api.example.com";
	refused(t, ERR_CONFIG, "without scheme");
	refused(test_of("localhost", 0), ERR_CONFIG, "port: ");
	t = test_of("localhost", 443);
	t.alias = "nobody";
	refused(t, ERR_CONFIG, "no key pair \"nobody\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_server_is_shown_with_its_chain),
		cmocka_unit_test(what_is_wrong_is_said_with_the_next_step),
		cmocka_unit_test(without_validation_it_goes_on_and_still_tells),
		cmocka_unit_test(a_pair_is_shown_when_the_server_asks),
		cmocka_unit_test(a_server_that_is_not_there_is_a_result),
		cmocka_unit_test(places_that_are_not_for_tests_are_refused_by_address),
		cmocka_unit_test(input_is_judged_first),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
