/*
 * drawbridge-cloud: relay, console, CA and token server in one process, or some of them (--role).
 *
 * Order of the start: settings, sandbox, key process, database, CA, tokens, directory, listeners.
 * Order of the end (SIGTERM): no new tunnels and applications, tunnels drain, listeners close, then
 * the loop. Whatever is opened is closed in cloud_close(), half-built or not.
 */
#include "programs/cloud_parts.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keys/monitor.h"
#include "net/notify.h"

enum {
	JOBS_QUEUE = 4096,
	RELAY_JOBS = 2,
	STORE_EXTRA = 4, /* connections beside those of the jobs: relay, watch, one in reserve */
	HOUR_MS = 3600 * 1000,
	CLOSE_MS = 100, /* for answers on their way when the listeners are closed */
	TOKEN_URL_MAX = 300,
};

static const struct option_program program = {
	.name = "drawbridge-cloud",
	.summary = "the cloud side: relay, console, CA and token server",
	.config = "/etc/drawbridge/cloud.conf",
};

static struct daemon_place place_of(const struct cloud_options *o)
{
	return (struct daemon_place){
		.name = program.name,
		.state_dir = o->state_dir,
		.master_key_file = o->master_key_file,
		.keyd_path = o->keyd_path,
		.config_file = o->config_file ? o->config_file : program.config,
		.log_level = o->log_level,
		.log_format = o->log_format,
		.key_classes =
			1U << KEYS_CLASS_LISTENER | 1U << KEYS_CLASS_CA | 1U << KEYS_CLASS_TOKEN,
	};
}

static bool has_role(const struct cloud *c, const char *role)
{
	return strcmp(c->options.role, "all") == 0 || strcmp(c->options.role, role) == 0;
}

static bool check_options(const struct cloud_options *o, struct err *err)
{
	static const char *const roles[] = {"all", "control"};

	if (strcmp(o->role, "relay") == 0) {
		return err_set(
			err, ERR_CONFIG,
			"role relay is not there yet: a relay without the CA's keys cannot get "
			"its listener's certificate. Run role all on each node, with one "
			"database and one master key");
	}
	for (size_t i = 0; i < COUNT(roles); i++) {
		if (strcmp(o->role, roles[i]) == 0) {
			return true;
		}
	}
	return err_set(err, ERR_CONFIG, "role: all or control");
}

/* ---- state ---- */

static bool open_store(struct cloud *c, struct err *err)
{
	const struct cloud_options *o = &c->options;
	char url[PATH_MAX];
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"directory", directory_migrations},
					     {"ca", ca_migrations},
					     {"token", token_migrations}};

	(void)snprintf(url, sizeof(url), "sqlite:%s/cloud.db", o->state_dir);
	return store_open(o->database ? o->database : url, o->job_threads + STORE_EXTRA, &c->store,
			  err) &&
	       store_migrate(c->store, sets, COUNT(sets), err);
}

static bool open_ca(struct cloud *c, struct err *err)
{
	const struct ca_settings settings = {
		.store = c->store,
		.keys = c->keys,
		.region_host = c->options.region_host,
		.leaf_validity_s = c->options.certificate_validity / 1000,
	};
	return ca_open(&settings, clock_unix(), &c->rooms.ca, err);
}

static uint16_t port_of(const char *where)
{
	struct str host;
	uint16_t port = 0;

	return address_split(str_of(where), 0, &host, &port) ? port : 0;
}

static void token_url(const struct cloud_options *o, char url[static TOKEN_URL_MAX])
{
	if (o->token_url) {
		(void)snprintf(url, TOKEN_URL_MAX, "%s", o->token_url);
	} else {
		(void)snprintf(url, TOKEN_URL_MAX, "https://localhost:%u",
			       port_of(o->listen_console));
	}
}

static bool open_tokens(struct cloud *c, struct err *err)
{
	char url[TOKEN_URL_MAX];

	token_url(&c->options, url);
	const struct token_settings settings = {
		.store = c->store,
		.keys = c->keys,
		.url = url,
		.life_s = c->options.token_validity / 1000,
		.proxy_host = c->options.proxy_host,
		.proxy_port = port_of(c->options.listen_proxy),
	};
	return token_server_open(&settings, clock_unix(), &c->rooms.tokens, err);
}

