#include "http/fetch.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server.h"
#include "net/blocking.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

/* A TLS server of ours in a thread; fetch runs here. */
struct stage {
	struct loop *loop;
	struct jobs *jobs;
	struct http_server *server;
	struct tls_config *tls;
	struct testcert root, leaf, client;
	struct buf chain; /* leaf and root, as the server presents them */
	pthread_t thread;
	uint16_t port;
	char url[128];
};

static atomic_int handled;

static void show(struct http_call *call)
{
	struct str user = STR_NONE, password = STR_NONE;
	bool basic = http_basic(call, &user, &password);
	atomic_fetch_add(&handled, 1);
	http_answer_field(call, "Location", STR("/there"));
	http_answer_field(call, "Retry-After", STR("7"));
	buf_addf(&call->out, "%.*s|%.*s|%.*s|%.*s|%s", STR_ARGS(call->head->method),
		 STR_ARGS(call->body), STR_ARGS(http_value(call->head, STR("x-extra"))),
		 STR_ARGS(basic ? password : STR("-")),
		 call->peer_state == TLS_PEER_TRUSTED ? call->peer_cert->uri : "nobody");
	http_answer_json(call, 418);
}

static void big(struct http_call *call)
{
	for (int i = 0; i < FETCH_ANSWER_MAX / 16 + 1; i++) {
		buf_add_str(&call->out, STR("0123456789abcdef"));
	}
}

static const struct http_route routes[] = {
	{.method = "GET", .pattern = "/show", .handler = show},
	{.method = "POST", .pattern = "/show", .handler = show},
	{.method = "DELETE", .pattern = "/show", .handler = show},
	{.method = "GET", .pattern = "/big", .handler = big},
	{NULL},
};
static const struct http_route *const tables[] = {routes, NULL};

static struct tls_config *config_of(void *user)
{
	struct stage *s = user;
	return tls_config_ref(s->tls);
}

static void *run(void *user)
{
	struct stage *s = user;
	loop_run(s->loop);
	return NULL;
}

