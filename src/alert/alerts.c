#include "alert/alerts.h"

#include "alert/alerts_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/fetch.h"

/* ---- configuration ---- */

void alerts_set_up_unref(struct alerts_set_up *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1) {
		return;
	}
	const char *texts[] = {
		s->config.mail_url,       s->config.mail_user,   s->config.mail_password,
		s->config.mail_from,      s->config.mail_to,     s->config.webhook_url,
		s->config.webhook_secret, s->config.anchors_pem, s->to_text};
	for (size_t i = 0; i < COUNT(texts); i++) {
		char *text;
		memcpy(&text, &texts[i], sizeof(text)); /* our own copies */
		if (text != NULL) {
			explicit_bzero(text, strlen(text));
			free(text);
		}
	}
	free(s);
}

struct alerts_set_up *alerts_set_up_ref(struct alerts *a)
{
	pthread_mutex_lock(&a->lock);
	struct alerts_set_up *s = a->set_up;
	if (s != NULL) {
		atomic_fetch_add(&s->refs, 1);
	}
	pthread_mutex_unlock(&a->lock);
	return s;
}

static const char *copy(const char *text)
{
	return text != NULL && text[0] != '\0' ? must_strdup(text) : NULL;
}

/* `to` points into a copy that is cut at its commas. */
static bool split_recipients(struct alerts_set_up *s, struct err *err)
{
	struct str rest = str_of(s->config.mail_to), one;

	s->to_text = must_strdup(s->config.mail_to != NULL ? s->config.mail_to : "");
	while (str_next_listed(&rest, &one)) {
		if (s->n_to == MAIL_RECIPIENTS_MAX) {
			return err_set(err, ERR_CONFIG, "mail.to: more than %d recipients",
				       MAIL_RECIPIENTS_MAX);
		}
		if (!mail_is_address(one)) {
			return err_set(err, ERR_CONFIG, "mail.to: \"%.*s\" is no address",
				       STR_ARGS(str_first(one, 100)));
		}
		size_t at = (size_t)(one.at - s->config.mail_to);
		s->to_text[at + one.len] = '\0';
		s->to[s->n_to++] = s->to_text + at;
	}
	return true;
}

static bool check_mail(const struct alerts_set_up *s, struct err *err)
{
	const struct alert_config *c = &s->config;

	if (c->mail_url == NULL) {
		return true;
	}
	if (!str_starts(str_of(c->mail_url), STR("smtp://")) &&
	    !str_starts(str_of(c->mail_url), STR("smtps://"))) {
		return err_set(err, ERR_CONFIG, "mail.url: smtp://host:port or smtps://host:port");
	}
	if (c->mail_from == NULL || !mail_is_address(str_of(c->mail_from))) {
		return err_set(err, ERR_CONFIG,
			       "mail.from must be an address when mail.url is set");
	}
	if (s->n_to == 0) {
		return err_set(err, ERR_CONFIG, "mail.to must name someone when mail.url is set");
	}
	return (c->mail_user == NULL) == (c->mail_password == NULL) ||
	       err_set(err, ERR_CONFIG, "mail.user and mail.password.file belong together");
}

static bool check_webhook(const struct alert_config *c, struct err *err)
{
	return c->webhook_url == NULL || str_starts(str_of(c->webhook_url), STR("https://")) ||
	       fetch_url_is_local(c->webhook_url, "http") ||
	       err_set(err, ERR_CONFIG, "webhook.url must be https://, or http:// to this machine");
}

bool alerts_configure(struct alerts *a, const struct alert_config *config, struct err *err)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = NEW(struct alerts_set_up);

	atomic_init(&s->refs, 1);
	s->config = *config;
	s->config.mail_url = copy(config->mail_url);
	s->config.mail_user = copy(config->mail_user);
	s->config.mail_password = copy(config->mail_password);
	s->config.mail_from = copy(config->mail_from);
	s->config.mail_to = copy(config->mail_to);
	s->config.webhook_url = copy(config->webhook_url);
	s->config.webhook_secret = copy(config->webhook_secret);
	s->config.anchors_pem = copy(config->anchors_pem);
	if (!split_recipients(s, err) || !check_mail(s, err) || !check_webhook(&s->config, err)) {
		return false;
	}
	pthread_mutex_lock(&a->lock);
	struct alerts_set_up *old = a->set_up;
	a->set_up = TAKE(s);
	pthread_mutex_unlock(&a->lock);
	alerts_set_up_unref(old);
	return true;
}

/* ---- life ---- */

struct alerts *alerts_new(const struct alerts_settings *settings)
{
	struct alerts *a = NEW(struct alerts);

	a->store = settings->store;
	(void)!str_copy(str_first(str_of(settings->origin), sizeof(a->origin) - 1), a->origin,
			sizeof(a->origin));
	a->metrics = BUF(KIB(256));
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

static void destroy(struct alerts *a)
{
	alerts_set_up_unref(a->set_up);
	buf_fini(&a->metrics);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void alerts_free(struct alerts *a)
{
	if (a == NULL) {
		return;
	}
	if (a->loop != NULL) {
		loop_timer_cancel(a->loop, &a->timer);
	}
	a->ended = true;
	if (!a->looking) {
		destroy(a);
	} /* else done() does, which is on its way to the loop */
}

void alerts_add_source(struct alerts *a, const struct alert_source *source)
{
	pthread_mutex_lock(&a->lock);
	if (a->n_sources < ALERT_SOURCES_MAX) {
		a->sources[a->n_sources++] = *source;
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- a look ---- */

bool alerts_look(struct alerts *a, int64_t now_ms, struct err *err)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	struct alert_found found;

	if (s == NULL) {
		return true;
	}
	alerts_gather(a, &found);
	alert_found_sort(&found);
	bool ok = alerts_decide(a, s, &found, now_ms, err);
	alerts_note_metrics(a, &found, &s->config.policy, now_ms / 1000);
	alert_found_fini(&found);
	if (ok) {
		alerts_deliver(a, s, now_ms);
	}
	return ok;
}

/* ---- the timer ---- */

struct look {
	struct job job;
	struct alerts *of;
};

static void run(struct job *job)
{
	struct err err;

	if (!alerts_look(CONTAINER_OF(job, struct look, job)->of, clock_unix_ms(), &err)) {
		log_error("the certificates could not be looked at", LOG_ERR(&err));
	}
}

static void done(struct job *job)
{
	struct look *l = CONTAINER_OF(job, struct look, job);
	struct alerts *a = l->of;

	free(l);
	a->looking = false;
	if (a->ended) {
		destroy(a);
	}
}

static void each_interval(struct loop_timer *t)
{
	struct alerts *a = CONTAINER_OF(t, struct alerts, timer);
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	struct err err;

	loop_timer_set(a->loop, t, loop_now(a->loop) + (s ? s->config.interval : SEC(60)),
		       each_interval);
	if (a->looking) {
		return; /* a mail server takes its time */
	}
	struct look *l = NEW(struct look);
	l->of = a;
	l->job.run = run;
	l->job.done = done;
	a->looking = jobs_submit(a->jobs, a->loop, &l->job, &err);
	if (!a->looking) {
		free(l); /* the next turn tries again */
	}
}

void alerts_start(struct alerts *a, struct loop *loop, struct jobs *jobs)
{
	a->loop = loop;
	a->jobs = jobs;
	each_interval(&a->timer);
}
