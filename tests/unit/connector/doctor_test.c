#include "connector/doctor.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/blocking.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

/* What the one connection that comes is met with, in this order. */
struct relay {
	pthread_t thread;
	int listener;
	const char *connect; /* answer of a proxy; NULL: there is none */
	struct tls_config *tls;
	const char *answer; /* to the probe, or instead of TLS */
	char heard[4096];
};

static struct testcert root, other, leaf, elsewhere;
static struct tls_config *server, *misnamed, *known, *stranger;

static msec_t soon(void)
{
	return clock_now() + SEC(10);
}

static void exchange(struct relay *r, struct blocking *b, const char *answer)
{
	size_t at = strlen(r->heard), from = at, n = 0;
	struct err err;

	while (at + 1 < sizeof(r->heard) && strstr(r->heard + from, "\r\n\r\n") == NULL &&
	       blocking_receive(b, r->heard + at, 1, &n, soon(), &err) == BLOCKING_DATA) {
		r->heard[++at] = '\0';
	}
	(void)!blocking_send(b, str_of(answer), soon(), &err);
}

/* As a server without TLS does. What it reads has no line's end: it waits for none. */
static void answer_a_hello(struct blocking *b, const char *answer)
{
	char bytes[4096];
	size_t n = 0;
	struct err err;

	(void)!blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err);
	(void)!blocking_send(b, str_of(answer), soon(), &err);
	while (blocking_receive(b, bytes, sizeof(bytes), &n, soon(), &err) == BLOCKING_DATA) {
	} /* until it goes, so that no reset overtakes the answer */
}

static void *serve(void *user)
{
	struct relay *r = user;
	AUTO(blocking_free) struct blocking *b = blocking_adopt(accept(r->listener, NULL, NULL));
	struct err err;

	if (r->connect != NULL) {
		exchange(r, b, r->connect);
	}
	if (r->tls != NULL && blocking_start_tls(b, r->tls, NULL, soon(), &err)) {
		exchange(r, b, r->answer);
	} else if (r->tls == NULL && r->answer != NULL) {
		answer_a_hello(b, r->answer);
	}
	return NULL;
}

static uint16_t start(struct relay *r)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);

	r->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(r->listener, 1), 0);
	assert_int_equal(getsockname(r->listener, (struct sockaddr *)&any, &len), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
	return ntohs(any.sin_port);
}

static void end(struct relay *r)
{
	shutdown(r->listener, SHUT_RDWR); /* nobody came: accept fails */
	pthread_join(r->thread, NULL);
	close(r->listener);
}

struct patient {
	struct subaccount_set set;
	struct subaccount subaccount;
	struct link_status link;
	struct doctor_report report;
};

static void make(struct patient *p, const char *host, uint16_t port)
{
	*p = (struct patient){.link = {.state = LINK_STATUS_CONNECTED}};
	snprintf(p->set.instance, sizeof(p->set.instance), "%s",
		 "aaaaaaaa-0000-4000-8000-000000000001");
	snprintf(p->subaccount.host, sizeof(p->subaccount.host), "%s", host);
	snprintf(p->subaccount.state.subaccount, sizeof(p->subaccount.state.subaccount), "%s",
		 "bbbbbbbb-0000-4000-8000-000000000001");
	p->subaccount.port = port;
	p->subaccount.tls = known;
	p->subaccount.has_certificate = true;
	p->subaccount.state.connected = true;
	p->subaccount.certificate.not_after = clock_unix() + 86400 * 300;
}

static void examine(struct patient *p)
{
	const struct doctor_patient patient = {
		.set = &p->set, .subaccount = &p->subaccount, .link = &p->link};

	doctor_examine(&patient, &p->report);
}

