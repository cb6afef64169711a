#pragma once
/* Settings of drawbridge-cloud, from one table: see base/option.h. docs/operation.md explains them.
 */
#include "programs/alert_options.h"
#include "programs/denied_options.h"

struct cloud_options {
	char *config_file, *state_dir, *database, *master_key_file, *keyd_path, *user;
	char *role;        /* "all", "control" */
	char *node_name;   /* of this relay in claims; empty: host name */
	char *region_host; /* host[:port] that connectors dial */
	char *listen_console, *listen_tunnel, *listen_proxy, *listen_metrics;
	char *connection_allow; /* ranges that connection tests may go to although special */
	char *listen_tls;       /* the proxy under TLS; "off": nowhere */
	char *relay_host;       /* NULL: "relay." and the region's host */
	char *server_names;     /* comma list: names and addresses in the listeners' certificate */
	char *proxy_host;       /* what service keys name as the HTTP proxy's host */
	char *token_url;        /* base URL of the token server in service keys */
	char *log_level, *log_format;
	char *expired_tunnels; /* "stay", "drain" */
	uint32_t workers, job_threads, slow_threads, slow_queue;
	msec_t certificate_validity, renew_expired, certificate_grace, token_validity;
	msec_t client_head_timeout, client_idle_timeout, answer_timeout, drain_timeout;
	uint32_t tenant_queue_max;
	struct alert_options alert;
	struct denied_options denied;
	char *keystore_reserved;
	uint32_t keystore_bytes, keystore_entries, keystore_certificate, keystore_key_pair;
	uint32_t keystore_reply, keystore_file, keystore_backups;
	msec_t keystore_backups_age;
	uint32_t connection_tests, connection_tests_tenant;
};

extern const struct option cloud_option_table[];
