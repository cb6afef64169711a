/*
 * drawbridge-cloud: relay, console, CA and token server in one process, or some of them (--role).
 *
 * Order of the start: settings, sandbox, key process, database, CA, tokens, directory, listeners.
 * Order of the end (SIGTERM): no new tunnels and applications, tunnels drain, listeners close, then
 * the loop. Whatever is opened is closed in cloud_close(), half-built or not.
 */
#include "programs/cloud_parts.h"

#include "cloud/token/token_store.h"

#include "cloud/ca/ca_store.h"

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
	STORE_EXTRA =
		5, /* connections beside those of the jobs: relay, watch, reseal, one in reserve */
	PUBLISH_MS = 5000, /* for a keystore's change to be live here before its answer leaves */
	CLOSE_MS = 100,    /* for answers on their way when the listeners are closed */
};

static bool has_role(const struct cloud *c, const char *role)
{
	return strcmp(c->options.role, "all") == 0 || strcmp(c->options.role, role) == 0;
}

/* ---- state ---- */

static bool open_store(struct cloud *c, struct err *err)
{
	const struct cloud_options *o = &c->options;
	char url[PATH_MAX];
	const struct migration_set sets[] = {
		{"store", store_migrations},  {"directory", directory_migrations},
		{"ca", ca_migrations},        {"alert", alert_migrations},
		{"token", token_migrations},  {"keystore", keystore_migrations},
		{"reseal", reseal_migrations}};

	(void)snprintf(url, sizeof(url), "sqlite:%s/cloud.db", o->state_dir);
	if (!store_open(o->database ? o->database : url,
			o->job_threads + o->slow_threads + STORE_EXTRA, &c->store, err)) {
		return false;
	}
	store_set_node(c->store, o->node_name ? o->node_name : c->host);
	return store_migrate(c->store, sets, COUNT(sets), err);
}

static const char *node_of(const struct cloud *c)
{
	return c->options.node_name ? c->options.node_name : c->host;
}

/* What the rooms keep sealed. */
static bool open_reseal(struct cloud *c)
{
	c->reseal.keys = c->keys;
	c->reseal.store = c->store;
	c->reseal.lists[0] = ca_reseal;
	c->reseal.lists[1] = token_reseal;
	c->reseal.lists[2] = keystore_data_keys;
	c->reseal.more = cloud_reseal_check;
	c->reseal.new_data_keys = cloud_new_data_keys;
	c->reseal.user = c;
	daemon_reseal_open(&c->reseal);
	return true;
}

static bool open_denials(struct cloud *c)
{
	daemon_denials_open(&c->denials, c->store);
	c->rooms.denials = c->denials.denials;
	return true;
}

static bool open_ca(struct cloud *c, struct err *err)
{
	const struct ca_settings settings = {
		.store = c->store,
		.keys = c->keys,
		.region_host = c->options.region_host,
		.leaf_validity_s = c->options.certificate_validity / 1000,
	};
	return ca_open(&settings, clock_unix(), &c->rooms.ca, err) &&
	       ca_set_policy(c->rooms.ca, c->options.certificate_validity / 1000,
			     c->options.renew_expired / 1000, err);
}

static uint16_t port_of(const char *where)
{
	struct str host;
	uint16_t port = 0;

	return address_split(str_of(where), 0, &host, &port) ? port : 0;
}

/* Texts that rooms are lent for their life. */
static void make_texts(struct cloud *c)
{
	const struct cloud_options *o = &c->options;

	(void)gethostname(c->host, sizeof(c->host) - 1);
	if (o->token_url) {
		(void)snprintf(c->token_url, sizeof(c->token_url), "%s", o->token_url);
	} else {
		(void)snprintf(c->token_url, sizeof(c->token_url), "https://localhost:%u",
			       port_of(o->listen_console));
	}
	cloud_relay_host(o, c->relay_host);
	c->inbound = inbound_new(&c->directory, &c->runtime, c->relay_host);
}

static bool open_tokens(struct cloud *c, struct err *err)
{
	const struct token_settings settings = {
		.store = c->store,
		.keys = c->keys,
		.url = c->token_url,
		.life_s = c->options.token_validity / 1000,
		.proxy_host = c->options.proxy_host,
		.proxy_port = port_of(c->options.listen_proxy),
	};
	return token_server_open(&settings, clock_unix(), &c->rooms.tokens, err);
}

/* An answer leaves only when this node's handshakes know the change. */
static void keystore_changed(void *user, int64_t head)
{
	struct cloud *c = user;

	keystore_publish_poke(c->publisher);
	if (!keystore_publish_wait(c->publisher, head, PUBLISH_MS)) {
		log_warning("a change of a keystore is not live on this node yet",
			    LOG_INT("change", head));
	}
}