static void start(struct stage *s, const char *name)
{
	struct err err = {0};
	*s = (struct stage){.chain = BUF(100000)};
	atomic_store(&handled, 0);
	testcert_root(&s->root, "CN=root");
	testcert_server(&s->leaf, &s->root, KEY_KIND_P256, name);
	testcert_client(&s->client, &s->root, clock_unix() - 60, clock_unix() + 3600);
	buf_add_str(&s->chain, buf_str(&s->leaf.pem));
	buf_add_str(&s->chain, buf_str(&s->root.pem));
	struct tls_settings tls = {.server = true,
				   .peer = TLS_PEER_OPTIONAL,
				   .chain_pem = buf_str(&s->chain),
				   .key = s->leaf.key,
				   .anchors_pem = buf_str(&s->root.pem)};
	assert_ok(tls_config_new(&tls, &s->tls, &err), &err);
	assert_ok(loop_new(&s->loop, &err), &err);
	assert_ok(jobs_new("unit", 2, 10, &s->jobs, &err), &err);
	struct http_server_settings settings = {.tables = tables, .jobs = s->jobs};
	assert_ok(http_server_new(s->loop, &settings, &s->server, &err), &err);
	assert_ok(http_server_listen(s->server, "127.0.0.1:0", config_of, s, &s->port, &err), &err);
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%u/show", s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void stop(struct stage *s)
{
	loop_stop(s->loop);
	pthread_join(s->thread, NULL);
	http_server_close(s->server);
	for (int i = 0; i < 5; i++) {
		loop_turn(s->loop, 1);
	}
	jobs_free(s->jobs);
	loop_free(s->loop);
	tls_config_unref(s->tls);
	buf_fini(&s->chain);
	testcert_free(&s->client);
	testcert_free(&s->leaf);
	testcert_free(&s->root);
}

static struct fetch_request trusting(const struct stage *s)
{
	return (struct fetch_request){.method = "GET",
				      .url = s->url,
				      .anchors_pem = buf_str(&s->root.pem),
				      .timeout = SEC(10)};
}

static void pin_of(const struct testcert *c, uint8_t pin[static 32])
{
	struct cert_facts facts;
	struct err err = {0};
	assert_ok(cert_read_der(buf_str(&c->der), &facts, &err), &err);
	memcpy(pin, facts.spki_sha256, 32);
}

TEST(a_request_arrives_with_its_fields_and_the_answer_comes_back)
{
	struct stage s;
	struct err err = {0};
	struct fetch_answer a;
	start(&s, "server");
	setenv("https_proxy", "http://127.0.0.1:1", 1); /* is not to be obeyed */
	struct http_field fields[] = {{.name = STR("X-Extra"), .value = STR("1")}};
	struct fetch_request r = trusting(&s);
	r.method = "POST";
	r.body = STR("{}");
	r.fields = fields;
	r.n_fields = 1;
	r.user = "u";
	r.password = "p:q";
	assert_ok(fetch(&r, &a, &err), &err);
	assert_int_equal(a.status, 418);
	assert_str(buf_str(&a.body), "POST|{}|1|p:q|nobody");
	assert_string_equal(a.content_type, "application/json");
	assert_string_equal(a.location, "/there");
	assert_int_equal(a.retry_after_s, 7);
	assert_true(a.date > clock_unix() - 10);
	fetch_answer_fini(&a);
	r = trusting(&s);
	r.method = "DELETE";
	assert_ok(fetch(&r, &a, &err), &err);
	assert_str(buf_str(&a.body), "DELETE|||-|nobody");
	fetch_answer_fini(&a);
	unsetenv("https_proxy");
	stop(&s);
}

TEST(an_unknown_server_gets_nothing_and_its_root_is_named)
{
	struct stage s;
	struct err err = {0};
	struct fetch_answer a;
	uint8_t pin[32], wrong[32] = {1};
	start(&s, "server");
	pin_of(&s.root, pin);
	struct fetch_request r = trusting(&s);
	r.anchors_pem = STR_NONE;
	r.user = "u";
	r.password = "secret";
	for (int i = 0; i < 3; i++) {
		r.system_anchors = i == 1;
		r.root_pin = i == 2 ? wrong : NULL; /* a pin counts even against good anchors */
		r.anchors_pem = i == 2 ? buf_str(&s.root.pem) : STR_NONE;
		assert_err(fetch(&r, &a, &err), &err, ERR_CONFLICT, "is not trusted");
		assert_true(a.untrusted);
		struct buf hex = BUF(64);
		buf_add_hex(&hex, pin, 32);
		assert_str(buf_str(&hex), a.peer_root_sha256);
		buf_fini(&hex);
		fetch_answer_fini(&a);
	}
	assert_int_equal(handled, 0);
	r.root_pin = pin;
	r.anchors_pem = STR_NONE;
	assert_ok(fetch(&r, &a, &err), &err);
	assert_int_equal(a.status, 418);
	fetch_answer_fini(&a);
	stop(&s);
}

TEST(a_certificate_for_another_name_gets_nothing)
{
	struct stage s;
	struct err err = {0};
	struct fetch_answer a;
	start(&s, "elsewhere");
	struct fetch_request r = trusting(&s);
	snprintf(s.url, sizeof s.url, "https://localhost:%u/show", s.port);
	assert_err(fetch(&r, &a, &err), &err, ERR_NETWORK, "localhost");
	assert_false(a.untrusted);
	assert_int_equal(handled, 0);
	fetch_answer_fini(&a);
	stop(&s);
}

TEST(a_client_certificate_is_shown_with_a_key_that_signs_elsewhere)
{
	struct stage s;
	struct err err = {0};
	struct fetch_answer a;
	start(&s, "server");
	struct fetch_request r = trusting(&s);
	r.chain_pem = buf_str(&s.client.pem);
	r.key = s.client.key;
	assert_ok(fetch(&r, &a, &err), &err);
	assert_str(buf_str(&a.body), "GET|||-|spiffe://eu1.example/subaccount/s/connector/c");
	fetch_answer_fini(&a);
	r.key = s.leaf.key;
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "own key");
	fetch_answer_fini(&a);
	stop(&s);
}

