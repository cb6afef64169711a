#include "connector/links_priv.h"

#include <string.h>

#include "base/log.h"

/* ---- one line ---- */

/* One line for each change; a reason that stays the same over many tries is told once. */
static void log_change(const struct line_report *old, const struct line_report *r)
{
	if (r->up_since_ms > 0 && old->up_since_ms == 0) {
		log_info("a tunnel is up", LOG_TEXT("subaccount", r->key),
			 LOG_INT("line", r->index));
	} else if (r->reason[0] != '\0' && strcmp(old->reason, r->reason) != 0) {
		log_warning("no tunnel, tries go on", LOG_TEXT("subaccount", r->key),
			    LOG_INT("line", r->index), LOG_TEXT("why", r->reason));
	}
}

static void report(struct line *line)
{
	const struct dialer_status *st = dialer_status(line->dialer);
	struct line_report r = {.index = line->index,
				.tunnels = (unsigned)st->tunnels,
				.wanted = st->answer.tunnels,
				.refused = st->refused,
				.up_since_ms = st->up_since_ms,
				.skew_s = st->skew_s};

	memcpy(r.key, line->subaccount->key, sizeof(r.key));
	memcpy(r.owners, st->answer.owners, sizeof(r.owners));
	if (st->state == LINK_UP) {
		r.certificate_id = line->subaccount->certificate_id;
	} else if (st->reason.kind != ERR_NONE) {
		if (st->refused != 0) {
			memcpy(r.refusal, st->answer.refusal, sizeof(r.refusal));
		}
		memcpy(r.reason, st->reason.text, sizeof(r.reason));
	}
	log_change(&line->told, &r);
	line->told = r;
	links_report(line->worker->links, &r);
}

static void on_stream(struct tunnel *t, const struct h2_notice *notice, void *user)
{
	const struct line *line = user;

	line->worker->links->settings.on_stream(t, notice, &line->source);
}

static void line_free(struct line *line)
{
	struct line **at = &line->worker->lines;

	while (*at != line) {
		at = &(*at)->next;
	}
	*at = line->next;
	dialer_free(line->dialer);
	subaccount_set_unref(line->set);
	free(line);
}

static bool is_idle(const struct line *line)
{
	const struct dialer_status *st = dialer_status(line->dialer);

	return st->state == LINK_IDLE && st->tunnels == 0;
}

static void tell_if_drained(struct links_worker *w)
{
	if (w->draining && !w->drained && w->lines == NULL) {
		w->drained = true;
		links_drained(w->links);
	}
}

static void on_change(struct dialer *d, void *user)
{
	struct line *line = user;
	struct links_worker *w = line->worker;

	(void)d;
	if (!line->leaving) {
		report(line);
	} else if (is_idle(line)) {
		line_free(line);
		tell_if_drained(w);
	}
}

static void leave(struct line *line)
{
	line->leaving = true;
	dialer_drain(line->dialer); /* on_change follows */
}

/* ---- orders ---- */

static struct dialer_target target_of(const struct links *l, const struct subaccount_set *set,
				      const struct subaccount *sa)
{
	return (struct dialer_target){
		.host = sa->host,
		.port = sa->port,
		.tls = sa->tls,
		.subaccount = sa->state.subaccount,
		.instance = set->instance,
		.run = l->run,
		.location_id = sa->state.location_id,
		.proxy_host = set->proxy_host,
		.proxy_port = set->proxy_port,
		.proxy_user = set->proxy_user,
		.proxy_password = set->proxy_password,
	};
}

static bool same_target(const struct line *line, const struct subaccount_set *set,
			const struct subaccount *sa)
{
	const struct subaccount *old = line->subaccount;

	return old->tls == sa->tls && strcmp(old->state.location_id, sa->state.location_id) == 0 &&
	       line->set->proxy_port == set->proxy_port &&
	       strcmp(line->set->proxy_host, set->proxy_host) == 0 &&
	       strcmp(line->set->proxy_user, set->proxy_user) == 0 &&
	       strcmp(line->set->proxy_password, set->proxy_password) == 0;
}