static bool open_keystore(struct cloud *c, struct err *err)
{
	const struct keystore_settings settings = {
		.store = c->store,
		.keys = keystore_keys_of(c->keys),
		.limits = cloud_keystore_limits(&c->options),
		.reserved = c->options.keystore_reserved,
		.changed = keystore_changed,
		.user = c,
	};
	return keystore_open(&settings, &c->rooms.keystore, err) &&
	       keystore_publish_start(c->rooms.keystore, &c->runtime, &c->publisher, err);
}

static void changed(void *user)
{
	struct cloud *c = user;

	directory_watch_poke(c->watch);
}

/* What is left behind by a failure goes with the next hour (cloud_live.c). */
static void subaccount_deleted(void *user, const struct directory_actor *actor, struct str id)
{
	struct cloud *c = user;
	struct err err;

	if (!keystore_forget(c->rooms.keystore, actor, id, &err)) {
		log_error("a deleted subaccount's keystore stays for now", LOG_ERR(&err));
	}
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
		.subaccount_deleted = subaccount_deleted,
		.changed_user = c,
	};
	c->sessions = sessions_new(&sessions);
	settings.sessions = c->sessions;
	memcpy(settings.root_pin, ca_root_pin(c->rooms.ca), sizeof(settings.root_pin));
	return first_start(c, err) && console_new(&settings, &c->rooms.console, err) &&
	       cloud_name_console(c, err);
}

/* ---- listeners ---- */

static bool listen_on(struct cloud *c, const char *where, const struct http_route *const *tables,
		      struct daemon_tls *tls, struct http_server **out, struct err *err)
{
	const struct http_server_settings settings = {.tables = tables,
						      .user = &c->rooms,
						      .jobs = c->jobs,
						      .slow = c->slow,
						      .slow_limit = "slow.queue.max",
						      .owner = cloud_owner,
						      .authorize = cloud_authorize,
						      .title = "Drawbridge cloud",
						      .render_error = keystore_render_error,
						      .head_timeout = SEC(10),
						      .body_timeout = SEC(30),
						      .idle_timeout = SEC(75)};

	return http_server_new(c->loop, &settings, out, err) &&
	       http_server_listen(*out, where, tls ? daemon_tls_ref : NULL, tls, NULL, err);
}

static bool open_relay(struct cloud *c, struct err *err)
{
	const struct relay_settings settings = {
		.workers = daemon_workers(c->options.workers),
		.proxy = c->options.listen_proxy,
		.tls = cloud_tls_address(&c->options),
		.tls_config = daemon_tls_ref,
		.tls_user = &c->relay_tls,
		.handshakes = c->jobs,
		.relay_host = c->relay_host,
		.node = node_of(c),
		.region_host = ca_region_host(c->rooms.ca),
		.token_url = c->token_url,
		.limits = {.head = c->options.client_head_timeout,
			   .idle = c->options.client_idle_timeout,
			   .answer = c->options.answer_timeout,
			   .queue_max = c->options.tenant_queue_max},
		.store = c->store,
		.directory = &c->directory,
		.runtime = &c->runtime,
		.denials = c->denials.denials,
		.control = c->loop,
		.jobs = c->relay_jobs,
	};
	if (!relay_new(&settings, &c->rooms.relay, err)) {
		return false;
	}
	cloud_set_relay_policy(c);
	return true;
}

