/* The alerts in the REST APIs of both programs. */
#include "alert/alerts_priv.h"
#include "alert/alerts_text.h"
#include "base/clock.h"

enum {
	PAGE_MAX = 1000,
};

static bool sees(const struct alert_view *view, const char *subaccount)
{
	return view == NULL || view->may(view->user, subaccount);
}

/* ---- alerts ---- */

static void write_delivery(struct jsonw *w, const struct alerts_set_up *s,
			   enum alert_channel channel, const struct alert_delivery *d)
{
	jsonw_object(w);
	jsonw_key_text(w, "channel", alert_channel_name(channel));
	jsonw_key_bool(w, "configured", s != NULL && alerts_uses(s, channel));
	jsonw_key_int(w, "waiting", d->waiting);
	jsonw_key_int(w, "attempts", d->attempts);
	jsonw_key_time(w, "nextAttempt", d->next_ms / 1000);
	jsonw_key_time(w, "lastDelivered", d->sent_ms / 1000);
	jsonw_key_time(w, "lastFailed", d->failed_ms / 1000);
	jsonw_key_text(w, "lastError", d->error);
	jsonw_object_end(w);
}

void alerts_answer_list(struct alerts *a, struct http_call *call, const struct alert_view *view)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	AUTO_FREE struct alert_row *rows = NULL;
	struct alert_delivery deliveries[ALERT_CHANNELS];
	bool active = str_eq(http_query(call, "state"), STR("active"));
	struct jsonw w = jsonw_to(&call->out);
	struct err err;
	size_t n = 0;

	if (!alert_store_list(a->store, &rows, &n, &err) ||
	    !alert_store_deliveries(a->store, deliveries, &err)) {
		http_problem_err(call, &err);
		return;
	}
	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		if (sees(view, rows[i].subaccount) &&
		    !(active && rows[i].memory.state == ALERT_FINE)) {
			jsonw_object(&w);
			alert_write_members(&w, &rows[i], clock_unix());
			jsonw_object_end(&w);
		}
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "deliveries");
	jsonw_array(&w);
	for (int i = 0; i < ALERT_CHANNELS && sees(view, ""); i++) {
		write_delivery(&w, s, (enum alert_channel)i, &deliveries[i]);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "next");
	jsonw_null(&w);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* ---- certificates ---- */

struct page {
	size_t limit;
	int64_t before;   /* only what ends before; INT64_MAX: all */
	int64_t after_at; /* the last row of the page before: its end and its key */
	struct str after_key;
	bool after;
};

/* A cursor is "{not after}:{key}": it holds when rows come and go. */
static bool read_page(struct http_call *call, int64_t now, struct page *p)
{
	struct str limit = http_query(call, "limit"), after = http_query(call, "after");
	struct str within = http_query(call, "expiringWithin");
	uint64_t n = PAGE_MAX, at = 0;
	msec_t span = 0;

	*p = (struct page){.before = INT64_MAX};
	if (limit.at != NULL && (!str_to_u64(limit, &n) || n < 1 || n > PAGE_MAX)) {
		http_problem(call, 400, "limit must be a number from 1 to %d", PAGE_MAX);
		return false;
	}
	p->limit = (size_t)n;
	if (within.at != NULL) {
		if (!clock_parse_duration(within, &span)) {
			http_problem(call, 400, "expiringWithin must be a time such as 30d");
			return false;
		}
		p->before = now + span / 1000;
	}
	if (after.at != NULL) {
		size_t colon = str_find(after, ':');
		if (!str_to_u64(str_first(after, colon), &at) || at > INT64_MAX / 2) {
			http_problem(call, 400, "after must be a cursor of the page before");
			return false;
		}
		p->after = true;
		p->after_at = (int64_t)at;
		p->after_key = str_skip(after, colon + 1);
	}
	return true;
}

static bool is_behind(const struct page *p, const struct alert_certificate *c)
{
	char key[ALERT_KEY_MAX];

	if (!p->after || c->not_after != p->after_at) {
		return !p->after || c->not_after > p->after_at;
	}
	alert_key(c, key, sizeof(key));
	return str_cmp(str_of(key), p->after_key) > 0;
}

static void write_certificate(struct jsonw *w, const struct alert_certificate *c,
			      const struct alert_policy *policy, int64_t now)
{
	jsonw_object(w);
	jsonw_key_text(w, "source", c->source);
	jsonw_key_text(w, "name", c->name);
	jsonw_key_text(w, "label", c->label);
	jsonw_key_text(w, "subaccount", c->subaccount);
	jsonw_key_text(w, "subject", c->subject);
	jsonw_key_text(w, "issuer", c->issuer);
	jsonw_key_text(w, "serialNumber", c->serial);
	jsonw_key_time(w, "notBefore", c->not_before);
	jsonw_key_time(w, "notAfter", c->not_after);
	jsonw_key_int(w, "remainingSeconds", c->not_after - now);
	jsonw_key_text(w, "state", alert_state_name(alert_judge(c, policy, now).state));
	jsonw_key_bool(w, "renewsItself", c->renews_itself);
	jsonw_key_text(w, "renewalError", c->renewal_error ? c->renewal_error : "");
	jsonw_key_text(w, "nextStep", c->next_step);
	jsonw_object_end(w);
}

static void write_page(struct http_call *call, const struct alert_found *f, const struct page *p,
		       const struct alert_view *view, const struct alert_policy *policy,
		       int64_t now)
{
	const struct alert_certificate *last = NULL;
	struct jsonw w = jsonw_to(&call->out);
	size_t written = 0, i = 0;
	char key[ALERT_KEY_MAX];

	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (; i < f->n && written < p->limit; i++) {
		const struct alert_certificate *c = &f->rows[i];
		if (c->not_after <= p->before && is_behind(p, c) && sees(view, c->subaccount)) {
			write_certificate(&w, c, policy, now);
			last = c;
			written++;
		}
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "next");
	if (last != NULL && i < f->n) {
		AUTO_BUF struct buf next = BUF(KIB(1));
		alert_key(last, key, sizeof(key));
		buf_addf(&next, "%lld:%s", (long long)last->not_after, key);
		jsonw_str(&w, buf_str(&next));
	} else {
		jsonw_null(&w);
	}
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void alerts_answer_certificates(struct alerts *a, struct http_call *call,
				const struct alert_view *view)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	const struct alert_policy none = {0};
	struct alert_found found;
	struct page page;

	int64_t now = clock_unix();
	if (!read_page(call, now, &page)) {
		return;
	}
	alerts_gather(a, &found);
	alert_found_sort(&found);
	write_page(call, &found, &page, view, s != NULL ? &s->config.policy : &none, now);
	alert_found_fini(&found);
}

/* ---- test ---- */

void alerts_answer_test(struct alerts *a, struct http_call *call, enum alert_channel channel)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	int64_t now = clock_unix();
	struct alert_message m = {.act = ALERT_DO_RAISE,
				  .row = {.key = "test/test",
					  .source = "test",
					  .name = "test",
					  .label = "test message: no certificate",
					  .subject = "CN=test",
					  .not_after = now + 30 * 86400,
					  .memory = {.state = ALERT_EXPIRING, .since = now}}};
	struct err err;

	if (s == NULL || !alerts_uses(s, channel)) {
		http_problem(call, 409, "no %s is configured: set %s", alert_channel_name(channel),
			     channel == ALERT_MAIL ? "mail.url, mail.from and mail.to"
						   : "webhook.url");
		return;
	}
	if (!alerts_send(a, s, channel, &m, 1, now, &err)) {
		http_problem(call, 502, "%s", err.text);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_bool(&w, "delivered", true);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}
