#include "http/mail.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/blocking.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

/* An SMTP server of one conversation, in a thread. */
struct server {
	pthread_t thread;
	int listener;
	char url[64];
	struct tls_config *tls; /* offers STARTTLS */
	bool offers_auth;
	const char *rcpt_answer; /* NULL: "250 ok" */
	char heard[8192];        /* all lines */
};

static msec_t soon(void)
{
	return clock_now() + SEC(10);
}

/* A line, or the text until the lone dot. False at the end. */
static bool hear(struct server *s, struct blocking *b, const char *until)
{
	size_t start = strlen(s->heard), at = start, n = 0;
	struct err err;

	while (at + 1 < sizeof(s->heard) &&
	       blocking_receive(b, s->heard + at, 1, &n, soon(), &err) == BLOCKING_DATA) {
		s->heard[++at] = '\0';
		if (str_ends(str_make(s->heard + start, at - start), str_of(until))) {
			return true;
		}
	}
	return false;
}

static void say(struct blocking *b, const char *line)
{
	struct err ignored;

	(void)!blocking_send(b, str_of(line), soon(), &ignored);
}

static bool answer(struct server *s, struct blocking *b, struct str line, bool *secure)
{
	struct err err;

	if (str_starts(line, STR("EHLO"))) {
		say(b, s->tls && !*secure ? "250-me\r\n250 STARTTLS\r\n"
		       : s->offers_auth   ? "250-me\r\n250 AUTH PLAIN\r\n"
					  : "250 me\r\n");
	} else if (str_starts(line, STR("STARTTLS"))) {
		say(b, "220 go\r\n");
		*secure = blocking_start_tls(b, s->tls, NULL, soon(), &err);
		return *secure;
	} else if (str_starts(line, STR("AUTH"))) {
		say(b, "334 \r\n");
		(void)hear(s, b, "\r\n");
		say(b, "235 in\r\n");
	} else if (str_starts(line, STR("RCPT"))) {
		say(b, s->rcpt_answer ? s->rcpt_answer : "250 ok\r\n");
	} else if (str_starts(line, STR("DATA"))) {
		say(b, "354 go\r\n");
		(void)hear(s, b, "\r\n.\r\n");
		say(b, "250 taken\r\n");
	} else if (str_starts(line, STR("QUIT"))) {
		say(b, "221 bye\r\n");
		return false;
	} else {
		say(b, "250 ok\r\n");
	}
	return true;
}

static void *serve(void *user)
{
	struct server *s = user;
	AUTO(blocking_free) struct blocking *b = blocking_adopt(accept(s->listener, NULL, NULL));
	bool secure = false, more = true;

	say(b, "220 me\r\n");
	while (more) {
		size_t start = strlen(s->heard);
		more = hear(s, b, "\r\n") && answer(s, b, str_of(s->heard + start), &secure);
	}
	return NULL;
}

