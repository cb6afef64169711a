#include "alert/alerts.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/seal.h"
#include "database.h"
#include "net/blocking.h"
#include "unit/unit.h"

enum {
	DAY = 86400,
	START = 1800000000,
};

static const struct migration_set sets[] = {{"store", store_migrations},
					    {"alert", alert_migrations}};

/* ---- a source whose certificates the test moves ---- */

struct shelf {
	struct alert_certificate rows[8];
	size_t n;
	bool fails;
};

static bool each(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	struct shelf *s = user;

	for (size_t i = 0; i < s->n; i++) {
		fn(&s->rows[i], fn_user);
	}
	return !s->fails || err_set(err, ERR_STORE, "the shelf is locked");
}

static struct alert_certificate certificate(const char *name, int64_t days)
{
	return (struct alert_certificate){.source = "shelf",
					  .name = name,
					  .label = "certificate of the shelf",
					  .subaccount = "",
					  .subject = "CN=x",
					  .issuer = "CN=y",
					  .serial = "01:02",
					  .not_before = START - 365 * (int64_t)DAY,
					  .not_after = START + days * DAY,
					  .next_step = "ask the carpenter"};
}

/* ---- a webhook that answers what it is told, in a thread ---- */

struct hook {
	pthread_t thread;
	int listener;
	char url[64];
	const char *answers[8]; /* one per call */
	char bodies[8][8192], heads[8][4096];
	size_t n;
};

static void *serve(void *user)
{
	struct hook *h = user;

	for (; h->answers[h->n] != NULL; h->n++) {
		AUTO(blocking_free)
		struct blocking *b = blocking_adopt(accept(h->listener, NULL, NULL));
		char *head = h->heads[h->n], *body = h->bodies[h->n];
		msec_t until = clock_now() + SEC(10);
		size_t len = 0, got = 0;
		uint64_t length = 0;
		struct err err;
		while (strstr(head, "\r\n\r\n") == NULL &&
		       blocking_receive(b, head + len, 1, &got, until, &err) == BLOCKING_DATA) {
			head[++len] = '\0';
		}
		const char *field = strcasestr(head, "content-length:");
		struct str digits = str_trim(str_of(field + 15));
		(void)!str_to_u64(str_first(digits, str_find(digits, '\r')), &length);
		for (len = 0; len < length && blocking_receive(b, body + len, length - len, &got,
							       until, &err) == BLOCKING_DATA;
		     len += got) {
		}
		(void)!blocking_send(b, str_of(h->answers[h->n]), until, &err);
	}
	return NULL;
}

static void start_hook(struct hook *h)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(any);

	h->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(h->listener, (struct sockaddr *)&any, len), 0);
	assert_int_equal(listen(h->listener, 4), 0);
	assert_int_equal(getsockname(h->listener, (struct sockaddr *)&any, &len), 0);
	snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u/hook", ntohs(any.sin_port));
	assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
}

static void end_hook(struct hook *h)
{
	pthread_join(h->thread, NULL);
	close(h->listener);
}

#define OK   "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

/* ---- the stage ---- */

static struct alert_config config(const char *webhook_url)
{
	struct alert_config c = {.interval = SEC(60), .retry = SEC(30), .webhook_url = webhook_url};
	struct err err;

	c.policy.repeat_s = DAY;
	assert_ok(alert_policy_read(STR("60d,30d,14d,7d,3d,1d"), &c.policy, &err), &err);
	return c;
}

static struct alerts *open_alerts(void **state, struct shelf *shelf, const struct alert_config *c)
{
	struct database *d = *state;
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	const struct alerts_settings settings = {.store = d->store, .origin = "test on here"};
	struct alerts *a = alerts_new(&settings);
	assert_ok(alerts_configure(a, c, &err), &err);
	const struct alert_source source = {"shelf", each, shelf};
	alerts_add_source(a, &source);
	return a;
}

static void look(struct alerts *a, int64_t day_s)
{
	struct err err;

	assert_ok(alerts_look(a, (START + day_s) * 1000, &err), &err);
}