static void assert_broken(struct patient *p, enum doctor_link link, const char *found,
			  const char *next)
{
	const struct doctor_step *s = &p->report.steps[link];

	if (p->report.broken != link || strstr(s->found, found) == NULL ||
	    strstr(s->next, next) == NULL) {
		fail_msg("broken %s, found \"%s\", next \"%s\"", doctor_link_name(p->report.broken),
			 p->report.steps[p->report.broken % DOCTOR_LINKS].found,
			 p->report.steps[p->report.broken % DOCTOR_LINKS].next);
	}
}

#define WELCOME "HTTP/1.1 204 No Content\r\nDrawbridge-Owners: olga\r\n\r\n"

TEST(a_whole_way_is_walked_to_its_end)
{
	struct relay relay = {.tls = server, .answer = WELCOME};
	struct patient p;

	make(&p, "localhost", start(&relay));
	examine(&p);
	end(&relay);
	assert_int_equal(p.report.broken, DOCTOR_LINKS);
	assert_int_equal(p.report.steps[DOCTOR_PROXY].result, DOCTOR_SKIPPED);
	assert_int_equal(p.report.steps[DOCTOR_TLS].result, DOCTOR_OK);
	assert_non_null(strstr(p.report.steps[DOCTOR_TLS].found, "TLSv1.3"));
	assert_non_null(strstr(relay.heard, "GET /ptth/subaccounts/bbbbbbbb-"));
	assert_non_null(strstr(relay.heard, "Drawbridge-Probe: 1\r\n"));
}

TEST(an_unknown_name_and_a_closed_port_are_told_apart)
{
	struct relay relay = {.tls = server, .answer = WELCOME};
	struct patient p;

	make(&p, "nobody.invalid", 9444);
	examine(&p);
	assert_broken(&p, DOCTOR_DNS, "nobody.invalid", "right region host");
	snprintf(p.set.proxy_host, sizeof(p.set.proxy_host), "proxy.invalid");
	p.set.proxy_port = 3128;
	examine(&p);
	assert_broken(&p, DOCTOR_DNS, "proxy.invalid", "corporate proxy");

	uint16_t port = start(&relay);
	end(&relay);
	make(&p, "localhost", port);
	examine(&p);
	assert_broken(&p, DOCTOR_TCP, "refused", "nothing listens");
}

TEST(a_proxy_is_crossed_or_named)
{
	static const struct {
		const char *answer, *found, *next;
	} bad[] = {{"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "407", "enter the user"},
		   {"HTTP/1.1 403 No\r\nContent-Length: 13\r\n\r\n<p>Policy</p>", "403 Policy",
		    "allow CONNECT to relay.test port 9444"},
		   {"SSH-2.0-OpenSSH\r\n\r\n", "", "an HTTP proxy?"}};
	struct patient p;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct relay proxy = {.connect = bad[i].answer};
		make(&p, "relay.test", 9444);
		snprintf(p.set.proxy_host, sizeof(p.set.proxy_host), "localhost");
		p.set.proxy_port = start(&proxy);
		examine(&p);
		end(&proxy);
		assert_broken(&p, DOCTOR_PROXY, bad[i].found, bad[i].next);
	}
	struct relay proxy = {
		.connect = "HTTP/1.1 200 ok\r\n\r\n", .tls = server, .answer = WELCOME};
	make(&p, "localhost", 9444);
	snprintf(p.set.proxy_host, sizeof(p.set.proxy_host), "localhost");
	snprintf(p.set.proxy_user, sizeof(p.set.proxy_user), "me");
	p.set.proxy_port = start(&proxy);
	examine(&p);
	end(&proxy);
	assert_int_equal(p.report.broken, DOCTOR_LINKS);
	assert_non_null(strstr(proxy.heard, "CONNECT localhost:9444 HTTP/1.1\r\n"));
	assert_non_null(strstr(proxy.heard, "Proxy-Authorization: Basic bWU6\r\n"));
}