TEST(an_endless_answer_is_cut_and_refused)
{
	struct stage s;
	struct err err = {0};
	struct fetch_answer a;
	start(&s, "server");
	struct fetch_request r = trusting(&s);
	snprintf(s.url, sizeof s.url, "https://127.0.0.1:%u/big", s.port);
	assert_err(fetch(&r, &a, &err), &err, ERR_LIMIT, "more than");
	fetch_answer_fini(&a);
	stop(&s);
}

TEST(what_cannot_be_sent_safely_is_not_sent)
{
	struct err err = {0};
	struct fetch_answer a;
	struct fetch_request r = {
		.method = "GET", .url = "http://192.0.2.1/x", .user = "u", .password = "p"};
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "only over https");
	fetch_answer_fini(&a);
	r.url = "http://127.0.0.1.example/x";
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "only over https");
	fetch_answer_fini(&a);
	r.url = "http://127.0.0.1:x@elsewhere/x";
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "only over https");
	fetch_answer_fini(&a);
	struct http_field bad = {.name = STR("X"), .value = STR("a\r\nY: b")};
	r = (struct fetch_request){
		.method = "GET", .url = "http://127.0.0.1:1/", .fields = &bad, .n_fields = 1};
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "malformed");
	fetch_answer_fini(&a);
	r = (struct fetch_request){.method = "GET", .url = "file:///etc/passwd"};
	assert_err(fetch(&r, &a, &err), &err, ERR_CONFIG, "");
	fetch_answer_fini(&a);
	r.url = "http://127.0.0.1:1/";
	assert_err(fetch(&r, &a, &err), &err, ERR_NETWORK, "127.0.0.1");
	fetch_answer_fini(&a);
}

/* Answers one CONNECT, and breaks off where TLS would begin. */
static void *be_proxy(void *user)
{
	AUTO(blocking_free)
	struct blocking *b = blocking_adopt(accept(*(int *)user, NULL, NULL));
	msec_t until = clock_now() + SEC(10);
	char head[2048];
	size_t n = 0;
	struct err err;

	assert_int_equal(blocking_receive(b, head, sizeof(head), &n, until, &err), BLOCKING_DATA);
	assert_ok(blocking_send(b,
				STR("HTTP/1.1 200 Connected\r\n"
				    "Date: Thu, 01 Jan 2015 00:00:00 GMT\r\nRetry-After: 9\r\n"
				    "Set-Cookie: of=proxy\r\n\r\n"),
				until, &err),
		  &err);
	return NULL;
}

/* Its Date was taken for the cloud side's: who sits before the proxy could set the connector's idea
 * of its clock, and with it when certificates are renewed. */
TEST(what_a_proxy_says_is_not_the_servers)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);
	struct fetch_answer a;
	char proxy[64];
	pthread_t thread;
	struct err err;

	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &len), 0);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", ntohs(any.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, be_proxy, &listener), 0);
	const struct fetch_request r = {
		.method = "GET", .url = "https://server.test/", .proxy = proxy};
	assert_err(fetch(&r, &a, &err), &err, ERR_NETWORK, "server.test");
	pthread_join(thread, NULL);
	close(listener);
	assert_int_equal(a.date, 0);
	assert_int_equal(a.retry_after_s, -1);
	assert_string_equal(a.cookies, "");
	fetch_answer_fini(&a);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_a_proxy_says_is_not_the_servers),
	cmocka_unit_test(a_request_arrives_with_its_fields_and_the_answer_comes_back),
	cmocka_unit_test(an_unknown_server_gets_nothing_and_its_root_is_named),
	cmocka_unit_test(a_certificate_for_another_name_gets_nothing),
	cmocka_unit_test(a_client_certificate_is_shown_with_a_key_that_signs_elsewhere),
	cmocka_unit_test(an_endless_answer_is_cut_and_refused),
	cmocka_unit_test(what_cannot_be_sent_safely_is_not_sent),
};
UNIT_MAIN(tests)
