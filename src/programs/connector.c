/*
 * drawbridge-connector: dials tunnels, serves what comes down them, administration over REST.
 *
 * Order of the start: settings, sandbox, key process, database, subaccounts, workers, links,
 * administration. Order of the end (SIGTERM): tunnels drain, administration closes, workers end.
 * Whatever is opened is closed in connector_close(), half-built or not.
 */
#include "programs/connector_parts.h"

#include "connector/state_store.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "connector/ui_store.h"
#include "crypto/seal.h"
#include "keys/monitor.h"
#include "net/notify.h"
#include "programs/ui_identity.h"

enum {
	JOBS_QUEUE = 4096,
	DATA_JOBS = 2,
	STORE_EXTRA = 3 + RENEWALS_AT_ONCE, /* reseal, two in reserve */
	CLOSE_MS = 100, /* for answers on their way when the listeners are closed */
};

/* ---- state ---- */

static bool open_store(struct connector *c, struct err *err)
{
	const struct connector_options *o = &c->options;
	char url[PATH_MAX];
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations},
					     {"mappings", mappings_migrations},
					     {"alert", alert_migrations},
					     {"ui", ui_migrations},
					     {"reseal", reseal_migrations}};

	(void)snprintf(url, sizeof(url), "sqlite:%s/connector.db", o->state_dir);
	return store_open(o->database ? o->database : url,
			  o->job_threads + o->slow_threads + STORE_EXTRA, &c->store, err) &&
	       store_migrate(c->store, sets, COUNT(sets), err);
}

/* At the first start Administrator's password is the setup code, until it is changed. */
static bool first_start(struct connector *c, struct err *err)
{
	AUTO_BUF struct buf known = BUF(KIB(1));
	char code[DAEMON_SETUP_CODE], hash[128];
	bool found = false;

	if (!state_setting_get(c->store, STATE_SETTING_PASSWORD_HASH, &known, &found, err)) {
		return false;
	}
	if (found) {
		return true;
	}
	if (!daemon_setup_code(c->options.state_dir, code, err) ||
	    !password_hash(str_of(code), hash, err)) {
		return false;
	}
	const struct state_actor actor = {STR("system"), STR_NONE};
	const struct state_setting settings[] = {
		{STATE_SETTING_PASSWORD_HASH, str_of(hash)},
		{STATE_SETTING_MUST_CHANGE, STR("1")},
	};
	if (!state_settings_set(c->store, &actor, "first start", settings, COUNT(settings), err)) {
		return false;
	}
	daemon_show_code(c->options.state_dir, code);
	explicit_bzero(code, sizeof(code));
	return true;
}

static void on_password(void *user)
{
	struct connector *c = user;

	daemon_forget_code(c->options.state_dir);
}

static void on_change(void *user)
{
	struct connector *c = user;

	if (c->admin) {
		admin_follow(c->admin);
	}
	if (c->links) {
		links_apply(c->links);
	}
	if (c->renewals) {
		renewals_apply(c->renewals);
	}
}

static void on_link_status(void *user)
{
	renewals_on_links(((struct connector *)user)->renewals);
}

static bool open_subaccounts(struct connector *c, struct err *err)
{
	AUTO_BUF struct buf trust = BUF(CONNECTOR_TRUST_MAX + 1);

	if (!connector_read_trust(c->options.trust_file, &trust, err)) {
		return false;
	}
	const struct subaccounts_settings settings = {
		.store = c->store,
		.keys = key_source_of(c->keys),
		.anchors_pem = trust.len > 0 ? trust.at : NULL,
		.system_anchors = true,
		.on_change = on_change,
		.user = c,
	};
	return subaccounts_new(&settings, &c->subaccounts, err);
}

/* ---- data workers ---- */

static void flush_tunnel(void *tunnel)
{
	tunnel_flush(tunnel);
}

static void on_stream(struct tunnel *t, const struct h2_notice *notice,
		      const struct links_source *from)
{
	struct connector_worker *w = from->worker;
	const struct serve_source source = {
		.subaccount = str_of(from->subaccount), .flush = flush_tunnel, .user = t};

	serve_on_stream(w->serve, notice, &source);
}

static bool make_worker(struct connector *c, struct connector_worker *w, struct err *err)
{
	const struct connector_options *o = &c->options;

	if (!loop_new(&w->loop, err)) {
		return false;
	}
	struct serve_settings settings =
		serve_settings_of(w->loop, c->data_jobs, mappings_access(c->mappings));
	settings.answer_timeout = o->backend_answer_timeout;
	settings.backend.connections_max = o->backend_connections_max;
	settings.backend.waiting_max = o->backend_queue_max;
	settings.backend.idle = o->backend_idle_timeout;
	settings.backend.connect_timeout = o->backend_connect_timeout;
	settings.on_denied = connector_note_denied;
	settings.user = w;
	w->connector = c;
	w->serve = serve_new(&settings);
	return true;
}

