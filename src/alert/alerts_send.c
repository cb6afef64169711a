/* Messages on their way: by mail and to the webhook. */
#include "alert/alerts_priv.h"
#include "alert/alerts_text.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "crypto/seal.h"
#include "http/fetch.h"

enum {
	TEXT_MAX = 1024 * 1024, /* bytes of one mail or call: ALERT_BATCH_MAX alerts */
	CLAIM_MS = 180 * 1000,  /* more than a delivery takes: then another node may try */
};

static bool send_mail(const struct alerts_set_up *s, const struct alert_news *news, struct err *err)
{
	AUTO_BUF struct buf text = BUF(TEXT_MAX), id = BUF(64);
	struct mail_request r = {
		.url = s->config.mail_url,
		.plain = s->config.mail_plain,
		.user = s->config.mail_user,
		.password = s->config.mail_password,
		.anchors_pem = str_of(s->config.anchors_pem),
		.system_anchors = s->config.system_anchors,
		.from = s->config.mail_from,
		.n_to = s->n_to,
	};
	uint8_t bytes[16];

	memcpy(r.to, s->to, sizeof(r.to));
	random_bytes(bytes, sizeof(bytes));
	buf_add_hex(&id, bytes, sizeof(bytes));
	alert_write_mail(&text, news, r.from, r.to, r.n_to, id.at);
	if (buf_failed(&text)) {
		return err_set(err, ERR_LIMIT, "the mail grew longer than %d bytes", TEXT_MAX);
	}
	r.text = buf_str(&text);
	return mail_send(&r, err);
}

/* Over the body as it is sent: "sha256=" and 64 hex digits. */
static void sign(const char *secret, struct str body, struct buf *out)
{
	uint8_t mac[32];

	hmac_sha256(str_of(secret), body, mac);
	buf_add_str(out, STR("sha256="));
	buf_add_hex(out, mac, sizeof(mac));
}

static bool call_webhook(const struct alerts_set_up *s, const struct alert_news *news,
			 struct err *err)
{
	AUTO_BUF struct buf body = BUF(TEXT_MAX), signature = BUF(128);
	struct http_field fields[2] = {{STR("Content-Type"), STR("application/json")}};
	struct fetch_request r = {.method = "POST",
				  .url = s->config.webhook_url,
				  .fields = fields,
				  .n_fields = 1,
				  .anchors_pem = str_of(s->config.anchors_pem),
				  .system_anchors = s->config.system_anchors};
	struct fetch_answer answer;

	alert_write_webhook(&body, news);
	if (buf_failed(&body)) {
		return err_set(err, ERR_LIMIT, "the call grew longer than %d bytes", TEXT_MAX);
	}
	r.body = buf_str(&body);
	if (s->config.webhook_secret != NULL) {
		sign(s->config.webhook_secret, r.body, &signature);
		fields[r.n_fields++] =
			(struct http_field){STR("Drawbridge-Signature"), buf_str(&signature)};
	}
	bool ok = fetch(&r, &answer, err);
	if (ok && answer.status / 100 != 2) {
		ok = err_set(err, ERR_NETWORK, "webhook: %s answered %u", r.url, answer.status);
	}
	fetch_answer_fini(&answer);
	return ok;
}

bool alerts_send(const struct alerts *a, const struct alerts_set_up *s, enum alert_channel channel,
		 const struct alert_message *rows, size_t n, int64_t now, struct err *err)
{
	const struct alert_news news = {.origin = a->origin, .rows = rows, .n = n, .now = now};

	return channel == ALERT_MAIL ? send_mail(s, &news, err) : call_webhook(s, &news, err);
}

static int64_t pause_of(const struct alerts_set_up *s, int64_t attempts)
{
	int64_t pause = s->config.retry;

	for (int64_t i = 1; i < attempts && pause < ALERT_RETRY_MAX_MS; i++) {
		pause *= 2;
	}
	return pause < ALERT_RETRY_MAX_MS ? pause : ALERT_RETRY_MAX_MS;
}

static bool deliver_one(struct alerts *a, const struct alerts_set_up *s, enum alert_channel channel,
			int64_t now_ms, struct err *err)
{
	AUTO_FREE struct alert_message *rows = NULL;
	size_t n = 0;
	struct err why;

	if (!alert_store_claim(a->store, channel, now_ms, now_ms + CLAIM_MS, &rows, &n, err)) {
		return false;
	}
	if (n == 0) {
		return true;
	}
	if (alerts_send(a, s, channel, rows, n, now_ms / 1000, &why)) {
		return alert_store_delivered(a->store, channel, rows, n, now_ms, err);
	}
	int64_t attempts = 0;
	for (size_t i = 0; i < n; i++) {
		attempts = rows[i].attempts > attempts ? rows[i].attempts : attempts;
	}
	log_warning("alerts could not be delivered, it is tried again",
		    LOG_TEXT("channel", alert_channel_name(channel)), LOG_ERR(&why));
	return alert_store_failed(a->store, channel, rows, n, now_ms,
				  now_ms + pause_of(s, attempts), why.text, err);
}

void alerts_deliver(struct alerts *a, const struct alerts_set_up *s, int64_t now_ms)
{
	for (int i = 0; i < ALERT_CHANNELS; i++) {
		enum alert_channel channel = (enum alert_channel)i;
		struct err err;
		if (alerts_uses(s, channel) && !deliver_one(a, s, channel, now_ms, &err)) {
			log_error("the messages of alerts could not be read or settled",
				  LOG_TEXT("channel", alert_channel_name(channel)), LOG_ERR(&err));
		}
	}
}