static void changed(void *user)
{
	struct cloud *c = user;

	directory_watch_poke(c->watch);
}

static void password_changed(void *user)
{
	struct cloud *c = user;

	daemon_forget_code(c->options.state_dir);
}

/* The setup code is made once, and goes when the password was changed, even by another node. */
static bool first_start(struct cloud *c, struct err *err)
{
	char code[DAEMON_SETUP_CODE];
	bool made = false;

	switch (console_setup(c->store, err)) {
	case CONSOLE_SETUP_FAILED:
		return false;
	case CONSOLE_SETUP_INITIAL:
		return true;
	case CONSOLE_SETUP_DONE:
		daemon_forget_code(c->options.state_dir);
		return true;
	case CONSOLE_SETUP_FIRST:
		break;
	}
	if (!daemon_setup_code(c->options.state_dir, code, err) ||
	    !console_first_start(c->store, str_of(code), &made, err)) {
		return false;
	}
	if (made) {
		daemon_show_code(c->options.state_dir, code);
	} else { /* another node was first: its code is the one */
		daemon_forget_code(c->options.state_dir);
	}
	explicit_bzero(code, sizeof(code));
	return true;
}

static bool open_console(struct cloud *c, struct err *err)
{
	const struct session_settings sessions = {
		.cookie = "JSESSIONID", .idle = SEC(1200), .absolute = SEC(12 * 3600)};
	struct console_settings settings = {
		.store = c->store,
		.region_host = c->options.region_host,
		.root_pem = ca_root_pem(c->rooms.ca),
		.issuing_pem = ca_issuing_pem(c->rooms.ca),
		.service_key = token_service_key,
		.service_key_user = c->rooms.tokens,
		.changed = changed,
		.password_changed = password_changed,
		.changed_user = c,
	};
	c->sessions = sessions_new(&sessions);
	settings.sessions = c->sessions;
	memcpy(settings.root_pin, ca_root_pin(c->rooms.ca), sizeof(settings.root_pin));
	return first_start(c, err) && console_new(&settings, &c->rooms.console, err);
}

/* ---- listeners ---- */

static bool make_tls(struct cloud *c, const struct ca_listener *l, bool tunnel, struct err *err)
{
	const struct tls_settings settings = {
		.server = true,
		.peer = tunnel ? TLS_PEER_OPTIONAL : TLS_PEER_NONE,
		.chain_pem = buf_str(&l->chain_pem),
		.key = l->key,
		.anchors_pem = tunnel ? ca_anchors_pem(c->rooms.ca) : STR_NONE,
		.alpn = "http/1.1",
		.tickets = !tunnel,
	};
	struct tls_config *made;

	if (!tls_config_new(&settings, &made, err)) {
		return false;
	}
	daemon_tls_replace(tunnel ? &c->tunnel_tls : &c->console_tls, made);
	return true;
}

/* At the start and each hour: a certificate that is due, or whose names changed, is made anew. */
static bool renew_listeners(struct cloud *c, struct err *err)
{
	char *names[ISSUE_SANS_MAX];
	struct str region;
	uint16_t port;
	struct ca_listener l = {0};

	if (!address_split(str_of(c->options.region_host), 443, &region, &port)) {
		return err_set(err, ERR_CONFIG, "region.host: %s is no host and port",
			       c->options.region_host);
	}
	names[0] = str_dup(region);
	size_t n = 1;
	n += daemon_names(c->options.server_names, names + 1, COUNT(names) - 1);
	for (size_t i = n; i-- > 1;) {
		if (strcmp(names[i], names[0]) == 0) { /* the region's own name, twice */
			free(names[i]);
			names[i] = names[--n];
		}
	}
	bool ok = ca_listener_get(c->rooms.ca, "listener", (const char *const *)names, n,
				  clock_unix(), &l, err) &&
		  make_tls(c, &l, false, err) && make_tls(c, &l, true, err);
	ca_listener_fini(&l);
	while (n > 0) {
		free(names[--n]);
	}
	return ok;
}

struct renewal {
	struct job job;
	struct cloud *cloud;
};

static void run_renewal(struct job *job)
{
	struct renewal *r = CONTAINER_OF(job, struct renewal, job);
	struct err err;

	if (!renew_listeners(r->cloud, &err)) {
		log_error("cannot renew the listeners' certificate", LOG_ERR(&err));
	}
}

