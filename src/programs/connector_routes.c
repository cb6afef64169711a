#include "programs/connector_parts.h"

#include <time.h>

enum {
	GATHER_MS = 1000, /* for the loops of all workers to answer */
};

/* Asks each worker's loop, since only it may look at its counters. Counted: who comes last frees.
 */
struct gathering {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned refs, missing;
	struct serve_counters sum;
};

struct question {
	struct loop_message message;
	struct gathering *gathering;
	const struct serve *serve;
};

static void unref(struct gathering *g)
{
	pthread_mutex_lock(&g->lock);
	bool last = --g->refs == 0;
	pthread_mutex_unlock(&g->lock);
	if (last) {
		pthread_cond_destroy(&g->changed);
		pthread_mutex_destroy(&g->lock);
		free(g);
	}
}

static void add(struct serve_counters *sum, const struct serve_counters *part)
{
	sum->requests += part->requests;
	sum->denied += part->denied;
	sum->bad_requests += part->bad_requests;
	sum->answered += part->answered;
	sum->failed_502 += part->failed_502;
	sum->failed_503 += part->failed_503;
	sum->failed_504 += part->failed_504;
	sum->broken += part->broken;
	sum->cancelled += part->cancelled;
	sum->repeated += part->repeated;
	sum->running += part->running;
	sum->backend.opened += part->backend.opened;
	sum->backend.reused += part->backend.reused;
	sum->backend.open += part->backend.open;
	sum->backend.idle += part->backend.idle;
}

static void answer(struct loop_message *message)
{
	struct question *q = CONTAINER_OF(message, struct question, message);
	struct serve_counters part = serve_count(q->serve);
	struct gathering *g = q->gathering;

	pthread_mutex_lock(&g->lock);
	add(&g->sum, &part);
	g->missing--;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
	unref(g);
	free(q);
}

static struct serve_counters gather(struct connector *c)
{
	struct gathering *g = NEW(struct gathering);
	struct timespec until;
	int rc = 0;

	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	g->missing = c->n_workers;
	g->refs = c->n_workers + 1;
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct question *q = NEW(struct question);
		q->gathering = g;
		q->serve = c->workers[i].serve;
		q->message.fn = answer;
		loop_post(c->workers[i].loop, &q->message);
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GATHER_MS / 1000;
	pthread_mutex_lock(&g->lock);
	while (g->missing > 0 && rc == 0) {
		rc = pthread_cond_timedwait(&g->changed, &g->lock, &until);
	}
	struct serve_counters sum = g->sum;
	pthread_mutex_unlock(&g->lock);
	unref(g);
	return sum;
}

static void write_requests(struct buf *out, const struct serve_counters *n)
{
	daemon_metric(out, "connector_requests_total", "counter", "Requests from tunnels",
		      n->requests);
	daemon_metric(out, "connector_requests_open", "gauge", "Requests in work", n->running);
	daemon_metric(out, "connector_denied_total", "counter",
		      "403: no mapping, or no resource, allows it", n->denied);
	daemon_metric(out, "connector_bad_requests_total", "counter", "400", n->bad_requests);
	daemon_metric(out, "connector_answered_total", "counter",
		      "Requests that an internal system answered", n->answered);
	daemon_metric(out, "connector_failed_502_total", "counter",
		      "The internal system was not reached", n->failed_502);
	daemon_metric(out, "connector_failed_503_total", "counter", "Too many requests wait",
		      n->failed_503);
	daemon_metric(out, "connector_failed_504_total", "counter",
		      "The internal system did not answer in time", n->failed_504);
	daemon_metric(out, "connector_broken_total", "counter", "Answers cut short", n->broken);
	daemon_metric(out, "connector_cancelled_total", "counter",
		      "Requests that the cloud side gave up", n->cancelled);
	daemon_metric(out, "connector_repeated_total", "counter",
		      "Requests sent a second time after a stale connection", n->repeated);
	daemon_metric(out, "connector_backend_opened_total", "counter",
		      "Connections made to internal systems", n->backend.opened);
	daemon_metric(out, "connector_backend_reused_total", "counter",
		      "Requests on a kept connection", n->backend.reused);
	daemon_metric(out, "connector_backend_open", "gauge", "Connections to internal systems",
		      n->backend.open);
}

static void metrics(struct http_call *call)
{
	struct connector *c = call->user;
	struct serve_counters n = gather(c);
	struct link_status_set *links = links_status(c->links);
	uint64_t tunnels = 0;

	for (size_t i = 0; i < links->n; i++) {
		tunnels += links->rows[i].tunnels;
	}
	daemon_metrics(&call->out, c->keys, c->started_ms);
	daemon_metric(&call->out, "connector_subaccounts", "gauge", "Subaccounts", links->n);
	daemon_metric(&call->out, "connector_tunnels", "gauge", "Tunnels that are up", tunnels);
	link_status_set_unref(links);
	write_requests(&call->out, &n);
	alerts_write_metrics(c->alerts, &call->out);
	const struct daemon_listener listeners[] = {{"admin", c->ui}, {"metrics", c->metrics}};
	const struct daemon_pool pools[] = {
		{"jobs", c->jobs}, {"slow", c->slow}, {"data", c->data_jobs}};
	daemon_metrics_http(&call->out, listeners, COUNT(listeners));
	daemon_metrics_jobs(&call->out, pools, COUNT(pools));
	call->status = 200;
	http_answer_field(call, "content-type", STR("text/plain; version=0.0.4; charset=utf-8"));
}

struct str connector_owner(const struct http_call *call)
{
	struct str region = http_param(call, "rh");

	return region.len > 0 ? region : str_of(call->route->pattern);
}

static void ready(struct http_call *call)
{
	const struct connector *c = call->user;

	daemon_ready(call, c->ending, c->store, c->keys);
}

static const struct http_route routes[] = {
	{"GET", "/healthz", daemon_health, 0, "The process lives", NULL, "text/plain", 0},
	{"GET", "/readyz", ready, 0, "Database and key process answer", NULL, "text/plain", 0},
	{"GET", "/metrics", metrics, 0, "Numbers in the text form of Prometheus", NULL,
	 "text/plain", 0},
	{.method = NULL},
};

const struct http_route *const connector_metrics_tables[] = {routes, NULL};
