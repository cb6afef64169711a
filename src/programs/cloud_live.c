/*
 * What changes while the cloud side runs: its settings at SIGHUP, and its listeners' certificates.
 */
#include "base/clock.h"
#include "base/log.h"
#include "net/address_range.h"
#include "programs/cloud_parts.h"

enum {
	HOUR_MS = 3600 * 1000,
	KEYS_TEXT_MAX = 4096,
	SHOWN_MAX = 100, /* bytes of a value in an error */
};

/* ---- settings ---- */

const struct option_program cloud_program = {
	.name = "drawbridge-cloud",
	.summary = "the cloud side: relay, console, CA and token server",
	.config = "/etc/drawbridge/cloud.conf",
};

struct daemon_place cloud_place(const struct cloud_options *o)
{
	struct daemon_place place = {
		.name = cloud_program.name,
		.state_dir = o->state_dir,
		.master_key_file = o->master_key_file,
		.keyd_path = o->keyd_path,
		.user = o->user,
		.config_file = o->config_file ? o->config_file : cloud_program.config,
		.log_level = o->log_level,
		.log_format = o->log_format,
		.key_classes = 1U << KEYS_CLASS_LISTENER | 1U << KEYS_CLASS_CA |
			       1U << KEYS_CLASS_TOKEN | 1U << KEYS_CLASS_TENANT,
	};
	daemon_alerts_files(&o->alert, &place);
	return place;
}

const char *cloud_tls_address(const struct cloud_options *o)
{
	bool is_open = o->listen_tls && strcmp(o->listen_tls, "off") != 0;

	return is_open && strcmp(o->role, "control") != 0 ? o->listen_tls : NULL;
}

void cloud_relay_host(const struct cloud_options *o, char into[static CLOUD_RELAY_HOST_MAX])
{
	struct str region;
	struct address literal;
	uint16_t port;

	if (o->relay_host != NULL) {
		(void)snprintf(into, CLOUD_RELAY_HOST_MAX, "%s", o->relay_host);
	} else if (!address_split(str_of(o->region_host), 443, &region, &port) ||
		   address_parse(region, port, &literal)) {
		(void)snprintf(into, CLOUD_RELAY_HOST_MAX, "relay.localhost");
	} else {
		(void)snprintf(into, CLOUD_RELAY_HOST_MAX, "relay.%.*s", STR_ARGS(region));
	}
}

static bool check_relay_host(const struct cloud_options *o, struct err *err)
{
	size_t len = o->relay_host != NULL ? strlen(o->relay_host) : 1;
	struct address literal;

	/* Room for a label before it. */
	if (len == 0 || len > CLOUD_RELAY_HOST_MAX - 1 - DIRECTORY_LABEL_MAX ||
	    (o->relay_host != NULL && (address_parse(str_of(o->relay_host), 1, &literal) ||
				       !address_is_host(str_of(o->relay_host))))) {
		return err_set(err, ERR_CONFIG,
			       "relay.host: a DNS name below which each subaccount has one");
	}
	return true;
}

void cloud_set_relay_policy(struct cloud *c)
{
	if (c->rooms.relay != NULL) {
		relay_set_policy(c->rooms.relay, c->options.certificate_grace / 1000,
				 strcmp(c->options.expired_tunnels, "drain") == 0);
	}
}

static bool check_connections(const struct cloud_options *o, struct err *err)
{
	return o->connection_allow == NULL ||
	       address_list_check(str_of(o->connection_allow), err) ||
	       err_wrap(err, "connection.test.allow");
}

static bool check_region(const struct cloud_options *o, struct err *err)
{
	struct str text = str_of(o->region_host), host;
	uint16_t port;

	return (address_split(text, 443, &host, &port) && address_is_host(host)) ||
	       err_set(err, ERR_CONFIG, "region.host: \"%.*s\" is no host and port",
		       STR_ARGS(str_first(text, SHOWN_MAX)));
}

/* Before the first start makes anything: the rooms find these only when keys are made. */
static bool check_rooms(const struct cloud_options *o, struct err *err)
{
	const struct daemon_setting rows[] = {
		{"state.dir", o->state_dir},
		{"master.key.file", o->master_key_file},
		{"proxy.host", o->proxy_host},
		{"keystore.reserved", o->keystore_reserved},
	};

	return daemon_check_set(rows, COUNT(rows), err) && check_region(o, err) &&
	       check_relay_host(o, err) && check_connections(o, err) &&
	       daemon_alerts_check(&o->alert, err) && daemon_check_names(o->server_names, err);
}