static void end_renewal(struct job *job)
{
	free(CONTAINER_OF(job, struct renewal, job));
}

static void renew_in_job(struct cloud *c)
{
	struct renewal *r = NEW(struct renewal);
	struct err err;

	r->cloud = c;
	r->job.run = run_renewal;
	r->job.done = end_renewal;
	if (!jobs_submit(c->jobs, c->loop, &r->job, &err)) {
		free(r);
	}
}

static void each_hour(struct loop_timer *t)
{
	struct cloud *c = CONTAINER_OF(t, struct cloud, hourly);

	renew_in_job(c);
	loop_timer_set(c->loop, t, loop_now(c->loop) + HOUR_MS, each_hour);
}

static bool listen_on(struct cloud *c, const char *where, const struct http_route *const *tables,
		      struct daemon_tls *tls, struct http_server **out, struct err *err)
{
	const struct http_server_settings settings = {.tables = tables,
						      .user = &c->rooms,
						      .jobs = c->jobs,
						      .authorize = cloud_authorize,
						      .title = "Drawbridge cloud",
						      .head_timeout = SEC(10),
						      .body_timeout = SEC(30),
						      .idle_timeout = SEC(75)};

	return http_server_new(c->loop, &settings, out, err) &&
	       http_server_listen(*out, where, tls ? daemon_tls_ref : NULL, tls, NULL, err);
}

static bool open_relay(struct cloud *c, struct err *err)
{
	char host[256] = "relay", url[TOKEN_URL_MAX];

	token_url(&c->options, url);
	(void)gethostname(host, sizeof(host) - 1);
	const struct relay_settings settings = {
		.workers = daemon_workers(c->options.workers),
		.proxy = c->options.listen_proxy,
		.node = c->options.node_name ? c->options.node_name : host,
		.region_host = ca_region_host(c->rooms.ca),
		.token_url = url,
		.limits = {.head = c->options.client_head_timeout,
			   .idle = c->options.client_idle_timeout,
			   .answer = c->options.answer_timeout,
			   .queue_max = c->options.tenant_queue_max},
		.store = c->store,
		.directory = &c->directory,
		.control = c->loop,
		.jobs = c->relay_jobs,
	};
	return relay_new(&settings, &c->rooms.relay, err);
}

static bool open_listeners(struct cloud *c, struct err *err)
{
	const struct cloud_options *o = &c->options;

	if (!renew_listeners(c, err)) {
		return false;
	}
	if (has_role(c, "relay") && !open_relay(c, err)) {
		return false;
	}
	if (!listen_on(c, o->listen_tunnel, c->rooms.relay ? cloud_tunnel_tables : cloud_est_tables,
		       &c->tunnel_tls, &c->tunnels, err)) {
		return false;
	}
	if (has_role(c, "control") && !listen_on(c, o->listen_console, cloud_console_tables,
						 &c->console_tls, &c->console, err)) {
		return false;
	}
	return listen_on(c, o->listen_metrics, cloud_metrics_tables, NULL, &c->metrics, err);
}

/* ---- the end ---- */

static void stop_loop(struct loop_timer *t)
{
	loop_stop(CONTAINER_OF(t, struct cloud, end)->loop);
}

static void close_server(struct http_server **s)
{
	if (*s) {
		http_server_close(TAKE(*s));
	}
}

static void drained(void *user)
{
	struct cloud *c = user;

	close_server(&c->tunnels);
	close_server(&c->console);
	close_server(&c->metrics);
	loop_timer_set(c->loop, &c->end, loop_now(c->loop) + CLOSE_MS, stop_loop);
}

static void reload(struct cloud *c)
{
	struct cloud_options fresh = {0};
	const struct daemon_place place = place_of(&c->options);
	struct err err;
	const char *file = place.config_file;

	options_init(cloud_option_table, &fresh);
	if (access(file, R_OK) == 0 &&
	    (!options_read_file(cloud_option_table, &fresh, file, &err) ||
	     !options_read_environment(cloud_option_table, &fresh, &err))) {
		log_error("the settings were not read again", LOG_ERR(&err));
	} else {
		struct daemon_place now = place_of(&fresh);
		if (!daemon_log(&now, &err)) {
			log_error("the settings were not read again", LOG_ERR(&err));
		}
		log_info("settings were read again", LOG_TEXT("file", file));
		renew_in_job(c);
	}
	options_fini(cloud_option_table, &fresh);
}