static bool make_workers(struct connector *c, struct err *err)
{
	c->n_workers = daemon_workers(c->options.workers);
	c->workers = NEW_ARRAY(struct connector_worker, c->n_workers);
	for (unsigned i = 0; i < c->n_workers; i++) {
		if (!make_worker(c, &c->workers[i], err)) {
			return false;
		}
	}
	return true;
}

static void *run_worker(void *user)
{
	struct connector_worker *w = user;

	loop_run(w->loop);
	return NULL;
}

static bool start_workers(struct connector *c, struct err *err)
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		struct connector_worker *w = &c->workers[i];
		if (pthread_create(&w->thread, NULL, run_worker, w) != 0) {
			return err_set(err, ERR_SYSTEM, "cannot start a worker's thread");
		}
		w->runs = true;
	}
	return true;
}

static void stop_workers(struct connector *c)
{
	for (unsigned i = 0; i < c->n_workers; i++) {
		if (c->workers[i].runs) {
			loop_stop(c->workers[i].loop);
			pthread_join(c->workers[i].thread, NULL);
			c->workers[i].runs = false;
		}
	}
}

static bool open_links(struct connector *c, struct err *err UNUSED)
{
	AUTO_FREE struct loop **loops = NEW_ARRAY(struct loop *, c->n_workers);
	AUTO_FREE void **users = NEW_ARRAY(void *, c->n_workers);

	for (unsigned i = 0; i < c->n_workers; i++) {
		loops[i] = c->workers[i].loop;
		users[i] = &c->workers[i];
	}
	const struct links_settings settings = {
		.control = c->loop,
		.workers = loops,
		.worker_users = users,
		.n_workers = c->n_workers,
		.jobs = c->data_jobs,
		.subaccounts = c->subaccounts,
		.ping_after = c->options.ping_after,
		.dial_timeout = c->options.dial_timeout,
		.on_stream = on_stream,
		.on_status = on_link_status,
		.user = c,
	};
	c->links = links_new(&settings);
	return true;
}

static bool open_renewals(struct connector *c, struct err *err)
{
	const struct renewals_settings settings = {.loop = c->loop,
						   .store = c->store,
						   .subaccounts = c->subaccounts,
						   .links = c->links};

	return renewals_new(&settings, &c->renewals, err);
}

/* ---- administration ---- */

static bool listen_on(struct connector *c, const struct http_server_settings *settings,
		      const char *where, struct daemon_tls *tls, struct http_server **out,
		      struct err *err)
{
	struct http_server_settings all = *settings;

	all.jobs = c->jobs;
	all.slow = c->slow;
	all.slow_limit = "slow.queue.max";
	all.owner = connector_owner;
	all.head_timeout = SEC(10);
	all.body_timeout = SEC(30);
	all.idle_timeout = SEC(75);
	return http_server_new(c->loop, &all, out, err) &&
	       http_server_listen(*out, where, tls ? daemon_tls_ref : NULL, tls, NULL, err);
}

static void on_master_key(struct http_call *call, bool change, const struct state_actor *actor,
			  void *user)
{
	struct connector *c = user;

	daemon_reseal_answer(&c->reseal, call, change, actor->who, actor->from);
}

static bool reseal_identity(void *user, bool change, struct reseal_count *count, struct err *err)
{
	struct connector *c = user;

	return ui_identity_reseal(c->keys, c->options.state_dir, change, count, err);
}

static void open_reseal(struct connector *c)
{
	c->reseal.more = reseal_identity;
	c->reseal.user = c;
	c->reseal.keys = c->keys;
	c->reseal.store = c->store;
	c->reseal.lists[0] = state_reseal;
	c->reseal.lists[1] = ui_reseal;
	daemon_reseal_open(&c->reseal);
}

static bool open_admin(struct connector *c, struct err *err)
{
	const struct admin_settings settings = {
		.store = c->store,
		.subaccounts = c->subaccounts,
		.links = c->links,
		.renewals = c->renewals,
		.mappings = c->mappings,
		.alerts = c->alerts,
		.ui = c->ui_certificate,
		.version = DRAWBRIDGE_VERSION,
		.on_password = on_password,
		.master_key = on_master_key,
		.user = c,
	};

	return admin_new(&settings, &c->admin, err);
}

static bool open_listeners(struct connector *c, struct err *err)
{
	const struct connector_options *o = &c->options;
	const struct http_server_settings ui = {.tables = admin_tables,
						.user = c->admin,
						.authorize = admin_authorize,
						.render_error = admin_render_error,
						.lenient_json = true,
						.title = "Drawbridge connector"};
	const struct http_server_settings metrics = {
		.tables = connector_metrics_tables, .user = c, .title = "Drawbridge connector"};
	return listen_on(c, &ui, o->listen_admin, &c->tls, &c->ui, err) &&
	       (!o->listen_metrics ||
		listen_on(c, &metrics, o->listen_metrics, NULL, &c->metrics, err));
}

/* ---- the end ---- */

static void stop_loop(struct loop_timer *t)
{
	loop_stop(CONTAINER_OF(t, struct connector, end)->loop);
}

static void close_server(struct http_server **s)
{
	if (*s) {
		http_server_close(TAKE(*s));
	}
}