static size_t rows_in(void **state, enum alert_state wanted)
{
	struct database *d = *state;
	AUTO_FREE struct alert_row *rows = NULL;
	struct err err;
	size_t n, found = 0;

	assert_ok(alert_store_list(d->store, &rows, &n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		found += rows[i].memory.state == wanted;
	}
	return found;
}

/* ---- tests ---- */

static void an_alert_is_told_repeated_and_solved_by_one_message(void **state)
{
	struct shelf shelf = {.rows = {certificate("a", 20), certificate("b", 300)}, .n = 2};
	struct hook hook = {.answers = {OK, OK, OK, NULL}};
	start_hook(&hook);
	struct alert_config c = config(hook.url);
	c.webhook_secret = "key";
	struct alerts *a = open_alerts(state, &shelf, &c);

	look(a, 0);
	look(a, 60); /* nothing new */
	look(a, DAY);
	shelf.rows[0].not_after += 365 * (int64_t)DAY;
	look(a, DAY + 60);
	look(a, DAY + 120);
	look(a, 3 * DAY);
	end_hook(&hook);
	assert_int_equal(hook.n, 3);
	assert_non_null(strstr(hook.bodies[0], "\"event\":\"raised\""));
	assert_non_null(strstr(hook.bodies[0], "expires in 20 days"));
	assert_non_null(strstr(hook.bodies[0], "ask the carpenter"));
	assert_null(strstr(hook.bodies[0], "\"name\":\"b\""));
	assert_non_null(strstr(hook.bodies[1], "\"event\":\"repeated\""));
	assert_non_null(strstr(hook.bodies[2], "\"event\":\"solved\""));
	assert_int_equal(rows_in(state, ALERT_EXPIRING), 0);
	assert_int_equal(rows_in(state, ALERT_FINE), 1);
	look(a, 9 * DAY); /* and forgotten after a week */
	assert_int_equal(rows_in(state, ALERT_FINE), 0);

	uint8_t mac[32];
	AUTO_BUF struct buf expected = BUF(200);
	hmac_sha256(STR("key"), str_of(hook.bodies[0]), mac);
	buf_add_str(&expected, STR("Drawbridge-Signature: sha256="));
	buf_add_hex(&expected, mac, sizeof(mac));
	assert_non_null(strstr(hook.heads[0], expected.at));
	alerts_free(a);
}

static void a_failed_delivery_is_visible_and_tried_again_with_growing_pauses(void **state)
{
	struct database *d = *state;
	struct shelf shelf = {.rows = {certificate("a", 20)}, .n = 1};
	struct hook hook = {.answers = {BUSY, BUSY, OK, NULL}};
	struct alert_delivery seen[ALERT_CHANNELS];
	struct err err;
	start_hook(&hook);
	struct alert_config c = config(hook.url);
	struct alerts *a = open_alerts(state, &shelf, &c);

	look(a, 0);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].waiting, 1);
	assert_int_equal(seen[ALERT_WEBHOOK].next_ms, (START + 30) * 1000LL);
	assert_non_null(strstr(seen[ALERT_WEBHOOK].error, "answered 503"));
	look(a, 29); /* not yet */
	look(a, 30);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].attempts, 2);
	assert_int_equal(seen[ALERT_WEBHOOK].next_ms, (START + 90) * 1000LL);
	look(a, 90);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].waiting, 0);
	assert_int_equal(seen[ALERT_WEBHOOK].sent_ms, (START + 90) * 1000LL);
	assert_string_equal(seen[ALERT_WEBHOOK].error, "");
	end_hook(&hook);
	alerts_free(a);
}

