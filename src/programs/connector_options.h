#pragma once
/* Settings of drawbridge-connector, from one table: see base/option.h. docs/operation.md explains
 * them. */
#include "programs/alert_options.h"
#include "programs/denied_options.h"

struct connector_options {
	char *config_file, *state_dir, *database, *master_key_file, *keyd_path, *user;
	char *listen_admin, *listen_metrics;
	char *server_names;
	char *trust_file; /* PEM: anchors for the cloud side besides the system's */
	char *log_level, *log_format;
	uint32_t workers, job_threads, slow_threads, slow_queue;
	msec_t ping_after, dial_timeout, backend_connect_timeout, backend_answer_timeout,
		backend_idle_timeout, drain_timeout;
	struct alert_options alert;
	struct denied_options denied;
	uint32_t backend_connections_max, backend_queue_max;
};

extern const struct option connector_option_table[];
