#include "programs/cloud_parts.h"

#include "cloud/directory/caller.h"

static struct cloud *cloud_of(const struct http_call *call)
{
	return call->user;
}

/* What is not HTTP_ROUTE_OPEN (tokens, EST, health see to themselves) needs a login. */
bool cloud_authorize(struct http_call *call)
{
	return console_authorize(call, cloud_of(call)->rooms.console);
}

struct str cloud_owner(const struct http_call *call)
{
	const struct directory_caller *c = directory_caller(call);

	if (c == NULL) {
		return STR_NONE;
	}
	return str_of(c->subaccount[0] != '\0' ? c->subaccount : c->who);
}

static void ready(struct http_call *call)
{
	const struct cloud *c = cloud_of(call);

	daemon_ready(call, c->ending, c->store, c->keys);
}

static void write_est(struct buf *out, const struct ca *ca)
{
	struct ca_counters n = ca_count(ca);

	daemon_metric(out, "est_enrolled_total", "counter", "First certificates of connectors",
		      n.enrolled);
	daemon_metric(out, "est_renewed_total", "counter", "Renewed certificates of connectors",
		      n.renewed);
	daemon_metric(out, "est_refused_total", "counter",
		      "Enrolments and renewals refused: who asked is not allowed to", n.refused);
}

static void metrics(struct http_call *call)
{
	struct cloud *c = cloud_of(call);
	struct relay_counters sum = {0};
	struct err err;

	daemon_metrics(&call->out, c->keys, c->started_ms);
	if (c->rooms.relay && relay_count_wait(c->rooms.relay, &sum, &err)) {
		relay_counters_write(&sum, &call->out);
	}
	if (c->rooms.tokens) {
		struct token_counters t = token_server_count(c->rooms.tokens);
		daemon_metric(&call->out, "tokens_issued_total", "counter", "Tokens issued",
			      t.issued);
		daemon_metric(&call->out, "tokens_refused_total", "counter",
			      "Token requests refused", t.refused);
		daemon_metric(&call->out, "tokens_throttled_total", "counter",
			      "Token requests answered 429", t.throttled);
	}
	write_est(&call->out, c->rooms.ca);
	daemon_metric(&call->out, "connection_tests_refused_total", "counter",
		      "Connection tests of keystores refused: too many at once",
		      cloud_connections_refused(c));
	alerts_write_metrics(c->alerts, &call->out);
	const struct daemon_listener listeners[] = {
		{"console", c->console}, {"tunnel", c->tunnels}, {"metrics", c->metrics}};
	const struct daemon_pool pools[] = {
		{"jobs", c->jobs}, {"slow", c->slow}, {"relay", c->relay_jobs}};
	daemon_metrics_http(&call->out, listeners, COUNT(listeners));
	daemon_metrics_jobs(&call->out, pools, COUNT(pools));
	call->status = 200;
	http_answer_field(call, "content-type", STR("text/plain; version=0.0.4; charset=utf-8"));
}

static void master_key(struct http_call *call, bool change)
{
	const struct directory_caller *caller = directory_caller(call);

	daemon_reseal_answer(&cloud_of(call)->reseal, call, change, str_of(caller->who),
			     str_of(caller->from));
}

static void show_master_key(struct http_call *call)
{
	master_key(call, false);
}

static void reseal(struct http_call *call)
{
	master_key(call, true);
}

#define MASTER_KEY "/api/drawbridge/v1/master-key"

static const struct http_route master_key_routes[] = {
	{"GET", MASTER_KEY, show_master_key, ACCESS_A,
	 "How much is sealed, how much under an older master key, and the run of sealing it again",
	 NULL, "application/json", 0},
	{"POST", MASTER_KEY, reseal, ACCESS_A,
	 "Starts to seal again what is sealed under an older one; answers 202, GET shows how far "
	 "it is",
	 NULL, "application/json", 0},
	{.method = NULL},
};
static const struct http_route health_routes[] = {
	{"GET", "/healthz", daemon_health, HTTP_ROUTE_OPEN, "The process lives", NULL, "text/plain",
	 0},
	{"GET", "/readyz", ready, HTTP_ROUTE_OPEN, "Database and key process answer", NULL,
	 "text/plain", 0},
	{.method = NULL},
};
static const struct http_route metrics_routes[] = {
	{"GET", "/metrics", metrics, HTTP_ROUTE_OPEN, "Numbers in the text form of Prometheus",
	 NULL, "text/plain", 0},
	{.method = NULL},
};
const struct http_route *const cloud_console_tables[] = {
	console_routes,        keystore_connection_routes,
	keystore_odata_routes, keystore_own_routes,
	cloud_alert_routes,    master_key_routes,
	token_routes,          est_routes,
	health_routes,         NULL};
const struct http_route *const cloud_tunnel_tables[] = {relay_routes, est_routes, NULL};
const struct http_route *const cloud_est_tables[] = {est_routes, NULL};
const struct http_route *const cloud_metrics_tables[] = {metrics_routes, health_routes, NULL};
