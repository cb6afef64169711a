#pragma once
/* The words of the alerts: for people, for a mail, for a webhook. Pure. */
#include "alert/alerts_store.h"
#include "base/json.h"

/* "certificate of subaccount Plant 7 expires in 29 days, on 2026-12-21T…Z. <next step>" */
void alert_add_sentence(struct buf *out, const struct alert_row *row, int64_t now);
/* "29 days", "3 hours", "40 seconds"; of the absolute value. */
void alert_add_span(struct buf *out, int64_t seconds);
const char *alert_severity(const struct alert_row *row); /* "error", "warning", "info" (solved) */
/* The members of an alert, into an object that is open. */
void alert_write_members(struct jsonw *w, const struct alert_row *row, int64_t now);

struct alert_news {
	const char *origin; /* which program on which machine */
	const struct alert_message *rows;
	size_t n;
	int64_t now;
};
/* A whole message (RFC 5322, 8-bit text, CRLF). `id` makes its Message-ID; from and to are
 * addresses. */
void alert_write_mail(struct buf *out, const struct alert_news *news, const char *from,
		      const char *const *to, size_t n_to, const char *id);
/* {"origin","at","alerts":[{"event":"raised"|"repeated"|"solved",…}]} */
void alert_write_webhook(struct buf *out, const struct alert_news *news);
