#pragma once
/*
 * Alerts for every certificate that a program knows: looked at on a timer, remembered in the store,
 * told by mail and webhook until they are solved, listed by the API and counted for /metrics.
 *
 * Where certificates come from is handed in as sources, so that a room that keeps some registers
 * them without knowing the others. Several nodes on one database look each for itself; a decision
 * is made once, a message is delivered by one of them (alerts_store.h). A message that could not be
 * delivered is tried again with growing pauses, and the reason is in the API.
 *
 * Threads: alerts_look() and the alerts_answer_*() block: in jobs. The rest from any thread.
 */
#include "alert/alerts_store.h"
#include "alert/judge.h"
#include "http/server.h"

struct alerts;

/* `c` is lent for the call. */
typedef void alert_each_fn(const struct alert_certificate *c, void *user);
struct alert_source {
	const char *name; /* alert_certificate.source of all it gives; a literal */
	/* Gives every certificate in use now; false when it cannot tell: then nothing of this
	 * source counts as solved. Blocks. */
	bool (*each)(void *user, alert_each_fn *fn, void *fn_user, struct err *err);
	void *user; /* lent */
};

enum {
	ALERT_SOURCES_MAX = 16,
	ALERT_CERTIFICATES_MAX = 50000, /* of one look; more are left out and that is logged */
	ALERT_METRICS_MAX = 100,        /* certificates in /metrics: those that end first */
	ALERT_RETRY_MAX_MS = 3600 * 1000,
	ALERT_SECRET_MAX = 1024, /* bytes of a password, or of the webhook's key */
};

/* How to tell. Texts are lent for the call of alerts_configure(); NULL: none. */
struct alert_config {
	struct alert_policy policy;
	msec_t interval; /* between two looks */
	msec_t retry;    /* first pause after a failed delivery; it doubles up to an hour */
	const char *mail_url, *mail_user, *mail_password;
	bool mail_plain;                 /* without TLS */
	const char *mail_from, *mail_to; /* `mail_to`: a comma list */
	const char *webhook_url;         /* https://, or http:// to this machine */
	const char *webhook_secret;      /* Drawbridge-Signature: sha256=HMAC-SHA-256 of the body */
	const char *anchors_pem;         /* for both, besides the system's trust store */
	bool system_anchors;
};

struct alerts_settings {
	struct store *store; /* migrated; lent */
	const char *origin;  /* "drawbridge-connector on plant7"; copied */
};

struct alerts *alerts_new(const struct alerts_settings *settings);
/* After the jobs have ended. Takes NULL. */
void alerts_free(struct alerts *a);
/* Judged whole before anything changes: ERR_CONFIG. */
NODISCARD bool alerts_configure(struct alerts *a, const struct alert_config *config,
				struct err *err);
void alerts_add_source(struct alerts *a, const struct alert_source *source);
/* Looks now, then each interval, in a job. */
void alerts_start(struct alerts *a, struct loop *loop, struct jobs *jobs);
/* One look: sources, decisions, deliveries that are due. */
NODISCARD bool alerts_look(struct alerts *a, int64_t now_ms, struct err *err);

/* ---- answers of the REST APIs ---- */

/* Which tenants' certificates a caller may see; NULL: all. */
struct alert_view {
	bool (*may)(void *user, const char *subaccount); /* "" is the operator's own */
	void *user;
};
/* {"items":[…],"deliveries":[…],"next":null}; ?state=active leaves out the solved. */
void alerts_answer_list(struct alerts *a, struct http_call *call, const struct alert_view *view);
/* Every certificate, the first to end first: {"items":[…],"next":…}; ?limit=, ?after=,
 * ?expiringWithin=30d. */
void alerts_answer_certificates(struct alerts *a, struct http_call *call,
				const struct alert_view *view);
/* Sends a test message at once: 200, or a problem that says what the server answered. */
void alerts_answer_test(struct alerts *a, struct http_call *call, enum alert_channel channel);
/* drawbridge_certificate_expiry_seconds and drawbridge_alerts, as of the last look. */
void alerts_write_metrics(struct alerts *a, struct buf *out);