bool cloud_check(const struct cloud_options *o, struct err *err)
{
	static const char *const roles[] = {"all", "control"};
	struct str role = str_of(o->role), expired = str_of(o->expired_tunnels);

	if (str_eq(role, STR("relay"))) {
		return err_set(
			err, ERR_CONFIG,
			"role relay is not there yet: a relay without the CA's keys cannot get "
			"its listener's certificate. Run role all on each node, with one "
			"database and one master key");
	}
	if (o->node_name != NULL && str_starts(str_of(o->node_name), STR(STORE_EXPORTS_PREFIX))) {
		return err_set(err, ERR_CONFIG, "node.name must not begin with \"%s\"",
			       STORE_EXPORTS_PREFIX);
	}
	if (!str_eq(expired, STR("stay")) && !str_eq(expired, STR("drain"))) {
		return err_set(err, ERR_CONFIG, "certificate.expired.tunnels: stay or drain");
	}
	for (size_t i = 0; i < COUNT(roles); i++) {
		if (str_eq(role, str_of(roles[i]))) {
			return check_rooms(o, err);
		}
	}
	return err_set(err, ERR_CONFIG, "role: all or control");
}

/* ---- certificates of the listeners ---- */

static bool make_tls(struct daemon_tls *into, const struct tls_settings *kind,
		     const struct ca_listener *l, struct err *err)
{
	struct tls_settings settings = *kind;
	struct tls_config *made;

	settings.server = true;
	settings.alpn = "http/1.1";
	settings.chain_pem = buf_str(&l->chain_pem);
	settings.key = l->key;
	if (!tls_config_new(&settings, &made, err)) {
		return false;
	}
	daemon_tls_replace(into, made);
	return true;
}

static size_t without_twins(char **names, size_t n)
{
	for (size_t i = n; i-- > 1;) {
		if (strcmp(names[i], names[0]) == 0) {
			free(names[i]);
			names[i] = names[--n];
		}
	}
	return n;
}

/* The certificate under `name`, for `n` hosts of its own (taken) and the option's. */
static bool get_listener(struct cloud *c, const char *name, char **names, size_t n,
			 const char *server_names, struct ca_listener *l, struct err *err)
{
	n += daemon_names(server_names, names + n, ISSUE_SANS_MAX - n);
	n = without_twins(names, n);
	bool ok = ca_listener_get(c->rooms.ca, name, (const char *const *)names, n, clock_unix(), l,
				  err);
	while (n > 0) {
		free(names[--n]);
	}
	return ok;
}

static bool renew_region(struct cloud *c, const char *server_names, struct err *err)
{
	const struct tls_settings console = {.peer = TLS_PEER_NONE, .tickets = true};
	const struct tls_settings tunnel = {.peer = TLS_PEER_OPTIONAL,
					    .anchors_pem = ca_anchors_pem(c->rooms.ca)};
	char *names[ISSUE_SANS_MAX];
	struct str region;
	uint16_t port;
	struct ca_listener l = {0};

	if (!address_split(str_of(c->options.region_host), 443, &region, &port)) {
		return err_set(err, ERR_CONFIG, "region.host: %s is no host and port",
			       c->options.region_host);
	}
	names[0] = str_dup(region);
	bool ok = get_listener(c, "listener", names, 1, server_names, &l, err) &&
		  make_tls(&c->console_tls, &console, &l, err) &&
		  make_tls(&c->tunnel_tls, &tunnel, &l, err);
	ca_listener_fini(&l);
	return ok;
}

/* Applications name their tenant below the relay's host, hence the wildcard. */
static bool renew_relay(struct cloud *c, const char *server_names, struct err *err)
{
	const struct tls_settings relay = {.peer = TLS_PEER_BY_NAME,
					   .allow_tls12 = true,
					   .tickets = true,
					   .hello = inbound_hello,
					   .hello_user = c->inbound};
	char *names[ISSUE_SANS_MAX], wildcard[sizeof(c->relay_host) + 2];
	struct ca_listener l = {0};

	(void)snprintf(wildcard, sizeof(wildcard), "*.%s", c->relay_host);
	names[0] = must_strdup(c->relay_host);
	names[1] = must_strdup(wildcard);
	bool ok = get_listener(c, "relay", names, 2, server_names, &l, err) &&
		  make_tls(&c->relay_tls, &relay, &l, err);
	ca_listener_fini(&l);
	return ok;
}

/* At the start and each hour: a certificate that is due, or whose names changed, is made anew. */
bool cloud_renew_listeners(struct cloud *c, const char *server_names, struct err *err)
{
	return renew_region(c, server_names, err) &&
	       (cloud_tls_address(&c->options) == NULL || renew_relay(c, server_names, err));
}

bool cloud_name_console(struct cloud *c, struct err *err)
{
	AUTO_BUF struct buf names = BUF(KEYS_TEXT_MAX);
	struct str url = str_skip(str_of(c->token_url), strlen("https://"));
	struct str region = str_of(c->options.region_host);

	buf_addf(&names, "%s,%.*s,%.*s", c->options.server_names,
		 STR_ARGS(str_first(url, str_find(url, ':'))),
		 STR_ARGS(str_first(region, str_find(region, ':'))));
	return !buf_failed(&names) ? console_set_names(c->rooms.console, names.at, err)
				   : err_set(err, ERR_CONFIG, "server.names: longer than %d bytes",
					     KEYS_TEXT_MAX);
}