/* From now on the line's texts are those of `set`. */
static void line_point(struct line *line, struct subaccount_set *set, const struct subaccount *sa)
{
	struct subaccount_set *old = line->set;

	line->set = subaccount_set_ref(set);
	line->subaccount = sa;
	line->source = (struct links_source){.worker = line->worker->user,
					     .subaccount = sa->key,
					     .location_id = sa->state.location_id};
	subaccount_set_unref(old);
}

static struct line *line_find(struct links_worker *w, const char *key, unsigned index)
{
	for (struct line *line = w->lines; line != NULL; line = line->next) {
		if (!line->leaving && line->index == index &&
		    strcmp(line->subaccount->key, key) == 0) {
			return line;
		}
	}
	return NULL;
}

static void line_add(struct links_worker *w, struct subaccount_set *set,
		     const struct subaccount *sa, unsigned index)
{
	const struct links_settings *settings = &w->links->settings;
	struct line *line = NEW(struct line);
	struct dialer_settings dialer = {.loop = w->loop,
					 .jobs = settings->jobs,
					 .ping_after = settings->ping_after,
					 .dead_after = 2 * settings->ping_after,
					 .hop_timeout = settings->dial_timeout,
					 .on_stream = on_stream,
					 .on_change = on_change,
					 .user = line};
	struct dialer_target target = target_of(w->links, set, sa);

	line->worker = w;
	line->index = index;
	line->seen = true;
	line_point(line, set, sa);
	line->next = w->lines;
	w->lines = line;
	line->dialer = dialer_new(&dialer, &target);
	dialer_start(line->dialer);
}

static void apply_line(struct links_worker *w, struct subaccount_set *set,
		       const struct line_order *o)
{
	const struct subaccount *sa = &set->rows[o->subaccount];
	struct line *line = line_find(w, sa->key, o->index);

	if (line == NULL) {
		line_add(w, set, sa, o->index);
		return;
	}
	bool same = same_target(line, set, sa);
	line->seen = true;
	line_point(line, set, sa);
	if (!same) {
		struct dialer_target target = target_of(w->links, set, sa);
		dialer_retarget(line->dialer, &target);
	}
}

/* Disconnected, deleted, or one tunnel too many: the relay is told, what is in flight ends. */
static void apply_removals(struct links_worker *w)
{
	for (struct line *line = w->lines; line != NULL; line = line->next) {
		if (!line->seen && !line->leaving) {
			leave(line); /* freed later, from on_change */
		}
	}
}

static void apply(struct links_worker *w, struct order *o)
{
	for (struct line *line = w->lines; line != NULL; line = line->next) {
		line->seen = false;
	}
	for (size_t i = 0; i < o->n && !w->draining; i++) {
		apply_line(w, o->set, &o->lines[i]);
	}
	apply_removals(w);
	tell_if_drained(w);
}

static void drain(struct links_worker *w)
{
	w->draining = true;
	for (struct line *line = w->lines; line != NULL; line = line->next) {
		if (!line->leaving) {
			leave(line);
		}
	}
	tell_if_drained(w);
}

static void hurry(struct links_worker *w)
{
	for (struct line *line = w->lines; line != NULL; line = line->next) {
		dialer_hurry(line->dialer);
	}
}

void links_worker_obey(struct loop_message *message)
{
	struct order *o = CONTAINER_OF(message, struct order, message);
	struct links_worker *w = o->worker;
	struct links *l = w->links;

	if (!atomic_load(&l->dead)) {
		switch (o->what) {
		case ORDER_APPLY:
			apply(w, o);
			break;
		case ORDER_HURRY:
			hurry(w);
			break;
		case ORDER_DRAIN:
			drain(w);
			break;
		}
	}
	subaccount_set_unref(o->set);
	free(o->lines);
	free(o);
	links_unref(l);
}

void links_worker_free(struct links_worker *w)
{
	while (w->lines != NULL) {
		line_free(w->lines);
	}
}
