/*
 * What changes while the connector runs: its settings at SIGHUP, and the certificate of its
 * administration.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/cert.h"
#include "programs/connector_parts.h"
#include "programs/ui_identity.h"

enum {
	HOUR_MS = 3600 * 1000,
	KEYS_TEXT_MAX = 4096,
};

/* ---- settings ---- */

const struct option_program connector_program = {
	.name = "drawbridge-connector",
	.summary = "the on-premise side: tunnels to the cloud, access control, administration",
	.config = "/etc/drawbridge/connector.conf",
};

struct daemon_place connector_place(const struct connector_options *o)
{
	struct daemon_place place = {
		.name = connector_program.name,
		.state_dir = o->state_dir,
		.master_key_file = o->master_key_file,
		.keyd_path = o->keyd_path,
		.user = o->user,
		.config_file = o->config_file ? o->config_file : connector_program.config,
		.trust_file = o->trust_file,
		.log_level = o->log_level,
		.log_format = o->log_format,
		.key_classes = 1U << KEYS_CLASS_LISTENER | 1U << KEYS_CLASS_CONNECTOR |
			       1U << KEYS_CLASS_SYSTEM,
	};
	daemon_alerts_files(&o->alert, &place);
	return place;
}

bool connector_check(const struct connector_options *o, struct err *err)
{
	const struct daemon_setting rows[] = {
		{"state.dir", o->state_dir},
		{"master.key.file", o->master_key_file},
		{"server.names", o->server_names},
	};

	return daemon_check_set(rows, COUNT(rows), err) && daemon_alerts_check(&o->alert, err) &&
	       daemon_check_names(o->server_names, err);
}

bool connector_read_trust(const char *path, struct buf *pem, struct err *err)
{
	struct cert_facts facts;

	if (!path) {
		return true;
	}
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = buf_reserve(pem, CONNECTOR_TRUST_MAX);
	ssize_t n = fd < 0 ? -1 : read(fd, room, CONNECTOR_TRUST_MAX);
	if (n < 0) {
		return err_errno(err, ERR_CONFIG, "trust.file: cannot read %s", path);
	}
	buf_commit(pem, (size_t)n);
	return cert_read_pem(buf_str(pem), &facts, err) || err_wrap(err, "trust.file");
}

/* ---- the certificate of the administration ---- */

static bool open_default(void *user, struct tls_config **tls, struct buf *chain_pem,
			 struct err *err)
{
	struct connector *c = user;

	pthread_mutex_lock(&c->ui_lock);
	AUTO_FREE char *names = str_dup(str_of(c->ui_names));
	pthread_mutex_unlock(&c->ui_lock);
	return ui_identity_open(c->keys, c->options.state_dir, names, clock_unix(), tls, chain_pem,
				err);
}

static void publish(void *user, struct tls_config *take)
{
	struct connector *c = user;

	daemon_tls_replace(&c->tls, take);
}

bool connector_open_ui(struct connector *c, struct err *err)
{
	const struct ui_settings settings = {.store = c->store,
					     .keys = ui_keys_of(c->keys),
					     .open_default = open_default,
					     .publish = publish,
					     .user = c};

	c->ui_names = str_dup(str_of(c->options.server_names));
	return ui_certificate_new(&settings, &c->ui_certificate, err);
}

static bool renew_ui(struct connector *c, const char *names, struct err *err)
{
	pthread_mutex_lock(&c->ui_lock);
	free(c->ui_names);
	c->ui_names = str_dup(str_of(names));
	pthread_mutex_unlock(&c->ui_lock);
	return ui_certificate_refresh(c->ui_certificate, err);
}

/* In a job, since it asks keyd and the database. */
struct renewal {
	struct job job;
	struct connector *connector;
	char *names;      /* of the option then: a reload may replace it */
	struct buf trust; /* what trust.file says now */
	bool has_trust;
};

static void run_renewal(struct job *job)
{
	struct renewal *r = CONTAINER_OF(job, struct renewal, job);
	struct err err;

	if (!renew_ui(r->connector, r->names, &err)) {
		log_error("cannot renew the administration's certificate", LOG_ERR(&err));
	}
	if (r->has_trust &&
	    !subaccounts_set_anchors(r->connector->subaccounts, r->trust.at, &err)) {
		log_error("the anchors of trust.file could not be taken over", LOG_ERR(&err));
	}
}

static void end_renewal(struct job *job)
{
	struct renewal *r = CONTAINER_OF(job, struct renewal, job);

	buf_fini(&r->trust);
	free(r->names);
	free(r);
}

/* `trust` NULL: as it is. Its content is taken. */
static void renew_in_job(struct connector *c, struct buf *trust)
{
	struct renewal *r = NEW(struct renewal);
	struct err err;

	r->connector = c;
	r->names = str_dup(str_of(c->options.server_names));
	r->has_trust = trust != NULL;
	r->trust = trust != NULL ? *trust : BUF(1);
	if (trust != NULL) {
		*trust = BUF(1);
	}
	r->job.run = run_renewal;
	r->job.done = end_renewal;
	if (!jobs_submit(c->jobs, c->loop, &r->job, &err)) {
		log_error("certificates could not be looked at", LOG_ERR(&err));
		end_renewal(&r->job);
	}
}

static void each_hour(struct loop_timer *t)
{
	struct connector *c = CONTAINER_OF(t, struct connector, hourly);

	renew_in_job(c, NULL);
	loop_timer_set(c->loop, t, loop_now(c->loop) + HOUR_MS, each_hour);
}

void connector_watch_certificate(struct connector *c)
{
	loop_timer_set(c->loop, &c->hourly, loop_now(c->loop) + HOUR_MS, each_hour);
}

/* ---- SIGHUP ---- */

/* All that can be refused comes first: a bad value leaves everything as it was. */
static bool take_over(struct connector *c, struct connector_options *fresh, struct buf *trust,
		      struct buf *waiting, struct err *err)
{
	const struct daemon_place now = connector_place(fresh);

	if (!connector_check(fresh, err) || !connector_read_trust(fresh->trust_file, trust, err) ||
	    !daemon_check_log(&now, err) ||
	    !daemon_alerts_configure(c->alerts, &fresh->alert, err) || !daemon_log(&now, err)) {
		return false;
	}
	(void)options_apply(connector_option_table, &c->options, fresh, waiting);
	return true;
}

void connector_reload(struct connector *c)
{
	AUTO_BUF struct buf waiting = BUF(KEYS_TEXT_MAX);
	AUTO_BUF struct buf trust = BUF(CONNECTOR_TRUST_MAX + 1);
	struct connector_options fresh = {0};
	struct err err;

	if (options_load(connector_option_table, &fresh, &connector_program, c->argc, c->argv,
			 &err) != OPTIONS_READ ||
	    !take_over(c, &fresh, &trust, &waiting, &err)) {
		log_error("the settings were not read again, the old ones stay", LOG_ERR(&err));
	} else {
		daemon_log_reload(&waiting);
		renew_in_job(c, &trust);
	}
	options_fini(connector_option_table, &fresh);
}