static void several_nodes_send_one_message(void **state)
{
	struct shelf shelf = {.rows = {certificate("a", 20)}, .n = 1};
	struct hook hook = {.answers = {OK, OK, NULL}};
	start_hook(&hook);
	struct alert_config c = config(hook.url);
	struct alerts *one = open_alerts(state, &shelf, &c);
	struct alerts *two = open_alerts(state, &shelf, &c);

	look(one, 0);
	look(two, 0);
	look(two, 1);
	shelf.rows[0].not_after += 365 * (int64_t)DAY;
	look(two, 2);
	shelf.rows[0].not_after -= 365 * (int64_t)DAY;
	look(one, 1); /* a look that began earlier knows less */
	shelf.rows[0].not_after += 365 * (int64_t)DAY;
	look(one, 3);
	end_hook(&hook);
	assert_non_null(strstr(hook.bodies[1], "solved"));
	assert_int_equal(rows_in(state, ALERT_FINE), 1);
	alerts_free(one);
	alerts_free(two);
}

struct racer {
	pthread_t thread;
	struct alerts *alerts;
};

static void *race(void *user)
{
	struct racer *r = user;

	for (int i = 0; i < 20; i++) {
		struct err err;
		assert_true(alerts_look(r->alerts, START * 1000LL + i, &err));
	}
	return NULL;
}

static void nodes_that_look_at_the_same_moment_tell_once(void **state)
{
	struct shelf shelf = {.rows = {certificate("a", 20), certificate("b", 2)}, .n = 2};
	/* A second call would find nobody: the delivery would fail and be seen. */
	struct hook hook = {.answers = {OK, OK, NULL}};
	struct database *d = *state;
	struct alert_delivery seen[ALERT_CHANNELS];
	struct racer racers[4];
	struct err err;
	start_hook(&hook);
	struct alert_config c = config(hook.url);

	for (size_t i = 0; i < COUNT(racers); i++) {
		racers[i].alerts = open_alerts(state, &shelf, &c);
	}
	for (size_t i = 0; i < COUNT(racers); i++) {
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (size_t i = 0; i < COUNT(racers); i++) {
		pthread_join(racers[i].thread, NULL);
	}
	shelf.n = 0; /* the second call */
	look(racers[0].alerts, 60);
	end_hook(&hook);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_string_equal(seen[ALERT_WEBHOOK].error, "");
	assert_non_null(strstr(hook.bodies[0], "\"name\":\"a\""));
	assert_non_null(strstr(hook.bodies[0], "\"name\":\"b\""));
	assert_non_null(strstr(hook.bodies[1], "not in use any more"));
	for (size_t i = 0; i < COUNT(racers); i++) {
		alerts_free(racers[i].alerts);
	}
}

static void a_source_that_cannot_tell_solves_nothing(void **state)
{
	struct shelf shelf = {.rows = {certificate("a", 20)}, .n = 1};
	struct alert_config c = config(NULL);
	struct alerts *a = open_alerts(state, &shelf, &c);

	look(a, 0);
	shelf.n = 0;
	shelf.fails = true;
	look(a, 60);
	assert_int_equal(rows_in(state, ALERT_EXPIRING), 1);
	shelf.fails = false;
	look(a, 120);
	assert_int_equal(rows_in(state, ALERT_EXPIRING), 0);
	alerts_free(a);
}

static void two_of_one_name_count_as_the_one_that_ends_first(void **state)
{
	struct shelf shelf = {.rows = {certificate("a", 300), certificate("a", 20)}, .n = 2};
	struct alert_config c = config(NULL);
	struct alerts *a = open_alerts(state, &shelf, &c);

	for (int i = 0; i < 3; i++) {
		look(a, i * 60);
		assert_int_equal(rows_in(state, ALERT_EXPIRING), 1);
	}
	alerts_free(a);
}

static void messages_of_a_channel_that_was_switched_off_are_dropped(void **state)
{
	struct database *d = *state;
	struct shelf shelf = {.rows = {certificate("a", 20)}, .n = 1};
	struct alert_config c = config("http://127.0.0.1:1/nobody");
	struct alert_delivery seen[ALERT_CHANNELS];
	struct alerts *a = open_alerts(state, &shelf, &c);
	struct err err;

	look(a, 0);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].waiting, 1);
	c.webhook_url = NULL;
	assert_ok(alerts_configure(a, &c, &err), &err);
	look(a, 60);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].waiting, 0);
	alerts_free(a);
}

