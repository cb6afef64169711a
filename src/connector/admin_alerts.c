/* Every certificate that the connector knows, and the alerts about them. */
#include "alert/alerts.h"
#include "connector/admin_priv.h"

static struct alerts *alerts_of(struct http_call *call)
{
	struct alerts *alerts = admin_of(call)->settings.alerts;

	if (alerts == NULL) {
		admin_error(call, 503, "alerts do not run");
	}
	return alerts;
}

static void list(struct http_call *call)
{
	struct alerts *alerts = alerts_of(call);

	if (alerts != NULL) {
		alerts_answer_list(alerts, call, NULL);
	}
}

static void certificates(struct http_call *call)
{
	struct alerts *alerts = alerts_of(call);

	if (alerts != NULL) {
		alerts_answer_certificates(alerts, call, NULL);
	}
}

static void test(struct http_call *call, enum alert_channel channel)
{
	struct alerts *alerts = alerts_of(call);

	if (alerts != NULL) {
		alerts_answer_test(alerts, call, channel);
	}
}

static void test_mail(struct http_call *call)
{
	test(call, ALERT_MAIL);
}

static void test_webhook(struct http_call *call)
{
	test(call, ALERT_WEBHOOK);
}

#define V1   "/api/drawbridge/v1"
#define JSON "application/json"

const struct http_route admin_alert_routes[] = {
	{"GET", V1 "/alerts", list, ADMIN_LOGIN, "Alerts of certificates, and their delivery", NULL,
	 JSON, 0},
	{"GET", V1 "/certificates", certificates, ADMIN_LOGIN,
	 "Every certificate, the first to end first", NULL, JSON, 0},
	{"POST", V1 "/alerts/test-mail", test_mail, ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "Sends a test mail now", NULL, JSON, 0},
	{"POST", V1 "/alerts/test-webhook", test_webhook, ADMIN_LOGIN | HTTP_ROUTE_SLOW,
	 "Calls the webhook now", NULL, JSON, 0},
	{0},
};