static void on_signal(int number, void *user)
{
	struct cloud *c = user;

	if (number == SIGHUP) {
		reload(c);
		return;
	}
	if (c->ending) {
		return;
	}
	c->ending = true;
	notify_send("STOPPING=1");
	log_info("ending: tunnels and requests drain",
		 LOG_INT("limit_ms", c->options.drain_timeout));
	if (c->rooms.relay) {
		relay_drain(c->rooms.relay, c->options.drain_timeout, drained, c);
	} else {
		drained(c);
	}
}

static void cloud_close(struct cloud *c)
{
	close_server(&c->tunnels);
	close_server(&c->console);
	close_server(&c->metrics);
	if (c->rooms.relay) {
		relay_free(c->rooms.relay);
	}
	jobs_free(c->jobs);
	jobs_free(c->relay_jobs);
	directory_watch_stop(c->watch);
	snapshot_cell_fini(&c->directory);
	console_free(c->rooms.console);
	sessions_free(c->sessions);
	token_server_close(c->rooms.tokens);
	ca_close(c->rooms.ca);
	daemon_tls_fini(&c->console_tls);
	daemon_tls_fini(&c->tunnel_tls);
	if (c->store) {
		store_close(c->store);
	}
	keys_client_free(c->keys);
	if (c->loop) {
		loop_free(c->loop);
	}
}

/* ---- the start ---- */

static bool open_all(struct cloud *c, int control, struct err *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	const struct daemon_place place = place_of(&c->options);

	return daemon_enclose(&place, err) && keys_client_new(control, &c->keys, err) &&
	       loop_new(&c->loop, err) &&
	       loop_signals(c->loop, signals, COUNT(signals), on_signal, c, err) &&
	       open_store(c, err) && open_ca(c, err) && open_tokens(c, err) &&
	       open_console(c, err) &&
	       directory_watch_start(c->store, &c->directory, &c->watch, err) &&
	       jobs_new("jobs", c->options.job_threads, JOBS_QUEUE, &c->jobs, err) &&
	       jobs_new("relay-jobs", RELAY_JOBS, JOBS_QUEUE, &c->relay_jobs, err) &&
	       open_listeners(c, err);
}

static int serve(struct cloud *c, int control)
{
	struct err err;

	snapshot_cell_init(&c->directory);
	daemon_tls_init(&c->console_tls);
	daemon_tls_init(&c->tunnel_tls);
	c->started_ms = clock_unix_ms();
	bool ok = open_all(c, control, &err);
	if (ok) {
		loop_timer_set(c->loop, &c->hourly, loop_now(c->loop) + HOUR_MS, each_hour);
		log_info("ready", LOG_TEXT("role", c->options.role),
			 LOG_TEXT("console", c->options.listen_console),
			 LOG_TEXT("tunnels", c->options.listen_tunnel),
			 LOG_TEXT("proxy", c->options.listen_proxy));
		notify_send("READY=1");
		loop_run(c->loop);
	}
	int status = ok ? 0 : daemon_failed(&err);
	cloud_close(c);
	return status;
}

int main(int argc, char **argv)
{
	struct cloud c = {0};
	struct err err;
	int status = 0;

	log_setup(LOG_INFO, false, program.name);
	enum options_outcome outcome =
		options_load(cloud_option_table, &c.options, &program, argc, argv, &err);
	struct daemon_place place = {0};
	if (outcome == OPTIONS_READ) {
		place = place_of(&c.options);
		outcome = check_options(&c.options, &err) && daemon_log(&place, &err)
				  ? OPTIONS_READ
				  : OPTIONS_FAILED;
	}
	if (outcome == OPTIONS_FAILED) {
		status = daemon_failed(&err);
	} else if (outcome == OPTIONS_READ) {
		int control = monitor_control_fd();
		status = control < 0 ? daemon_monitor(&place, argv) : serve(&c, control);
	}
	options_fini(cloud_option_table, &c.options);
	return status;
}