/* A machine that began two years ahead: what it then wrote down stood until two years later. */
static void a_clock_that_was_ahead_freezes_nothing(void **state)
{
	struct database *d = *state;
	struct shelf shelf = {.rows = {certificate("a", 300), certificate("b", -1)}, .n = 2};
	struct hook hook = {.answers = {OK, NULL}};
	struct alert_config c = config("http://127.0.0.1:1/nobody");
	struct alert_delivery seen[ALERT_CHANNELS];
	struct alerts *a = open_alerts(state, &shelf, &c);
	struct err err;

	look(a, 730 * DAY);
	assert_int_equal(rows_in(state, ALERT_EXPIRED), 2);
	start_hook(&hook);
	c.webhook_url = hook.url;
	assert_ok(alerts_configure(a, &c, &err), &err);
	look(a, 60);
	assert_int_equal(rows_in(state, ALERT_EXPIRED), 1);
	assert_int_equal(rows_in(state, ALERT_FINE), 1);
	assert_ok(alert_store_deliveries(d->store, seen, &err), &err);
	assert_int_equal(seen[ALERT_WEBHOOK].waiting, 0);
	end_hook(&hook);
	assert_non_null(strstr(hook.bodies[0], "\"name\":\"b\""));
	alerts_free(a);
}

/* ---- a tenant that keeps very many expired certificates ---- */

static bool each_of_crowd(void *user, alert_each_fn *fn, void *fn_user, struct err *err UNUSED)
{
	const size_t *n = user;

	for (size_t i = 0; i < *n; i++) {
		char name[32];
		struct alert_certificate c = certificate(name, -3);
		snprintf(name, sizeof(name), "%zu", i);
		c.source = "crowd";
		c.subaccount = "8f0d2f9e-0000-4000-8000-000000000001";
		fn(&c, fn_user);
	}
	return true;
}

/* They took all rows, so that no alert of the CA or of another tenant was raised any more. */
static void a_tenant_takes_no_more_than_its_share_of_the_rows(void **state)
{
	size_t n = ALERT_ROWS_MAX + 5;
	const struct alert_source crowd = {"crowd", each_of_crowd, &n};
	struct shelf shelf = {.rows = {certificate("own", 20)}, .n = 1};
	struct alert_config c = config(NULL);
	struct alerts *a = open_alerts(state, &shelf, &c);

	alerts_add_source(a, &crowd);
	look(a, 0);
	assert_int_equal(rows_in(state, ALERT_EXPIRING), 1);
	assert_int_equal(rows_in(state, ALERT_EXPIRED), ALERT_SHARE_MAX);
	look(a, 60); /* those that were there count */
	assert_int_equal(rows_in(state, ALERT_EXPIRED), ALERT_SHARE_MAX);
	n = 10;
	look(a, 120);
	n = 20;
	look(a, 180); /* there is room again */
	assert_int_equal(rows_in(state, ALERT_EXPIRED), 20);
	alerts_free(a);
}

/* Messages of the operator's own waited behind all of a tenant's. */
static void what_is_the_operators_own_is_told_first(void **state)
{
	struct database *d = *state;
	size_t n = ALERT_SHARE_MAX;
	const struct alert_source crowd = {"crowd", each_of_crowd, &n};
	struct shelf shelf = {.rows = {certificate("own", 20)}};
	struct alert_config c = config("http://127.0.0.1:1/nobody");
	struct alerts *a = open_alerts(state, &shelf, &c);
	AUTO_FREE struct alert_message *rows = NULL;
	size_t due = 0, own = 0;
	struct err err;

	alerts_add_source(a, &crowd);
	look(a, 0);
	shelf.n = 1;
	look(a, 60);
	assert_ok(alert_store_claim(d->store, ALERT_WEBHOOK, (START + 3600) * 1000LL,
				    (START + 3700) * 1000LL, &rows, &due, &err),
		  &err);
	assert_int_equal(due, ALERT_BATCH_MAX);
	for (size_t i = 0; i < due; i++) {
		own += strcmp(rows[i].row.key, "shelf/own") == 0;
	}
	assert_int_equal(own, 1);
	alerts_free(a);
}

