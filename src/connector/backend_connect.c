#include "connector/backend.h"

#include "connector/backend_priv.h"

/* ---- pool and targets ---- */

struct backend_pool *backend_pool_new(const struct backend_settings *settings)
{
	struct backend_pool *p = NEW(struct backend_pool);

	p->settings = *settings;
	p->targets = map_new();
	return p;
}

static void pool_check(struct backend_pool *p)
{
	if (p->dying && p->n_jobs == 0) {
		map_free(p->targets);
		free(p);
	}
}

static void target_free(struct backend_target *t)
{
	struct backend_pool *p = t->pool;

	(void)map_remove(p->targets, str_of(t->key));
	loop_undefer(p->settings.loop, &t->deliver);
	tls_config_unref(t->tls);
	free(t->key);
	free(t->host);
	free(t);
}

void backend_target_check(struct backend_target *t)
{
	if (t->refs == 0 && t->n_conns == 0 && t->n_waiting == 0 && !t->resolving) {
		target_free(t);
	}
}

bool backend_target_known(const struct backend_pool *p, const struct access_mapping *m)
{
	return map_get(p->targets, m->pool_key) != NULL;
}

struct backend_target *backend_target_ref(struct backend_pool *p, const struct access_mapping *m,
					  struct tls_config *tls)
{
	struct backend_target *t = map_get(p->targets, m->pool_key);

	if (t == NULL) {
		t = NEW(struct backend_target);
		t->pool = p;
		t->key = str_dup(m->pool_key);
		t->host = str_dup(m->internal_host);
		t->port = m->internal_port;
		t->https = m->protocol == ACCESS_HTTPS;
		t->tls = tls ? tls_config_ref(tls) : NULL;
		map_put(p->targets, str_of(t->key), t);
	}
	t->refs++;
	return t;
}

void backend_target_unref(struct backend_target *t)
{
	if (t == NULL) {
		return;
	}
	t->refs--;
	if (t->refs == 0) { /* its mapping is gone or changed: nobody will ask for these again */
		while (t->idle != NULL) {
			backend_conn_free(t->idle);
		}
	}
	backend_target_check(t);
}

static void close_all(struct backend_target *t)
{
	while (t->making != NULL) {
		backend_conn_free(t->making);
	}
	while (t->idle != NULL) {
		backend_conn_free(t->idle);
	}
}

void backend_pool_free(struct backend_pool *p)
{
	if (p == NULL) {
		return;
	}
	loop_timer_cancel(p->settings.loop, &p->sweep);
	while (map_count(p->targets) > 0) {
		size_t at = 0;
		struct str key;
		void *value;
		if (!map_next(p->targets, &at, &key, &value)) {
			break;
		}
		close_all(value);
		target_free(value);
	}
	p->dying = true;
	pool_check(p);
}

/* ---- names ---- */

struct name_job {
	struct job job;
	struct backend_pool *pool;
	char *key; /* of the target, which may be gone when the answer comes */
	char *host;
	uint16_t port;
	struct address addresses[ADDRESSES_MAX];
	size_t n;
	bool ok;
	struct err err;
};

static void resolve_run(struct job *job)
{
	struct name_job *j = CONTAINER_OF(job, struct name_job, job);

	j->ok = address_resolve(j->host, j->port, j->addresses, &j->n, &j->err);
}

static void use_addresses(struct backend_target *t, const struct name_job *j)
{
	struct err err;

	t->resolving = false;
	t->refs++; /* the callbacks may let go of it */
	if (!j->ok) {
		backend_fail_all(t, &j->err);
	} else {
		memcpy(t->addresses, j->addresses, sizeof t->addresses);
		t->n_addresses = j->n;
		t->addresses_until = loop_now(t->pool->settings.loop) + t->pool->settings.dns_ttl;
		if (!backend_start(t, &err)) {
			backend_fail_all(t, &err);
		}
	}
	backend_target_unref(t);
}

static void resolve_done(struct job *job)
{
	struct name_job *j = CONTAINER_OF(job, struct name_job, job);
	struct backend_pool *p = j->pool;
	struct backend_target *t = p->dying ? NULL : map_get(p->targets, str_of(j->key));

	p->n_jobs--;
	if (t != NULL && t->resolving) {
		use_addresses(t, j);
	}
	free(j->key);
	free(j->host);
	free(j);
	pool_check(p);
}

static bool resolve(struct backend_target *t, struct err *err)
{
	struct backend_pool *p = t->pool;
	struct name_job *j = NEW(struct name_job);

	j->job.run = resolve_run;
	j->job.done = resolve_done;
	j->pool = p;
	j->key = must_strdup(t->key);
	j->host = must_strdup(t->host);
	j->port = t->port;
	if (!jobs_submit(p->settings.jobs, p->settings.loop, &j->job, err)) {
		free(j->key);
		free(j->host);
		free(j);
		return false;
	}
	p->n_jobs++;
	t->resolving = true;
	return true;
}

