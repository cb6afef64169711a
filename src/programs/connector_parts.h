#pragma once
/*
 * The parts of a running drawbridge-connector: shared by connector.c (the order of start and end)
 * and connector_routes.c (health and metrics).
 */
#include "connector/admin.h"
#include "connector/serve.h"
#include "programs/connector_options.h"
#include "programs/daemon.h"

/* A data worker: its loop's thread, and what serves requests there. */
struct connector_worker {
	struct loop *loop;
	struct serve *serve;
	pthread_t thread;
	bool runs;
};

struct connector {
	struct connector_options options;
	struct keys_client *keys;
	struct store *store;
	struct subaccounts *subaccounts;
	struct mappings *mappings;
	struct links *links;
	struct admin *admin;
	struct connector_worker *workers;
	unsigned n_workers;
	struct loop *loop; /* control */
	struct jobs *jobs, *data_jobs;
	struct http_server *ui, *metrics; /* NULL: not open */
	struct daemon_tls tls;
	struct loop_timer minutely, end;
	int64_t started_ms;
	bool ending;
};

extern const struct http_route *const connector_metrics_tables[];
