#pragma once
/*
 * The parts of a running drawbridge-cloud: shared by cloud.c (the order of start and end) and
 * cloud_routes.c (health, metrics, and which room judges a request). `rooms` is first, so that the
 * room's handlers find themselves behind http_call.user, and ours the whole.
 */
#include "cloud/ca/est.h"
#include "cloud/console/console.h"
#include "cloud/directory/rooms.h"
#include "cloud/directory/snapshot.h"
#include "cloud/keystore/publish.h"
#include "cloud/relay/inbound.h"
#include "cloud/relay/relay.h"
#include "cloud/token/token.h"
#include "http/session.h"
#include "programs/cloud_options.h"
#include "programs/daemon.h"
#include "programs/daemon_alerts.h"
#include "programs/daemon_anchor.h"
#include "programs/daemon_denials.h"
#include "programs/daemon_prune.h"
#include "programs/daemon_reseal.h"

enum {
	CLOUD_RELAY_HOST_MAX = 254, /* a DNS name (RFC 1035, 3.1) with its NUL */
};

struct cloud {
	struct cloud_rooms rooms; /* first */
	struct cloud_options options;
	struct keys_client *keys;
	struct store *store;
	struct sessions *sessions;
	struct snapshot_cell directory;
	struct keystore_publisher *publisher; /* of runtime */
	struct snapshot_cell runtime;         /* struct runtime_snapshot: the tenants' keystores */
	struct directory_watch *watch;
	struct loop *loop; /* control */
	struct jobs *jobs; /* handlers and handshakes */
	struct jobs *slow; /* handlers that may take long */
	struct jobs *relay_jobs;
	struct http_server *console, *tunnels, *metrics; /* NULL: not open */
	struct alerts *alerts;
	struct daemon_anchor anchor;
	struct daemon_prune prune;
	struct daemon_reseal reseal;
	struct daemon_denials denials;
	struct daemon_tls console_tls, tunnel_tls, relay_tls;
	struct inbound *inbound; /* whose trust relay_tls meets */
	struct loop_timer hourly, end;
	int64_t started_ms;
	bool ending;
	pid_t monitor; /* getppid() at the start */
	int argc;      /* of main(): SIGHUP reads all settings again */
	char **argv;
	char host[256], token_url[300], relay_host[CLOUD_RELAY_HOST_MAX]; /* lent to the rooms */
};

/* ---- cloud_first.c ---- */
/* ERR_CONFIG when the database holds what another master key sealed. */
NODISCARD bool cloud_check_master(struct cloud *c, struct err *err);
/* What that left in the database, sealed again: a reseal_more_fn over the cloud. */
bool cloud_reseal_check(void *user, bool change, struct reseal_count *count, struct err *err);
/* Every tenant's entries move to a new data key. */
bool cloud_new_data_keys(void *user, bool change, struct reseal_count *count, struct err *err);

/* ---- cloud_live.c ---- */
extern const struct option_program cloud_program;
struct daemon_place cloud_place(const struct cloud_options *o);
/* What the table cannot judge; ERR_CONFIG. */
NODISCARD bool cloud_check(const struct cloud_options *o, struct err *err);
/* Where the proxy listens under TLS; NULL: nowhere. */
const char *cloud_tls_address(const struct cloud_options *o);
void cloud_relay_host(const struct cloud_options *o, char into[static CLOUD_RELAY_HOST_MAX]);
/* At the start; then each hour and at SIGHUP: a certificate that is due, or whose names changed, is
 * made anew. */
NODISCARD bool cloud_renew_listeners(struct cloud *c, const char *server_names, struct err *err);
/* What may stand behind a tenant's label in Host: names of server.names and of the URLs. */
NODISCARD bool cloud_name_console(struct cloud *c, struct err *err);
void cloud_watch_certificates(struct cloud *c);
/* What the settings say of certificates, handed to the relay. */
void cloud_set_relay_policy(struct cloud *c);
void cloud_reload(struct cloud *c);

/* ---- cloud_connections.c ---- */
void cloud_open_connections(struct cloud *c);  /* rooms.connections */
void cloud_limit_connections(struct cloud *c); /* as the settings say now */
uint64_t cloud_connections_refused(const struct cloud *c);
void cloud_close_connections(struct cloud *c); /* takes one that was never opened */
struct keystore_limits cloud_keystore_limits(const struct cloud_options *o);

/* ---- cloud_alerts.c ---- */
/* After the CA; reads the settings. */
NODISCARD bool cloud_open_alerts(struct cloud *c, struct err *err);
extern const struct http_route cloud_alert_routes[];

/* ---- cloud_routes.c ---- */

extern const struct http_route *const cloud_console_tables[];
extern const struct http_route *const cloud_tunnel_tables[];
extern const struct http_route
	*const cloud_est_tables[]; /* the tunnel listener of a control node */
extern const struct http_route *const cloud_metrics_tables[];
bool cloud_authorize(struct http_call *call);
/* Whose share of the slow pool it uses: the subaccount, or else who asks. */
struct str cloud_owner(const struct http_call *call);
