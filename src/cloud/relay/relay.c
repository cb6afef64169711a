#include "cloud/relay/relay.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "cloud/relay/relay_priv.h"

enum {
	RENEW_MS = DIRECTORY_CLAIM_LEASE_MS / 3,
};

/* ---- messages to workers ---- */

void relay_post(struct relay *r, unsigned worker, struct relay_note *take,
		void (*fn)(struct loop_message *))
{
	take->worker = r->threads[worker].worker;
	take->message.fn = fn;
	loop_post(r->threads[worker].loop, &take->message);
}

static struct relay_note *note_of(struct loop_message *m)
{
	return CONTAINER_OF(m, struct relay_note, message);
}

static struct relay_note *note_new(struct str key, struct str instance)
{
	struct relay_note *n = NEW(struct relay_note);

	snprintf(n->key, sizeof(n->key), "%.*s", STR_ARGS(key));
	snprintf(n->instance, sizeof(n->instance), "%.*s", STR_ARGS(instance));
	return n;
}

static void do_evict(struct loop_message *m)
{
	struct relay_note *n = note_of(m);

	worker_evict(n->worker, str_of(n->key), str_of(n->instance));
	free(n);
}

void relay_evict(struct relay *r, struct str key, struct str instance)
{
	for (unsigned i = 0; i < r->n; i++) {
		relay_post(r, i, note_new(key, instance), do_evict);
	}
}

/* ---- tunnels and clients that change their thread ---- */

struct tunnel_note {
	struct loop_message message;
	struct worker *worker;
	struct worker_tunnel_facts facts;
	struct stream_parts parts;
};

static void do_take_tunnel(struct loop_message *m)
{
	struct tunnel_note *n = CONTAINER_OF(m, struct tunnel_note, message);

	worker_take_tunnel(n->worker, &n->facts, &n->parts);
	free(n);
}

void relay_place_tunnel(struct relay *r, const struct worker_tunnel_facts *facts, unsigned worker,
			struct stream_parts *take)
{
	struct tunnel_note *n = NEW(struct tunnel_note);

	n->worker = r->threads[worker].worker;
	n->facts = *facts;
	n->parts = *take;
	n->message.fn = do_take_tunnel;
	loop_post(r->threads[worker].loop, &n->message);
}

struct client_note {
	struct loop_message message;
	struct worker *worker;
	struct stream_parts parts;
	unsigned hops;
};

static void do_take_client(struct loop_message *m)
{
	struct client_note *n = CONTAINER_OF(m, struct client_note, message);

	front_attach(n->worker, &n->parts, n->hops);
	free(n);
}

static void move_client(void *user, unsigned to, struct stream_parts *take, unsigned hops)
{
	struct relay_thread *from = user;
	struct relay_thread *target = &from->relay->threads[to];
	struct client_note *n = NEW(struct client_note);

	n->worker = target->worker;
	n->parts = *take;
	n->hops = hops;
	n->message.fn = do_take_client;
	loop_post(target->loop, &n->message);
}

static int find_elsewhere(void *user, struct str key)
{
	struct relay_thread *t = user;

	return holds_find(t->relay->holds, key, t->worker->settings.index);
}

/* ---- claims ---- */

struct claim_job {
	struct job job;
	struct relay *relay;
	char key[REGISTRY_KEY_MAX];
	char gone_instance[DIRECTORY_UUID];
};

static void release(struct claim_job *c)
{
	struct str key = str_of(c->key);
	size_t slash = str_find(key, '/');
	struct directory_claim gone = {.tunnels = 0};
	struct err err;

	if (!str_copy(str_first(key, slash), gone.subaccount, sizeof(gone.subaccount)) ||
	    !str_copy(str_skip(key, slash + 1), gone.location, sizeof(gone.location))) {
		return;
	}
	snprintf(gone.instance, sizeof(gone.instance), "%s", c->gone_instance);
	snprintf(gone.node, sizeof(gone.node), "%s", c->relay->settings.node);
	if (!directory_claim_release(c->relay->settings.store, &gone, clock_unix_ms(), &err)) {
		log_warning("a claim could not be given back, it ends by itself", LOG_ERR(&err));
	}
}

static void run_claim(struct job *job)
{
	struct claim_job *c = CONTAINER_OF(job, struct claim_job, job);
	struct directory_claim claim, holder;
	struct err err;

	if (!holds_claim(c->relay->holds, str_of(c->key), &claim)) {
		release(c);
		return;
	}
	if (directory_claim(c->relay->settings.store, &claim, false, clock_unix_ms(), &holder,
			    &err) == DIRECTORY_CLAIM_FAILED) {
		log_warning("a claim could not be renewed", LOG_ERR(&err));
	}
}

static void done_claim(struct job *job)
{
	struct claim_job *c = CONTAINER_OF(job, struct claim_job, job);

	atomic_fetch_sub(&c->relay->jobs_out, 1);
	free(c);
}