static void metrics_have_the_first_to_end_and_the_states(void **state)
{
	struct shelf shelf = {.rows = {certificate("a \"quoted\"", 300), certificate("b", 20),
				       certificate("c", -1)},
			      .n = 3};
	struct alert_config c = config(NULL);
	struct alerts *a = open_alerts(state, &shelf, &c);
	AUTO_BUF struct buf out = BUF(KIB(64));

	look(a, 0);
	alerts_write_metrics(a, &out);
	const char *first = strstr(out.at, "{source=\"shelf\",name=\"c\"} -86400\n");
	const char *second = strstr(out.at, "{source=\"shelf\",name=\"b\"} 1728000\n");
	assert_true(first != NULL && second != NULL && first < second);
	assert_non_null(strstr(out.at, "name=\"a \\\"quoted\\\"\"}"));
	assert_non_null(strstr(out.at, "drawbridge_certificates 3\n"));
	assert_non_null(strstr(out.at, "drawbridge_alerts{state=\"expiring\"} 1\n"));
	assert_non_null(strstr(out.at, "drawbridge_alerts{state=\"expired\"} 1\n"));
	alerts_free(a);
}

/* A tenant names its entries, and the operator's Prometheus refuses all numbers beside half a
 * letter. */
static void a_name_that_was_cut_within_a_letter_spoils_no_metrics(void **state)
{
	struct shelf shelf = {.rows = {certificate("half \xc3", 20)}, .n = 1};
	struct alert_config c = config(NULL);
	struct alerts *a = open_alerts(state, &shelf, &c);
	AUTO_BUF struct buf out = BUF(KIB(64));

	look(a, 0);
	alerts_write_metrics(a, &out);
	assert_true(str_is_utf8(buf_str(&out)));
	assert_non_null(strstr(out.at, "name=\"half ?\"} 1728000\n"));
	alerts_free(a);
}

static void a_bad_configuration_changes_nothing(void **state)
{
	struct shelf shelf = {0};
	struct alert_config good = config(NULL), c;
	struct alerts *a = open_alerts(state, &shelf, &good);
	struct err err;

	c = good;
	c.webhook_url = "http://elsewhere.test/";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "webhook.url");
	c.webhook_url = "http://127.0.0.1.elsewhere.test/";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "webhook.url");
	c.webhook_url = "http://127.0.0.1:x@elsewhere.test/"; /* a user and a password */
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "webhook.url");
	c = good;
	c.mail_url = "smtp://mail.test";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "mail.from");
	c.mail_from = "us@here.test";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "mail.to");
	c.mail_to = "a@b.test, nobody";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "\"nobody\"");
	c.mail_to = "a@b.test, c@d.test";
	c.mail_user = "me";
	assert_err(alerts_configure(a, &c, &err), &err, ERR_CONFIG, "mail.password.file");
	c.mail_password = "secret";
	assert_ok(alerts_configure(a, &c, &err), &err);
	alerts_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(an_alert_is_told_repeated_and_solved_by_one_message),
		ON_BOTH(a_failed_delivery_is_visible_and_tried_again_with_growing_pauses),
		ON_BOTH(several_nodes_send_one_message),
		ON_BOTH(nodes_that_look_at_the_same_moment_tell_once),
		ON_SQLITE(a_source_that_cannot_tell_solves_nothing),
		ON_SQLITE(two_of_one_name_count_as_the_one_that_ends_first),
		ON_BOTH(messages_of_a_channel_that_was_switched_off_are_dropped),
		ON_BOTH(a_clock_that_was_ahead_freezes_nothing),
		ON_SQLITE(a_tenant_takes_no_more_than_its_share_of_the_rows),
		ON_BOTH(what_is_the_operators_own_is_told_first),
		ON_SQLITE(metrics_have_the_first_to_end_and_the_states),
		ON_SQLITE(a_name_that_was_cut_within_a_letter_spoils_no_metrics),
		ON_SQLITE(a_bad_configuration_changes_nothing),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