static bool open_listeners(struct cloud *c, struct err *err)
{
	const struct cloud_options *o = &c->options;

	if (!cloud_renew_listeners(c, o->server_names, err)) {
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

static void on_signal(int number, void *user)
{
	struct cloud *c = user;

	if (number == SIGHUP) {
		cloud_reload(c);
		return;
	}
	if (c->ending) {
		return;
	}
	c->ending = true;
	notify_send("STOPPING=1");
	msec_t limit = daemon_drain_limit(c->monitor, c->options.drain_timeout);
	log_info("ending: tunnels and requests drain", LOG_INT("limit_ms", limit));
	/* Connectors that dial again find nobody, and then the next process, not one that leaves.
	 */
	close_server(&c->tunnels);
	if (c->rooms.relay) {
		relay_drain(c->rooms.relay, limit, drained, c);
	} else {
		drained(c);
	}
}

static void cloud_close(struct cloud *c)
{
	close_server(&c->tunnels);
	close_server(&c->console);
	close_server(&c->metrics);
	daemon_reseal_stop(&c->reseal);
	/* Calls that still run know the rooms; a tunnel that was let in knows the relay. */
	jobs_end(c->jobs);
	jobs_end(c->slow);
	daemon_reseal_close(&c->reseal); /* nobody is left to start it */
	if (c->loop) {
		loop_turn(c->loop, 0);
	}
	if (c->rooms.relay) {
		relay_free(c->rooms.relay);
	}
	jobs_free(c->jobs);
	jobs_free(c->slow);
	jobs_free(c->relay_jobs);
	directory_watch_stop(c->watch);
	keystore_publish_stop(c->publisher);
	snapshot_cell_fini(&c->directory);
	snapshot_cell_fini(&c->runtime);
	alerts_free(c->alerts);
	keystore_close(c->rooms.keystore);
	console_free(c->rooms.console);
	sessions_free(c->sessions);
	token_server_close(c->rooms.tokens);
	ca_close(c->rooms.ca);
	daemon_tls_fini(&c->console_tls);
	daemon_tls_fini(&c->tunnel_tls);
	daemon_tls_fini(&c->relay_tls);
	inbound_free(c->inbound);
	cloud_close_connections(c);
	daemon_denials_close(&c->denials);
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
	const struct daemon_place place = cloud_place(&c->options);

	return daemon_enclose(&place, err) && daemon_open_keys(control, &c->keys, err) &&
	       loop_new(&c->loop, err) &&
	       loop_signals(c->loop, signals, COUNT(signals), on_signal, c, err) &&
	       open_store(c, err) && open_denials(c) && open_reseal(c) &&
	       cloud_check_master(c, err) && open_ca(c, err) && cloud_open_alerts(c, err) &&
	       open_tokens(c, err) && open_keystore(c, err) && open_console(c, err) &&
	       directory_watch_start(c->store, &c->directory, &c->watch, err) &&
	       jobs_new("jobs", c->options.job_threads, JOBS_QUEUE, &c->jobs, err) &&
	       jobs_new("slow", c->options.slow_threads, c->options.slow_queue, &c->slow, err) &&
	       jobs_new("relay-jobs", RELAY_JOBS, JOBS_QUEUE, &c->relay_jobs, err) &&
	       open_listeners(c, err);
}

static int serve(struct cloud *c, int control)
{
	struct err err;

	snapshot_cell_init(&c->directory);
	snapshot_cell_init(&c->runtime);
	daemon_tls_init(&c->console_tls);
	daemon_tls_init(&c->tunnel_tls);
	daemon_tls_init(&c->relay_tls);
	c->started_ms = clock_unix_ms();
	make_texts(c);
	cloud_open_connections(c);
	bool ok = open_all(c, control, &err);
	if (ok) {
		cloud_watch_certificates(c);
		alerts_start(c->alerts, c->loop, c->jobs);
		daemon_denials_start(&c->denials, c->loop, c->jobs);
		daemon_anchor_start(&c->anchor, c->store, c->keys, c->loop, c->jobs);
		daemon_prune_start(&c->prune, c->store, c->keys, c->loop, c->jobs,
				   &c->options.denied);
		log_info("ready", LOG_TEXT("role", c->options.role),
			 LOG_TEXT("console", c->options.listen_console),
			 LOG_TEXT("tunnels", c->options.listen_tunnel),
			 LOG_TEXT("proxy", c->options.listen_proxy),
			 LOG_TEXT("tls", c->options.listen_tls));
		notify_send("READY=1");
		loop_run(c->loop);
	}
	int status = ok ? 0 : daemon_failed(&err);
	cloud_close(c);
	return status;
}

static bool check_addresses(const struct cloud *c, const struct daemon_place *place,
			    struct err *err)
{
	const struct cloud_options *o = &c->options;
	const char *tls = cloud_tls_address(o);
	const struct daemon_address rows[] = {
		{"listen.proxy", o->listen_proxy, .shared = true, .off = !has_role(c, "relay")},
		{"listen.tls", tls, .shared = true, .off = tls == NULL},
		{"listen.tunnel", o->listen_tunnel},
		{"listen.console", o->listen_console, .off = !has_role(c, "control")},
		{"listen.metrics", o->listen_metrics},
	};

	return daemon_check_addresses(place, rows, COUNT(rows), err);
}

int main(int argc, char **argv)
{
	struct cloud c = {.host = "relay", .monitor = getppid(), .argc = argc, .argv = argv};
	struct err err;
	int status = 0;

	log_setup(LOG_INFO, false, cloud_program.name);
	enum options_outcome outcome =
		options_load(cloud_option_table, &c.options, &cloud_program, argc, argv, &err);
	struct daemon_place place = {0};
	if (outcome == OPTIONS_READ) {
		place = cloud_place(&c.options);
		outcome = cloud_check(&c.options, &err) && daemon_log(&place, &err)
				  ? OPTIONS_READ
				  : OPTIONS_FAILED;
	}
	if (outcome == OPTIONS_FAILED) {
		status = daemon_failed(&err);
	} else if (outcome == OPTIONS_READ) {
		int control = monitor_control_fd();
		status = control >= 0                        ? serve(&c, control)
			 : check_addresses(&c, &place, &err) ? daemon_monitor(&place, argv)
							     : daemon_failed(&err);
	}
	options_fini(cloud_option_table, &c.options);
	return status;
}