static bool submit(struct relay *r, struct job *job)
{
	struct err err;

	atomic_fetch_add(&r->jobs_out, 1);
	if (!atomic_load(&r->ending) &&
	    jobs_submit(r->settings.jobs, r->settings.control, job, &err)) {
		return true;
	}
	atomic_fetch_sub(&r->jobs_out, 1);
	return false; /* the next renewal, or the end of the lease, makes it right */
}

void relay_sync_claim(struct relay *r, struct str key, struct str gone_instance)
{
	struct claim_job *c = NEW(struct claim_job);

	c->relay = r;
	c->job.run = run_claim;
	c->job.done = done_claim;
	snprintf(c->key, sizeof(c->key), "%.*s", STR_ARGS(key));
	snprintf(c->gone_instance, sizeof(c->gone_instance), "%.*s", STR_ARGS(gone_instance));
	if (!submit(r, &c->job)) {
		free(c);
	}
}

struct renew_job {
	struct job job;
	struct relay *relay;
	struct directory_claim *rows;
	bool *lost;
	size_t n;
};

static void run_renew(struct job *job)
{
	struct renew_job *c = CONTAINER_OF(job, struct renew_job, job);
	struct err err;

	c->n = holds_claims(c->relay->holds, &c->rows);
	c->lost = NEW_ARRAY(bool, c->n + 1);
	if (c->n > 0 && !directory_claim_renew(c->relay->settings.store, c->rows, c->n,
					       clock_unix_ms(), c->lost, &err)) {
		log_warning("the claims of locations could not be renewed", LOG_ERR(&err));
		c->n = 0;
	}
}

static void done_renew(struct job *job)
{
	struct renew_job *c = CONTAINER_OF(job, struct renew_job, job);
	char key[REGISTRY_KEY_MAX];

	for (size_t i = 0; i < c->n; i++) {
		const struct directory_claim *row = &c->rows[i];
		if (c->lost[i] &&
		    registry_key(str_of(row->subaccount), str_of(row->location), key)) {
			log_warning("another relay took a location over",
				    LOG_TEXT("subaccount", row->subaccount),
				    LOG_TEXT("location", row->location));
			relay_evict(c->relay, str_of(key), str_of(row->instance));
		}
	}
	atomic_fetch_sub(&c->relay->jobs_out, 1);
	free(c->rows);
	free(c->lost);
	free(c);
}

static void on_renew(struct loop_timer *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, renew);
	struct renew_job *c = NEW(struct renew_job);

	c->relay = r;
	c->job.run = run_renew;
	c->job.done = done_renew;
	if (!submit(r, &c->job)) {
		free(c);
	}
	loop_timer_set(r->settings.control, t, loop_now(r->settings.control) + RENEW_MS, on_renew);
}

static void on_leaving(void *user, const struct worker_tunnel_facts *facts, bool was_up)
{
	struct relay_thread *t = user;
	char key[REGISTRY_KEY_MAX];

	if (registry_key(str_of(facts->subaccount), str_of(facts->location), key)) {
		holds_leaving(t->relay->holds, str_of(key), t->worker->settings.index, was_up);
	}
}

static void on_tunnel(void *user, const struct worker_tunnel_facts *facts, bool up, const char *why)
{
	struct relay_thread *t = user;
	struct relay *r = t->relay;
	unsigned index = t->worker->settings.index;
	char key[REGISTRY_KEY_MAX];

	if (!registry_key(str_of(facts->subaccount), str_of(facts->location), key)) {
		return;
	}
	if (up) {
		holds_up(r->holds, str_of(key), index);
		log_info("a tunnel is up", LOG_TEXT("subaccount", facts->subaccount),
			 LOG_TEXT("location", facts->location),
			 LOG_TEXT("instance", facts->instance), LOG_INT("worker", index));
	} else {
		(void)holds_end(r->holds, str_of(key), index);
		log_info("a tunnel ended", LOG_TEXT("subaccount", facts->subaccount),
			 LOG_TEXT("location", facts->location),
			 LOG_TEXT("instance", facts->instance),
			 LOG_TEXT("why", why ? why : "in order"));
	}
	relay_sync_claim(r, str_of(key), str_of(facts->instance));
}

/* ---- life ---- */

void relay_set_policy(struct relay *r, int64_t grace_s, bool drain_expired)
{
	atomic_store(&r->grace_s, grace_s);
	atomic_store(&r->drain_expired, drain_expired);
}

static void *run_thread(void *user)
{
	struct relay_thread *t = user;
	char name[16];

	snprintf(name, sizeof(name), "relay-%u", t->worker->settings.index);
	pthread_setname_np(pthread_self(), name);
	loop_run(t->loop);
	return NULL;
}

