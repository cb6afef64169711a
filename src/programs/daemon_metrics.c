/* What both programs tell a scrape and a health check alike. */
#include "programs/daemon.h"

void daemon_metric(struct buf *out, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	buf_addf(out, "# HELP drawbridge_%s %s\n# TYPE drawbridge_%s %s\ndrawbridge_%s ", name,
		 help, name, type, name);
	buf_add_u64(out, value);
	buf_add_c(out, '\n');
}

static void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP drawbridge_%s %s\n# TYPE drawbridge_%s %s\n", name, help, name, type);
}

enum http_number {
	HTTP_CONNECTIONS,
	HTTP_REQUESTS,
	HTTP_REFUSED,
	HTTP_OVERLOAD,
	HTTP_NUMBERS,
};

static uint64_t number_of(const struct http_server_counters *n, enum http_number which)
{
	switch (which) {
	case HTTP_CONNECTIONS:
		return n->connections;
	case HTTP_REQUESTS:
		return n->requests;
	case HTTP_REFUSED:
		return n->refused_400 + n->refused_408 + n->refused_413 + n->refused_431;
	case HTTP_OVERLOAD:
		return n->overload;
	case HTTP_NUMBERS:
		break;
	}
	return 0;
}

void daemon_metrics_http(struct buf *out, const struct daemon_listener *rows, size_t n)
{
	static const struct {
		const char *name, *type, *help;
	} numbers[HTTP_NUMBERS] = {
		{"http_connections", "gauge", "Open connections of a listener"},
		{"http_requests_total", "counter", "Requests that reached a handler"},
		{"http_refused_total", "counter",
		 "Requests refused before a handler: malformed, too slow, too large"},
		{"http_overload_total", "counter",
		 "Connections over the maximum, requests that no job took, bodies that gave way"},
	};

	for (int which = 0; which < HTTP_NUMBERS; which++) {
		metric_head(out, numbers[which].name, numbers[which].type, numbers[which].help);
		for (size_t i = 0; i < n; i++) {
			if (rows[i].server == NULL) {
				continue;
			}
			struct http_server_counters c = http_server_count(rows[i].server);
			buf_addf(out, "drawbridge_%s{listener=\"%s\"} %llu\n", numbers[which].name,
				 rows[i].name,
				 (unsigned long long)number_of(&c, (enum http_number)which));
		}
	}
}

void daemon_metrics_jobs(struct buf *out, const struct daemon_pool *rows, size_t n)
{
	metric_head(out, "jobs_waiting", "gauge", "Jobs that wait for a thread");
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "drawbridge_jobs_waiting{pool=\"%s\"} %zu\n", rows[i].name,
			 jobs_waiting(rows[i].jobs));
	}
	metric_head(out, "jobs_running", "gauge", "Threads that have a job");
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "drawbridge_jobs_running{pool=\"%s\"} %zu\n", rows[i].name,
			 jobs_running(rows[i].jobs));
	}
}

void daemon_metrics(struct buf *out, struct keys_client *keys, int64_t started_ms)
{
	struct keys_counters k = keys_count(keys);

	buf_addf(out, "# HELP drawbridge_build_info Version\n# TYPE drawbridge_build_info gauge\n"
		      "drawbridge_build_info{version=\"" DRAWBRIDGE_VERSION "\"} 1\n");
	daemon_metric(out, "start_time_seconds", "gauge", "Start of the server, Unix time",
		      (uint64_t)started_ms / 1000);
	daemon_metric(out, "keys_calls_total", "counter", "Calls to the key process", k.calls);
	daemon_metric(out, "keys_repeated_total", "counter",
		      "Calls repeated because the key process died", k.repeated);
	daemon_metric(out, "keys_refused_total", "counter", "Calls the key process refused",
		      k.refused);
	daemon_metric(out, "keys_replaced_total", "counter", "Restarts of the key process",
		      k.replaced);
}

/* ---- health ---- */

void daemon_health(struct http_call *call)
{
	http_answer_text(call, 200, "text/plain", STR("ok\n"));
}

void daemon_ready(struct http_call *call, bool ending, struct store *store,
		  struct keys_client *keys)
{
	struct err err;
	struct db *db;
	uint32_t pid;

	if (ending) {
		http_problem(call, 503, "this program is ending");
		return;
	}
	if (!store_take(store, &db, &err)) {
		http_problem(call, 503, "not ready: %s", err.text);
		return;
	}
	store_give(store, db);
	if (!keys_ping(keys, &pid, &err)) {
		http_problem(call, 503, "not ready: %s", err.text);
		return;
	}
	http_answer_text(call, 200, "text/plain", STR("ready\n"));
}