struct renewal {
	struct job job;
	struct cloud *cloud;
	char *names; /* the option's value then: a reload may replace it */
};

/* Keystores of subaccounts that are gone: a crash came between the two changes. */
static bool forget_gone(struct cloud *c, struct err *err)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	struct directory_subaccount sa;
	char(*rows)[DIRECTORY_UUID] = NULL;
	size_t n = 0;
	bool ok = keystore_tenants(c->rooms.keystore, &rows, &n, err);

	for (size_t i = 0; ok && i < n; i++) {
		ok = directory_subaccount_find(c->store, str_of(rows[i]), &sa, err) ||
		     (err->kind == ERR_MISSING &&
		      keystore_forget(c->rooms.keystore, &system, str_of(rows[i]), err));
	}
	free(rows);
	return ok;
}

static void run_renewal(struct job *job)
{
	struct renewal *r = CONTAINER_OF(job, struct renewal, job);
	struct err err;

	if (!cloud_renew_listeners(r->cloud, r->names, &err)) {
		log_error("cannot renew the listeners' certificate", LOG_ERR(&err));
	}
	if (!forget_gone(r->cloud, &err) ||
	    !keystore_prune(r->cloud->rooms.keystore, clock_unix_ms(), &err)) {
		log_error("what no keystore needs any more stays for now", LOG_ERR(&err));
	}
}

static void end_renewal(struct job *job)
{
	struct renewal *r = CONTAINER_OF(job, struct renewal, job);

	free(r->names);
	free(r);
}

static void renew_in_job(struct cloud *c)
{
	struct renewal *r = NEW(struct renewal);
	struct err err;

	r->cloud = c;
	r->names = str_dup(str_of(c->options.server_names));
	r->job.run = run_renewal;
	r->job.done = end_renewal;
	if (!jobs_submit(c->jobs, c->loop, &r->job, &err)) {
		end_renewal(&r->job); /* the next hour tries again */
	}
}

static void each_hour(struct loop_timer *t)
{
	struct cloud *c = CONTAINER_OF(t, struct cloud, hourly);

	renew_in_job(c);
	loop_timer_set(c->loop, t, loop_now(c->loop) + HOUR_MS, each_hour);
}

void cloud_watch_certificates(struct cloud *c)
{
	loop_timer_set(c->loop, &c->hourly, loop_now(c->loop) + HOUR_MS, each_hour);
}

/* ---- SIGHUP ---- */

struct keystore_limits cloud_keystore_limits(const struct cloud_options *o)
{
	return (struct keystore_limits){.store_bytes = o->keystore_bytes,
					.entries = o->keystore_entries,
					.certificate_bytes = o->keystore_certificate,
					.key_pair_bytes = o->keystore_key_pair,
					.reply_bytes = o->keystore_reply,
					.file_bytes = o->keystore_file,
					.pins = o->keystore_backups,
					.pins_age = o->keystore_backups_age};
}

/* Each judges its own values as it takes them. */
static bool set_rooms(struct cloud *c, const struct cloud_options *o, struct err *err)
{
	return token_server_set(c->rooms.tokens, o->token_validity / 1000, o->proxy_host, err) &&
	       ca_set_policy(c->rooms.ca, o->certificate_validity / 1000, o->renew_expired / 1000,
			     err) &&
	       daemon_alerts_configure(c->alerts, &o->alert, err);
}

/* All that can be refused comes first: a bad value leaves everything as it was. */
static bool take_over(struct cloud *c, struct cloud_options *fresh, struct buf *waiting,
		      struct err *err)
{
	const struct daemon_place now = cloud_place(fresh);
	struct err ignored;

	if (!cloud_check(fresh, err) || !daemon_check_log(&now, err)) {
		return false;
	}
	if (!set_rooms(c, fresh, err) || !daemon_log(&now, err)) {
		(void)!set_rooms(c, &c->options, &ignored); /* those before had taken it */
		return false;
	}
	const struct keystore_limits limits = cloud_keystore_limits(fresh);
	keystore_set_limits(c->rooms.keystore, &limits);
	(void)options_apply(cloud_option_table, &c->options, fresh, waiting);
	cloud_set_relay_policy(c);
	cloud_limit_connections(c);
	return true;
}

void cloud_reload(struct cloud *c)
{
	AUTO_BUF struct buf waiting = BUF(KEYS_TEXT_MAX);
	struct cloud_options fresh = {0};
	struct err err;

	if (options_load(cloud_option_table, &fresh, &cloud_program, c->argc, c->argv, &err) !=
		    OPTIONS_READ ||
	    !take_over(c, &fresh, &waiting, &err) || !cloud_name_console(c, &err)) {
		log_error("the settings were not read again, the old ones stay", LOG_ERR(&err));
	} else {
		daemon_log_reload(&waiting);
		renew_in_job(c);
	}
	options_fini(cloud_option_table, &fresh);
}