static bool make_thread(struct relay *r, unsigned i, const char *where, const char *tls,
			struct err *err)
{
	struct relay_thread *t = &r->threads[i];
	const struct worker_settings settings = {
		.index = i,
		.proxy = where,
		.tls = tls,
		.tls_config = r->settings.tls_config,
		.tls_user = r->settings.tls_user,
		.handshakes = r->settings.handshakes,
		.relay_host = r->settings.relay_host,
		.token_url = r->settings.token_url,
		.limits = r->settings.limits,
		.denials = r->settings.denials,
		.directory = r->settings.directory,
		.runtime = r->settings.runtime,
		.drain_expired = &r->drain_expired,
		.on_tunnel = on_tunnel,
		.on_leaving = on_leaving,
		.elsewhere = find_elsewhere,
		.move = move_client,
		.user = t,
	};

	t->relay = r;
	return loop_new(&t->loop, err) && worker_new(t->loop, &settings, &t->worker, err);
}

static bool start_threads(struct relay *r, struct err *err)
{
	sigset_t all, before;
	bool ok = true;

	sigfillset(&all); /* signals are for the control loop */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned i = 0; i < r->n && ok; i++) {
		struct relay_thread *t = &r->threads[i];
		ok = pthread_create(&t->thread, NULL, run_thread, t) == 0;
		t->started = ok;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok || err_set(err, ERR_SYSTEM, "cannot start %u relay threads", r->n);
}

enum {
	WHERE_MAX = 128,
};

static void with_port(char where[static WHERE_MAX], uint16_t port)
{
	char next[WHERE_MAX];
	struct str host = str_first(str_of(where), str_find_last(str_of(where), ':'));

	snprintf(next, sizeof(next), "%.*s:%u", STR_ARGS(host), port);
	snprintf(where, WHERE_MAX, "%s", next);
}

/* With port 0 the first worker finds a port and the others share it. */
static bool make_threads(struct relay *r, struct err *err)
{
	bool has_tls = r->settings.tls != NULL;
	char where[WHERE_MAX], tls[WHERE_MAX];

	snprintf(where, sizeof(where), "%s", r->settings.proxy);
	snprintf(tls, sizeof(tls), "%s", has_tls ? r->settings.tls : "");
	for (unsigned i = 0; i < r->n; i++) {
		if (!make_thread(r, i, where, has_tls ? tls : NULL, err)) {
			return false;
		}
		with_port(where, relay_proxy_port(r));
		with_port(tls, relay_tls_port(r));
	}
	return true;
}

static void keep_texts(struct relay *r)
{
	struct relay_settings *s = &r->settings;

	r->node = must_strdup(s->node);
	r->region_host = must_strdup(s->region_host);
	r->token_url = s->token_url ? must_strdup(s->token_url) : NULL;
	s->node = r->node;
	s->region_host = r->region_host;
	s->token_url = r->token_url;
	r->relay_host = s->relay_host ? must_strdup(s->relay_host) : NULL;
	s->relay_host = r->relay_host;
}

bool relay_new(const struct relay_settings *settings, struct relay **out, struct err *err)
{
	struct relay *r = NEW(struct relay);

	r->settings = *settings;
	keep_texts(r);
	r->n = settings->workers < 1 ? 1 : settings->workers;
	r->n = r->n > RELAY_WORKERS_MAX ? RELAY_WORKERS_MAX : r->n;
	relay_set_policy(r, DIRECTORY_SUPERSEDE_GRACE_S, false);
	r->holds = holds_new(r->n, str_of(settings->node));
	if (!directory_claim_release_node(settings->store, str_of(settings->node), err) ||
	    !make_threads(r, err) || !start_threads(r, err)) {
		relay_free(r);
		return false;
	}
	loop_timer_set(settings->control, &r->renew, loop_now(settings->control) + RENEW_MS,
		       on_renew);
	*out = r;
	return true;
}

void relay_free(struct relay *r)
{
	struct err err;

	if (r == NULL) {
		return;
	}
	loop_timer_cancel(r->settings.control, &r->renew);
	loop_timer_cancel(r->settings.control, &r->drain_check);
	atomic_store(&r->ending, true);
	while (atomic_load(&r->jobs_out) > 0) {
		loop_turn(r->settings.control, 10); /* jobs know the relay until they came home */
	}
	for (unsigned i = 0; i < r->n; i++) {
		struct relay_thread *t = &r->threads[i];
		if (t->started) {
			loop_stop(t->loop);
			pthread_join(t->thread, NULL);
		}
	}
	for (unsigned i = 0; i < r->n; i++) {
		worker_free(r->threads[i].worker);
		loop_free(r->threads[i].loop);
	}
	if (!directory_claim_release_node(r->settings.store, str_of(r->settings.node), &err)) {
		log_warning("claims could not be given back, they end by themselves",
			    LOG_ERR(&err));
	}
	holds_free(r->holds);
	free(r->node);
	free(r->region_host);
	free(r->token_url);
	free(r->relay_host);
	free(r);
}

uint16_t relay_proxy_port(const struct relay *r)
{
	const struct worker *w = r->threads[0].worker;

	return w->listener != NULL ? listener_port(w->listener) : 0;
}

uint16_t relay_tls_port(const struct relay *r)
{
	const struct worker *w = r->threads[0].worker;

	return w->tls_listener != NULL ? listener_port(w->tls_listener) : 0;
}