static void start(struct server *s)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);

	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(s->listener, 1), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&any, &len), 0);
	snprintf(s->url, sizeof(s->url), "smtp://127.0.0.1:%u", ntohs(any.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(struct server *s)
{
	close(s->listener);
	pthread_join(s->thread, NULL);
}

static struct mail_request request(const struct server *s)
{
	return (struct mail_request){.url = s->url,
				     .plain = true,
				     .from = "us@here.test",
				     .to = {"one@there.test", "two@there.test"},
				     .n_to = 2,
				     .text = STR("Subject: hello\r\n\r\nfirst\r\n.dot\r\n")};
}

TEST(a_mail_reaches_each_recipient_with_its_text)
{
	struct server s = {0};
	struct err err;

	start(&s);
	struct mail_request r = request(&s);
	assert_ok(mail_send(&r, &err), &err);
	end(&s);
	assert_true(str_contains(str_of(s.heard), STR("MAIL FROM:<us@here.test>")));
	assert_true(str_contains(str_of(s.heard), STR("RCPT TO:<one@there.test>")));
	assert_true(str_contains(str_of(s.heard), STR("RCPT TO:<two@there.test>")));
	assert_true(str_contains(str_of(s.heard), STR("\r\n\r\nfirst\r\n..dot\r\n.\r\n")));
}

TEST(a_server_without_tls_gets_nothing_unless_that_is_allowed)
{
	struct server s = {.offers_auth = true};
	struct err err;

	start(&s);
	struct mail_request r = request(&s);
	r.plain = false;
	r.user = "me";
	r.password = "secret";
	assert_err(mail_send(&r, &err), &err, ERR_DENIED, "offers no TLS");
	end(&s);
	assert_false(str_contains(str_of(s.heard), STR("AUTH")));
	assert_false(str_contains(str_of(s.heard), STR("MAIL")));
}

TEST(under_starttls_the_server_is_verified_before_the_login)
{
	for (int trusted = 0; trusted < 2; trusted++) {
		struct server s = {.offers_auth = true};
		struct testcert root, leaf;
		struct err err;
		testcert_root(&root, "CN=root");
		testcert_server(&leaf, &root, KEY_KIND_P256, "127.0.0.1");
		struct tls_settings tls = {
			.server = true, .chain_pem = buf_str(&leaf.pem), .key = leaf.key};
		assert_ok(tls_config_new(&tls, &s.tls, &err), &err);
		start(&s);
		struct mail_request r = request(&s);
		r.plain = false;
		r.user = "me";
		r.password = "secret";
		r.anchors_pem = trusted ? buf_str(&root.pem) : STR_NONE;
		bool sent = mail_send(&r, &err);
		end(&s);
		if (trusted) {
			assert_ok(sent, &err);
		} else {
			assert_false(sent);
		}
		assert_int_equal(str_contains(str_of(s.heard), STR("AUTH PLAIN")), trusted);
		if (!trusted) {
			assert_int_equal(err.kind, ERR_DENIED);
			assert_true(str_contains(str_of(err.text), STR("is not trusted")));
		}
		tls_config_unref(s.tls);
		testcert_free(&leaf);
		testcert_free(&root);
	}
}

TEST(a_refused_recipient_is_a_failure_that_says_so)
{
	struct server s = {.rcpt_answer = "550 no such user\r\n"};
	struct err err;

	start(&s);
	struct mail_request r = request(&s);
	assert_err(mail_send(&r, &err), &err, ERR_DENIED, "550");
	end(&s);
}

TEST(what_is_wrong_is_refused_before_a_connection)
{
	struct server nobody = {.url = "smtp://mail.test:25"};
	struct mail_request r = request(&nobody);
	struct err err;

	r.user = "me";
	r.password = "secret";
	assert_err(mail_send(&r, &err), &err, ERR_CONFIG, "only over TLS");
	r.password = NULL;
	r.to[1] = "two@there.test>\r\nRCPT TO:<three@there.test";
	assert_err(mail_send(&r, &err), &err, ERR_CONFIG, "recipient");
	r = request(&nobody);
	r.url = "http://mail.test";
	assert_err(mail_send(&r, &err), &err, ERR_CONFIG, "smtp://");
	r = request(&nobody);
	r.n_to = 0;
	assert_err(mail_send(&r, &err), &err, ERR_CONFIG, "no recipient");
}

TEST(addresses_are_told_from_what_is_none)
{
	static const char *const bad[] = {"",      "a",     "@b",      "a@",      "a b@c",
					  "a@b@c", "<a@b>", "a@b,c@d", "a@b\r\n", "\xc3\xa9@b"};

	assert_true(mail_is_address(STR("first.last+tag@mail.example.com")));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(mail_is_address(str_of(bad[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_reaches_each_recipient_with_its_text),
		cmocka_unit_test(a_server_without_tls_gets_nothing_unless_that_is_allowed),
		cmocka_unit_test(under_starttls_the_server_is_verified_before_the_login),
		cmocka_unit_test(a_refused_recipient_is_a_failure_that_says_so),
		cmocka_unit_test(what_is_wrong_is_refused_before_a_connection),
		cmocka_unit_test(addresses_are_told_from_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