TEST(another_ca_a_wrong_name_and_no_tls_are_told_apart)
{
	struct relay relay = {.tls = server, .answer = WELCOME};
	struct relay again = {.tls = misnamed, .answer = WELCOME};
	struct relay plain = {.answer = "HTTP/1.1 400 Bad\r\n\r\n"};
	struct patient p;

	make(&p, "localhost", start(&relay));
	p.subaccount.tls = stranger;
	examine(&p);
	end(&relay);
	assert_broken(&p, DOCTOR_TLS, "public key SHA-256", "another CA");

	make(&p, "localhost", start(&again));
	examine(&p);
	end(&again);
	assert_broken(&p, DOCTOR_TLS, "mismatch", "another name");

	make(&p, "localhost", start(&plain));
	examine(&p);
	end(&plain);
	assert_broken(&p, DOCTOR_TLS, "TLS", "tunnel port");
}

TEST(without_a_certificate_the_way_is_tried_all_the_same)
{
	struct relay relay = {.tls = server,
			      .answer = "HTTP/1.1 401 No\r\nDrawbridge-Refusal: no_certificate\r\n"
					"Content-Length: 0\r\n\r\n"};
	struct patient p;

	make(&p, "localhost", start(&relay));
	p.subaccount.tls = NULL;
	p.subaccount.has_certificate = false;
	p.subaccount.state.anchors_pem = root.pem.at;
	p.set.anchors_pem = root.pem.at;
	snprintf(p.subaccount.defect, sizeof(p.subaccount.defect), "there is no certificate");
	examine(&p);
	end(&relay);
	assert_broken(&p, DOCTOR_CERTIFICATE, "there is no certificate", "Refresh Certificate");
}

TEST(what_is_no_relay_is_named)
{
	struct relay relay = {.tls = server, .answer = "220 smtp\r\n\r\n"};
	struct relay silent = {.tls = server, .answer = ""};
	struct patient p;

	make(&p, "localhost", start(&relay));
	examine(&p);
	end(&relay);
	assert_broken(&p, DOCTOR_UPGRADE, "", "no relay");
	make(&p, "localhost", start(&silent));
	examine(&p);
	end(&silent);
	assert_broken(&p, DOCTOR_UPGRADE, "closed without an answer", "no relay");
}

static int set_up(void **state UNUSED)
{
	struct err err;

	testcert_root(&root, "CN=root");
	testcert_root(&other, "CN=other");
	testcert_server(&leaf, &root, KEY_KIND_P256, "localhost");
	testcert_server(&elsewhere, &root, KEY_KIND_P256, "elsewhere.test");
	const struct tls_settings wrong = {
		.server = true, .chain_pem = buf_str(&elsewhere.pem), .key = elsewhere.key};
	assert_ok(tls_config_new(&wrong, &misnamed, &err), &err);
	const struct tls_settings settings = {
		.server = true, .chain_pem = buf_str(&leaf.pem), .key = leaf.key};
	const struct tls_settings trusting = {.peer = TLS_PEER_VERIFY,
					      .anchors_pem = buf_str(&root.pem)};
	const struct tls_settings wary = {.peer = TLS_PEER_VERIFY,
					  .anchors_pem = buf_str(&other.pem)};
	assert_ok(tls_config_new(&settings, &server, &err), &err);
	assert_ok(tls_config_new(&trusting, &known, &err), &err);
	assert_ok(tls_config_new(&wary, &stranger, &err), &err);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	tls_config_unref(server);
	tls_config_unref(misnamed);
	tls_config_unref(known);
	tls_config_unref(stranger);
	testcert_free(&elsewhere);
	testcert_free(&leaf);
	testcert_free(&other);
	testcert_free(&root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_way_is_walked_to_its_end),
		cmocka_unit_test(an_unknown_name_and_a_closed_port_are_told_apart),
		cmocka_unit_test(a_proxy_is_crossed_or_named),
		cmocka_unit_test(another_ca_a_wrong_name_and_no_tls_are_told_apart),
		cmocka_unit_test(without_a_certificate_the_way_is_tried_all_the_same),
		cmocka_unit_test(what_is_no_relay_is_named),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
