#include "alert/alerts.h"

#include "alert/alerts_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
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

/* ---- decisions ---- */

struct decision {
	const struct alerts_set_up *set_up;
	struct alert_found *found;
	const struct alert_source *sources;
	size_t n_sources;
	int64_t now_ms;
};

/* Never cuts a letter in two: the store takes UTF-8 only. */
static void keep_text(const char *text, char *into, size_t size)
{
	struct str rest = str_of(text);
	size_t used = 0;

	while (rest.len > 0) {
		size_t n = str_utf8_length(rest);
		bool good = n > 0 && rest.at[0] != '\0';
		n = n > 0 ? n : 1;
		if (used + n >= size) {
			break;
		}
		memcpy(into + used, good ? rest.at : "?", good ? n : 1);
		used += good ? n : 1;
		rest = str_skip(rest, n);
	}
	into[used] = '\0';
}

static void keep_facts(struct alert_row *row, const struct alert_certificate *c)
{
	keep_text(c->source, row->source, sizeof(row->source));
	keep_text(c->name, row->name, sizeof(row->name));
	keep_text(c->label, row->label, sizeof(row->label));
	keep_text(c->subaccount, row->subaccount, sizeof(row->subaccount));
	keep_text(c->subject, row->subject, sizeof(row->subject));
	keep_text(c->serial, row->serial, sizeof(row->serial));
	keep_text(c->next_step, row->next_step, sizeof(row->next_step));
	keep_text(c->renewal_error ? c->renewal_error : "", row->renewal_error,
		  sizeof(row->renewal_error));
	row->not_after = c->not_after;
}

void alert_key(const struct alert_certificate *c, char *into, size_t size)
{
	char whole[400];

	snprintf(whole, sizeof(whole), "%s/%s", c->source, c->name);
	keep_text(whole, into, size);
}

bool alerts_uses(const struct alerts_set_up *s, enum alert_channel channel)
{
	return channel == ALERT_MAIL ? s->config.mail_url != NULL : s->config.webhook_url != NULL;
}

static bool settle(struct db *db, const struct decision *d, struct alert_row *row,
		   struct alert_verdict verdict, const struct alert_memory *before, struct err *err)
{
	int64_t now = d->now_ms / 1000;
	enum alert_act act = alert_step(&row->memory, verdict, &d->set_up->config.policy, now);

	if (act == ALERT_DO_NOTHING && memcmp(before, &row->memory, sizeof(*before)) == 0) {
		return true;
	}
	row->changed_ms = d->now_ms;
	if (!alert_store_put(db, row, err)) {
		return false;
	}
	for (int i = 0; act != ALERT_DO_NOTHING && i < ALERT_CHANNELS; i++) {
		if (alerts_uses(d->set_up, (enum alert_channel)i) &&
		    !alert_store_queue(db, row->key, (enum alert_channel)i, act, d->now_ms, err)) {
			return false;
		}
	}
	return true;
}

/* Another node that began later has decided. A row from farther ahead is of a clock that was set
 * back since: it would stay as it is until then. */
static bool is_newer(const struct alert_row *row, int64_t now_ms)
{
	return row->changed_ms > now_ms && row->changed_ms - now_ms <= ALERT_AHEAD_MAX_MS;
}

/* A row of the store, or one that is made now. */
struct known {
	struct alert_row row;
	bool seen;
};

static struct known *know(struct map *by_key, const struct alert_row *row)
{
	struct known *k = NEW(struct known);

	k->row = *row;
	map_put(by_key, str_of(k->row.key), k);
	return k;
}

static void forget(struct map *by_key)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(by_key, &at, &key, &value)) {
		free(value);
	}
	map_free(by_key);
}
DEFINE_AUTO(forget, struct map *)

static bool decide_one(struct db *db, const struct decision *d, struct map *by_key,
		       const struct alert_certificate *c, struct err *err)
{
	struct alert_verdict v = alert_judge(c, &d->set_up->config.policy, d->now_ms / 1000);
	struct alert_row fresh = {0};

	alert_key(c, fresh.key, sizeof(fresh.key));
	struct known *k = map_get(by_key, str_of(fresh.key));
	if (k == NULL && v.state != ALERT_FINE && map_count(by_key) < ALERT_ROWS_MAX) {
		k = know(by_key, &fresh);
	}
	/* Of two with one name the one that ends first counts. One that another node looked at
	 * after this look began is left alone. */
	if (k == NULL || k->seen || is_newer(&k->row, d->now_ms)) {
		return true;
	}
	struct alert_memory before = k->row.memory;
	k->seen = true;
	if (before.state != ALERT_FINE || v.state != ALERT_FINE) {
		keep_facts(&k->row, c);
	}
	return settle(db, d, &k->row, v, &before, err);
}

static bool source_is_silent(const struct decision *d, const char *source)
{
	bool known = false;

	for (size_t i = 0; i < d->n_sources; i++) {
		if (strcmp(d->sources[i].name, source) == 0) {
			known = true;
			if (d->found->source_failed[i]) {
				return true;
			}
		}
	}
	/* One that is not registered: another version of this program knows it, perhaps. */
	return !known || d->found->full;
}

static bool decide_gone(struct db *db, const struct decision *d, struct map *by_key,
			struct err *err)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(by_key, &at, &key, &value)) {
		struct known *k = value;
		struct alert_row *row = &k->row;
		struct alert_memory before = row->memory;
		if (k->seen || before.state == ALERT_FINE || is_newer(row, d->now_ms) ||
		    source_is_silent(d, row->source)) {
			continue;
		}
		row->not_after = 0; /* it is not in use any more */
		if (!settle(db, d, row, (struct alert_verdict){.state = ALERT_FINE}, &before,
			    err)) {
			return false;
		}
	}
	return true;
}

static bool decide(struct db *db, void *user, struct err *err)
{
	const struct decision *d = user;
	const bool used[ALERT_CHANNELS] = {alerts_uses(d->set_up, ALERT_MAIL),
					   alerts_uses(d->set_up, ALERT_WEBHOOK)};
	AUTO(forget) struct map *by_key = map_new();
	AUTO_FREE struct alert_row *rows = NULL;
	size_t n = 0;

	if (!alert_store_lock(db, err) || !alert_store_rows(db, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		(void)know(by_key, &rows[i]);
	}
	for (size_t i = 0; i < d->found->n; i++) {
		if (!decide_one(db, d, by_key, &d->found->rows[i], err)) {
			return false;
		}
	}
	return decide_gone(db, d, by_key, err) &&
	       alert_store_prune(db, d->now_ms / 1000, used, err);
}

bool alerts_look(struct alerts *a, int64_t now_ms, struct err *err)
{
	AUTO(alerts_set_up_unref) struct alerts_set_up *s = alerts_set_up_ref(a);
	struct alert_source sources[ALERT_SOURCES_MAX];
	struct alert_found found;

	if (s == NULL) {
		return true;
	}
	pthread_mutex_lock(&a->lock);
	memcpy(sources, a->sources, sizeof(sources));
	size_t n = a->n_sources;
	pthread_mutex_unlock(&a->lock);
	alerts_gather(a, &found);
	alert_found_sort(&found);
	struct decision d = {
		.set_up = s, .found = &found, .sources = sources, .n_sources = n, .now_ms = now_ms};
	bool ok = store_tx(a->store, decide, &d, err);
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