/* ---- making connections ---- */

void backend_made(struct backend_conn *c)
{
	struct backend_target *t = c->target;

	*(c->prev ? &c->prev->next : &t->making) = c->next;
	if (c->next != NULL) {
		c->next->prev = c->prev;
	}
	c->next = c->prev = NULL;
	t->n_connecting--;
}

/* The next step, where the TLS engine named an issuer that nobody vouches for. */
static void explain_trust(struct err *err)
{
	if (strstr(err->text, "its issuer is") != NULL) {
		char text[sizeof err->text];
		snprintf(text, sizeof text, "%s", err->text);
		err_set(err, err->kind, "%.330s: if that is right, add it to the trust store",
			text);
	}
}

static void making_failed(struct backend_conn *c)
{
	struct backend_target *t = c->target;
	struct err err = *stream_failure(c->stream);
	bool timed_out = strstr(err.text, "in time") != NULL;

	err_wrap(&err, c->tls_started ? "TLS with %s:%u failed" : "no connection to %s:%u", t->host,
		 t->port);
	if (c->tls_started) {
		explain_trust(&err);
	} else {
		t->n_addresses = 0; /* it may have moved */
	}
	t->refs++;
	backend_conn_free(c);
	backend_fail_first(t, &err, timed_out);
	backend_deliver(t);
	backend_target_unref(t);
}

static void start_tls(struct backend_conn *c)
{
	struct backend_target *t = c->target;
	struct tls_engine *engine = NULL;
	struct err err;

	c->tls_started = true;
	if (!tls_engine_new(t->tls, t->host, &engine, &err)) {
		t->refs++;
		backend_conn_free(c);
		backend_fail_first(t, &err, false);
		backend_target_unref(t);
		return;
	}
	stream_start_tls(c->stream, engine, t->pool->settings.jobs,
			 t->pool->settings.connect_timeout);
}

static void opened(struct backend_conn *c)
{
	struct backend_target *t = c->target;

	backend_made(c);
	c->open = true;
	t->pool->counters.opened++;
	stream_set_read_limit(c->stream, BACKEND_READ_LIMIT);
	t->refs++;
	backend_park(c, t->pool->settings.idle);
	backend_deliver(t);
	backend_target_unref(t);
}

static void making_event(struct stream *s, enum stream_event event, void *user)
{
	struct backend_conn *c = user;

	(void)s;
	switch (event) {
	case STREAM_OPEN:
		if (c->target->https && !c->tls_started) {
			start_tls(c);
		} else {
			opened(c);
		}
		return;
	case STREAM_FAILED:
		making_failed(c);
		return;
	case STREAM_READABLE:
	case STREAM_SENT:
	case STREAM_EOF:
		return;
	}
}

static void start_one(struct backend_target *t)
{
	struct backend_pool *p = t->pool;
	struct backend_conn *c = NEW(struct backend_conn);

	c->target = t;
	c->next = t->making;
	if (t->making != NULL) {
		t->making->prev = c;
	}
	t->making = c;
	t->n_conns++;
	t->n_connecting++;
	p->counters.open++;
	c->stream = stream_connect(p->settings.loop, t->addresses, t->n_addresses,
				   p->settings.connect_timeout, making_event, c);
}

static bool has_address(struct backend_target *t)
{
	if (t->n_addresses > 0 && loop_now(t->pool->settings.loop) < t->addresses_until) {
		return true;
	}
	if (address_parse(str_of(t->host), t->port, &t->addresses[0])) {
		t->n_addresses = 1;
		t->addresses_until = INT64_MAX;
		return true;
	}
	return false;
}

bool backend_start(struct backend_target *t, struct err *err)
{
	if (t->https && t->tls == NULL) {
		return err_set(
			err, ERR_CONFIG,
			"%s:%u is called over HTTPS, and no CA is trusted for back ends: add "
			"one to the trust store",
			t->host, t->port);
	}
	if (t->n_connecting >= t->n_waiting) {
		return true;
	}
	if (!has_address(t)) {
		return t->resolving || resolve(t, err);
	}
	while (t->n_connecting < t->n_waiting) {
		if (t->n_conns >= t->pool->settings.connections_max) {
			if (t->oldest == NULL) {
				return true; /* a release or the sweep goes on */
			}
			backend_conn_free(t->oldest); /* bound to others, or used before */
		}
		start_one(t);
	}
	return true;
}
