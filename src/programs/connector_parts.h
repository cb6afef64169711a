#pragma once
/*
 * The parts of a running drawbridge-connector: shared by connector.c (the order of start and end)
 * and connector_routes.c (health and metrics).
 */
#include "connector/admin.h"
#include "connector/renewals.h"
#include "connector/serve.h"
#include "connector/ui_certificate.h"
#include "programs/connector_options.h"
#include "programs/daemon.h"
#include "programs/daemon_alerts.h"
#include "programs/daemon_anchor.h"
#include "programs/daemon_prune.h"
#include "programs/daemon_reseal.h"

/* A data worker: its loop's thread, and what serves requests there. */
struct connector_worker {
	struct loop *loop;
	struct serve *serve;
	pthread_t thread;
	bool runs;
	struct connector *connector;
	msec_t denied_s; /* second of the rows counted in `denied` */
	unsigned denied, skipped;
};

struct connector {
	struct connector_options options;
	struct keys_client *keys;
	struct store *store;
	struct subaccounts *subaccounts;
	struct mappings *mappings;
	struct links *links;
	struct renewals *renewals;
	struct admin *admin;
	struct alerts *alerts;
	struct daemon_anchor anchor;
	struct daemon_prune prune;
	struct daemon_reseal reseal;
	struct ui_certificate *ui_certificate;
	char *ui_names; /* of its default; a copy, since jobs read it */
	pthread_mutex_t ui_lock;
	struct connector_worker *workers;
	unsigned n_workers;
	struct loop *loop; /* control */
	struct jobs *jobs, *slow, *data_jobs;
	struct http_server *ui, *metrics; /* NULL: not open */
	struct daemon_tls tls;
	struct loop_timer hourly, end;
	int64_t started_ms;
	bool ending;
	pid_t monitor; /* getppid() at the start */
	int argc;      /* of main(): SIGHUP reads all settings again */
	char **argv;
};

enum {
	CONNECTOR_TRUST_MAX = 1024 * 1024, /* bytes of trust.file */
};

/* ---- connector_live.c ---- */
extern const struct option_program connector_program;
struct daemon_place connector_place(const struct connector_options *o);
/* What the table cannot judge; ERR_CONFIG. */
NODISCARD bool connector_check(const struct connector_options *o, struct err *err);
/* Appends the PEM of trust.file, which must hold a certificate; NULL: nothing. */
NODISCARD bool connector_read_trust(const char *path, struct buf *pem, struct err *err);
/* At the start: the certificate of the administration, installed or our own. */
NODISCARD bool connector_open_ui(struct connector *c, struct err *err);
void connector_watch_certificate(struct connector *c);
void connector_reload(struct connector *c);

/* ---- connector_alerts.c ---- */
/* After the subaccounts; reads the settings. */
NODISCARD bool connector_open_alerts(struct connector *c, struct err *err);

/* ---- connector_denied.c ---- */
/* serve_settings.on_denied, with the worker as its user: a row in the chain of denied attempts,
 * some time later. On the worker's loop; never blocks. */
void connector_note_denied(void *user, const struct serve_denial *denial);

/* ---- connector_routes.c ---- */
/* Whose share of the slow pool it uses: the region host of the path, or else this operation. */
struct str connector_owner(const struct http_call *call);

extern const struct http_route *const connector_metrics_tables[];
