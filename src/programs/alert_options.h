#pragma once
/* The settings of the alerts, the same in both daemons: fields, and rows for their tables. */
#include "base/option.h"

struct alert_options {
	msec_t interval, repeat, retry;
	char *thresholds, *trust_file;
	char *mail_url, *mail_user, *mail_password_file, *mail_from, *mail_to;
	bool mail_tls;
	char *webhook_url, *webhook_secret_file;
};

/* `FIELD` is the table's own macro; the member of its object is called `alert`. */
/* clang-format off */
#define ALERT_OPTION_ROWS \
	{"alert.interval", FIELD(alert.interval), "1min", SEC(1), SEC(86400), \
	 "time between two looks at all certificates", "live"}, \
	{"alert.thresholds", FIELD(alert.thresholds), "60d,30d,14d,7d,3d,1d", 0, 0, \
	 "remaining lives at which a certificate is worth an alert; short lives are judged by fractions", "live"}, \
	{"alert.repeat", FIELD(alert.repeat), "24h", 0, SEC(86400 * 365LL), \
	 "pause until an alert that lasts is told again; 0s: never", "live"}, \
	{"alert.retry", FIELD(alert.retry), "1min", SEC(1), SEC(3600), \
	 "pause after a delivery that failed; it doubles up to an hour", "live"}, \
	{"alert.trust.file", FIELD(alert.trust_file), NULL, 0, 0, \
	 "PEM file of anchors for mail server and webhook, besides the system's trust store", "live"}, \
	{"mail.url", FIELD(alert.mail_url), NULL, 0, 0, \
	 "mail server for alerts, smtp://host:587 or smtps://host:465; default: no mail", "live"}, \
	{"mail.user", FIELD(alert.mail_user), NULL, 0, 0, \
	 "user at the mail server; default: no login", "live"}, \
	{"mail.password.file", FIELD(alert.mail_password_file), NULL, 0, 0, \
	 "file with the password at the mail server", "live"}, \
	{"mail.tls", FIELD(alert.mail_tls), "on", 0, 0, \
	 "off: no STARTTLS, for a relay inside the own network", "live"}, \
	{"mail.from", FIELD(alert.mail_from), NULL, 0, 0, "sender of alerts, an address", "live"}, \
	{"mail.to", FIELD(alert.mail_to), NULL, 0, 0, \
	 "recipients of alerts, addresses with commas between", "live"}, \
	{"webhook.url", FIELD(alert.webhook_url), NULL, 0, 0, \
	 "address that alerts are posted to as JSON, https; default: none", "live"}, \
	{"webhook.secret.file", FIELD(alert.webhook_secret_file), NULL, 0, 0, \
	 "file with the key of Drawbridge-Signature, an HMAC-SHA-256 of the body; default: unsigned", "live"}
/* clang-format on */