static void drained(void *user)
{
	struct connector *c = user;

	close_server(&c->ui);
	close_server(&c->metrics);
	loop_timer_set(c->loop, &c->end, loop_now(c->loop) + CLOSE_MS, stop_loop);
}

static void on_signal(int number, void *user)
{
	struct connector *c = user;

	if (number == SIGHUP) {
		connector_reload(c);
		return;
	}
	if (c->ending) {
		return;
	}
	c->ending = true;
	notify_send("STOPPING=1");
	msec_t limit = daemon_drain_limit(c->monitor, c->options.drain_timeout);
	log_info("ending: tunnels and requests drain", LOG_INT("limit_ms", limit));
	links_drain(c->links, limit, drained, c);
}

static void connector_close(struct connector *c)
{
	close_server(&c->ui);
	close_server(&c->metrics);
	daemon_reseal_stop(&c->reseal);
	stop_workers(c);
	jobs_free(c->jobs);
	jobs_free(c->slow);
	daemon_reseal_close(&c->reseal); /* nobody is left to start it */
	renewals_free(c->renewals);
	links_free(c->links);
	for (unsigned i = 0; i < c->n_workers; i++) {
		serve_free(c->workers[i].serve);
	}
	jobs_free(c->data_jobs);
	admin_free(c->admin);
	alerts_free(c->alerts);
	ui_certificate_free(c->ui_certificate);
	pthread_mutex_destroy(&c->ui_lock);
	free(c->ui_names);
	mappings_free(c->mappings);
	subaccounts_free(c->subaccounts);
	for (unsigned i = 0; i < c->n_workers; i++) {
		if (c->workers[i].loop) {
			loop_free(c->workers[i].loop);
		}
	}
	free(c->workers);
	daemon_tls_fini(&c->tls);
	if (c->store) {
		store_close(c->store);
	}
	keys_client_free(c->keys);
	if (c->loop) {
		loop_free(c->loop);
	}
}

/* ---- the start ---- */

static bool open_all(struct connector *c, int control, struct err *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	const struct daemon_place place = connector_place(&c->options);

	if (!daemon_enclose(&place, err) || !daemon_open_keys(control, &c->keys, err) ||
	    !loop_new(&c->loop, err) ||
	    !loop_signals(c->loop, signals, COUNT(signals), on_signal, c, err) ||
	    !open_store(c, err) || !first_start(c, err) || !open_subaccounts(c, err)) {
		return false;
	}
	c->mappings = mappings_new(c->store);
	open_reseal(c);
	return jobs_new("jobs", c->options.job_threads, JOBS_QUEUE, &c->jobs, err) &&
	       jobs_new("slow", c->options.slow_threads, c->options.slow_queue, &c->slow, err) &&
	       jobs_new("data-jobs", DATA_JOBS, JOBS_QUEUE, &c->data_jobs, err) &&
	       make_workers(c, err) && open_links(c, err) && open_renewals(c, err) &&
	       connector_open_ui(c, err) && connector_open_alerts(c, err) && open_admin(c, err) &&
	       start_workers(c, err) && open_listeners(c, err);
}

static int serve(struct connector *c, int control)
{
	struct err err;

	daemon_tls_init(&c->tls);
	pthread_mutex_init(&c->ui_lock, NULL);
	c->started_ms = clock_unix_ms();
	bool ok = open_all(c, control, &err);
	if (ok) {
		links_apply(c->links);
		renewals_apply(c->renewals);
		connector_watch_certificate(c);
		alerts_start(c->alerts, c->loop, c->jobs);
		daemon_anchor_start(&c->anchor, c->store, c->keys, c->loop, c->jobs);
		daemon_prune_start(&c->prune, c->store, c->keys, c->loop, c->jobs,
				   &c->options.denied);
		log_info("ready", LOG_TEXT("admin", c->options.listen_admin));
		notify_send("READY=1");
		loop_run(c->loop);
	}
	int status = ok ? 0 : daemon_failed(&err);
	connector_close(c);
	return status;
}

static bool check_addresses(const struct connector *c, const struct daemon_place *place,
			    struct err *err)
{
	const struct connector_options *o = &c->options;
	const struct daemon_address rows[] = {
		{"listen.admin", o->listen_admin},
		{"listen.metrics", o->listen_metrics, .off = !o->listen_metrics},
	};

	return daemon_check_addresses(place, rows, COUNT(rows), err);
}

int main(int argc, char **argv)
{
	struct connector c = {.monitor = getppid(), .argc = argc, .argv = argv};
	struct daemon_place place = {0};
	struct err err;
	int status = 0;

	log_setup(LOG_INFO, false, connector_program.name);
	enum options_outcome outcome = options_load(connector_option_table, &c.options,
						    &connector_program, argc, argv, &err);
	if (outcome == OPTIONS_READ) {
		place = connector_place(&c.options);
		outcome = connector_check(&c.options, &err) && daemon_log(&place, &err)
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
	options_fini(connector_option_table, &c.options);
	return status;
}
